#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a GPU can do at most, measured with PyTorch on random data: copies, and products of matrices in bfloat16.

A copy of n bytes within the GPU reads n and writes n, and both are counted. Prints a JSON object.
Examples:
  python3 bench/peers/torch_limits.py
  python3 bench/peers/torch_limits.py --device cpu --mebibytes 1 --matrix 64 --repeats 2
"""
import argparse
import json
import pathlib
import statistics
import sys

import torch

sys.dont_write_bytecode = True
sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent)]

from torch_gpu import seconds_of  # noqa: E402


def per_second(a, amount, work):
    """Median over rounds of how much of `amount` is done in a second, work() doing it once."""
    def repeated():
        for _ in range(a.repeats):
            work()
    seconds_of(a.device, repeated)
    return amount * a.repeats / statistics.median(seconds_of(a.device, repeated) for _ in range(a.rounds))


def copies(a):
    """Bytes per second, within the device and from pinned memory of the host."""
    size = a.mebibytes * 2**20
    source = torch.randint(0, 256, (size,), dtype=torch.uint8, device=a.device)
    target = torch.empty_like(source)
    host = source.cpu().pin_memory() if a.device == "cuda" else source.clone()
    return {"copy_within_gb_per_s": per_second(a, 2 * size, lambda: target.copy_(source)) / 1e9,
            "copy_from_host_gb_per_s": per_second(a, size, lambda: target.copy_(host, non_blocking=True)) / 1e9}


def products(a):
    """Floating-point operations per second."""
    n = a.matrix
    left, right = (torch.randn(n, n, device=a.device).bfloat16() for _ in range(2))
    out = torch.empty_like(left)
    return {"product_bf16_tflops": per_second(a, 2 * n**3, lambda: torch.mm(left, right, out=out)) / 1e12}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--mebibytes", type=int, default=1024, help="that are copied")
    parser.add_argument("--matrix", type=int, default=8192, help="rows and columns of the matrices")
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    a = parser.parse_args()
    if a.device == "cuda" and not torch.cuda.is_available():
        sys.exit(f"PyTorch {torch.__version__} sees no GPU; use --device cpu to try this script without one")
    found = {**copies(a), **products(a)}
    print(json.dumps({name: round(value, 4) for name, value in found.items()}))


if __name__ == "__main__":
    main()
