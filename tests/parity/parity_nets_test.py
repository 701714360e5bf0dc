# SPDX-License-Identifier: Apache-2.0
"""The nets of examples/ beside PyTorch's, on fewer pixels than they were made for, with dropout.

Usage: parity_nets_test.py RUNNER SOURCE_FOLDER WORK_FOLDER. All five once forward and backward, every gradient; ten
steps of those whose parameters are few enough for a test. `bench/campaigns/net_parity.py` does the rest and all pixels.
"""
import pathlib
import shutil
import sys

import torch

import nets
import tensors
from report import Report

STEPS = 10
TRAINED = ("nin_imagenet", "googlenet", "resnet18")


def check_masks_matter(report, item):
    """A comparison that cannot fail proves nothing: the masks of the next step are told apart."""
    this, following = (item.expected(torch.float64, step)["loss"] for step in (3, 4))
    apart = tensors.distance(this, following)
    report.expect(apart > 1e-3, f"the loss with the masks of another step is only {apart:.1e} away")
    report.end_case("dropout masks matter")


def main():
    runner, source, work = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
    shutil.rmtree(work, ignore_errors=True)
    report = Report({})
    for name, example in nets.EXAMPLES.items():
        spec, author = nets.read_example(source, name)
        items = [nets.Pass(example, spec, example.fewer)]
        if name in TRAINED:
            items.append(nets.Steps(example, spec, author["solver"], example.fewer, STEPS))
        for item in items:
            nets.show(nets.compare(report, runner, work, item))
            report.end_case(f"{name}: {type(item).__name__}")
            if report.failed == 0:
                shutil.rmtree(work)  # gigabytes, when all are there; after a failure these are to be looked at
    example = nets.EXAMPLES["nin_imagenet"]
    check_masks_matter(report, nets.Pass(example, nets.read_example(source, example.name)[0], example.fewer))
    report.finish()


main()
