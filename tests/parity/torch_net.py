# SPDX-License-Identifier: Apache-2.0
"""A net of our JSON, computed by PyTorch. Where the two differ in convention, a comment says what agrees with what."""
import functools
import math

import torch
import torch.nn.functional as F


def pair(layer, key, default):
    """One number for both axes, or its _h and _w forms."""
    both = layer.get(key, default)
    return layer.get(key + "_h", both), layer.get(key + "_w", both)


class TorchNet:
    """The layers of `spec` that exist in `phase`. `masks` holds what dropout layers keep, by layer name; or it is a
    function (layer, shape). A layer has its place in net.json as its `number`."""

    def __init__(self, spec, phase="train", masks=None):
        self.phase = phase
        self.masks = masks or {}
        self.measured = {}  # what batch norm measured in the last forward pass, by parameter name
        self.running = {}  # torch's own running mean and variance, by layer name
        self.layers = []
        flowing = "data"  # what a layer reads that does not say what it reads
        for number, stated in enumerate(spec["layers"]):
            layer = {**stated, "number": number}
            for key in ("bottom", "top"):  # one name may stand for a list
                if isinstance(layer.get(key), str):
                    layer[key] = [layer[key]]
            judges = layer["type"].endswith("Loss") or layer["type"] == "Accuracy"
            layer.setdefault("bottom", [flowing, "label"] if judges else [flowing])
            layer.setdefault("top", [layer["name"]])
            if not judges:
                flowing = layer["top"][0]
            if layer.get("phase", "both") in ("both", phase):
                self.layers.append(layer)

    def draw_parameters(self, data, labels, generator):
        """Random parameters, rounded to float32 so that both of our nets get the same."""
        drawn = {}

        def draw(name, shape):
            scale = math.sqrt(2 / math.prod(shape[1:])) if len(shape) > 1 else 0.1
            drawn[name] = (torch.randn(shape, generator=generator) * scale).double()
            if name.endswith((".variance", ".count")):
                drawn[name] = drawn[name].abs() + 0.5
            return drawn[name]

        self.forward(data, labels, draw)
        return drawn

    def multipliers(self):
        """(lr_mult, decay_mult) by parameter name."""
        found = {}
        for layer in self.layers:
            stated = layer.get("param", [])
            for i, blob in enumerate(("weight", "bias")):
                entry = stated[i] if i < len(stated) else {}
                found[f"{layer['name']}.{blob}"] = (entry.get("lr_mult", 1.0), entry.get("decay_mult", 1.0))
        return found

    def forward(self, data, labels, parameters, observe=None):
        """The weighted sum of the losses, and all blobs. `parameters`: a dictionary, or a function (name, shape).
        `observe(layer, bottoms)` is called before each layer."""
        get = parameters if callable(parameters) else lambda name, shape: parameters[name]
        blobs, loss = {"data": data, "label": labels}, torch.zeros((), dtype=data.dtype, device=data.device)
        for layer in self.layers:
            bottoms = [blobs[name] for name in layer["bottom"]]
            if observe:
                observe(layer, bottoms)
            top = getattr(self, "run_" + layer["type"].lower())(layer, bottoms, get)
            blobs.update(zip(layer["top"], top if isinstance(top, (list, tuple)) else [top]))
            if layer["type"].endswith("Loss"):
                loss = loss + layer.get("loss_weight", 1.0) * top
        return loss, blobs

    def run_convolution(self, layer, bottoms, get):
        (x,), (kernel_h, kernel_w), group = bottoms, pair(layer, "kernel_size", 0), layer.get("group", 1)
        kernel_h, kernel_w = layer.get("kernel_h", kernel_h), layer.get("kernel_w", kernel_w)
        out = layer["num_output"]
        weight = get(layer["name"] + ".weight", (out, x.shape[1] // group, kernel_h, kernel_w))
        bias = get(layer["name"] + ".bias", (out,)) if layer.get("bias_term", True) else None
        return F.conv2d(x, weight, bias, pair(layer, "stride", 1), pair(layer, "pad", 0), layer.get("dilation", 1),
                        group)

    def run_deconvolution(self, layer, bottoms, get):
        """Both store the weight as inputs x outputs/group x kernel."""
        (x,), group, out = bottoms, layer.get("group", 1), layer["num_output"]
        kernel = layer.get("kernel_size", 0)
        kernel = layer.get("kernel_h", kernel), layer.get("kernel_w", kernel)
        weight = get(layer["name"] + ".weight", (x.shape[1], out // group, *kernel))
        bias = get(layer["name"] + ".bias", (out,)) if layer.get("bias_term", True) else None
        return F.conv_transpose2d(x, weight, bias, pair(layer, "stride", 1), pair(layer, "pad", 0), 0, group,
                                  layer.get("dilation", 1))

    def run_innerproduct(self, layer, bottoms, get):
        x = bottoms[0].flatten(1)
        weight = get(layer["name"] + ".weight", (layer["num_output"], x.shape[1]))
        bias = get(layer["name"] + ".bias", (layer["num_output"],)) if layer.get("bias_term", True) else None
        return F.linear(x, weight, bias)

    def run_batchnorm(self, layer, bottoms, get):
        """The statistics of the batch agree with torch's: the variance is divided by m to normalise and by m - 1 to be
        remembered. The running ones do not: ours are sums, with a count that they are divided by; torch's are means that
        begin with 0 and 1. They are kept beside ours to be compared."""
        (x,), name, eps = bottoms, layer["name"], layer.get("eps", 1e-5)
        shapes = {"mean": (x.shape[1],), "variance": (x.shape[1],), "count": (1,)}
        ours = {part: get(f"{name}.{part}", shape).detach() for part, shape in shapes.items()}
        axes = [axis for axis in range(x.dim()) if axis != 1]
        if self.phase == "test" or layer.get("use_global_stats", False):
            found = {part: torch.zeros(shape).double() for part, shape in shapes.items()}
            y = F.batch_norm(x, ours["mean"] / ours["count"], ours["variance"] / ours["count"], eps=eps)
        else:
            found = {"mean": x.mean(axes), "variance": x.var(axes, unbiased=True), "count": torch.ones(1).double()}
            mean, variance = self.running.setdefault(name, (torch.zeros_like(ours["mean"]),
                                                            torch.ones_like(ours["mean"])))
            y = F.batch_norm(x, mean, variance, training=True, momentum=1 - self.fractions()[name], eps=eps)
        self.measured.update({f"{name}.{part}": tensor.detach() for part, tensor in found.items()})
        return y

    def fractions(self):
        """moving_average_fraction by layer name."""
        return {layer["name"]: 1.0 if layer.get("use_global_stats") else layer.get("moving_average_fraction", 0.999)
                for layer in self.layers if layer["type"] == "BatchNorm"}

    @staticmethod
    def broadcast(values, x, axis):
        """Values of the axes from `axis` on, as a tensor that torch broadcasts over x."""
        return values.reshape([1] * axis + list(values.shape) + [1] * (x.dim() - axis - values.dim()))

    def scaled_shape(self, layer, x):
        axis, count = layer.get("axis", 1) % x.dim(), layer.get("num_axes", 1)
        return axis, tuple(x.shape[axis:] if count == -1 else x.shape[axis:axis + count])

    def run_scale(self, layer, bottoms, get):
        x, name = bottoms[0], layer["name"]
        axis, shape = self.scaled_shape(layer, x)
        factor = bottoms[1] if len(bottoms) == 2 else get(name + ".weight", shape)
        y = x * self.broadcast(factor, x, axis)
        return y + self.broadcast(get(name + ".bias", factor.shape), x, axis) if layer.get("bias_term", False) else y

    def run_bias(self, layer, bottoms, get):
        x = bottoms[0]
        axis, shape = self.scaled_shape(layer, x)
        term = bottoms[1] if len(bottoms) == 2 else get(layer["name"] + ".bias", shape)
        return x + self.broadcast(term, x, axis)

    count_include_pad = True

    def run_pooling(self, layer, bottoms, _):
        """Both frameworks drop a last window that starts beyond image and left padding (Caffe asks only where there
        is padding; without it such a window is an error of ours). Caffe's divisor counts padding up to `in + pad`
        and not what ceil_mode adds beyond it: that is torch's count_include_pad=True, its default, in all cases.
        count_include_pad=False agrees without padding only."""
        x = bottoms[0]
        kernel = pair(layer, "kernel_size", 0)
        kernel = layer.get("kernel_h", kernel[0]), layer.get("kernel_w", kernel[1])
        stride, pad = pair(layer, "stride", 1), pair(layer, "pad", 0)
        if layer.get("global_pooling", False):
            kernel, stride = tuple(x.shape[2:]), (1, 1)
        ceil = layer.get("round_mode", "ceil") == "ceil"
        maximum = layer.get("pool", "max") == "max"
        if any(2 * p > k for p, k in zip(pad, kernel)):  # torch refuses these; pad by hand
            x = F.pad(x, (pad[1], pad[1], pad[0], pad[0]), value=-math.inf if maximum else 0.0)
            pad = (0, 0)
        if maximum:
            return self.largest(layer, x, kernel, stride, pad, ceil_mode=ceil)
        return F.avg_pool2d(x, kernel, stride, pad, ceil_mode=ceil, count_include_pad=self.count_include_pad)

    def largest(self, _, x, *window, **how):
        """A layer's maxima over windows."""
        return F.max_pool2d(x, *window, **how)

    def run_relu(self, layer, bottoms, _):
        return F.leaky_relu(bottoms[0], layer.get("negative_slope", 0.0))

    def run_sigmoid(self, layer, bottoms, _):
        return torch.sigmoid(bottoms[0])

    def run_tanh(self, layer, bottoms, _):
        return torch.tanh(bottoms[0])

    def run_elu(self, layer, bottoms, _):
        return F.elu(bottoms[0], layer.get("alpha", 1.0))

    def run_prelu(self, layer, bottoms, get):
        channels = 1 if layer.get("channel_shared", False) else bottoms[0].shape[1]
        return F.prelu(bottoms[0], get(layer["name"] + ".slope", (channels,)))

    def run_power(self, layer, bottoms, _):
        return (layer.get("shift", 0.0) + layer.get("scale", 1.0) * bottoms[0]) ** layer.get("power", 1.0)

    def run_lrn(self, layer, bottoms, _):
        """Both divide alpha by the window's full size, at the edges too. Within a channel torch has no such layer; its
        average pooling with count_include_pad=True is Caffe's."""
        if layer.get("norm_region", "across_channels") == "within_channel":
            size = layer.get("local_size", 5)
            mean = F.avg_pool2d(bottoms[0] ** 2, size, 1, size // 2)
            return bottoms[0] * (1 + layer.get("alpha", 1.0) * mean) ** -layer.get("beta", 0.75)
        return F.local_response_norm(bottoms[0], layer.get("local_size", 5), layer.get("alpha", 1.0),
                                     layer.get("beta", 0.75), layer.get("k", 1.0))

    def run_dropout(self, layer, bottoms, _):
        ratio = layer.get("dropout_ratio", 0.5)
        if self.phase == "test" or ratio == 0:
            return bottoms[0]
        mask = self.masks(layer, bottoms[0].shape) if callable(self.masks) else self.masks[layer["name"]]
        return bottoms[0] * mask / (1 - ratio)

    def run_concat(self, layer, bottoms, _):
        return torch.cat(bottoms, layer.get("axis", 1))

    def run_eltwise(self, layer, bottoms, _):
        """Where bottoms are equal, torch's maximum shares the gradient and Caffe's gives it to one; not compared."""
        operation = layer.get("operation", "sum").lower()
        if operation == "sum":
            return sum(c * x for c, x in zip(layer.get("coeff", [1.0] * len(bottoms)), bottoms))
        return functools.reduce({"prod": torch.mul, "max": torch.maximum}[operation], bottoms)

    def run_slice(self, layer, bottoms, _):
        axis, points = layer.get("axis", 1), layer.get("slice_point", [])
        return torch.tensor_split(bottoms[0], points if points else len(layer["top"]), axis)

    def run_split(self, layer, bottoms, _):
        return bottoms * len(layer["top"])

    def run_flatten(self, layer, bottoms, _):
        return bottoms[0].flatten(layer.get("axis", 1), layer.get("end_axis", -1))

    def run_reshape(self, layer, bottoms, _):
        """Caffe's 0 and -1 are resolved by hand, its axis and num_axes too."""
        shape, axis, count = list(bottoms[0].shape), layer.get("axis", 0), layer.get("num_axes", -1)
        start = axis if axis >= 0 else len(shape) + axis + 1
        end = len(shape) if count == -1 else start + count
        wanted = [shape[start + i] if extent == 0 else extent for i, extent in enumerate(layer["shape"])]
        return bottoms[0].reshape(shape[:start] + wanted + shape[end:])

    def run_embed(self, layer, bottoms, get):
        y = F.embedding(bottoms[0].long(), get(layer["name"] + ".weight", (layer["input_dim"], layer["num_output"])))
        return y + get(layer["name"] + ".bias", (layer["num_output"],)) if layer.get("bias_term", True) else y

    def run_softmax(self, layer, bottoms, _):
        return F.softmax(bottoms[0], 1)

    def run_softmaxwithloss(self, layer, bottoms, _):
        """Caffe's logarithm is of the smallest normal float where a probability is below that; the gradient is not."""
        scores, labels = bottoms[0].flatten(1), bottoms[1]
        ignore = layer.get("ignore_label", -1)
        each = F.cross_entropy(scores, labels, ignore_index=ignore, reduction="none")
        total = (each - (each + math.log(torch.finfo(torch.float32).tiny)).clamp(min=0).detach()).sum()
        counted = {"valid": int((labels != ignore).sum()), "full": len(labels), "batch_size": len(labels), "none": 1}
        return total / max(counted[layer.get("normalization", "valid")], 1)

    def run_euclideanloss(self, layer, bottoms, _):
        """torch's mean is over all elements, Caffe's over the batch, of halves."""
        a, b = bottoms
        return F.mse_loss(a.flatten(), b.to(a.dtype).flatten(), reduction="sum") / (2 * len(a))

    def run_hingeloss(self, layer, bottoms, _):
        """torch's margin losses compare with the label's score; Caffe's has a sign per class."""
        scores = bottoms[0].flatten(1)
        sign = 2 * F.one_hot(bottoms[1], scores.shape[1]).to(scores.dtype) - 1
        lacking = F.relu(1 - sign * scores)
        return (lacking ** 2 if layer.get("norm", "l1").lower() == "l2" else lacking).sum() / len(scores)

    def run_sigmoidcrossentropyloss(self, layer, bottoms, _):
        """torch's default is the mean over all elements, Caffe's over the batch."""
        x, targets = bottoms
        loss = F.binary_cross_entropy_with_logits(x.flatten(1), targets.to(x.dtype).flatten(1), reduction="none")
        counts = targets.flatten(1).long() != layer.get("ignore_label", -1)
        counted = {"valid": int(counts.sum()), "full": x.numel(), "batch_size": len(x), "none": 1}
        return (loss * counts).sum() / max(counted[layer.get("normalization", "batch_size")], 1)

    def run_infogainloss(self, layer, bottoms, _):
        scores, labels = bottoms[0].flatten(1), bottoms[1]
        classes = scores.shape[1]
        gain = torch.tensor(layer["infogain_matrix"], dtype=scores.dtype).reshape(classes, classes)
        loss = -(gain[labels] * F.log_softmax(scores, 1)).sum(1)
        counts = labels != layer.get("ignore_label", -1)
        counted = {"valid": int(counts.sum()), "full": len(labels), "batch_size": len(labels), "none": 1}
        return (loss * counts).sum() / max(counted[layer.get("normalization", "valid")], 1)

    def run_accuracy(self, layer, bottoms, _):
        best = bottoms[0].flatten(1).topk(layer.get("top_k", 1), 1).indices
        return (best == bottoms[1][:, None]).any(1).to(bottoms[0].dtype).mean()
