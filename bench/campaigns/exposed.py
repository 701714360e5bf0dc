#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How much of the exchange stays exposed when NiN trains in an emulated cluster (bench/cluster), with and without
overlap: NiN for ImageNet, 30 MB of gradients, synthetic images, links of a given rate. With and without take turns, for
several rounds; the ratio is taken in each round, and the median is quoted. Needs root and iproute2; reducer.link_mbit
gives links of a rate without either.

Example: sudo python3 bench/campaigns/exposed.py build/release/src/cli/firecaffe --result
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.dont_write_bytecode = True
sys.path[:0] = [str(ROOT / "bench")]

from cluster.emulated import Cluster, ClusterError  # noqa: E402
from common import median, write_result  # noqa: E402

CONFIG = ROOT / "examples" / "nin_imagenet" / "author.json"
LIMIT = 0.5  # of the exposed time without overlap


def config_of(a, overlap, folder):
    """The example with synthetic images and few steps; a file, because it has other data than the example."""
    config = json.loads(CONFIG.read_text())
    del config["$schema"]
    images = {"type": "synthetic", "count": 1024, "shape": [3, 224, 224], "classes": 1000}
    config["data"] = {"train": images, "threads": 1, "prefetch": 2}
    config["net"] = str(CONFIG.parent / config["net"])
    config["solver"].update(max_iter=a.steps, global_batch=a.batch * a.nodes, shards=a.nodes, display=0,
                            test_interval=0)
    config["reducer"] = {"type": a.reducer, "overlap": overlap}
    config["output"] = {"checkpoint_interval": 0}
    path = folder / "config.json"
    path.write_text(json.dumps(config))
    return path


def train(a, cluster, overlap):
    with tempfile.TemporaryDirectory(prefix="firecaffe-exposed-") as name:
        folder = pathlib.Path(name)
        statuses = cluster.run([a.program, "train", config_of(a, overlap, folder), "--threads", "1", "--quiet",
                                "--json", folder / "summary.json"], timeout=900, output=subprocess.DEVNULL)
        if any(statuses):
            raise SystemExit(f"overlap {overlap}: the ranks ended with {statuses}")
        summary = json.loads((folder / "summary.json").read_text())
    return {"step": summary["seconds"] / a.steps, "exposed": summary["exposed_communication_seconds"] / a.steps,
            "scheme": summary["reducer"]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=pathlib.Path, help="the program firecaffe")
    parser.add_argument("--nodes", type=int, default=2, help="each with one thread")
    parser.add_argument("--rate", default="1gbit", help="of each link, in each direction, as tc says it")
    parser.add_argument("--reducer", default="pipelined_tree")
    parser.add_argument("--batch", type=int, default=8, help="images per node and step")
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--result", action="store_true", help="write a dated JSON under bench/results")
    a = parser.parse_args()
    a.program = a.program.resolve()
    rounds = []
    try:
        with Cluster(a.nodes, a.rate) as cluster:
            for number in range(a.rounds):
                one = {name: train(a, cluster, overlap) for name, overlap in (("after", False), ("overlapped", True))}
                one["ratio"] = one["overlapped"]["exposed"] / one["after"]["exposed"]
                rounds.append(one)
                print(f"round {number + 1}: " + ", ".join(
                    f"{name} {1e3 * one[name]['exposed']:.0f} of {1e3 * one[name]['step']:.0f} ms exposed"
                    for name in ("after", "overlapped")) + f", ratio {one['ratio']:.2f}", flush=True)
    except ClusterError as error:
        raise SystemExit(f"error: {error}")
    ratio = median([one["ratio"] for one in rounds])
    print(f"median ratio {ratio:.2f}, limit {LIMIT}")
    if a.result:
        write_result("exposed", {"what": __doc__.split("\n\n")[0].replace("\n", " "), "nodes": a.nodes, "rate": a.rate,
                                 "reducer": a.reducer, "batch_per_node": a.batch, "steps": a.steps, "rounds": rounds,
                                 "median_ratio": ratio, "limit": LIMIT})
    sys.exit(0 if ratio <= LIMIT else 1)


if __name__ == "__main__":
    main()
