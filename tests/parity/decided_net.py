# SPDX-License-Identifier: Apache-2.0
"""A net in PyTorch that decides as another run of it did.

A ReLU asks on which side of zero an element lies, a max pooling which element of a window is the largest. Two runs that
differ by rounding answer differently where the question is close, which is at a kink of the loss: there the gradient
jumps, however little the runs differ. So a float run is compared with a double one that takes over its answers. What is
left is rounding alone; and every answer that double would have given otherwise must have been close.
"""
import torch
import torch.nn.functional as F

from torch_net import TorchNet


def deciding_blobs(layers):
    """What tells a run's answers: the blobs that ReLUs write and those that max poolings read."""
    return [x["top"][0] for x in layers if x["type"] == "ReLU"] + \
        [x["bottom"][0] for x in layers if x["type"] == "Pooling" and x.get("pool", "max") == "max"]


class DecidedNet(TorchNet):
    """`decided` holds the other run's deciding blobs by name, as the last layer in place has left them. After a forward
    pass `asked` is the number of answers, `otherwise` how many of them double would have given otherwise, and
    `furthest` how far from a tie the clearest of these was, over the root mean square of what its layer reads, with its
    blob."""

    def __init__(self, spec, masks, decided):
        super().__init__(spec, "train", masks)
        self.decided = decided
        self.asked = self.otherwise = 0
        self.furthest = (0.0, "")
        self.dropouts = {x["top"][0]: x for x in self.layers if x["type"] == "Dropout" and x["top"] == x["bottom"]}

    def note(self, x, asked, gaps, blob):
        """`gaps`: of the answers that are given otherwise, how far each is from a tie."""
        self.asked += asked
        self.otherwise += gaps.numel()
        if gaps.numel():
            self.furthest = max(self.furthest, (float(gaps.max() / x.square().mean().sqrt()), blob))

    def run_relu(self, layer, bottoms, _):
        x, blob = bottoms[0], layer["top"][0]
        positive, own = self.decided[blob] > 0, bottoms[0].detach() > 0
        if blob in self.dropouts:  # zero where it was dropped, whatever was decided; there nothing depends on it
            positive = torch.where(self.masks(self.dropouts[blob], x.shape).bool(), positive, own)
        self.note(x.detach(), x.numel(), x.detach()[positive != own].abs(), blob)
        return torch.where(positive, x, layer.get("negative_slope", 0.0) * x)

    def largest(self, layer, x, *window, **how):
        blob = layer["bottom"][0]
        _, winners = F.max_pool2d(self.decided[blob].to(x.dtype), *window, **how, return_indices=True)
        y = x.flatten(2).gather(2, winners.flatten(2)).view_as(winners)
        with torch.no_grad():
            gaps = F.max_pool2d(x, *window, **how) - y
            self.note(x, y.numel(), gaps[gaps > 0], blob)
        return y
