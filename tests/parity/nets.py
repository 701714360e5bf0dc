# SPDX-License-Identifier: Apache-2.0
"""The nets of examples/ beside PyTorch's: one pass forward and backward, tensor by tensor, and steps of the trainer.

Both get the same weights, images and dropout masks, so nothing but rounding can part them. Rounding is small until a
ReLU or a maximum falls to the other side, which changes single gradients by a jump; a net of millions of ReLUs has some
that close to zero. So in float PyTorch's own distance from its double is measured beside ours, and is the yardstick. In
double neither happens, and the two must agree.
"""
import dataclasses
import json
import math
import subprocess

import torch

import dropout
import tensors
from runner import DTYPES, answer_of, write_case, write_training
from torch_net import TorchNet
from training import Training

CLASSES = 1000
PASS_KEY = {"seed": 7, "step": 3}  # the runner's
SEED = 5  # of a training run
# How far ours may be from torch's double: in double; in float; and in float where torch's float is far from it too, as
# many times as that. On the way of ten steps some ReLU falls to the other side in float, on one machine in ours and on
# another in torch's, and the update of a small weight is then a tenth off. So in float steps show that losses stay
# together; that the updates are right is shown in double.
DOUBLE = {"forward": 1e-11, "gradient": 1e-11, "losses": 1e-9, "updates": 1e-9}
FLOAT = {"forward": 1e-4, "gradient": 1e-4, "losses": 1e-2, "updates": 0.5}
SLACK = 4


@dataclasses.dataclass(frozen=True)
class Example:
    """A folder of examples/. `pixels` is what the net was made for; at `fewer` it keeps its shape (each window of a
    pooling fits, no map is one pixel before a batch norm) and a pass in plain loops takes seconds. `images` is the seed
    of images that at `fewer` pixels keep clear of the kinks of ReLUs and maxima, so that float rarely falls to the
    other side."""
    name: str
    pixels: int
    fewer: int
    images: int
    batch: int = 2
    base_lr: float = 0.001
    shards: int = 2  # batch norm's statistics are of a shard; torch's are of the batch


EXAMPLES = {e.name: e for e in (
    Example("nin_imagenet", 224, 83, images=17),
    Example("alexnet", 227, 83, images=11),
    Example("googlenet", 224, 80, images=14),
    Example("vgg19", 224, 32, images=4, batch=1, shards=1),
    Example("resnet18", 224, 64, images=54, shards=1))}


def masks(net_key, samples):
    """What dropout keeps, as TorchNet asks for it."""
    return lambda layer, shape: dropout.kept(**net_key, layer=layer["number"], samples=samples, shape=shape,
                                             ratio=layer.get("dropout_ratio", 0.5))


def draw_images(generator, count, pixels):
    """Random images, exact in float, with labels."""
    return (torch.randn(count, 3, pixels, pixels, generator=generator),
            torch.randint(0, CLASSES, (count,), generator=generator))


def draw_parameters(spec, pixels):
    """Random weights that keep signals as large as they are, also through the scales behind batch norms. What batch
    norm remembers is one batch that it has seen."""
    generator = torch.Generator().manual_seed(17)
    data, labels = draw_images(generator, 2, pixels)
    net = TorchNet(spec, masks=lambda layer, shape: 1)
    drawn = net.draw_parameters(data[:1].double(), labels[:1], generator)
    for layer in net.layers:
        if layer["type"] == "Scale":
            drawn[layer["name"] + ".weight"] += 1
    if net.measured:
        net.forward(data.double(), labels, drawn)
        drawn.update(net.measured)
    return {name: tensor.float().double() for name, tensor in drawn.items()}


