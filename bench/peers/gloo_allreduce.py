#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Gloo's allreduce, through torch.distributed, measured as `firecaffe bench allreduce` measures ours: a barrier, one
sum, the time of the slowest rank; both ways take turns. Starts its ranks itself; rank 0 prints JSON with the same keys.

Example: python3 bench/peers/gloo_allreduce.py --ranks 2 --seconds 0.2 4096 1048576
"""
import argparse
import json
import tempfile
import time

import torch
import torch.distributed as dist
import torch.multiprocessing

WARM_UP, FEWEST, MOST = 5, 20, 10_000


def one(dtype=torch.float64):
    return torch.zeros(1, dtype=dtype)


def largest(seconds):
    """The greatest of all ranks' values."""
    value = one() + seconds
    dist.all_reduce(value, dist.ReduceOp.MAX)
    return value.item()


def sum_once(in_place, tensors):
    source, work = tensors
    dist.all_reduce(one())  # the barrier
    start = time.perf_counter()
    if not in_place:
        work.copy_(source)  # torch.distributed sums in place only
    dist.all_reduce(work)
    return largest(time.perf_counter() - start)


def figures(seconds, size, ranks, wrong):
    ordered = sorted(seconds)

    def percentile(percent):
        return 1e6 * ordered[(len(ordered) * percent + 99) // 100 - 1]

    mean = sum(ordered) / len(ordered)
    bandwidth = size / mean / 1e9
    return {"time": 1e6 * mean, "alg_bw": bandwidth, "bus_bw": bandwidth * 2 * (ranks - 1) / ranks, "nwrong": wrong,
            "p50_us": percentile(50), "p95_us": percentile(95), "min_us": 1e6 * ordered[0]}


def measure(rank, ranks, size, seconds):
    position = torch.arange(size // 4)
    values = [(1 + (position + 3 * r) % 7).float() for r in range(ranks)]  # whole, so their sum is exact
    tensors = values[rank], values[rank].clone()
    ways = {"out_of_place": False, "in_place": True}
    slowest = 0.0
    for i in range(WARM_UP):
        if i == 1:
            slowest = 0.0  # the first iteration makes connections
        for in_place in ways.values():
            slowest = max(slowest, sum_once(in_place, tensors))
    iterations = one() + (min(max(seconds / slowest, FEWEST), MOST) if rank == 0 else 0)
    dist.all_reduce(iterations)
    taken = {way: [] for way in ways}
    for _ in range(int(iterations.item())):
        for way, in_place in ways.items():
            taken[way].append(sum_once(in_place, tensors))
    result = {"size": len(position) * 4, "count": len(position), "type": "float", "redop": "sum", "root": -1,
              "iters": int(iterations.item())}
    for way, in_place in ways.items():
        tensors[1].copy_(tensors[0])
        sum_once(in_place, tensors)
        wrong = one() + (tensors[1] != sum(values)).sum().item()
        dist.all_reduce(wrong)
        result[way] = figures(taken[way], result["size"], ranks, int(wrong.item()))
    return result


def work(rank, a, meeting):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{meeting}/meet", rank=rank, world_size=a.ranks)
    results = [measure(rank, a.ranks, size, a.seconds) for size in a.bytes]
    if rank == 0:
        print(json.dumps({"ranks": a.ranks, "results": results}))
    dist.destroy_process_group()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bytes", type=int, nargs="+")
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=0.2, help="for each size, but 20 iterations at least")
    a = parser.parse_args()
    if min(a.bytes) < 4:
        parser.error(f"{min(a.bytes)} bytes are less than one element; give 4 or more")
    with tempfile.TemporaryDirectory() as meeting:
        torch.multiprocessing.spawn(work, (a, meeting), a.ranks)


if __name__ == "__main__":
    main()
