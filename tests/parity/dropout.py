# SPDX-License-Identifier: Apache-2.0
"""What our dropout keeps, worked out a second time from what `firecaffe/ops/dropout.hpp` says of it.

Philox4x32-10 is of Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC'11.
"""
import math

import numpy
import torch

LOW = numpy.uint64(0xFFFFFFFF)
HALF = numpy.uint64(32)
PURPOSE = 4  # RandomPurpose::dropout


def philox(counter, key):
    """Four arrays of 32-bit numbers, held in uint64, for four arrays of counter words and two key words."""
    c0, c1, c2, c3 = counter
    for i in range(10):
        k0, k1 = (numpy.uint64((word + i * weyl) & 0xFFFFFFFF) for word, weyl in zip(key, (0x9E3779B9, 0xBB67AE85)))
        p0, p1 = numpy.uint64(0xD2511F53) * c0, numpy.uint64(0xCD9E8D57) * c2
        c0, c1, c2, c3 = (p1 >> HALF) ^ c1 ^ k0, p1 & LOW, (p0 >> HALF) ^ c3 ^ k1, p0 & LOW
    return c0, c1, c2, c3


def stream(seed, step, layer, sample, count):
    """The first `count` numbers of a sample's stream; `count` is a multiple of four."""
    mixed = sample * 0x9E3779B97F4A7C15 & 0xFFFFFFFFFFFFFFFF
    seed ^= mixed << 17 & 0xFFFFFFFFFFFFFFFF
    key = seed & 0xFFFFFFFF ^ PURPOSE * 0x9E3779B1 & 0xFFFFFFFF, seed >> 32 ^ PURPOSE
    index = numpy.arange(count // 4, dtype=numpy.uint64)
    name = (numpy.full_like(index, word) for word in (step, layer ^ mixed >> 32))
    return numpy.stack(philox((index & LOW, index >> HALF, *name), key), axis=1).reshape(-1)


def kept(seed, step, layer, samples, shape, ratio):
    """Ones and zeros of `shape` (N, C, ...) for the layer of that number in net.json. Channels run fastest in a stream,
    in groups of four."""
    channels, extents = shape[1], shape[2:]
    positions, padded = math.prod(extents), -(-channels // 4) * 4
    masks = []
    for sample in samples:
        numbers = stream(seed, step, layer, sample, positions * padded).reshape(positions, padded)[:, :channels]
        masks.append(torch.from_numpy((numbers >= math.floor(ratio * 2**32 + 0.5)).T.reshape(channels, *extents)))
    return torch.stack(masks)
