#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The reliability figures, in full: equal bits for all numbers of workers and threads, runs that are killed at random
moments and go on with other numbers of workers, and how fast survivors notice a worker that is killed or stopped.
Slim NiN on Fashion-MNIST, 8 shards.

Example: python3 bench/campaigns/reliability.py build/release/src/cli/firecaffe --result
"""
import argparse
import os
import pathlib
import random
import signal
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.dont_write_bytecode = True
sys.path[:0] = [str(ROOT / "bench"), str(ROOT / "tests" / "process")]

from common import write_result  # noqa: E402
from harness import marked_processes, summary, train  # noqa: E402
from lost_worker import DEADLINE, lose  # noqa: E402
from resume import disturbed_run  # noqa: E402

KILLS_PER_RUN = 5


def say(*words):
    print(*words, flush=True)


def trained(directory, changes, *arguments):
    done = train("--output", directory, *arguments, changes=changes).wait(600)
    if done.status != 0:
        raise AssertionError(str(done))
    return summary(directory)


def compare_digests(folder, changes):
    rows = []
    for workers in (1, 2, 3, 4, 8):
        for threads in (1, 2):
            found = trained(folder / f"{workers}x{threads}", changes, "--workers", str(workers), "--threads",
                            str(threads))
            rows.append({"workers": workers, "threads": threads, "parameters_digest": found["parameters_digest"],
                         "train_loss": found["train_loss"]})
            say(f"{workers} workers x {threads} threads: loss {found['train_loss']:.6f}, "
                f"digest {found['parameters_digest'][:16]}")
    reference = (rows[0]["parameters_digest"], rows[0]["train_loss"])
    different = sum((row["parameters_digest"], row["train_loss"]) != reference for row in rows)
    return {"runs": len(rows), "different": different, "parameters_digest": reference[0], "train_loss": reference[1],
            "rows": [{k: row[k] for k in ("workers", "threads")} for row in rows]}


def kill_and_resume(folder, changes, kills, randomness, digest):
    events, different, runs = [], 0, 0
    while len(events) < kills:
        output = folder / f"killed-{runs}"
        count = min(KILLS_PER_RUN, kills - len(events))
        events += disturbed_run(output, count, randomness, {**changes, "solver.display": 1},
                                changes["solver.max_iter"] // (2 * KILLS_PER_RUN), say)
        workers = randomness.choice((1, 2, 3, 4, 8))
        found = trained(output, changes, "--workers", str(workers), "--resume")
        different += found["parameters_digest"] != digest
        runs += 1
        say(f"run {runs}: {count} kills, ended by {workers} workers, digest {found['parameters_digest'][:16]}")
    return {"runs": runs, "kills": len(events), "different": different,
            "worst_seconds_until_all_processes_were_gone": max(e["seconds_until_all_were_gone"] for e in events),
            "events": events}


def lose_workers(folder, repeats):
    events, failures = [], 0
    for repeat in range(repeats):
        for victim in (0, 1, 2):
            for sign in (signal.SIGKILL, signal.SIGSTOP):
                running, pids, seconds = lose(victim, sign, folder / f"lost-{repeat}-{victim}-{sign.name}")
                named = sum(f"lost rank {victim} (host " in line and f"pid {pids[victim]})" in line
                            for line in running.errors())
                good = running.status == 75 and named >= 2 and seconds <= DEADLINE and not marked_processes()
                failures += not good
                events.append({"victim": victim, "signal": sign.name, "seconds": round(seconds, 3), "good": good})
                say(f"rank {victim}, {sign.name}: the others were gone after {seconds:.2f} s{'' if good else ', BAD'}")
                if not good:
                    say(running)
    return {"runs": len(events), "failures": failures, "deadline_seconds": DEADLINE,
            "worst_seconds": {s: max(e["seconds"] for e in events if e["signal"] == s) for s in ("SIGKILL", "SIGSTOP")},
            "events": events}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=pathlib.Path, help="the program firecaffe")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--losses", type=int, default=2, help="how often each of 3 workers is killed, and stopped")
    parser.add_argument("--seed", type=int, default=None, help="of the random moments; default: from the clock")
    parser.add_argument("--result", action="store_true", help="write a dated JSON under bench/results")
    a = parser.parse_args()
    os.environ["FIRECAFFE_PROGRAM"] = str(a.program.resolve())
    seed = time.time_ns() % 2**32 if a.seed is None else a.seed
    changes = {"solver.max_iter": a.steps, "solver.global_batch": a.batch, "data.train.limit": 4000,
               "output.checkpoint_interval": 5, "reducer.deadline_seconds": DEADLINE}
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="firecaffe-reliability-") as name:
        folder = pathlib.Path(name)
        digests = compare_digests(folder, changes)
        kills = kill_and_resume(folder, changes, a.kills, random.Random(seed), digests["parameters_digest"])
        losses = lose_workers(folder, a.losses)
    failures = digests["different"] + kills["different"] + losses["failures"]
    say(f"{digests['runs']} runs with other workers and threads, {digests['different']} different; {kills['kills']} "
        f"kills in {kills['runs']} runs, {kills['different']} different; {losses['runs']} lost workers, "
        f"{losses['failures']} failures, survivors gone after at most {losses['worst_seconds']} s")
    if a.result:
        write_result("reliability", {"what": __doc__.strip().split("\n\n")[0].replace("\n", " "), "steps": a.steps,
                                     "global_batch": a.batch, "shards": 8, "seed": seed, "failures": failures,
                                     "seconds": round(time.monotonic() - started), "digests": digests, "kills": kills,
                                     "lost_workers": losses})
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
