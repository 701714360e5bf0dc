#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How well the cost model predicts sums over an emulated cluster (bench/cluster): every scheme, in chunks and step by
step, for several numbers of nodes and lengths. The model knows the times of single messages, which the bench measures
first, and nothing of a sum. Needs root and iproute2.

A length that is not much longer than the token bucket of a link (128 KB) passes faster than the link's rate says, and where
the nodes' processes wait for one another's processors it takes longer; so lengths begin at 2 MB.

Example: sudo python3 bench/campaigns/prediction.py build/release/src/cli/firecaffe --result
"""
import argparse
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.dont_write_bytecode = True
sys.path[:0] = [str(ROOT / "bench")]

from cluster.allreduce import measure  # noqa: E402
from cluster.emulated import Cluster, ClusterError  # noqa: E402
from common import median, write_result  # noqa: E402

IN_CHUNKS = ("star", "sharded_server", "pipelined_tree", "double_tree", "ring", "halving_doubling", "recursive_doubling",
             "direct")
STEP_BY_STEP = ("star", "tree", "ring", "halving_doubling")
WHOLE = 1e9
LIMIT = 0.1


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=pathlib.Path, help="the program firecaffe, built with the release preset")
    parser.add_argument("--ranks", type=int, nargs="+", default=[2, 3, 4, 8])
    parser.add_argument("--rate", default="1gbit", help="of each link, in each direction, as tc says it")
    parser.add_argument("--bytes", type=int, nargs=3, default=[2 << 20, 32 << 20, 4], metavar=("FIRST", "LAST", "FACTOR"))
    parser.add_argument("--iterations", type=int, default=5)
    parser.add_argument("--timeout", type=float, default=1800, help="seconds for each number of nodes")
    parser.add_argument("--result", action="store_true", help="write a dated JSON under bench/results")
    a = parser.parse_args()
    rows = []
    try:
        for ranks in a.ranks:
            with Cluster(ranks, a.rate) as cluster:
                for how, chunk_kb, schemes in (("in chunks", 64, IN_CHUNKS), ("step by step", WHOLE, STEP_BY_STEP)):
                    tables = measure(cluster, a.program.resolve(), schemes, a.bytes, chunk_kb, a.iterations, a.timeout)
                    for scheme, results in tables.items():
                        of_scheme = [{"ranks": ranks, "scheme": scheme, "how": how, "bytes": result["size"],
                                      "predicted_ms": round(result["predicted_us"] / 1e3, 3),
                                      "measured_ms": round(result["in_place"]["p50_us"] / 1e3, 3),
                                      "error": round(result["in_place"]["p50_us"] / result["predicted_us"] - 1, 3)}
                                     for result in results]
                        rows += of_scheme
                        print(f"{ranks} nodes, {scheme}, {how}: " + ", ".join(
                            f"{row['bytes'] / 2**20:g} MiB {row['measured_ms']:.1f} of {row['predicted_ms']:.1f} ms "
                            f"({row['error']:+.0%})" for row in of_scheme), flush=True)
    except ClusterError as error:
        raise SystemExit(f"error: {error}")
    errors = [abs(row["error"]) for row in rows]
    beyond = [row for row in rows if abs(row["error"]) > LIMIT]
    print(f"{len(rows)} sums: the median error is {median(errors):.1%}, {len(beyond)} are beyond {LIMIT:.0%}"
          + (f", the worst is {max(errors):.0%}" if beyond else ""))
    if a.result:
        write_result("prediction", {"what": __doc__.split("\n\n")[0].replace("\n", " "), "rate": a.rate,
                                    "iterations": a.iterations, "median_error": round(median(errors), 4),
                                    "worst_error": round(max(errors), 4), "limit": LIMIT, "beyond_limit": len(beyond),
                                    "rows": rows})
    sys.exit(1 if beyond else 0)


if __name__ == "__main__":
    main()
