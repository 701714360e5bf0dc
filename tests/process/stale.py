#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A stale server between real processes: without staleness runs repeat, with it the bound holds; and local SGD and
PowerSGD, over TCP and in shared memory. And bench/campaigns/staleness.py, which measures what staleness buys."""
import json
import re
import sys

from harness import ROOT, ProcessTest, Running, main, program, run, train

sys.path.insert(0, str(ROOT / "bench" / "campaigns"))
from stale_model import (UNBOUNDED, Run, Speeds, each_in_turns, greatest_lead, one_is_slow,  # noqa: E402
                         seconds_until)

TRANSPORTS = ("tcp", "shared_memory")


class Stale(ProcessTest):
    def trained_with(self, workers, **changes):
        return self.trained("--workers", str(workers), changes={f"reducer.{k}": v for k, v in changes.items()})

    def test_without_staleness_runs_repeat(self):
        digests = {self.trained_with(3, type="stale_server", transport=transport, servers=servers)["parameters_digest"]
                   for transport in TRANSPORTS for servers in (0, 1)}
        self.assertEqual(len(digests), 1)

    def test_the_bound_holds(self):
        for transport in TRANSPORTS:
            for staleness in (1, 3, -1):
                with self.subTest(transport=transport, staleness=staleness):
                    found = self.trained_with(4, type="stale_server", transport=transport, staleness=staleness)
                    self.assertEqual((found["iterations"], found["reducer"]), (12, "stale_server"))
                    self.assertEqual(sum(found["lags"]), 12 * 4)
                    if staleness > 0:
                        self.assertLessEqual(len(found["lags"]), staleness + 1)

    def test_the_bound_holds_by_what_the_workers_write_down(self):
        """Each at its own pace, and twice, since they meet in the middle."""
        changes = {"reducer.type": "stale_server", "output.checkpoint_interval": 6}
        for staleness in (0, 2, UNBOUNDED):
            with self.subTest(staleness=staleness):
                steps = self.directory / f"steps{staleness}"
                self.trained("--workers", "3", "--steps", steps, changes={**changes, "reducer.staleness": staleness})
                texts = [(self.directory / f"{steps.name}.{rank}").read_text() for rank in range(3)]
                traces = [[json.loads(line) for line in text.splitlines()] for text in texts]
                lines = [line for trace in traces for line in trace]
                self.assertEqual(len(lines), 12 * 3)
                self.assertEqual({line["from"] for line in lines}, {0, 6})
                for trace in traces:
                    times = [line[key] for line in trace for key in ("began", "computed", "brought")]
                    self.assertEqual(times, sorted(times))
                    for begin in (0, 6):
                        numbers = [line["step"] for line in trace if line["from"] == begin]
                        self.assertEqual(numbers, list(range(len(numbers))))
                if staleness != UNBOUNDED:
                    self.assertLessEqual(greatest_lead(traces), staleness)

    def test_a_period_and_power_sgd_send_less(self):
        summed = self.trained_with(2, type="tree")
        for changes in ({"period": 4}, {"codec.type": "power_sgd", "codec.approximation_rank": 1}):
            with self.subTest(changes=changes):
                found = self.trained_with(2, type="tree", **changes)
                self.assertLess(found["communication_bytes"], summed["communication_bytes"])
                self.assertGreater(found["drift"] + found["kept_back"], 0)

    def test_what_cannot_be_is_refused(self):
        done = run("bench", "allreduce", "--reducer", "stale_server")
        self.assertEqual(done.status, 2)
        self.assertIn("it sums nothing", done.errors()[0])
        done = train("--steps", self.directory / "steps").wait()
        self.assertEqual(done.status, 2)
        self.assertIn("reducer.type to stale_server", done.errors()[0])
        done = train("--workers", "2", "--steps", self.directory / "none" / "steps",
                     changes={"reducer.type": "stale_server"}).wait()
        self.assertNotEqual(done.status, 0)
        self.assertTrue(any("none/steps." in line and "--steps" in line for line in done.errors()), str(done))


class Campaign(ProcessTest):
    """bench/campaigns/staleness.py and its model."""

    def updates(self, staleness, episodes, workers=4, iterations=150, **changes):
        updates = Run(staleness, workers, workers * iterations, Speeds(episodes, 1, 3), **changes).updates
        self.assertEqual(len(updates), workers * iterations)
        self.assertEqual(updates, sorted(updates))
        return updates

    def test_with_one_slow_worker_the_others_gain_their_lead_once(self):
        """Of k steps of the slow one they bring k + s - 1: the last that they have made waits for it."""
        self.assertEqual(seconds_until(150, self.updates(0, one_is_slow(3)), 4), 450)
        self.assertEqual(seconds_until(150, self.updates(0, one_is_slow(3), exchange=0.5), 4), 450 + 149 * 0.5)
        for staleness in (1, 2, 3, 10, 20):
            slow_steps = -(-(600 - 3 * (staleness - 1)) // 4)
            end = seconds_until(150, self.updates(staleness, one_is_slow(3)), 4)
            self.assertTrue(3 * (slow_steps - 1) <= end <= 3 * (slow_steps + 1), (staleness, end))
        free = seconds_until(100, self.updates(UNBOUNDED, one_is_slow(3)), 4)
        self.assertAlmostEqual(free, 400 / (3 + 1 / 3), delta=1)

    def test_with_each_slow_in_turns_a_greater_bound_is_quicker(self):
        ends = [sum(seconds_until(150, self.updates(staleness, each_in_turns(4, 3, seed)), 4) for seed in range(5))
                for staleness in (0, 1, 3, 10, UNBOUNDED)]
        for tighter, wider in zip(ends, ends[1:]):
            self.assertLess(wider, tighter)
        self.assertGreater(ends[0] / ends[3], 2)

    def test_a_bound_that_does_not_hold_is_seen(self):
        quick = [{"from": 0, "step": k, "began": float(k), "brought": k + 0.9} for k in range(5)]
        slow = [{"from": 0, "step": k, "began": 3.0 * k, "brought": 3 * k + 2.9} for k in range(5)]
        self.assertEqual(greatest_lead([quick, slow]), 3)
        self.assertEqual(greatest_lead([quick, slow[:1]]), 2)  # who has ended its part counts no more
        self.assertEqual(greatest_lead([quick, quick]), 0)

    def test_it_measures(self):
        done = Running([sys.executable, "-B", ROOT / "bench" / "campaigns" / "staleness.py", program(), "--iterations",
                        "12", "--head", "4", "--staleness", "2", "--rounds", "1", "--scenarios", "wandering"]).wait()
        self.assertEqual((done.status, done.errors()), (0, []), str(done))
        rows = re.findall(r"^  (tree|staleness \d|no bound): \d+ images/s \(.*test loss \d", done.out, re.MULTILINE)
        self.assertEqual(rows, ["tree", "staleness 0", "staleness 2", "no bound"], str(done))


if __name__ == "__main__":
    main()
