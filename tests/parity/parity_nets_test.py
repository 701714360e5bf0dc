# SPDX-License-Identifier: Apache-2.0
"""The nets of examples/ beside PyTorch's, on fewer pixels than they were made for, with dropout: once forward and
backward, every gradient, and ten steps of the trainer.

Usage: parity_nets_test.py RUNNER SOURCE_FOLDER WORK_FOLDER. `bench/campaigns/net_parity.py` does it with all pixels.
"""
import pathlib
import shutil
import sys

import torch

import nets
import tensors
from decided_net import DecidedNet
from report import Report
from torch_net import TorchNet

STEPS = 10


def check_masks_matter(report, item):
    """A comparison that cannot fail proves nothing: the masks of the next step are told apart."""
    this, following = (item.computed_by(TorchNet(item.spec, masks=item.masks(step)))["loss"] for step in (3, 4))
    apart = tensors.distance(this, following)
    report.expect(apart > 1e-3, f"the loss with the masks of another step is only {apart:.1e} away")
    report.end_case("dropout masks matter")


def check_decisions_matter(report, item):
    """Whoever follows a net that is right decides nothing otherwise, and one wrong side of a ReLU is no rounding."""
    right = item.computed_by(TorchNet(item.spec, masks=item.masks()), *item.deciding)
    decided = {name: right[f"blob.{name}"] for name in item.deciding}
    follower = DecidedNet(item.spec, item.masks(), decided)
    same = nets.furthest(item.parts(item.computed_by(follower, *item.deciding)), item.parts(right))
    report.expect(follower.asked > 0 and follower.otherwise == 0, f"{follower.otherwise} decided otherwise")
    report.expect(max(same.values())[0] <= nets.DOUBLE["gradient"], f"who follows is {max(same.values())} away")

    values = decided[item.deciding[0]].view(-1)
    values[values.argmax()] = 0
    misled = DecidedNet(item.spec, item.masks(), decided)
    item.computed_by(misled)
    report.expect(misled.furthest[0] > nets.FLOAT["decisions"], f"a wrong side is only {misled.furthest} from a tie")
    report.end_case("decisions matter")


def main():
    runner, source, work = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
    shutil.rmtree(work, ignore_errors=True)
    report = Report({})
    for name, example in nets.EXAMPLES.items():
        spec, author = nets.read_example(source, name)
        makers = (lambda: nets.Pass(example, spec, example.fewer),
                  lambda: nets.Steps(example, spec, author["solver"], example.fewer, STEPS))
        for make in makers:  # one after the other, as each holds all parameters
            item = make()
            nets.show(nets.compare(report, runner, work, item))
            report.end_case(f"{name}: {type(item).__name__}")
            if report.failed == 0:
                shutil.rmtree(work)  # gigabytes, when all are there; after a failure these are to be looked at
    example = nets.EXAMPLES["nin_imagenet"]
    item = nets.Pass(example, nets.read_example(source, example.name)[0], example.fewer)
    check_masks_matter(report, item)
    check_decisions_matter(report, item)
    report.finish()


main()
