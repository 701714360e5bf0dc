# SPDX-License-Identifier: Apache-2.0
"""A net of ours as a user of PyTorch would have it computed, for measuring speed.

What there is a faster way for goes that way: ReLU in place where the net has it so, batch norm together with the Scale
behind it, which here needs a bias. Losses are SoftmaxWithLoss, without Caffe's options.
"""
import pathlib
import sys

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
        mean, variance = self.statistics_of(name, channels, get)
        scale = self.scale_behind.get(name)
        weight, bias = (get(f"{scale}.{part}", (channels,)) if scale else None for part in ("weight", "bias"))
        return F.batch_norm(x, mean, variance, weight, bias, training=True, eps=layer.get("eps", 1e-5))

    def statistics_of(self, name, channels, _):
        """The running mean and variance of a batch norm, which a step changes."""
        return self.statistics.setdefault(name, (torch.zeros(channels), torch.ones(channels)))

    def run_scale(self, layer, bottoms, get):
        return bottoms[0] if layer["name"] in self.scale_behind.values() else super().run_scale(layer, bottoms, get)

    def run_eltwise(self, layer, bottoms, get):
        plain = layer.get("operation", "sum").lower() == "sum" and "coeff" not in layer and len(bottoms) == 2
        return bottoms[0] + bottoms[1] if plain else super().run_eltwise(layer, bottoms, get)

    def run_softmaxwithloss(self, layer, bottoms, _):
        return F.cross_entropy(bottoms[0].flatten(1), bottoms[1])
