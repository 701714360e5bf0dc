#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A training run of ours, done by PyTorch: a config for JPEG files named by a list, from given weights, in the list's
order, by Caffe's rule of SGD. Writes the loss of each step and the figures of the test set as JSON.

Reads the keys of a config that it needs, and refuses what it would do otherwise: data that are not a list of JPEG files
in colour, warping, shuffling, mirroring, crops, padding.
Needs python3-torch, python3-pil.
Example: python3 bench/peers/torch_train.py config.json --weights model.safetensors --output losses.json
"""
import argparse
import json
import pathlib
import sys
import time

import numpy
import torch
import torch.nn.functional as F
from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.dont_write_bytecode = True
sys.path[:0] = [str(ROOT / "tests" / "parity")]

from tensors import load  # noqa: E402
from torch_net import TorchNet  # noqa: E402


# Those that change nothing here among them: how a batch is divided, what is shown and saved.
SOLVER_KEYS = {"type", "base_lr", "lr_policy", "momentum", "weight_decay", "max_iter", "global_batch", "shards",
               "random_seed", "display", "test_interval", "test_batch"}


class TrainedNet(TorchNet):
    """With dropout that draws its own masks."""

    def run_dropout(self, layer, bottoms, _):
        return F.dropout(bottoms[0], layer.get("dropout_ratio", 0.5), self.phase == "train")


class Images:
    """The samples of an image_folder of ours with a list, decoded once and kept as bytes."""

    def __init__(self, options, transform):
        root = pathlib.Path(options["root"])
        pairs = [line.rsplit(" ", 1) for line in pathlib.Path(options["list"]).read_text().splitlines()]
        pairs = pairs[:options.get("limit", 0) or None]
        pixels = numpy.stack([numpy.asarray(Image.open(root / path).convert("RGB")) for path, _ in pairs])
        if options.get("channel_order", "bgr") == "bgr":
            pixels = pixels[..., ::-1]
        self.pixels = torch.from_numpy(numpy.ascontiguousarray(pixels.transpose(0, 3, 1, 2)))
        self.labels = torch.tensor([int(label) for _, label in pairs])
        self.mean = torch.tensor(transform.get("mean_value", [0.0])).reshape(1, -1, 1, 1)
        self.scale = transform.get("scale", 1.0)

    def batch(self, first, count):
        """Samples first .. first + count - 1 of the endless stream of epochs."""
        at = torch.arange(first, first + count) % len(self.labels)
        return (self.pixels[at].float() - self.mean) * self.scale, self.labels[at]


def rate_at(solver, step):
    policy = solver.get("lr_policy", {"type": "fixed"})
    kind = policy if isinstance(policy, str) else policy["type"]
    if kind == "fixed":
        return solver["base_lr"]
    if kind == "step":
        return solver["base_lr"] * policy["gamma"] ** (step // policy["stepsize"])
    if kind == "poly":
        return solver["base_lr"] * (1 - step / solver["max_iter"]) ** policy["power"]
    raise SystemExit(f"no translation for lr_policy {kind}; use fixed, step or poly")


def train(net, parameters, images, solver):
    """Caffe's rule: h = momentum * h + rate * (gradient + decay * w), then w = w - h. The rate is inside the buffer, so
    a change of the rate does not act on what the buffer holds; torch.optim.SGD has it outside."""
    multipliers, losses = net.multipliers(), []
    history = {name: torch.zeros_like(p) for name, p in parameters.items()}
    for step in range(solver["max_iter"]):
        for p in parameters.values():
            p.grad = None
        loss, _ = net.forward(*images.batch(step * solver["global_batch"], solver["global_batch"]), parameters)
        loss.backward()
        losses.append(loss.item())
        with torch.no_grad():
            for name, p in parameters.items():
                lr_mult, decay_mult = multipliers[name]
                gradient = p.grad + solver.get("weight_decay", 0.0) * decay_mult * p
                history[name].mul_(solver.get("momentum", 0.0)).add_(gradient, alpha=rate_at(solver, step) * lr_mult)
                p -= history[name]
    return losses


@torch.no_grad()
def evaluate(net, parameters, images, batch):
    """Mean loss and share of hits, each image counted once."""
    scores_of = next(x for x in net.layers if x["type"] == "SoftmaxWithLoss")["bottom"][0]
    loss = hits = 0.0
    for first in range(0, len(images.labels), batch):
        data, labels = images.batch(first, min(batch, len(images.labels) - first))
        _, blobs = net.forward(data, labels, parameters)
        scores = blobs[scores_of].flatten(1)
        loss += float(F.cross_entropy(scores, labels, reduction="sum"))
        hits += float((scores.argmax(1) == labels).sum())
    return {"test_loss": loss / len(images.labels), "test_top1": hits / len(images.labels)}


def check(config, path):
    transform = config["data"].get("transform", {})
    sets = {name: config["data"].get(name, {}) for name in ("train", "test")}
    for name, options in sets.items():
        if options.get("type") != "image_folder" or not options.get("list"):
            raise SystemExit(f"{path}: this peer reads an image_folder with a list, which /data/{name} is not; "
                             "make it one")
    done_otherwise = [key for key in ("pad", "crop_size", "mirror") if transform.get(key)]
    done_otherwise += ["test_crops"] if transform.get("test_crops", 1) != 1 else []
    done_otherwise += [f"{name}.warp" for name, options in sets.items() if options.get("warp")]
    done_otherwise += [f"{name}.is_color" for name, options in sets.items() if not options.get("is_color", True)]
    done_otherwise += ["shuffle"] if config["data"].get("shuffle", True) else []
    done_otherwise += sorted(set(config["solver"]) - SOLVER_KEYS)
    if done_otherwise or config["solver"].get("type", "sgd") != "sgd":
        names = ", ".join(done_otherwise) or "solver.type"
        raise SystemExit(f"{path}: this peer trains otherwise than {names} says; leave it out")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=pathlib.Path)
    parser.add_argument("--weights", type=pathlib.Path, required=True)
    parser.add_argument("--output", type=pathlib.Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1, help="of the dropout masks, and of --nudge")
    parser.add_argument("--nudge", type=float, default=0.0,
                        help="moves each weight by so much of itself, at random, before training")
    a = parser.parse_args()
    config = json.loads(a.config.read_text())
    check(config, a.config)
    torch.set_num_threads(a.threads)
    torch.manual_seed(a.seed)
    spec, data, solver = config["net"], config["data"], config["solver"]
    transform = data.get("transform", {})
    parameters = {name: p.float().requires_grad_() for name, p in load(a.weights).items()}
    if a.nudge:
        with torch.no_grad():
            for p in parameters.values():
                p *= 1 + a.nudge * torch.randn_like(p)
    images = Images(data["train"], transform)
    start = time.perf_counter()
    losses = train(TrainedNet(spec), parameters, images, solver)
    seconds = time.perf_counter() - start
    test = evaluate(TrainedNet(spec, "test"), parameters, Images(data["test"], transform),
                    solver.get("test_batch", 100))
    a.output.write_text(json.dumps({"losses": losses, "seconds": seconds, **test}))


if __name__ == "__main__":
    main()
