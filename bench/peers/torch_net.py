#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A net of ours in PyTorch: images/s of forward, backward and an SGD step on a synthetic batch in memory.

Reads any net.json whose losses are SoftmaxWithLoss, and computes it as quick_net.py says. Prints one number, from the
median of the steps.
Example: python3 bench/peers/torch_net.py examples/nin/net.json --input 1x28x28 --classes 10 --batch 64 --threads 1
"""
import argparse
import json
import pathlib
import statistics
import sys
import time

import torch

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.dont_write_bytecode = True
sys.path[:0] = [str(ROOT / "tests" / "parity")]

from quick_net import QuickNet  # noqa: E402
from torch_net import TorchNet  # noqa: E402


def draw_parameters(spec, images, labels, layout):
    """Learned parameters by name, with random values."""
    net = TorchNet(spec, masks=lambda *_: 1)
    drawn = net.draw_parameters(images[:1].double(), labels[:1], torch.Generator().manual_seed(1))
    return {name: p.float().to(memory_format=layout if p.dim() == 4 else torch.contiguous_format).requires_grad_()
            for name, p in drawn.items() if name not in net.measured}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("net", type=pathlib.Path)
    parser.add_argument("--input", default="3x224x224", help="channels, height and width")
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--warm-up", type=int, default=2, help="steps that are not measured")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--channels-last", action="store_true")
    a = parser.parse_args()
    torch.set_num_threads(a.threads)
    layout = torch.channels_last if a.channels_last else torch.contiguous_format
    images = torch.randn(a.batch, *map(int, a.input.split("x"))).to(memory_format=layout)
    labels = torch.randint(0, a.classes, (a.batch,))
    spec = json.loads(a.net.read_text())
    net, parameters = QuickNet(spec), draw_parameters(spec, images, labels, layout)
    solver = torch.optim.SGD(parameters.values(), lr=1e-4, momentum=0.9, weight_decay=5e-4)
    seconds = []
    for _ in range(a.warm_up + a.steps):
        start = time.perf_counter()
        solver.zero_grad(set_to_none=True)
        net.forward(images, labels, parameters)[0].backward()
        solver.step()
        seconds.append(time.perf_counter() - start)
    print(f"{a.batch / statistics.median(seconds[a.warm_up:]):.2f}")


if __name__ == "__main__":
    main()
