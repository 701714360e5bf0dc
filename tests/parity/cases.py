# SPDX-License-Identifier: Apache-2.0
"""Forward and backward of one layer at a time, on random inputs.

The net's data is one-hot: channel p of position p is one. So a 1x1 convolution over it (or an inner product over
one-hot rows) hands on its own weights, exactly: they are the input of the layer under test, and their gradient is the
gradient of the loss with respect to that input. Behind the layer, an inner product and a loss give each of its outputs
a gradient of its own.
"""
import itertools

import torch

from torch_net import TorchNet

CLASSES = 5


def source(name, channels):
    return {"name": name, "type": "Convolution", "bottom": ["data"], "num_output": channels, "kernel_size": 1,
            "bias_term": False}


def row_source(name, width):
    return {"name": name, "type": "InnerProduct", "bottom": ["data"], "num_output": width, "bias_term": False}


def one_hot(n, h, w):
    return torch.eye(n * h * w).reshape(n, h, w, -1).permute(0, 3, 1, 2).contiguous().double()


def one_hot_rows(n):
    return torch.eye(n).reshape(n, n, 1, 1).double()


LOSS = {"name": "loss", "type": "SoftmaxWithLoss"}
SCORES = [{"name": "scores", "type": "InnerProduct", "num_output": CLASSES}, LOSS]


class Case:
    """A net with its inputs and parameters. `retain`: blobs to compare beside the loss and the gradients."""

    def __init__(self, name, layers, data, retain, phase="train", labels=None, drop=None):
        self.name, self.phase, self.retain, self.drop = name, phase, retain, drop
        self.spec = {"name": "case", "layers": layers}
        self.data = data
        generator = torch.Generator().manual_seed(sum(map(ord, name)))
        self.labels = torch.randint(0, CLASSES, data.shape[:1], generator=generator) if labels is None else labels
        draw_net = TorchNet(self.spec, "test")
        self.parameters = draw_net.draw_parameters(data, self.labels.clamp(min=0), generator)

    def expected(self, masks):
        """What torch computes, in double, under the names of the runner's answer."""
        parameters = {k: v.clone().requires_grad_() for k, v in self.parameters.items()}
        loss, blobs = TorchNet(self.spec, self.phase, masks).forward(self.data, self.labels, parameters)
        found = {"loss": loss.reshape(1)}
        found.update({f"blob.{name}": blobs[name] for name in self.retain})
        if self.phase == "train":
            loss.backward()
            found.update({f"gradient.{name}": p.grad for name, p in parameters.items()})
        return {name: tensor.detach() for name, tensor in found.items()}


def of_layer(name, options, input_shape=(2, 6, 9, 7), phase="train"):
    """One layer on a random input of that shape."""
    n, channels, *extents = input_shape
    head = source("x", channels) if extents else row_source("x", channels)
    data = one_hot(n, *extents) if extents else one_hot_rows(n)
    return Case(name, [head, {"name": "y", **options}, *SCORES], data, ["y", "scores"], phase)


