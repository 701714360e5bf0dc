# SPDX-License-Identifier: Apache-2.0
"""Safetensors files and the distance of two tensors."""
import json
import math
import struct

import numpy
import torch

KINDS = {"F32": "<f4", "F64": "<f8", "I64": "<i8"}


def save(path, arrays, metadata):
    """Writes tensors under their names: a length of eight bytes, a JSON header, then the data without a gap."""
    header, chunks, end = {"__metadata__": metadata}, [], 0
    for name, tensor in sorted(arrays.items(), key=lambda item: -item[1].element_size()):
        values = tensor.detach().contiguous().numpy()
        kind = next(k for k, v in KINDS.items() if numpy.dtype(v) == values.dtype)
        chunks.append(values.tobytes())
        header[name] = {"dtype": kind, "shape": list(values.shape), "data_offsets": [end, end + len(chunks[-1])]}
        end += len(chunks[-1])
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(chunks))


def load(path):
    """The tensors of a file, as float64, by name."""
    content = path.read_bytes()
    start = 8 + struct.unpack("<Q", content[:8])[0]
    arrays = {}
    for name, entry in json.loads(content[8:start]).items():
        if name != "__metadata__":
            first, last = entry["data_offsets"]
            values = numpy.frombuffer(content[start + first:start + last], KINDS[entry["dtype"]])
            arrays[name] = torch.from_numpy(values.reshape(entry["shape"]).astype(numpy.float64))
    return arrays


def distance(ours, expected):
    """The largest difference over the largest element of `expected`; infinite for other shapes and for NaN."""
    if ours.shape != expected.shape:
        return math.inf
    if expected.numel() == 0:
        return 0.0
    difference = float((ours - expected).abs().max())
    largest = float(expected.abs().max())
    if difference == 0:
        return 0.0
    return difference / largest if difference >= 0 and largest > 0 else math.inf
