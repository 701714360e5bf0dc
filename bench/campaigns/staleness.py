#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What staleness buys when one of four workers is three times slower: LeNet on Fashion-MNIST with a stale server, for
several bounds. The fifth rank only serves. Workers are slowed by stopping their processes for a part of the time
(SIGSTOP, SIGCONT), a slow one for more of it, so that four of them find room on two cores.

persistent: it is always the same worker. The others get some steps ahead, once, and then go at its pace: so the rate is
also told of the first iterations, in which that shows. wandering: the workers are slow in turns, each for 1 to 4 slow
steps, by a seed per round. What one loses then, it can make up for later.

For each bound: images per second, beside what a model of the workers and the bound expects (stale_model.py, with how
long a step takes as the runs without staleness show); loss and accuracy at the end; and how far a worker was ahead when
it began a step, by the times that all workers have written down. None may be further than the bound. And the tree.

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
sys.path[:0] = [str(ROOT / "bench"), str(ROOT / "bench" / "campaigns")]

from common import median, write_result  # noqa: E402
from stale_model import (EPISODE, UNBOUNDED, Run, Speeds, each_in_turns, greatest_lead, one_is_slow,  # noqa: E402
                         seconds_until)

sys.path[:0] = [str(ROOT / "tests" / "process")]

from harness import free_port  # noqa: E402

WORKERS = 4       # ranks 1 to 4; rank 0 serves
BATCH = 64        # images of a step of one worker
WARM_UP = 5       # iterations at full speed, before anybody is slowed and rates are measured
PERIOD = 0.03     # seconds
SHARE = 0.36      # of the time in which a quick worker runs
SLOW_SHARE = SHARE / 3
SEEDS = 20        # schedules that the model takes the mean of
SCENARIOS = ("persistent", "wandering")
PATIENCE = 900.0  # seconds


def speeds(scenario, slow_step, seed, unit=1.0):
    """`slow_step`: how many quick ones a slow step is long; `unit`: seconds of a quick step."""
    episodes = one_is_slow(WORKERS - 1) if scenario == "persistent" else each_in_turns(WORKERS, slow_step, seed)
    return Speeds(((worker, end * unit) for worker, end in episodes), slow_step)


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
    """From the end of the warm-up to the last update; then all go on at full speed."""
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
    return [process.wait(timeout=PATIENCE) for process in processes]


def run(a, scenario, staleness, make_schedule, folder):
    """The summary, with what the log and the traces say."""
    processes = start_ranks(a, staleness, folder)
    try:
        status = run_slowed(a, processes, make_schedule, folder)
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
        found["traces"] = [lines_of(folder / f"steps.{1 + worker}") for worker in range(WORKERS)]
        found["lead"], found["steps"] = greatest_lead(found["traces"]), [len(trace) for trace in found["traces"]]
    return found


def step_seconds(summaries):
    """Of persistent runs without staleness: a quick step, a slow one, and an exchange, which nothing hides."""
    quick, slow = ([s["traces"][worker][WARM_UP:] for s in summaries] for worker in (0, WORKERS - 1))

    def middle(traces):
        return median([line["brought"] - line["began"] for trace in traces for line in trace])
    exchanges = [after["began"] - before["brought"] for trace in slow for before, after in itertools.pairwise(trace)]
    return middle(quick), middle(slow), median(exchanges)


def label(staleness):
    return "tree" if staleness is None else "no bound" if staleness == UNBOUNDED else f"staleness {staleness}"


def expected(a, scenario, staleness, measured):
    """Images per second until the first iterations are made, and until all are."""
    quick, slow, exchange = measured
    totals = [0.0, 0.0]
    for seed in range(SEEDS if scenario == "wandering" else 1):
        updates = Run(staleness, WORKERS, a.iterations * WORKERS, speeds(scenario, slow / quick, seed),
                      exchange / quick).updates
        for place, iterations in enumerate((a.head, a.iterations)):
            totals[place] += seconds_until(iterations, updates, WORKERS) * quick / (iterations * WORKERS * BATCH)
    return [(SEEDS if scenario == "wandering" else 1) / total for total in totals]


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
    parser.add_argument("--staleness", type=int, nargs="+", default=[1, 3, 10, UNBOUNDED],
                        help=f"beside 0, which is always measured; {UNBOUNDED}: no bound")
    parser.add_argument("--rounds", type=int, default=3, help="each with every bound; medians are quoted")
    parser.add_argument("--result", action="store_true", help="write a dated JSON under bench/results")
    a = parser.parse_args()
    a.program = a.program.resolve()
    bounds = [None, 0, *a.staleness]
    runs = {(scenario, bound): [] for scenario in SCENARIOS for bound in bounds}

    def measure(scenario, bound, seed, slow_step, unit):
        with tempfile.TemporaryDirectory(prefix="firecaffe-stale-") as name:
            found = run(a, scenario, bound, lambda: speeds(scenario, slow_step, seed, unit), pathlib.Path(name))
        runs[scenario, bound].append(found)
        print(f"{scenario}, {label(bound)}: {found['images_per_second']:.0f} images/s", flush=True)

    measured = None
    for seed in range(a.rounds):
        for bound in bounds if "persistent" in a.scenarios else [0]:
            measure("persistent", bound, seed, 1.0, 1.0)
        measured = step_seconds(runs["persistent", 0])
        for bound in bounds if "wandering" in a.scenarios else []:
            measure("wandering", bound, seed, measured[1] / measured[0], measured[0])
    print(f"\nmedians of {a.rounds} rounds; in brackets: times what it is with staleness 0. A quick step takes "
          f"{measured[0]:.3f} s, a slow one {measured[1]:.3f} s, an exchange {measured[2]:.3f} s")
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
                                   "quick_step_seconds": measured[0], "slow_step_seconds": measured[1],
                                   "exchange_seconds": measured[2], "runs": rows})
    sys.exit(0 if all(row["bound_holds"] for row in rows) else 1)


if __name__ == "__main__":
    main()
