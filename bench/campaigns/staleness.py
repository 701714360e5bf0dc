#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What staleness buys when one of four workers is three times slower: LeNet on Fashion-MNIST with a stale server, for
several bounds. The fifth rank only serves. Workers are slowed by stopping their processes for a part of the time
(SIGSTOP, SIGCONT), the slow one for more of it, so that four of them find room on two cores.

For each bound: images per second, loss and accuracy at the end, and how many steps were made with parameters that lacked
how many updates of the slowest other worker; none may lack more than the bound. And the tree, for comparison.

Example: python3 bench/campaigns/staleness.py build/release/src/cli/firecaffe --result
"""
import argparse
import itertools
import json
import os
import pathlib
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.dont_write_bytecode = True
sys.path[:0] = [str(ROOT / "bench")]

from common import median, write_result  # noqa: E402

sys.path[:0] = [str(ROOT / "tests" / "process")]

from harness import free_port  # noqa: E402

WORKERS, SLOW = 4, 4   # ranks 1..4 work, of which rank 4 is slow; rank 0 serves
PERIOD = 0.03          # seconds
SHARE = 0.36           # of the time in which a quick worker runs; the slow one runs for a third of it


def throttle(process, share, end):
    """Lets a process run for a share of each period."""
    while process.poll() is None and not end.is_set():
        for sign, seconds in ((signal.SIGCONT, share * PERIOD), (signal.SIGSTOP, (1 - share) * PERIOD)):
            try:
                process.send_signal(sign)
            except ProcessLookupError:
                return
            if process.poll() is not None:
                return
            time.sleep(seconds)


def run(a, staleness, folder):
    changes = {"reducer.type": "stale_server" if staleness is not None else "tree",
               "reducer.servers": 1, "solver.shards": WORKERS, "solver.global_batch": 64 * WORKERS,
               "solver.max_iter": a.iterations, "solver.test_interval": 0, "solver.display": 0,
               "output.checkpoint_interval": 0}
    if staleness is not None:
        changes["reducer.staleness"] = staleness
    ranks = WORKERS + 1
    common = {"FIRECAFFE_WORLD_SIZE": str(ranks), "FIRECAFFE_LOCAL_WORLD_SIZE": str(ranks),
              "FIRECAFFE_TOKEN": secrets.token_hex(32), "FIRECAFFE_RENDEZVOUS": f"tcp://127.0.0.1:{free_port()}"}
    summary, end = folder / "summary.json", threading.Event()
    processes, threads = [], []
    for rank in range(ranks):
        command = [a.program, "train", ROOT / "examples" / "lenet" / "fashion_mnist.json", "--quiet",
                   *(word for key, value in changes.items() for word in ("--set", f"{key}={json.dumps(value)}"))]
        if rank == 0:
            command += ["--json", summary]
        environment = {**os.environ, **common, "FIRECAFFE_RANK": str(rank), "FIRECAFFE_LOCAL_RANK": str(rank)}
        processes.append(subprocess.Popen([str(word) for word in command], env=environment, stdout=subprocess.DEVNULL))
    for rank in range(1, ranks):
        share = SHARE / 3 if rank == SLOW else SHARE
        threads.append(threading.Thread(target=throttle, args=(processes[rank], share, end)))
        threads[-1].start()
    try:
        status = [process.wait(timeout=900) for process in processes]
    finally:
        end.set()
        for process in processes:
            process.kill()
        for thread in threads:
            thread.join()
    if any(status):
        raise SystemExit(f"staleness {staleness}: the ranks ended with {status}")
    return json.loads(summary.read_text())


def label(staleness):
    return "tree" if staleness is None else f"staleness {staleness}"


def row_of(staleness, summaries):
    lags = [sum(places) for places in itertools.zip_longest(*(s.get("lags", []) for s in summaries), fillvalue=0)]
    middle = {key: median([s[key] for s in summaries])
              for key in ("images_per_second", "seconds", "train_loss", "test_loss", "test_top1")}
    return {"staleness": staleness, "images_per_second": round(middle["images_per_second"], 1),
            "all_images_per_second": [round(s["images_per_second"], 1) for s in summaries],
            "seconds": round(middle["seconds"], 2), "train_loss": middle["train_loss"],
            "test_loss": middle["test_loss"], "test_top1": middle["test_top1"], "lags": lags,
            "bound_holds": staleness in (None, -1) or len(lags) <= staleness + 1}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=pathlib.Path, help="the program firecaffe")
    parser.add_argument("--iterations", type=int, default=150)
    parser.add_argument("--staleness", type=int, nargs="+", default=[0, 1, 3, 10, -1], help="-1: no bound")
    parser.add_argument("--rounds", type=int, default=3, help="each with every bound; medians are quoted")
    parser.add_argument("--result", action="store_true", help="write a dated JSON under bench/results")
    a = parser.parse_args()
    a.program = a.program.resolve()
    runs = {staleness: [] for staleness in [None, *a.staleness]}
    for _ in range(a.rounds):
        for staleness, summaries in runs.items():
            with tempfile.TemporaryDirectory(prefix="firecaffe-stale-") as name:
                summaries.append(run(a, staleness, pathlib.Path(name)))
            print(f"{label(staleness)}: {summaries[-1]['images_per_second']:.0f} images/s", flush=True)
    rows = [row_of(staleness, summaries) for staleness, summaries in runs.items()]
    print(f"\nmedians of {a.rounds} rounds")
    for row in rows:
        print(f"{label(row['staleness'])}: {row['images_per_second']} images/s, test loss {row['test_loss']:.4f}, "
              f"top-1 {100 * row['test_top1']:.2f} %, lags {row['lags']}")
    if a.result:
        write_result("staleness", {"what": __doc__.split("\n\n")[0].replace("\n", " "), "workers": WORKERS,
                                   "slow_worker": "a third of the others' time", "iterations": a.iterations,
                                   "rounds": a.rounds, "runs": rows})
    sys.exit(0 if all(row["bound_holds"] for row in rows) else 1)


if __name__ == "__main__":
    main()
