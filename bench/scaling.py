#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How much faster are two workers than one? Slim NiN on Fashion-MNIST, one thread and the same batch per worker.

Three kinds of run take turns: one worker; two workers that exchange gradients; and two lone workers side by side, which
never wait for each other. The last is what the machine allows: two cores share caches, memory and whatever else the
machine is doing. The step times of the same two give what it allows in step: a synchronous step lasts as long as the
slower of its two halves, so cores that are slow in turns cost time however fast the exchange is. Ratios are taken round
by round, because the speed of a shared machine drifts; medians are quoted.

Example: python3 bench/scaling.py build/release/src/cli/firecaffe --rounds 15
"""
import argparse
import json
import os
import pathlib
import subprocess
import tempfile

from common import ROOT, median, write_result


def step_times(log):
    """The seconds of each step, from a log that has a line for every one."""
    steps = [json.loads(line) for line in log.read_text().splitlines()]
    ends = [0.0] + [step["seconds"] for step in steps if step["event"] == "step"]
    return [after - before for before, after in zip(ends, ends[1:])]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", help="the program firecaffe, built with the release preset")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--batch", type=int, default=64, help="images per worker and step")
    parser.add_argument("--result", action="store_true", help="write a dated JSON under bench/results")
    a = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))[:2]
    if len(cores) < 2:
        parser.error("two workers need two cores; this process may use one")

    def run(*jobs):
        """Runs the jobs, each a number of workers and a core or None, at once; returns their summaries and step times."""
        with tempfile.TemporaryDirectory() as folder:
            started = []
            for number, (workers, core) in enumerate(jobs):
                output = pathlib.Path(folder) / str(number)
                settings = [f"solver.max_iter={a.steps}", f"solver.global_batch={a.batch * workers}",
                            f"solver.shards={4 * workers}", "solver.test_interval=0", "data.test.limit=100", "solver.display=1"]
                command = [a.program, "train", str(ROOT / "examples/nin/fashion_mnist.json"), "--quiet",
                           "--workers", str(workers), "--output", str(output)]
                command += [x for s in settings for x in ("--set", s)]
                pin = None if core is None else (lambda core=core: os.sched_setaffinity(0, {core}))
                started.append((subprocess.Popen(command, stdout=subprocess.DEVNULL, preexec_fn=pin), output))
            for process, _ in started:
                if process.wait(timeout=900) != 0:
                    raise SystemExit(f"a run ended with status {process.returncode}")
            summaries = [json.loads((output / "summary.json").read_text()) for _, output in started]
            return summaries, [step_times(output / "log.jsonl") for _, output in started]

    kinds = {"one": [(1, None)], "two": [(2, None)], "two_alone": [(1, cores[0]), (1, cores[1])]}
    rows = []
    for number in range(a.rounds):
        row = {}
        order = list(kinds) if number % 2 == 0 else list(reversed(kinds))
        for kind in order:
            summaries, times = run(*kinds[kind])
            row[kind] = sum(s["images_per_second"] for s in summaries)
            if kind == "two_alone":
                row["in_step"] = 2 * a.batch * a.steps / sum(map(max, *times))
            if kind == "two":
                row["exposed_share"] = summaries[0]["exposed_communication_seconds"] / summaries[0]["seconds"]
        row["ratio"] = row["two"] / row["one"]
        row["limit"] = row["two_alone"] / row["one"]
        row["limit_in_step"] = row["in_step"] / row["one"]
        rows.append(row)
        print(f"round {number + 1}: 1 worker {row['one']:.0f}, 2 workers {row['two']:.0f} images/s, ratio "
              f"{row['ratio']:.3f} of {row['limit']:.3f} possible, {row['limit_in_step']:.3f} in step, "
              f"exchange not hidden {100 * row['exposed_share']:.1f} %",
              flush=True)
    summary = {key: median([row[key] for row in rows]) for key in rows[0]}
    print(f"median: 1 worker {summary['one']:.0f}, 2 workers {summary['two']:.0f} images/s, "
          f"ratio {summary['ratio']:.3f} of {summary['limit']:.3f} possible, {summary['limit_in_step']:.3f} in step")
    if a.result:
        write_result("scaling", {"what": __doc__.strip().split("\n\n")[0], "batch_per_worker": a.batch,
                                 "steps": a.steps, "median": summary, "rounds": rows})


if __name__ == "__main__":
    main()
