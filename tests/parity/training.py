# SPDX-License-Identifier: Apache-2.0
"""The slim NiN of examples/nin, and runs of our Trainer beside PyTorch's."""
import json
import math

import torch
import torch.nn.functional as F

from cases import Case
from torch_net import TorchNet

STEPS, BATCH, TEST_IMAGES = 10, 4, 10

TORCH_RULES = {
    "sgd": lambda groups, s: torch.optim.SGD(groups, lr=1, momentum=s["momentum"]),
    "nesterov": lambda groups, s: torch.optim.SGD(groups, lr=1, momentum=s["momentum"], nesterov=True),
    "adagrad": lambda groups, s: torch.optim.Adagrad(groups, eps=s["delta"]),
    "rmsprop": lambda groups, s: torch.optim.RMSprop(groups, alpha=s["rms_decay"], eps=s["delta"]),
    "adadelta": lambda groups, s: torch.optim.Adadelta(groups, rho=s["momentum"], eps=s["delta"]),
    "adam": lambda groups, s: torch.optim.Adam(groups, betas=(s["momentum"], s["momentum2"]), eps=s["delta"]),
    "adamw": lambda groups, s: torch.optim.AdamW(groups, betas=(s["momentum"], s["momentum2"]), eps=s["delta"]),
}


def nin_spec(source):
    spec = json.loads((source / "examples/nin/net.json").read_text(encoding="utf-8"))
    for layer in spec["layers"]:
        if layer["type"] == "Dropout":
            layer["dropout_ratio"] = 0
    return spec


def margin(spec, image, parameters):
    """How far, at least, an image keeps from the kinks of the net's ReLUs and maxima, over the root mean square of what
    these layers read. A nearer one might be rounded to the other side in float, which changes gradients by a jump."""
    least = math.inf

    def observe(layer, bottoms):
        nonlocal least
        x = bottoms[0]
        if layer["type"] == "ReLU":
            gap = x.abs()
        elif layer["type"] == "Pooling" and layer["pool"] == "max":
            padded = F.pad(x, (0, 2, 0, 2), value=-math.inf)  # room for the last windows of round_mode ceil
            windows = padded.unfold(2, layer["kernel_size"], layer["stride"]).unfold(3, layer["kernel_size"],
                                                                                     layer["stride"])
            best = windows.flatten(4).topk(2, 4).values
            gap = (best[..., 0] - best[..., 1])[best[..., 0] > 0]  # below zero the ReLU before stops all gradients
        else:
            return
        least = min(least, float(gap.min() / x.square().mean().sqrt()))

    with torch.no_grad():
        TorchNet(spec).forward(image, torch.zeros(1, dtype=torch.long), parameters, observe)
    return least


def nin_case(spec, wanted):
    """The whole net once forward and backward, on random images that keep from its kinks."""
    generator = torch.Generator().manual_seed(5)
    labels = torch.randint(0, 10, (wanted,), generator=generator)
    case = Case("NiN: forward and backward", spec["layers"], torch.zeros(wanted, 1, 28, 28).double(),
                ["pool1", "pool3"], labels=labels)
    images = []
    for _ in range(40 * wanted):
        image = torch.randn(1, 1, 28, 28, generator=generator).double()
        if margin(spec, image, case.parameters) > 1e-5:
            images.append(image)
        if len(images) == wanted:
            break
    case.data = torch.cat(images)
    assert case.data.shape[0] == wanted, "no images that keep from the kinks"
    return case


def small_spec():
    both = [{"lr_mult": 1, "decay_mult": 1}, {"lr_mult": 2, "decay_mult": 0}]
    return {"name": "small", "layers": [
        {"name": "conv", "type": "Convolution", "num_output": 6, "kernel_size": 3, "stride": 2, "param": both},
        {"name": "relu", "type": "ReLU", "bottom": ["conv"], "top": ["conv"], "negative_slope": 0.3},
        {"name": "pool", "type": "Pooling", "pool": "average", "kernel_size": 3, "stride": 2},
        {"name": "scores", "type": "InnerProduct", "num_output": 10, "param": [{"lr_mult": 0.5, "decay_mult": 2}]},
        {"name": "loss", "type": "SoftmaxWithLoss"}]}


def normalized_spec():
    convolution = {"type": "Convolution", "num_output": 6, "kernel_size": 3, "bias_term": False}
    return {"name": "normalized", "layers": [
        {"name": "conv", **convolution, "stride": 2}, {"name": "bn", "type": "BatchNorm",
                                                       "moving_average_fraction": 0.9},
        {"name": "scale", "type": "Scale", "bias_term": True},
        {"name": "relu", "type": "ReLU", "bottom": ["scale"], "top": ["scale"], "negative_slope": 0.3},
        {"name": "scores", "type": "InnerProduct", "num_output": 10}, {"name": "loss", "type": "SoftmaxWithLoss"}]}


