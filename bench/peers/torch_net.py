#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The same net in PyTorch: images/s of forward, backward and an SGD step on a synthetic batch in memory.

Reads a net.json of ours (convolution, pooling, ReLU, dropout, softmax loss). Prints one number.
Example: python3 bench/peers/torch_net.py examples/nin/net.json --batch 64 --threads 1
"""
import argparse
import json
import time

import torch
from torch import nn


def build(path, channels):
    layers, shape_channels = [], channels
    for layer in json.load(open(path))["layers"]:
        kind = layer["type"]
        if kind == "Convolution":
            layers.append(nn.Conv2d(shape_channels, layer["num_output"], layer["kernel_size"],
                                    layer.get("stride", 1), layer.get("pad", 0)))
            shape_channels = layer["num_output"]
        elif kind == "ReLU":
            layers.append(nn.ReLU(inplace=True))
        elif kind == "Dropout":
            layers.append(nn.Dropout(layer["dropout_ratio"]))
        elif kind == "Pooling" and layer.get("global_pooling"):
            layers.append(nn.AdaptiveAvgPool2d(1))
        elif kind == "Pooling":
            pool = nn.MaxPool2d if layer["pool"] == "max" else nn.AvgPool2d
            layers.append(pool(layer["kernel_size"], layer["stride"], ceil_mode=True))
        elif kind not in ("SoftmaxWithLoss", "Accuracy"):
            raise SystemExit(f"no translation for {kind}")
    return nn.Sequential(*layers, nn.Flatten())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("net")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--channels", type=int, default=1)
    parser.add_argument("--size", type=int, default=28)
    parser.add_argument("--channels-last", action="store_true")
    a = parser.parse_args()
    torch.set_num_threads(a.threads)
    net = build(a.net, a.channels)
    images = torch.randn(a.batch, a.channels, a.size, a.size)
    if a.channels_last:
        net, images = net.to(memory_format=torch.channels_last), images.to(memory_format=torch.channels_last)
    labels = torch.randint(0, 10, (a.batch,))
    solver = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)

    def step():
        solver.zero_grad(set_to_none=True)
        nn.functional.cross_entropy(net(images), labels).backward()
        solver.step()

    for _ in range(10):
        step()
    start = time.perf_counter()
    for _ in range(a.steps):
        step()
    print(f"{a.batch * a.steps / (time.perf_counter() - start):.1f}")


if __name__ == "__main__":
    main()
