# SPDX-License-Identifier: Apache-2.0
"""A net of our JSON as a PyTorch module, which owns its parameters: it moves to a GPU, and torch.compile takes it.

What a layer computes is said once, in quick_net.py and in tests/parity/torch_net.py.
"""
import json
import math
import pathlib
import sys

import torch

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.dont_write_bytecode = True
sys.path[:0] = [str(ROOT / "bench" / "peers")]

from quick_net import QuickNet  # noqa: E402

# Channels, height and width of the images that the nets of a folder of examples/ are made for, where not 3x224x224.
IMAGES = {"alexnet": (3, 227, 227), "squeezenet": (3, 227, 227), "cifar10_full": (3, 32, 32),
          "cifar10_quick": (3, 32, 32), "nin_cifar10": (3, 32, 32), "lenet": (1, 28, 28), "nin": (1, 28, 28),
          "speech": (2048, 1, 1)}


def net_file(name):
    """The net of a folder of examples/, or a file that is named in full."""
    path = pathlib.Path(name)
    return path if path.suffix == ".json" else ROOT / "examples" / name / "net.json"


def image_of(file):
    """What the net of a file of examples/ reads."""
    return IMAGES.get(file.parent.name, (3, 224, 224))


class ComputedNet(QuickNet):
    """The layers that a step of training computes. What batch norms remember lies with the parameters."""

    def __init__(self, spec):
        super().__init__(spec)
        self.layers = [layer for layer in self.layers if layer["type"] != "Accuracy"]

    def statistics_of(self, name, channels, get):
        return get(f"{name}.running_mean", (channels,)), get(f"{name}.running_var", (channels,))


def shapes_of(net, image):
    """Shapes of all that the net keeps, by name, and the number of its classes: from a pass that computes nothing."""
    shapes, classes = {}, []

    def note(name, shape):
        shapes[name] = tuple(shape)
        return torch.empty(shape, device="meta")

    def observe(layer, bottoms):
        if layer["type"] == "SoftmaxWithLoss":
            classes.append(bottoms[0].flatten(1).shape[1])

    labels = torch.zeros(2, dtype=torch.long, device="meta")
    net.forward(torch.empty(2, *image, device="meta"), labels, note, observe)
    return shapes, min(classes)


class TorchModule(torch.nn.Module):
    """Images (N, C, H, W) and labels (N) to the loss of training. Weights are drawn at random from `seed`; biases begin
    with zero, the factors behind batch norms with one. On the device "meta" there are no values, only sizes. `classes`:
    how many classes a label may name."""

    def __init__(self, spec, image, device="cpu", seed=1):
        super().__init__()
        self.net = ComputedNet(spec)
        self.parts = torch.nn.ModuleDict()
        shapes, self.classes = shapes_of(self.net, image)
        generator = None if device == "meta" else torch.Generator(device).manual_seed(seed)
        for name, shape in shapes.items():
            layer, _, part = name.rpartition(".")
            if layer not in self.parts:
                self.parts[layer] = torch.nn.Module()
            values = torch.zeros(shape, device=device)
            if part in ("weight", "slope", "running_var"):
                values += 1
            if len(shape) > 1:
                values.normal_(0, math.sqrt(2 / math.prod(shape[1:])), generator=generator)
            if part.startswith("running_"):
                self.parts[layer].register_buffer(part, values)
            else:
                self.parts[layer].register_parameter(part, torch.nn.Parameter(values))

    @classmethod
    def from_file(cls, file, image=None, **how):
        return cls(json.loads(file.read_text()), image or image_of(file), **how)

    def kept(self, name, _=None):
        """A parameter, or what a batch norm remembers, by the name that it has in ours: layer.part."""
        layer, _, part = name.rpartition(".")
        return getattr(self.parts[layer], part)

    def parameter_count(self):
        return sum(p.numel() for p in self.parameters())

    def forward(self, images, labels):
        return self.net.forward(images, labels, self.kept)[0]
