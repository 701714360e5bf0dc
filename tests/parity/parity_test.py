# SPDX-License-Identifier: Apache-2.0
"""Compares our layers, the slim NiN and training with PyTorch on random inputs, in float and in double.

Usage: parity_test.py RUNNER SOURCE_FOLDER WORK_FOLDER. PyTorch computes in double; our float nets get the same numbers,
which are exact in float. Distances are the largest difference over the largest element of the tensor.
"""
import pathlib
import random
import shutil
import sys

import torch

import cases
import tensors
import training
from report import Report
from runner import DTYPES, answer_of, run, write_case, write_training
from torch_net import TorchNet

# How far ours may be from torch's double.
TOLERANCE = {
    "forward": {"F32": 1e-5, "F64": 1e-12},
    "gradient": {"F32": 1e-4, "F64": 1e-12},
    "rates": {"F32": 1e-12, "F64": 1e-12},
    "losses": {"F32": 1e-5, "F64": 1e-12},
    "parameters": {"F32": 1e-5, "F64": 1e-12},
    # Ten steps' change of the parameters, which is much smaller than they are; in float some ReLUs of the NiN may be
    # rounded to the other side of zero on the way.
    "updates": {"F32": 1e-2, "F64": 1e-10},
}


def masks_of(report, case, answer):
    """What our dropout kept, read from its output: the same in float and double, and about as much as it should be."""
    if case.drop is None:
        return {}
    name, ratio = case.drop
    mask = (answer["blob." + name] != 0).double()
    sigma = (ratio * (1 - ratio) / mask.numel()) ** 0.5
    report.expect(abs(float(mask.mean()) - (1 - ratio)) < 4 * sigma, f"dropout keeps {float(mask.mean()):.3f}")
    return {name: mask}


def check_case(report, case, folders):
    expected = None
    for dtype, folder in folders.items():
        answer = answer_of(report, folder)
        if answer is None:
            continue
        if expected is None:
            expected = case.expected(masks_of(report, case, answer))
        report.expect(answer.keys() == expected.keys(), f"{dtype}: tensors {sorted(answer.keys() ^ expected.keys())}")
        for name in answer.keys() & expected.keys():
            kind = "gradient" if name.startswith("gradient.") else "forward"
            report.compare(kind, dtype, f"{case.name}, {name}", answer[name], expected[name])
    report.end_case(case.name)


def check_training(report, run, folders):
    """Returns our answer in double."""
    expected, answer = run.expected(), None
    for dtype, folder in folders.items():
        answer = answer_of(report, folder)
        if answer is None:
            continue
        report.expect(answer.keys() == expected.keys(), f"{dtype}: tensors {sorted(answer.keys() ^ expected.keys())}")
        for name in answer.keys() & expected.keys():
            kind = {"rates": "rates", "losses": "losses", "evaluation": "losses"}.get(name, "parameters")
            report.compare(kind, dtype, f"{run.name}, {name}", answer[name], expected[name])
            if name in run.initial:
                report.compare("updates", dtype, f"{run.name}, {name}", answer[name] - run.initial[name],
                               expected[name] - run.initial[name])
    report.end_case(run.name)
    return answer


def furthest(run, ours, theirs):
    """The largest distance of the parameters' changes."""
    return max(tensors.distance(ours[k] - run.initial[k], theirs[k] - run.initial[k]) for k in run.initial)


def check_torch_sgd(report, runs, answers):
    """torch's SGD has the rate outside of its momentum buffer. It is Caffe's rule while the rate stays, and no more
    once it has dropped: torch scales old gradients by the new rate."""
    for name, same in (("fixed rate", True), ("step, up to the drop", True), ("step, beyond the drop", False)):
        name = "training: " + name
        if answers[name] is None:
            report.faults.append(name + ": no answer")
            continue
        apart = furthest(runs[name], answers[name], runs[name].by_torch())
        report.expect(apart <= 1e-10 if same else apart > 0.1, f"{name}: torch.optim.SGD is {apart:.1e} away")
    report.end_case("torch.optim.SGD is Caffe's rule until the rate drops")


def check_torch_adam(report, run, answer):
    """torch's Adam adds eps to the corrected root, which for the first steps is another rule."""
    if answer is None:
        report.faults.append("no answer")
    else:
        apart = furthest(run, answer, run.by_torch())
        report.expect(apart > 0.1, f"{run.name}: torch.optim.Adam is only {apart:.1e} away")
    report.end_case("torch.optim.Adam has its epsilon elsewhere than Caffe")


def check_torch_statistics(report, run, answer):
    """Both remember the same sums, but torch takes (1 - fraction) of each and forgets its first values only in time,
    while Caffe divides by the count of what it has summed."""
    report.expect(answer is not None, f"{run.name}: no answer")
    if answer is not None:
        fraction = TorchNet(run.spec).fractions()["bn"]
        kept = fraction ** run.steps
        for part, torchs, first in zip(("mean", "variance"), run.torch_statistics["bn"], (0.0, 1.0)):
            ours = answer[f"bn.{part}"]
            sums = ours - kept * run.initial[f"bn.{part}"]
            same = tensors.distance((1 - fraction) * sums + kept * first, torchs)
            report.expect(same <= 1e-10, f"{part}: torch's sums are {same:.1e} away")
            apart = tensors.distance(ours / answer["bn.count"], torchs)
            report.expect(apart > 0.05, f"{part}: torch's running statistics are only {apart:.1e} away")
    report.end_case("running statistics: torch's momentum is not Caffe's count")


def check_average_divisor(report, case, folder):
    """The other divisor of torch must be told apart: a comparison that cannot fail proves nothing."""
    answer = answer_of(report, folder)
    TorchNet.count_include_pad = False
    other = case.expected({})
    TorchNet.count_include_pad = True
    if answer is not None:
        for name in ("blob.y", "gradient.x.weight"):
            apart = tensors.distance(answer[name], other[name])
            report.expect(apart > 0.1, f"{name} is {apart:.1e} from count_include_pad=False")
    report.end_case("average pooling differs from count_include_pad=False where there is padding")


def main():
    runner, source, work = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
    torch.set_num_threads(1)
    shutil.rmtree(work, ignore_errors=True)
    spec = training.nin_spec(source)
    layers = [*cases.all_cases(random.Random(3)), training.nin_case(spec, 3)]
    runs = training.all_trainings(spec)
    folders = {}
    for number, work_item in enumerate([*layers, *runs]):
        assert work_item.name not in folders, work_item.name
        folders[work_item.name] = {dtype: work / f"{number:03}_{dtype}" for dtype in DTYPES}
        for dtype, folder in folders[work_item.name].items():
            (write_training if work_item in runs else write_case)(work_item, folder, dtype)
    run(runner, [folder for pair in folders.values() for folder in pair.values()])

    report = Report(TOLERANCE)
    for case in layers:
        check_case(report, case, folders[case.name])
    padded = next(case for case in layers if case.name == "average pooling: 3, pad 1")
    check_average_divisor(report, padded, folders[padded.name]["F64"])
    answers = {run.name: check_training(report, run, folders[run.name]) for run in runs}
    check_torch_sgd(report, {run.name: run for run in runs}, answers)
    check_torch_adam(report, next(run for run in runs if run.name == "training: adam"), answers["training: adam"])
    normalized = next(run for run in runs if run.name == "training: batch norm")
    check_torch_statistics(report, normalized, answers[normalized.name])
    if report.failed == 0:
        shutil.rmtree(work)  # tens of megabytes; after a failure they are there to look at
    report.finish()


main()
