#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A net of ours in PyTorch: images/s of forward, backward and an SGD step on a synthetic batch in memory.

Reads any net.json whose losses are SoftmaxWithLoss. What there is a faster way for in PyTorch goes that way: ReLU in
place where the net has it so, batch norm together with the Scale behind it. Prints one number, from the median of the
steps.
Example: python3 bench/peers/torch_net.py examples/nin/net.json --input 1x28x28 --classes 10 --batch 64 --threads 1
"""
import argparse
import json
import pathlib
import statistics
import sys
import time

import torch
import torch.nn.functional as F

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.dont_write_bytecode = True
sys.path[:0] = [str(ROOT / "tests" / "parity")]

from torch_net import TorchNet  # noqa: E402


class QuickNet(TorchNet):
    """Computes what a user of PyTorch would, and measures nothing beside."""

    def __init__(self, spec):
        super().__init__(spec)
        writers = {top: layer for layer in self.layers for top in layer["top"] if layer["type"] == "BatchNorm"}
        self.scale_behind = {writers[x["bottom"][0]]["name"]: x["name"] for x in self.layers
                             if x["type"] == "Scale" and x["bottom"][0] in writers}
        self.statistics = {}

    def run_relu(self, layer, bottoms, _):
        return F.relu(bottoms[0], inplace=layer["top"] == layer["bottom"])

    def run_dropout(self, layer, bottoms, _):
        return F.dropout(bottoms[0], layer.get("dropout_ratio", 0.5))  # in place it would spoil what a ReLU keeps

    def run_batchnorm(self, layer, bottoms, get):
        (x,), name, channels = bottoms, layer["name"], bottoms[0].shape[1]
        mean, variance = self.statistics.setdefault(name, (torch.zeros(channels), torch.ones(channels)))
        scale = self.scale_behind.get(name)
        weight, bias = (get(f"{scale}.{part}", (channels,)) if scale else None for part in ("weight", "bias"))
        return F.batch_norm(x, mean, variance, weight, bias, training=True, eps=layer.get("eps", 1e-5))

    def run_scale(self, layer, bottoms, get):
        return bottoms[0] if layer["name"] in self.scale_behind.values() else super().run_scale(layer, bottoms, get)

    def run_eltwise(self, layer, bottoms, get):
        plain = layer.get("operation", "sum").lower() == "sum" and "coeff" not in layer and len(bottoms) == 2
        return bottoms[0] + bottoms[1] if plain else super().run_eltwise(layer, bottoms, get)

    def run_softmaxwithloss(self, layer, bottoms, _):
        return F.cross_entropy(bottoms[0].flatten(1), bottoms[1])


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
