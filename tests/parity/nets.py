# SPDX-License-Identifier: Apache-2.0
"""The nets of examples/ beside PyTorch's: one pass forward and backward, tensor by tensor, and steps of the trainer.

Both get the same weights, images and dropout masks, so nothing but rounding can part them. Rounding is small until a
ReLU or a maximum falls to the other side, which changes single gradients by a jump; a net of millions of ReLUs has some
that close to zero. In double this does not happen, and the two must agree. For a pass in float, torch's double falls to
the side to which ours fell (decided_net.py): then the two must agree as well, and no side may have been far from the
other. Over steps of the trainer it is not followed; so torch's own float is the yardstick there.
"""
import dataclasses
import functools
import json
import math
import subprocess

import torch

import dropout
import tensors
from decided_net import DecidedNet, deciding_blobs
from runner import DTYPES, answer_of, write_case, write_training
from torch_net import TorchNet
from training import Training

CLASSES = 1000
PASS_KEY = {"seed": 7, "step": 3}  # the runner's
SEED = 5  # of a training run
# How far ours may be from torch's double. On the way of ten steps some ReLU falls to the other side in float, on one
# machine in ours and on another in torch's, and the update of a small weight is then far off. So there steps show that
# losses stay together, within SLACK times what torch's float is off where that is more; that the updates are right is
# shown in double. "decisions" is how far from a tie one may be that double decides otherwise (DecidedNet.furthest).
DOUBLE = {"forward": 1e-11, "gradient": 1e-11, "losses": 1e-9, "updates": 1e-9}
FLOAT = {"forward": 1e-4, "gradient": 1e-4, "decisions": 1e-4, "losses": 1e-2, "updates": 0.5}
SLACK = 4


@dataclasses.dataclass(frozen=True)
class Example:
    """A folder of examples/. `pixels` is what the net was made for; at `fewer` it keeps its shape (each window of a
    pooling fits, no map is one pixel before a batch norm) and a pass in plain loops takes seconds."""
    name: str
    pixels: int
    fewer: int
    batch: int = 2
    base_lr: float = 0.0001  # so low that rounding does not grow much over the steps
    shards: int = 2  # batch norm's statistics are of a shard; torch's are of the batch