class Training:
    """A run of STEPS steps on random images: the config for ours, and the same in torch with Caffe's rule."""

    def __init__(self, name, spec, shape, solver, steps=STEPS, test_images=TEST_IMAGES, classes=10):
        self.name, self.spec, self.steps, self.classes = name, spec, steps, classes
        self.solver = {"type": "sgd", "max_iter": steps, "global_batch": BATCH, "shards": 2, "display": 1,
                       "test_batch": 4, **solver}
        generator = torch.Generator().manual_seed(11)
        self.arrays = {}
        for part, count in (("train", STEPS * self.solver["global_batch"]), ("test", test_images)):
            self.arrays[part + "_data"] = torch.randn(count, *shape, generator=generator)
            self.arrays[part + "_label"] = torch.randint(0, classes, (count,), generator=generator)
        self.initial = self.draw_parameters(generator)

    def draw_parameters(self, generator):
        keep_all = TorchNet(self.spec, masks=lambda layer, shape: 1)
        return keep_all.draw_parameters(self.arrays["train_data"][:1].double(), torch.zeros(1).long(), generator)

    def masks(self, step):
        """What dropout keeps in a step, for TorchNet; the nets here have none."""
        return {}

    def config(self):
        sets = {part: {"type": "custom", "name": part} for part in ("train", "test")}
        return {"data": {**sets, "shuffle": False}, "net": self.spec, "solver": self.solver}

    def rates(self):
        """The learning rate of each step, by torch's own schedulers."""
        policy = self.solver.get("lr_policy", {"type": "fixed"})
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=self.solver["base_lr"])
        schedules = torch.optim.lr_scheduler
        schedule = {
            "fixed": lambda: schedules.LambdaLR(optimizer, lambda _: 1.0),
            "step": lambda: schedules.StepLR(optimizer, policy["stepsize"], policy["gamma"]),
            "multistep": lambda: schedules.MultiStepLR(optimizer, policy["stepvalue"], policy["gamma"]),
            "exp": lambda: schedules.ExponentialLR(optimizer, policy["gamma"]),
            "poly": lambda: schedules.PolynomialLR(optimizer, self.solver["max_iter"], policy["power"]),
        }[policy["type"]]()
        found = []
        for _ in range(self.steps):
            found.append(schedule.get_last_lr()[0])
            optimizer.step()
            schedule.step()
        return found

    def run(self, update, dtype=torch.float64):
        """`update(parameters, rate)` after each backward pass; the answer's tensors, in double."""
        net, test = TorchNet(self.spec), TorchNet(self.spec, "test")
        parameters = {k: v.to(dtype, copy=True).requires_grad_() for k, v in self.initial.items()}
        losses, rates, size = [], self.rates(), self.solver["global_batch"]
        for step in range(self.steps):
            batch = slice(step * size, (step + 1) * size)
            net.masks = self.masks(step)
            for p in parameters.values():
                p.grad = None
            loss, _ = net.forward(self.arrays["train_data"][batch].to(dtype), self.arrays["train_label"][batch],
                                  parameters)
            loss.backward()
            losses.append(loss.item())
            with torch.no_grad():
                update({k: p for k, p in parameters.items() if k not in net.measured}, rates[step])
                for name, tensor in net.measured.items():
                    parameters[name].mul_(net.fractions()[name.rpartition(".")[0]]).add_(tensor)
        self.torch_statistics = net.running
        labels = self.arrays["test_label"]
        with torch.no_grad():
            loss, blobs = test.forward(self.arrays["test_data"].to(dtype), labels, parameters)
        scores = blobs[next(x for x in test.layers if x["type"] == "SoftmaxWithLoss")["bottom"][0]].flatten(1)
        hits = [float((scores.topk(k, 1).indices == labels[:, None]).any(1).double().mean()) for k in (1, 5)]
        found = {"losses": losses, "rates": rates, "evaluation": [loss.item(), *hits]}
        return {**{k: torch.tensor(v, dtype=torch.float64) for k, v in found.items()},
                **{k: p.detach().double() for k, p in parameters.items()}}

    def by_caffe(self, dtype=torch.float64):
        """Caffe's order: clip, regularise, then h = momentum * h + rate * g and w = w - h."""
        solver, multipliers, history = self.solver, TorchNet(self.spec).multipliers(), {}
        momentum, decay, limit = solver["momentum"], solver["weight_decay"], solver.get("clip_gradients", -1)

        def update(parameters, rate):
            clip = 1.0
            if limit >= 0:
                norm = math.sqrt(sum(float(p.grad.square().sum()) for p in parameters.values()))
                norm *= solver.get("iter_size", 1)  # Caffe clips the sum of the passes
                clip = min(1.0, limit / norm)
            for name, p in parameters.items():
                lr_mult, decay_mult = multipliers[name]
                penalty = p.sign() if solver.get("regularization_type", "l2") == "l1" else p
                gradient = p.grad.mul_(clip).add_(penalty, alpha=decay * decay_mult)
                if name not in history:
                    history[name] = torch.zeros_like(p)
                p -= history[name].mul_(momentum).add_(gradient, alpha=rate * lr_mult)

        return self.run(update, dtype)

    def by_torch(self, caffe_delta=False):
        """The rule of torch.optim, one group per parameter for the multipliers. With `caffe_delta`, Adam's eps changes
        from step to step so that it is added where Caffe adds delta: to the uncorrected root."""
        solver, multipliers, made = self.solver, TorchNet(self.spec).multipliers(), []

        def update(parameters, rate):
            if not made:
                groups = [{"params": [p], "weight_decay": solver["weight_decay"] * multipliers[name][1]}
                          for name, p in parameters.items()]
                made.append(TORCH_RULES[solver["type"]](groups, solver))
            for group, name in zip(made[0].param_groups, parameters):
                group["lr"] = rate * multipliers[name][0]
                if caffe_delta and solver["type"] == "adam":
                    t = 1 + made[0].state[group["params"][0]].get("step", 0)
                    group["eps"] = solver["delta"] / math.sqrt(1 - solver["momentum2"] ** float(t))
            made[0].step()

        return self.run(update)

    def expected(self):
        """Caffe's rule: written out here for SGD, and torch's own where it is the same."""
        return self.by_caffe() if self.solver["type"] == "sgd" else self.by_torch(caffe_delta=True)


