#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Figure 4 of the FireCaffe paper with real bytes: how long the gradients of NiN (30 MB) take to be summed over p
workers on links of 1 Gbit/s, by a server, by trees, and by a ring and halving-doubling.

The workers are nodes of an emulated cluster on this machine (bench/cluster). Beside the measured times stand the paper's
Equations 3 and 4, and for each scheme the least time that its busiest link allows (docs/algorithms.md) and what the
cost model expects, which the bench fits to the times of single messages. A time is the median over iterations, in place, of
the slowest worker's. Needs root and iproute2.

Example: python3 bench/figure4.py build/release/src/cli/firecaffe --result

With --result it writes a dated JSON to bench/results, the picture to docs/figure4.svg, and the table into docs/papers.md.
"""
import argparse
import pathlib
import sys
import textwrap
import time

from cluster.allreduce import measure
from cluster.emulated import Cluster, ClusterError
from common import ROOT, write_result
from figure4_svg import picture

NIN = 30_380_704  # bytes of NiN's 7,595,176 parameters, a float each
MARK = "<!-- figure 4: "  # of the lines in docs/papers.md between which the table stands


def log2_up(p):
    return (p - 1).bit_length()


STEP_BY_STEP = ", step by step"  # behind the names of schemes that run as the paper counts
WHOLE = 1e9  # as reducer.chunk_kb: step by step
# What the busiest link carries in one direction, in units of the gradients: the "busiest rank" of docs/algorithms.md.
# Step by step it carries one way after the other, so that both count.
LEAST = {"star" + STEP_BY_STEP: lambda p: 2 * (p - 1), "tree" + STEP_BY_STEP: lambda p: 2 * log2_up(p),
         "star": lambda p: p - 1, "pipelined_tree": lambda p: 2 - 2 / 2**log2_up(p),
         "double_tree": lambda p: 2 if p > 2 else p - 1, "ring": lambda p: 2 * (p - 1) / p,
         "halving_doubling": lambda p: 2 * (p - 1) / p}


def equation3(p):
    return p


def equation4(p):
    return 2 * log2_up(p)


def bytes_per_second(rate):
    """Of a rate as tc says it, in bits: 1gbit, 100mbit."""
    for unit, factor in (("gbit", 1e9), ("mbit", 1e6), ("kbit", 1e3)):
        if rate.endswith(unit):
            return float(rate[:-len(unit)]) * factor / 8
    raise SystemExit(f"error: --rate {rate}: say it in bits, as 1gbit or 100mbit")


def measure_schemes(a, ranks):
    """Milliseconds by scheme, measured and as the bench predicts them."""
    if ranks == 1:  # nothing to exchange, whatever the scheme
        return {name: {"p50_ms": 0.0, "p95_ms": 0.0, "model_ms": 0.0} for name in LEAST}
    rows = {}
    with Cluster(ranks, a.rate) as cluster:
        for kind, chunk_kb in (("", a.chunk_kb), (STEP_BY_STEP, WHOLE)):
            names = [name.removesuffix(kind) for name in LEAST if name.endswith(STEP_BY_STEP) == (kind != "")]
            tables = measure(cluster, a.program, names, (a.bytes, a.bytes, 2), chunk_kb, a.iterations, a.timeout)
            rows |= {reducer + kind: results[0] for reducer, results in tables.items()}
    return {name: {"p50_ms": rows[name]["in_place"]["p50_us"] / 1e3, "p95_ms": rows[name]["in_place"]["p95_us"] / 1e3,
                   "model_ms": rows[name]["predicted_us"] / 1e3} for name in LEAST}


def table(result):
    """Lines of Markdown: times in milliseconds, in brackets how many times the least possible they are; and below each
    what the model expected, in brackets by how much the time is above it."""
    unit = 1e3 * result["bytes"] / bytes_per_second(result["rate"])
    ranks = [int(p) for p in result["by_ranks"]]
    lines = ["| ms | " + " | ".join(f"p = {p}" for p in ranks) + " |", "|---" * (len(ranks) + 1) + "|"]

    def line(name, cells):
        lines.append(f"| {name} | " + " | ".join(cells) + " |")

    line("Equation 3, server", [f"{unit * equation3(p):.0f}" for p in ranks])
    line("Equation 4, tree", [f"{unit * equation4(p):.0f}" for p in ranks])
    for name, least in LEAST.items():
        cells = []
        for p in ranks:
            time_ms, bound = result["by_ranks"][str(p)][name]["p50_ms"], unit * least(p)
            cells.append(f"{time_ms:.0f} ({time_ms / bound:.2f})" if bound > 0 else "0")
        line(f"`{name}`", cells)
        models = [result["by_ranks"][str(p)][name]["model_ms"] for p in ranks]
        times = [result["by_ranks"][str(p)][name]["p50_ms"] for p in ranks]
        line(f"`{name}`, model",
             [f"{model:.0f} ({time_ms / model - 1:+.0%})" if model > 0 else "0" for time_ms, model in zip(times, models)])
    return lines


def words(result):
    return (f"{result['bytes']} bytes over links of {result['rate']}, {result['date']}: milliseconds, the median of "
            f"{result['iterations']} sums, in chunks of {result['chunk_kb']:g} KB where not step by step; in brackets, "
            "how many times the least that the busiest link allows. Model: what `price` expects from the times of "
            "single messages; in brackets, by how much the measured time is above it.")


def write_table(result):
    """Replaces what stands between the two marks in docs/papers.md."""
    page = ROOT / "docs" / "papers.md"
    lines = page.read_text().splitlines()
    first, last = (number for number, line in enumerate(lines) if line.startswith(MARK))
    block = ["", "![Time to sum NiN's gradients over p workers](figure4.svg)", "", *textwrap.wrap(words(result), 120), "",
             *table(result), ""]
    page.write_text("\n".join(lines[:first + 1] + block + lines[last:]) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=pathlib.Path, help="the program firecaffe, built with the release preset")
    parser.add_argument("--ranks", type=int, nargs="+", default=[1, 2, 4, 8, 16])
    parser.add_argument("--rate", default="1gbit", help="of each link, in each direction: 100mbit, 1gbit")
    parser.add_argument("--bytes", type=int, default=NIN, help="of the gradients; a multiple of 4")
    parser.add_argument("--chunk-kb", type=float, default=64, help="of what runs in chunks; auto finds 64 at 1gbit")
    parser.add_argument("--iterations", type=int, default=5)
    parser.add_argument("--timeout", type=float, default=1800, help="seconds for each number of workers")
    parser.add_argument("--svg", type=pathlib.Path, help="write the picture to this file")
    parser.add_argument("--result", action="store_true", help="write JSON, picture and table into this tree")
    a = parser.parse_args()
    result = {"what": __doc__.strip().split("\n\n")[0], "date": time.strftime("%Y-%m-%d"), "bytes": a.bytes,
              "rate": a.rate, "chunk_kb": a.chunk_kb, "iterations": a.iterations, "by_ranks": {}}
    bytes_per_second(a.rate)
    try:
        for ranks in a.ranks:
            begun = time.monotonic()
            result["by_ranks"][str(ranks)] = measure_schemes(a, ranks)
            print(f"{ranks} nodes: {time.monotonic() - begun:.0f} s", flush=True)
    except ClusterError as error:
        sys.exit(f"error: {error}")
    print("\n".join(["", words(result), "", *table(result)]))
    svg = a.svg or (ROOT / "docs" / "figure4.svg" if a.result else None)
    if svg is not None:
        unit = a.bytes / bytes_per_second(a.rate)
        measured = {name: [(p, result["by_ranks"][str(p)][name]["p50_ms"] / 1e3) for p in a.ranks] for name in LEAST}
        curves = {"Equation 3": [(p, unit * equation3(p)) for p in a.ranks],
                  "Equation 4": [(p, unit * equation4(p)) for p in a.ranks]}
        svg.write_text(picture(f"Summing {a.bytes / 1e6:.1f} MB over p workers on links of {a.rate}", measured, curves))
        print(f"written: {svg}")
    if a.result:
        write_table(result)
        write_result("figure4", result)


if __name__ == "__main__":
    main()