def convolutions(random):
    def case(name, input_shape=(2, 6, 9, 7), **options):
        return of_layer("convolution: " + name, {"type": "Convolution", **options}, input_shape)

    yield case("3x3", num_output=5, kernel_size=3)
    yield case("1x1", num_output=8, kernel_size=1)
    yield case("padded", num_output=16, kernel_size=5, pad=2)
    yield case("stride 2", num_output=7, kernel_size=3, stride=2, pad=1)
    yield case("no bias", num_output=5, kernel_size=3, bias_term=False)
    yield case("kernel 1x5", num_output=5, kernel_h=1, kernel_w=5, pad_h=0, pad_w=2)
    yield case("kernel 5x2, stride 1x3", num_output=4, kernel_h=5, kernel_w=2, stride_h=1, stride_w=3, pad_h=3, pad_w=1)
    yield case("dilation 2", num_output=5, kernel_size=3, dilation=2, pad=2)
    yield case("dilation 3, stride 2", (2, 6, 12, 11), num_output=5, kernel_size=2, dilation=3, stride=2)
    yield case("2 groups", num_output=8, kernel_size=3, group=2, pad=1)
    yield case("2 groups of whole blocks", (1, 32, 6, 6), num_output=32, kernel_size=3, group=2, pad=1)
    yield case("depthwise", num_output=6, kernel_size=3, group=6, pad=1)
    yield case("3 groups, dilation, stride, no bias", (2, 9, 11, 8), num_output=6, kernel_size=3, group=3, dilation=2,
               stride=2, pad=2, bias_term=False)
    yield case("the kernel is the image", num_output=5, kernel_h=9, kernel_w=7)
    yield case("11x11, stride 4", (1, 3, 23, 23), num_output=17, kernel_size=11, stride=4)
    yield case("batch 1, one channel", (1, 1, 5, 5), num_output=1, kernel_size=3)
    for i in range(12):
        group = random.choice([1, 1, 2, 3])
        kernel = random.randint(1, 4), random.randint(1, 4)
        options = {"num_output": group * random.randint(1, 9), "kernel_h": kernel[0], "kernel_w": kernel[1],
                   "stride_h": random.randint(1, 3), "stride_w": random.randint(1, 3), "pad_h": random.randint(0, 3),
                   "pad_w": random.randint(0, 3), "dilation": random.randint(1, 2), "group": group,
                   "bias_term": random.random() < 0.7}
        yield case(f"random {i}", (random.randint(1, 3), group * random.randint(1, 9), random.randint(7, 12),
                                   random.randint(7, 12)), **options)


def deconvolutions():
    def case(name, input_shape=(2, 6, 5, 4), **options):
        return of_layer("deconvolution: " + name, {"type": "Deconvolution", **options}, input_shape)

    yield case("3x3", num_output=5, kernel_size=3)
    yield case("twice as large", num_output=7, kernel_size=4, stride=2, pad=1)
    yield case("1x1, no bias", num_output=8, kernel_size=1, bias_term=False)
    yield case("stride beyond the kernel", num_output=5, kernel_size=2, stride=3)
    yield case("kernel 1x5, stride 2x1", num_output=4, kernel_h=1, kernel_w=5, stride_h=2, stride_w=1, pad_h=0, pad_w=2)
    yield case("dilation 2", num_output=5, kernel_size=3, stride=2, pad=2, dilation=2)
    yield case("2 groups", num_output=8, kernel_size=3, stride=2, group=2, pad=1)
    yield case("2 groups of whole blocks", (1, 32, 4, 4), num_output=32, kernel_size=4, stride=2, group=2, pad=1)
    yield case("one group per channel, no bias", num_output=6, kernel_size=4, stride=2, group=6, pad=1,
               bias_term=False)
    up = {"name": "y", "type": "Deconvolution", "num_output": 3, "kernel_size": 4, "stride": 2, "pad": 1}
    convolution = {"name": "c", "type": "Convolution", "num_output": 16, "kernel_size": 3, "pad": 1}
    yield Case("deconvolution: after a convolution with ReLU", [
        source("x", 6), convolution, {"name": "r", "type": "ReLU", "bottom": ["c"], "top": ["c"]},
        {**up, "bottom": ["c"]}, *SCORES], one_hot(2, 5, 4), ["y", "scores"])


def inner_products():
    for name, shape in (("rows", (4, 10)), ("an image", (3, 5, 4, 6)), ("batch 1", (1, 33))):
        for bias in (True, False):
            yield of_layer(f"inner product: {name}, bias {bias}",
                           {"type": "InnerProduct", "num_output": 19, "bias_term": bias}, shape)