def small_training(name, solver, steps=STEPS):
    common = {"base_lr": 0.05, "momentum": 0.9, "weight_decay": 0.01}
    return Training(name, small_spec(), (2, 15, 13), {**common, **solver}, steps)


def rule_trainings():
    """Rules that torch has. The deltas are large, so that a wrong place of one is seen."""
    falling = {"lr_policy": {"type": "exp", "gamma": 0.9}}
    adam = {**falling, "base_lr": 0.01, "momentum2": 0.99, "delta": 0.01}
    return [
        small_training("training: nesterov", {"type": "nesterov"}),
        small_training("training: adagrad", {**falling, "type": "adagrad", "momentum": 0, "delta": 0.01}),
        small_training("training: rmsprop", {**falling, "type": "rmsprop", "base_lr": 0.01, "momentum": 0,
                                             "rms_decay": 0.95, "delta": 0.01}),
        small_training("training: adadelta", {**falling, "type": "adadelta", "base_lr": 1, "delta": 1e-4}),
        small_training("training: adam", {**adam, "type": "adam"}),
        small_training("training: adamw", {**adam, "type": "adamw", "weight_decay": 0.1}),
    ]


def all_trainings(spec):
    """The last two are one run, stopped at the drop of the rate and after it."""
    drop = {"lr_policy": {"type": "step", "gamma": 0.1, "stepsize": 5}}
    return [
        Training("training: NiN, poly", spec, (1, 28, 28),
                 {"base_lr": 0.02, "lr_policy": {"type": "poly", "power": 1.0}, "momentum": 0.9,
                  "weight_decay": 0.0005}),
        small_training("training: fixed rate", {}),
        small_training("training: multistep",
                       {"lr_policy": {"type": "multistep", "gamma": 0.3, "stepvalue": [2, 3, 7]}}),
        small_training("training: exp, clipped", {"lr_policy": {"type": "exp", "gamma": 0.8}, "clip_gradients": 0.5}),
        small_training("training: poly, l1",
                       {"lr_policy": {"type": "poly", "power": 2.0}, "regularization_type": "l1"}),
        *rule_trainings(),
        small_training("training: iter_size, clipped", {"iter_size": 2, "shards": 1, "clip_gradients": 0.5}),
        Training("training: batch norm", normalized_spec(), (2, 15, 13),
                 {"base_lr": 0.05, "momentum": 0.9, "weight_decay": 0.01, "shards": 1}),
        small_training("training: step, up to the drop", drop, 5),
        small_training("training: step, beyond the drop", drop),
    ]
