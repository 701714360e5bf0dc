#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs a command of firecaffe on an emulated cluster: every node is a network namespace of this machine with a link of
the given rate, and runs one rank. Nothing is left over, however it ends. Needs root and iproute2.

Examples:
  python3 bench/cluster/run.py --nodes 4 --rate 100mbit build/release/src/cli/firecaffe bench allreduce -b 1M -e 8M -f 2
  python3 bench/cluster/run.py --nodes 2 --rate 1gbit build/release/src/cli/firecaffe train \\
      examples/nin/fashion_mnist.json --set solver.max_iter=100 --set reducer.overlap=false
"""
import argparse
import sys

from emulated import Cluster, ClusterError


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=4)
    parser.add_argument("--rate", default="1gbit", help="of each link, in each direction, as tc says it: 100mbit, 1gbit")
    parser.add_argument("--timeout", type=float, help="seconds, after which all ranks are killed")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="the program firecaffe and its arguments")
    a = parser.parse_args()
    if not a.command:
        parser.error("which command? Give the program firecaffe and its arguments at the end")
    try:
        with Cluster(a.nodes, a.rate) as cluster:
            statuses = cluster.run(a.command, timeout=a.timeout)
    except ClusterError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
    bad = [(rank, status) for rank, status in enumerate(statuses) if status != 0]
    if bad:
        print("error: " + ", ".join(f"rank {rank} ended with status {status}" for rank, status in bad), file=sys.stderr)
    sys.exit(0 if not bad else max(abs(status) for _, status in bad))


if __name__ == "__main__":
    main()