def poolings(random):
    geometries = [("3, stride 2", {"kernel_size": 3, "stride": 2}), ("2, stride 2", {"kernel_size": 2, "stride": 2}),
                  ("3, pad 1", {"kernel_size": 3, "pad": 1}),
                  ("3, stride 2, pad 1", {"kernel_size": 3, "stride": 2, "pad": 1}),
                  ("5, stride 3, pad 2", {"kernel_size": 5, "stride": 3, "pad": 2}),
                  ("3, pad 2, more than torch takes", {"kernel_size": 3, "pad": 2}),
                  ("2x3, stride 2x1, pad 0x1", {"kernel_h": 2, "kernel_w": 3, "stride_h": 2, "stride_w": 1,
                                                "pad_h": 0, "pad_w": 1}),
                  ("stride beyond the kernel", {"kernel_size": 2, "stride": 3, "round_mode": "floor"}),
                  ("of the whole map", {"global_pooling": True})]
    for pool, (name, geometry) in itertools.product(("max", "average"), geometries):
        yield of_layer(f"{pool} pooling: {name}", {"type": "Pooling", "pool": pool, **geometry})
    for i in range(12):
        kernel, stride = random.randint(2, 4), random.randint(1, 2)
        options = {"pool": random.choice(["max", "average"]), "kernel_size": kernel, "stride": stride,
                   "pad": random.randint(0, kernel // 2), "round_mode": random.choice(["ceil", "floor"])}
        yield of_layer(f"pooling: random {i}", {"type": "Pooling", **options},
                       (random.randint(1, 2), random.randint(1, 20), random.randint(6, 13), random.randint(6, 13)))


def elementwise():
    for slope in (0.0, 0.1, 1.5):
        yield of_layer(f"ReLU: slope {slope}", {"type": "ReLU", "negative_slope": slope})
    yield of_layer("ReLU: of rows", {"type": "ReLU"}, (4, 21))
    for slope in (0.0, 0.2):
        relu = {"name": "relu", "type": "ReLU", "negative_slope": slope, "bottom": ["y"], "top": ["y"]}
        convolution = {"name": "y", "type": "Convolution", "num_output": 12, "kernel_size": 3, "pad": 1}
        yield Case(f"ReLU: in place after a convolution, slope {slope}", [source("x", 6), convolution, relu, *SCORES],
                   one_hot(2, 8, 7), ["y", "scores"])
    for name, options in (("the defaults", {}), ("AlexNet's", {"alpha": 1e-4}),
                          ("5 of 6 channels", {"alpha": 2.0, "k": 2.0}),
                          ("3 channels, beta 0.5", {"local_size": 3, "beta": 0.5, "k": 0.7}),
                          ("a window over all", {"local_size": 13, "alpha": 3.0}),
                          ("a window of one", {"local_size": 1})):
        yield of_layer(f"LRN: {name}", {"type": "LRN", **options})
    for size, alpha, beta in ((3, 2.0, 0.75), (5, 1e-4, 0.75), (7, 3.0, 0.6), (13, 1.0, 0.75)):
        yield of_layer(f"LRN: within a channel, {size}", {"type": "LRN", "norm_region": "within_channel",
                                                          "local_size": size, "alpha": alpha, "beta": beta})
    yield of_layer("LRN: 37 channels", {"type": "LRN", "alpha": 0.5}, (2, 37, 5, 4))
    yield of_layer("softmax: of rows", {"type": "Softmax"}, (5, 11))
    yield of_layer("softmax: over channels", {"type": "Softmax"}, (2, 6, 4, 5))


def dropouts():
    yield of_layer("dropout: ratio 0", {"type": "Dropout", "dropout_ratio": 0})
    yield of_layer("dropout: testing", {"type": "Dropout", "dropout_ratio": 0.4}, phase="test")
    for name, shape in (("of maps", (2, 6, 9, 7)), ("of rows", (4, 50))):
        case = of_layer(f"dropout: training, {name}", {"type": "Dropout", "dropout_ratio": 0.4}, shape)
        case.drop = ("y", 0.4)
        yield case


def joins():
    def concat(*bottoms):
        return [{"name": "y", "type": "Concat", "bottom": list(bottoms)}, *SCORES]

    yield Case("concat: three maps", [source("a", 3), source("b", 8), source("c", 5), *concat("a", "b", "c")],
               one_hot(2, 4, 5), ["y", "scores"])
    yield Case("concat: rows", [row_source("a", 3), row_source("b", 4), *concat("b", "a")], one_hot_rows(3),
               ["y", "scores"])
    yield Case("concat: one map twice", [source("a", 3), *concat("a", "a")], one_hot(2, 4, 5), ["y", "scores"])
    branch = {"type": "Convolution", "bottom": ["x"]}
    yield Case("concat: four branches of one map", [
        source("x", 6), {"name": "b1", **branch, "num_output": 4, "kernel_size": 1},
        {"name": "b3", **branch, "num_output": 7, "kernel_size": 3, "pad": 1},
        {"name": "r3", "type": "ReLU", "bottom": ["b3"], "top": ["b3"]},
        {"name": "b5", **branch, "num_output": 2, "kernel_size": 5, "pad": 2},
        {"name": "bp", "type": "Pooling", "bottom": ["x"], "kernel_size": 3, "pad": 1},
        *concat("b1", "b3", "b5", "bp")], one_hot(2, 7, 6), ["y", "scores"])


def losses():
    data = one_hot_rows(6)
    labels = torch.tensor([0, 3, 1, 4, 3, 2])
    scores = row_source("scores", CLASSES)
    for normalization, ignore in itertools.product(("valid", "full", "batch_size", "none"), (-1, 3)):
        loss = {**LOSS, "normalization": normalization, "ignore_label": ignore, "loss_weight": 0.3}
        yield Case(f"loss: {normalization}, ignore {ignore}", [scores, loss], data, ["scores", "loss"], labels=labels)
    yield Case("loss: every label ignored", [scores, {**LOSS, "ignore_label": 3}], data, ["loss"],
               labels=torch.full((6,), 3))
    yield Case("loss: two of them", [
        source("x", 6), {"name": "side", "type": "InnerProduct", "bottom": ["x"], "num_output": CLASSES},
        {"name": "loss1", "type": "SoftmaxWithLoss", "bottom": ["side", "label"], "loss_weight": 0.3},
        {"name": "y", "type": "Convolution", "bottom": ["x"], "num_output": 8, "kernel_size": 3}, *SCORES],
        one_hot(3, 5, 5), ["loss1", "loss", "y"])
    other = row_source("other", CLASSES)
    yield Case("Euclidean loss: both bottoms", [scores, other, {"name": "loss", "type": "EuclideanLoss",
                                                               "bottom": ["scores", "other"], "loss_weight": 0.3}],
               data, ["loss"])
    yield Case("Euclidean loss: the labels", [row_source("scores", 1), {"name": "loss", "type": "EuclideanLoss"}],
               data, ["loss"], labels=labels)
    for norm in ("l1", "L2"):
        yield Case(f"hinge loss: {norm}", [scores, {"name": "loss", "type": "HingeLoss", "norm": norm}], data, ["loss"],
                   labels=labels)
    matrix = [((7 * i) % 11) / 10 - 0.2 for i in range(CLASSES * CLASSES)]
    for normalization, ignore in itertools.product(("valid", "full", "batch_size", "none"), (-1, 3)):
        loss = {"name": "loss", "normalization": normalization, "ignore_label": ignore, "loss_weight": 0.3}
        yield Case(f"infogain loss: {normalization}, ignore {ignore}",
                   [scores, {**loss, "type": "InfogainLoss", "infogain_matrix": matrix}], data, ["loss"], labels=labels)
    for normalization, ignore in itertools.product(("valid", "full", "batch_size", "none"), (-1, 0)):
        loss = {"name": "loss", "normalization": normalization, "ignore_label": ignore, "loss_weight": 0.3}
        yield Case(f"sigmoid cross-entropy loss: {normalization}, ignore {ignore}",
                   [row_source("scores", 6), {**loss, "type": "SigmoidCrossEntropyLoss", "bottom": ["scores", "data"]}],
                   data, ["loss"])
    for k in (1, 2, 4):
        accuracy = {"name": "accuracy", "type": "Accuracy", "top_k": k}
        for phase in ("train", "test"):
            yield Case(f"accuracy: top {k}, phase {phase}", [scores, LOSS, accuracy], data, ["scores", "accuracy"],
                       phase, labels=labels)


def all_cases(random):
    return [*convolutions(random), *deconvolutions(), *inner_products(), *poolings(random), *elementwise(), *dropouts(),
            *joins(), *losses()]
