#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What becomes of a job that loses a worker, at random moments, under every reducer: each other worker must leave within
its deadline and name the one that is lost, and no process may stay.

A worker of 2 to 5 is killed (SIGKILL) or stopped (SIGSTOP), over TCP and in shared memory. And in an emulated cluster
(bench/cluster) a node falls silent, in both directions or in one: what it sends is lost, or what is sent to it. Silence
needs root and iproute2; without them it is left out, and the program says so. Slim NiN on Fashion-MNIST.

Example: python3 bench/campaigns/lost_workers.py build/release/src/cli/firecaffe --result
"""
import argparse
import json
import os
import pathlib
import random
import re
import signal
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.dont_write_bytecode = True
sys.path[:0] = [str(ROOT / "bench")]

from cluster.emulated import Cluster, why_not  # noqa: E402
from common import write_result  # noqa: E402

sys.path[:0] = [str(ROOT / "tests" / "process")]  # which has a cluster.py, too

from harness import EXAMPLE, marked_processes, settings  # noqa: E402
from lost_worker import DEADLINE, RUN, SLACK, lose  # noqa: E402

REDUCERS = ("star", "sharded_server", "tree", "pipelined_tree", "double_tree", "ring", "halving_doubling",
            "recursive_doubling", "direct", "two_level", "auto", "stale_server")
SILENCES = {"silent": (True, True), "unheard": (True, False), "deaf": (False, True)}
TRANSPORTS = ("tcp", "shared_memory")


def strike(folder, randomness, reducer, sign):
    """One local job."""
    workers = randomness.randint(2, 5)
    victim, transport = randomness.randrange(workers), randomness.choice(TRANSPORTS)
    changes = {"reducer.type": reducer, "reducer.transport": transport, "reducer.ranks_per_host": 2}
    running, pids, seconds = lose(victim, sign, folder, workers, changes, randomness.uniform(0, 1))
    named = sum(f"lost rank {victim} (host " in line and f"pid {pids[victim]})" in line for line in running.errors())
    good = running.status == 75 and named >= workers - 1 and seconds <= DEADLINE + SLACK and not marked_processes()
    return {"reducer": reducer, "what": sign.name, "transport": transport, "workers": workers, "victim": victim,
            "seconds": round(seconds, 3), "named_by": named, "good": good}, str(running)


def silence(program, folder, randomness, reducer, what):
    """One job in a cluster of its own."""
    nodes = randomness.randint(2, 5)
    victim = randomness.randrange(nodes)
    changes = {**RUN, "reducer.type": reducer, "reducer.ranks_per_host": 2}
    command = [program, "train", EXAMPLE, *settings(changes), "--output", folder / "run"]
    environment = {"FIRECAFFE_WORLD_SIZE": str(nodes), "FIRECAFFE_LOCAL_RANK": "0", "FIRECAFFE_LOCAL_WORLD_SIZE": "1",
                   "FIRECAFFE_TOKEN": f"{randomness.getrandbits(256):064x}"}
    with Cluster(nodes, "1gbit") as cluster:
        environment["FIRECAFFE_RENDEZVOUS"] = f"tcp://{cluster.address(0)}:29400"
        files = [open(folder / f"rank{rank}.txt", "w+") for rank in range(nodes)]
        ranks = [cluster.start(rank, command, {**environment, "FIRECAFFE_RANK": str(rank)}, stderr=files[rank],
                               stdout=files[rank]) for rank in range(nodes)]
        words = [folder / f"rank{rank}.txt" for rank in range(nodes)]
        until = time.monotonic() + 60
        while "step 3/" not in words[0].read_text():
            if time.monotonic() > until or any(rank.poll() is not None for rank in ranks):
                raise SystemExit("the job did not begin: " + " ".join(file.read_text() for file in words))
            time.sleep(0.01)
        time.sleep(randomness.uniform(0, 1))
        cluster.silence(victim, *SILENCES[what])
        struck, gone = time.monotonic(), {}
        while len(gone) < nodes and time.monotonic() < struck + 60:
            for rank, process in enumerate(ranks):
                if rank not in gone and process.poll() is not None:
                    gone[rank] = time.monotonic() - struck
            time.sleep(0.005)
        for file in files:
            file.close()
        said = [file.read_text() for file in words]
        others = [rank for rank in range(nodes) if rank != victim]
        # A node that hears and is not heard by all may be told apart from one that is deaf by nobody but itself: with two
        # nodes, either may be named.
        name = r"lost rank \d" if nodes == 2 else rf"lost rank {victim} \(host node{victim}, "
        named = sum(bool(re.search(name, said[rank])) for rank in others)
        seconds = max((gone.get(rank, 60.0) for rank in others), default=0.0)
        good = (named == len(others) and seconds <= DEADLINE + SLACK and len(gone) == nodes and
                all(ranks[rank].returncode == 75 for rank in others))
    return {"reducer": reducer, "what": what, "transport": "tcp", "workers": nodes, "victim": victim,
            "seconds": round(seconds, 3), "victim_left_after": round(gone.get(victim, 60.0), 3), "named_by": named,
            "good": good}, "\n".join(said)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=pathlib.Path, help="the program firecaffe")
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--reducers", nargs="+", default=REDUCERS)
    parser.add_argument("--what", nargs="+", default=["SIGKILL", "SIGSTOP", *SILENCES])
    parser.add_argument("--seed", type=int, default=None, help="of the random moments; default: from the clock")
    parser.add_argument("--result", action="store_true", help="write a dated JSON under bench/results")
    a = parser.parse_args()
    program = a.program.resolve()
    os.environ["FIRECAFFE_PROGRAM"] = str(program)
    seed = time.time_ns() % 2**32 if a.seed is None else a.seed
    randomness = random.Random(seed)
    kinds = list(a.what)
    if reason := why_not():
        print(f"left out, no silence: {reason}", flush=True)
        kinds = [kind for kind in kinds if kind not in SILENCES]
    if not kinds:
        parser.error("nothing is left to do")
    events, started = [], time.monotonic()
    with tempfile.TemporaryDirectory(prefix="firecaffe-lost-") as name:
        for number in range(a.times):
            folder = pathlib.Path(name) / str(number)
            folder.mkdir()
            reducer, what = a.reducers[number % len(a.reducers)], randomness.choice(kinds)
            if what in SILENCES:
                event, said = silence(program, folder, randomness, reducer, what)
            else:
                event, said = strike(folder / "run", randomness, reducer, getattr(signal, what))
            events.append(event)
            print(f"{number + 1}/{a.times}: {json.dumps(event)}", flush=True)
            if not event["good"]:
                print(said, flush=True)
    failures = sum(not event["good"] for event in events)
    worst = {what: max(e["seconds"] for e in events if e["what"] == what) for what in sorted({e["what"] for e in events})}
    print(f"{len(events)} lost workers, {failures} failures; the others were gone after at most {worst} s")
    if a.result:
        write_result("lost-workers", {"what": __doc__.split("\n\n")[0].replace("\n", " "), "seed": seed,
                                      "deadline_seconds": DEADLINE, "failures": failures, "worst_seconds": worst,
                                      "seconds": round(time.monotonic() - started), "events": events})
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