EXAMPLES = {e.name: e for e in (
    Example("nin_imagenet", 224, 83),
    Example("alexnet", 227, 67),
    Example("googlenet", 224, 80),
    Example("vgg19", 224, 24, batch=1, shards=1),
    Example("resnet18", 224, 64, shards=1))}


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
    """A net forward and backward, in training. Beside the loss and the gradients, poolings and scores are compared; in
    float also what each ReLU wrote and each max pooling read."""

    phase = "train"

    def __init__(self, example, spec, pixels):
        self.name, self.spec = example.name, spec
        self.data, self.labels = draw_images(torch.Generator().manual_seed(5), example.batch, pixels)
        self.parameters = draw_parameters(spec, pixels)
        layers = TorchNet(spec).layers
        self.retain = [x["top"][0] for x in layers if x["type"] == "Pooling"]
        self.retain += [x["bottom"][0] for x in layers if x["type"] == "SoftmaxWithLoss"]
        self.deciding = deciding_blobs(layers)

    def write(self, folder, dtype):
        write_case(self, folder, dtype, self.deciding if dtype == "F32" else ())

    def masks(self, step=PASS_KEY["step"]):
        return masks({**PASS_KEY, "step": step}, range(len(self.labels)))

    def computed_by(self, net, *also):
        """What a net in torch computes in double, under the names of the runner's answer."""
        parameters = {k: v.clone().requires_grad_() for k, v in self.parameters.items()}
        loss, blobs = net.forward(self.data.double(), self.labels, parameters)
        loss.backward()
        found = {"loss": loss.reshape(1), **{f"blob.{name}": blobs[name] for name in {*self.retain, *also}},
                 **{f"gradient.{k}": net.measured.get(k, p.grad) for k, p in parameters.items()}}
        return {name: tensor.detach().double() for name, tensor in found.items()}

    def distances(self, dtype, answer):
        """By kind: how far ours are from torch's at most, in which tensor; and in float, how many decisions there are
        and how many of them are double's otherwise. `answer()` waits for ours; None: there is none."""
        if dtype == "F64":
            theirs = self.computed_by(TorchNet(self.spec, masks=self.masks()))
            ours = answer()
            return ours and furthest(self.parts(ours), self.parts(theirs))
        ours = answer()
        if ours is None:
            return None
        decided = {name: ours[f"blob.{name}"] for name in self.deciding}
        net = DecidedNet(self.spec, self.masks(), decided)
        theirs = self.computed_by(net, *self.deciding)
        return {**furthest(self.parts(ours), self.parts(theirs)),
                "decisions": (*net.furthest, {"asked": net.asked, "otherwise": net.otherwise})}

    def allowed(self, dtype, kind):
        return (DOUBLE if dtype == "F64" else FLOAT)[kind]

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

    def write(self, folder, dtype):
        write_training(self, folder, dtype)

    @functools.cached_property
    def theirs(self):
        """By torch's double."""
        return self.parts(self.by_caffe())

    @functools.cached_property
    def yardstick(self):
        """How far torch's float is from its double, by kind."""
        return {kind: distance for kind, (distance, _) in
                furthest(self.parts(self.by_caffe(torch.float32)), self.theirs).items()}

    def distances(self, dtype, answer):
        """By kind: how far ours are from torch's at most, in which tensor; and in float, how far torch's float is."""
        theirs = self.theirs  # while ours run
        peers = self.yardstick if dtype == "F32" else {}
        ours = answer()
        if ours is None:
            return None
        found = furthest(self.parts(ours), theirs)
        return {kind: (*worst, {"torch_float": peers[kind]} if peers else {}) for kind, worst in found.items()}

    def allowed(self, dtype, kind):
        return DOUBLE[kind] if dtype == "F64" else max(FLOAT[kind], SLACK * self.yardstick[kind])

    def parts(self, answer):
        """Losses, and what the steps have changed. Hits of the evaluation are left out: near ties they are chance."""
        found = {("updates", name): answer[name] - self.initial[name] for name in self.initial}
        return {**found, ("losses", "losses"): answer["losses"], ("losses", "test loss"): answer["evaluation"][:1]}


def read_example(source, name):
    folder = source / "examples" / name
    return [json.loads((folder / file).read_text(encoding="utf-8")) for file in ("net.json", "author.json")]


def furthest(ours, theirs):
    """The largest distance of each kind, with its tensor; infinite where the tensors are not the same ones."""
    if ours.keys() != theirs.keys():
        return {kind: (math.inf, f"tensors {sorted(ours.keys() ^ theirs.keys())}") for kind, _ in theirs}
    found = {}
    for (kind, name), tensor in theirs.items():
        found[kind] = max(found.get(kind, (0.0, "")), (tensors.distance(ours[kind, name], tensor), name))
    return found


def compare(report, runner, work, item, dtypes=tuple(DTYPES)):
    """Ours in these types against torch's double; a row for each kind of tensor, faults into `report`."""
    folders = {dtype: work / f"{item.name}_{type(item).__name__}_{dtype}" for dtype in dtypes}
    for dtype, folder in folders.items():
        item.write(folder, dtype)
    running = {dtype: subprocess.Popen([runner, folder]) for dtype, folder in folders.items()}
    rows = []
    for dtype, folder in folders.items():
        def answer():
            running[dtype].wait()
            return answer_of(report, folder)

        for kind, (distance, name, *more) in (item.distances(dtype, answer) or {}).items():
            allowed = item.allowed(dtype, kind)
            row = {"net": item.name, "kind": kind, "dtype": dtype, "distance": distance, "tensor": name}
            rows.append({**row, "allowed": allowed, **(more[0] if more else {})})
            report.expect(distance <= allowed, f"{dtype} {kind} {name}: distance {distance:.2e}, allowed {allowed:.2e}")
    return rows


def show(rows):
    for row in rows:
        more = f", torch's float is {row['torch_float']:.1e} away" if "torch_float" in row else ""
        more = f", {row['otherwise']} of {row['asked']} otherwise" if "asked" in row else more
        print(f"{row['net']:12} {row['dtype']} {row['kind']:9}: {row['distance']:.1e} of {row['allowed']:.0e}{more}"
              f"  ({row['tensor']})", flush=True)
