#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What staleness buys when one of four workers is three times slower: LeNet on Fashion-MNIST with a stale server, for
several bounds. The fifth rank only serves. Workers are slowed by stopping their processes for a part of the time
(SIGSTOP, SIGCONT), a slow one for more of it, so that four of them find room on two cores.

persistent: it is always the same worker. The others get some steps ahead, once, and then go at its pace: so the rate is
also told of the first iterations, in which that shows. wandering: the workers are slow in turns, each for 1 to 4 slow
steps, by a seed per round. What one loses then, it can make up for later.

For each bound: images per second, beside what a model of the workers and the bound expects (stale_model.py), given how
long a step takes in the persistent runs where the worker does not wait for others, with and without staleness; loss and
accuracy at the end; and how far a worker was ahead when it began a step, by the times that all workers have written
down. None may be further than the bound. And the tree. On a machine that does something else the rates mean little.

Example: python3 bench/campaigns/staleness.py build/release/src/cli/firecaffe --result
"""
import argparse
import collections
import itertools
import json
import os
import pathlib
import secrets
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.dont_write_bytecode = True
sys.path[:0] = [str(ROOT / "bench"), str(ROOT / "bench" / "campaigns")]

from common import median, write_result  # noqa: E402
from stale_model import (EPISODE, UNBOUNDED, Run, Speeds, each_in_turns, greatest_lead, one_is_slow,  # noqa: E402
                         seconds_until)

sys.path[:0] = [str(ROOT / "tests" / "process")]

from harness import free_port  # noqa: E402

WORKERS = 4       # ranks 1 to 4; rank 0 serves
BATCH = 64        # images of a step of one worker
WARM_UP = 5       # iterations at full speed, before anybody is slowed and rates are measured
LEAST = 12        # iterations, for the slow worker to have made some steps
PERIOD = 0.03     # seconds
SHARE = 0.36      # of the time in which a quick worker runs
SLOW_SHARE = SHARE / 3
SEEDS = 20        # schedules that the model takes the mean of
SCENARIOS = ("persistent", "wandering")
PATIENCE = 900.0  # seconds

Steps = collections.namedtuple("Steps", "quick slow exchange")  # seconds


def speeds(scenario, seed, steps, spell):
    """`spell`: seconds of a slow step, of which the time for which a worker stays slow is some."""
    return Speeds(one_is_slow(WORKERS - 1) if scenario == "persistent" else each_in_turns(WORKERS, spell, seed),
                  steps.quick, steps.slow)


def throttle(process, worker, schedule, start, end):
    """Lets a process run for a share of each period. The workers' periods are shifted against each other, so that no
    more than two of them run at once."""
    def send(sign, moment):
        time.sleep(max(0.0, moment - time.monotonic()))
        if not end.is_set() and process.poll() is None:
            process.send_signal(sign)

    begin = start + PERIOD * worker / WORKERS
    while process.poll() is None and not end.is_set():
        slow, _ = schedule.slow_until(begin - start)
        send(signal.SIGCONT, begin)
        send(signal.SIGSTOP, begin + (SLOW_SHARE if slow == worker else SHARE) * PERIOD)
        begin += PERIOD


def start_ranks(a, staleness, folder):
    changes = {"reducer.type": "tree" if staleness is None else "stale_server", "reducer.servers": 1,
               "solver.shards": WORKERS, "solver.global_batch": BATCH * WORKERS,
               "solver.max_iter": WARM_UP + a.iterations,
               "solver.test_interval": 0, "solver.display": 1, "output.checkpoint_interval": 0}
    if staleness is not None:
        changes["reducer.staleness"] = staleness
    ranks = WORKERS + 1
    common = {"FIRECAFFE_WORLD_SIZE": str(ranks), "FIRECAFFE_LOCAL_WORLD_SIZE": str(ranks),
              "FIRECAFFE_TOKEN": secrets.token_hex(32), "FIRECAFFE_RENDEZVOUS": f"tcp://127.0.0.1:{free_port()}"}
    command = [a.program, "train", ROOT / "examples" / "lenet" / "fashion_mnist.json", "--quiet", "--output", folder,
               *([] if staleness is None else ["--steps", folder / "steps"]),
               *(word for key, value in changes.items() for word in ("--set", f"{key}={json.dumps(value)}"))]
    command = [str(word) for word in command]
    environments = [{**os.environ, **common, "FIRECAFFE_RANK": str(rank), "FIRECAFFE_LOCAL_RANK": str(rank)}
                    for rank in range(ranks)]
    return [subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment) for environment in environments]


def lines_of(path):
    """Those that are complete."""
    return [json.loads(line) for line in path.read_text().split("\n")[:-1]]


def first_report(folder, iteration):
    """Of this iteration or a later one, or None."""
    log = folder / "log.jsonl"
    return next((line for line in (lines_of(log) if log.exists() else [])
                 if line["event"] == "step" and line["iteration"] >= iteration), None)


def wait_for(iteration, processes, folder):
    end = time.monotonic() + PATIENCE
    while first_report(folder, iteration) is None and all(process.poll() is None for process in processes):
        if time.monotonic() > end:
            raise SystemExit(f"iteration {iteration} was not reached within {PATIENCE:.0f} s")
        time.sleep(0.02)


def run_slowed(a, processes, make_schedule, folder):
    """From the end of the warm-up to the last update; then all go on at full speed. Returns how they ended, and when
    they began to be slowed, by the clock that the workers write down."""
    wait_for(WARM_UP, processes, folder)
    end, start = threading.Event(), time.monotonic()
    threads = [threading.Thread(target=throttle, args=(processes[1 + worker], worker, make_schedule(), start, end))
               for worker in range(WORKERS)]
    for thread in threads:
        thread.start()
    try:
        wait_for(WARM_UP + a.iterations, processes, folder)
    finally:
        end.set()
        for thread in threads:
            thread.join()
    for process in processes:
        process.send_signal(signal.SIGCONT)
    return [process.wait(timeout=PATIENCE) for process in processes], start


def run(a, scenario, staleness, make_schedule, folder):
    """The summary, with what the log and the traces say."""
    processes = start_ranks(a, staleness, folder)
    try:
        status, start = run_slowed(a, processes, make_schedule, folder)
    finally:
        for process in processes:
            process.kill()
    if any(status):
        raise SystemExit(f"{scenario}, {label(staleness)}: the ranks ended with {status}")
    found = json.loads((folder / "summary.json").read_text())
    begin = first_report(folder, WARM_UP)
    for key, iterations in (("images_per_second", a.iterations), ("head_images_per_second", a.head)):
        report = first_report(folder, WARM_UP + iterations)
        found[key] = ((report["iteration"] - begin["iteration"]) * BATCH * WORKERS /
                      (report["seconds"] - begin["seconds"]))
    if staleness is not None:
        traces = [lines_of(folder / f"steps.{1 + worker}") for worker in range(WORKERS)]
        found["lead"], found["steps"] = greatest_lead(traces), [len(trace) for trace in traces]
        found["slowed"] = [[line for line in trace if line["began"] >= start] for trace in traces]
    return found


def measured_steps(runs):
    """Of the persistent runs without staleness, and of those with."""
    def mean(bounds, worker, seconds):
        return statistics.mean([seconds(before, after) for bound in bounds for s in runs["persistent", bound]
                                for before, after in itertools.pairwise(s["slowed"][worker])])
    quick, slow = 0, WORKERS - 1
    own = [mean([0], worker, lambda step, _: step["brought"] - step["began"]) for worker in (quick, slow)]
    # The slow one is the last to bring its update, so that from then on it waits for the answer only.
    exchange = mean([0], slow, lambda before, after: after["began"] - before["brought"])
    # With a bound of 1 or more it never waits; the others do, unless there is none.
    stale = [bound for scenario, bound in runs if scenario == "persistent" and bound not in (None, 0)]
    free = [mean(bounds, worker, lambda before, after: after["began"] - before["began"])
            for bounds, worker in (([UNBOUNDED], quick), (stale, slow))]
    return {"synchronous": Steps(*own, exchange), "stale": Steps(*free, 0.0)}


def label(staleness):
    return "tree" if staleness is None else "no bound" if staleness == UNBOUNDED else f"staleness {staleness}"


def expected(a, scenario, staleness, measured):
    """Images per second until the first iterations are made, and until all are."""
    steps = measured["synchronous" if staleness == 0 else "stale"]
    seeds = range(SEEDS if scenario == "wandering" else 1)
    spell = measured["synchronous"].slow
    updates = [Run(staleness, WORKERS, a.iterations * WORKERS, speeds(scenario, seed, steps, spell),
                   steps.exchange).updates for seed in seeds]
    return [iterations * WORKERS * BATCH * len(seeds) / sum(seconds_until(iterations, u, WORKERS) for u in updates)
            for iterations in (a.head, a.iterations)]


def row_of(a, scenario, staleness, summaries, measured):
    middle = {key: median([s[key] for s in summaries])
              for key in ("head_images_per_second", "images_per_second", "train_loss", "test_loss", "test_top1")}
    row = {"scenario": scenario, "staleness": staleness, **middle,
           "all_images_per_second": [round(s["images_per_second"], 1) for s in summaries], "bound_holds": True}
    if staleness is None:
        return row
    head, whole = expected(a, scenario, staleness, measured)
    row["expected_head_images_per_second"], row["expected_images_per_second"] = head, whole
    row["lags"] = [sum(places) for places in itertools.zip_longest(*(s["lags"] for s in summaries), fillvalue=0)]
    row["greatest_lead"] = max(s["lead"] for s in summaries)
    row["steps_of_workers"] = [s["steps"] for s in summaries]
    if staleness != UNBOUNDED:
        row["bound_holds"] = row["greatest_lead"] <= staleness and len(row["lags"]) <= staleness + 1
    return row


def words_of(a, row, base):
    def rate(key):
        words = f"{row[key]:.0f} images/s ({row[key] / base[key]:.2f}"
        if "expected_" + key not in row:
            return words + ")"
        return words + f"; model {row['expected_' + key]:.0f}, {row['expected_' + key] / base['expected_' + key]:.2f})"
    lead = f", at most {row['greatest_lead']} steps ahead" if "greatest_lead" in row else ""
    return (f"{label(row['staleness'])}: {rate('images_per_second')}, first {a.head} iterations "
            f"{rate('head_images_per_second')}; test loss {row['test_loss']:.4f}, top-1 {100 * row['test_top1']:.2f} %"
            f"{lead}{'' if row['bound_holds'] else ': THE BOUND DOES NOT HOLD'}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=pathlib.Path, help="the program firecaffe")
    parser.add_argument("--scenarios", nargs="+", choices=SCENARIOS, default=SCENARIOS)
    parser.add_argument("--iterations", type=int, default=150, help="after the warm-up")
    parser.add_argument("--head", type=int, default=25, help="of these the first, whose rate is told, too")
    parser.add_argument("--staleness", type=int, nargs="+", default=[1, 3, 10],
                        help="beside 0 and no bound, which are always measured")
    parser.add_argument("--rounds", type=int, default=3, help="each with every bound; medians are quoted")
    parser.add_argument("--result", action="store_true", help="write a dated JSON under bench/results")
    a = parser.parse_args()
    if not 1 <= a.head <= a.iterations or a.iterations < LEAST:
        parser.error(f"--iterations {a.iterations} --head {a.head}: give {LEAST} or more, and a head of these")
    a.program = a.program.resolve()
    bounds = [None, 0, *a.staleness, UNBOUNDED]
    runs = {(scenario, bound): [] for scenario in SCENARIOS for bound in bounds}

    def measure(scenario, bound, seed, spell):
        # In the schedule of who is slow it does not matter how long steps are.
        def schedule():
            return speeds(scenario, seed, Steps(1.0, 1.0, 0.0), spell)
        with tempfile.TemporaryDirectory(prefix="firecaffe-stale-") as name:
            found = run(a, scenario, bound, schedule, pathlib.Path(name))
        runs[scenario, bound].append(found)
        print(f"{scenario}, {label(bound)}: {found['images_per_second']:.0f} images/s", flush=True)

    for seed in range(a.rounds):
        for bound in bounds if "persistent" in a.scenarios else [0, UNBOUNDED]:
            measure("persistent", bound, seed, 0.0)
        measured = measured_steps(runs)
        for bound in bounds if "wandering" in a.scenarios else []:
            measure("wandering", bound, seed, measured["synchronous"].slow)
    print(f"\nmedians of {a.rounds} rounds; in brackets: times what it is with staleness 0, and so by the model.\n"
          "Seconds of steps:")
    for kind, steps in measured.items():
        print(f"  {kind}: quick {steps.quick:.3f}, slow {steps.slow:.3f}, exchange {steps.exchange:.3f}")
    rows = []
    for scenario in a.scenarios:
        print(scenario)
        of_scenario = [row_of(a, scenario, bound, runs[scenario, bound], measured) for bound in bounds]
        for row in of_scenario:
            print("  " + words_of(a, row, of_scenario[1]))
        rows += of_scenario
    if a.result:
        what = __doc__.split("\n\nFor each")[0].replace("\n\n", " ").replace("\n", " ")
        write_result("staleness", {"what": what, "workers": WORKERS, "iterations": a.iterations,
                                   "head": a.head, "warm_up": WARM_UP,
                                   "rounds": a.rounds, "slow_steps_of_an_episode": EPISODE,
                                   "step_seconds": {kind: steps._asdict() for kind, steps in measured.items()},
                                   "runs": rows})
    sys.exit(0 if all(row["bound_holds"] for row in rows) else 1)


if __name__ == "__main__":
    main()