class Pass:
    """A net forward and backward, in training. Poolings and scores are compared beside the loss and the gradients."""

    phase = "train"

    def __init__(self, example, spec, pixels):
        self.name, self.spec = example.name, spec
        self.data, self.labels = draw_images(torch.Generator().manual_seed(example.images), example.batch, pixels)
        self.parameters = draw_parameters(spec, pixels)
        layers = TorchNet(spec).layers
        kept = [x["top"][0] for x in layers if x["type"] == "Pooling"]
        kept += [x["bottom"][0] for x in layers if x["type"] == "SoftmaxWithLoss"]
        self.retain = list(dict.fromkeys(kept))

    def expected(self, dtype, step=PASS_KEY["step"]):
        """What torch computes, under the names of the runner's answer."""
        parameters = {k: v.to(dtype, copy=True).requires_grad_() for k, v in self.parameters.items()}
        key = {**PASS_KEY, "step": step}
        net = TorchNet(self.spec, self.phase, masks(key, range(len(self.labels))))
        loss, blobs = net.forward(self.data.to(dtype), self.labels, parameters)
        loss.backward()
        found = {"loss": loss.reshape(1), **{f"blob.{name}": blobs[name] for name in self.retain},
                 **{f"gradient.{k}": net.measured.get(k, p.grad) for k, p in parameters.items()}}
        return {name: tensor.detach().double() for name, tensor in found.items()}

    @staticmethod
    def parts(answer):
        """The tensors that are compared, by kind and name."""
        return {("gradient" if name.startswith("gradient.") else "forward", name): tensor
                for name, tensor in answer.items()}


class Steps(Training):
    """Steps of the trainer by the example's rule, at a rate that suits random labels, with dropout."""

    def __init__(self, example, spec, author, pixels, steps):
        self.pixels = pixels  # draw_parameters, called below, reads it
        solver = {"momentum": author["momentum"], "weight_decay": author["weight_decay"], "base_lr": example.base_lr,
                  "random_seed": SEED, "global_batch": example.batch, "shards": example.shards, "test_batch": 1}
        super().__init__(example.name, spec, (3, pixels, pixels), solver, steps, test_images=2, classes=CLASSES)

    def draw_parameters(self, generator):
        return draw_parameters(self.spec, self.pixels)

    def masks(self, step):
        size = self.solver["global_batch"]
        return masks({"seed": SEED, "step": step}, range(step * size, (step + 1) * size))

    def expected(self, dtype):
        return self.by_caffe(dtype)

    def parts(self, answer):
        """Losses, and what the steps have changed. Hits of the evaluation are left out: near ties they are chance."""
        found = {("updates", name): answer[name] - self.initial[name] for name in self.initial}
        return {**found, ("losses", "losses"): answer["losses"], ("losses", "test loss"): answer["evaluation"][:1]}


def read_example(source, name):
    folder = source / "examples" / name
    return [json.loads((folder / file).read_text(encoding="utf-8")) for file in ("net.json", "author.json")]


def worst(ours, theirs):
    """The largest distance of each kind, with its name; infinite where the tensors are not the same ones."""
    if ours.keys() != theirs.keys():
        return {kind: (math.inf, f"tensors {sorted(ours.keys() ^ theirs.keys())}") for kind, _ in theirs}
    found = {}
    for (kind, name), tensor in theirs.items():
        found[kind] = max(found.get(kind, (0.0, "")), (tensors.distance(ours[kind, name], tensor), name))
    return found


def compare(report, runner, work, item, dtypes=tuple(DTYPES)):
    """Ours in these types against torch's double; a row for each kind of tensor, faults into `report`."""
    write = write_training if isinstance(item, Steps) else write_case
    folders = {dtype: work / f"{item.name}_{type(item).__name__}_{dtype}" for dtype in dtypes}
    for dtype, folder in folders.items():
        write(item, folder, dtype)
    running = [subprocess.Popen([runner, folder]) for folder in folders.values()]
    theirs = item.parts(item.expected(torch.float64))
    yardstick = worst(item.parts(item.expected(torch.float32)), theirs)
    rows = []
    for process, (dtype, folder) in zip(running, folders.items()):
        process.wait()
        answer = answer_of(report, folder)
        if answer is None:
            continue
        for kind, (distance, name) in worst(item.parts(answer), theirs).items():
            allowed = DOUBLE[kind] if dtype == "F64" else max(FLOAT[kind], SLACK * yardstick[kind][0])
            row = {"net": item.name, "kind": kind, "dtype": dtype, "distance": distance, "tensor": name}
            rows.append({**row, "allowed": allowed, **({"torch_float": yardstick[kind][0]} if dtype == "F32" else {})})
            report.expect(distance <= allowed, f"{dtype} {kind} {name}: distance {distance:.2e}, allowed {allowed:.2e}")
    return rows


def show(rows):
    for row in rows:
        peer = f", torch's float is {row['torch_float']:.1e} away" if "torch_float" in row else ""
        print(f"{row['net']:12} {row['dtype']} {row['kind']:8}: {row['distance']:.1e} of {row['allowed']:.0e}{peer}"
              f"  ({row['tensor']})", flush=True)
