#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The emulated cluster of bench/cluster: ranks meet in it, its links are as narrow as they are said to be, and nothing
is left of it. And bench/figure4.py, which measures on it."""
import json
import os
import pathlib
import signal
import sys
import unittest
from xml.etree import ElementTree

from harness import PATIENCE, ROOT, ProcessTest, Running, main, marked_processes, program, wait_until

sys.path.insert(0, str(ROOT / "bench" / "cluster"))
from emulated import why_not  # noqa: E402

RUN = [sys.executable, "-B", ROOT / "bench" / "cluster" / "run.py"]


def on_nodes(nodes, rate, *command):
    return Running([*RUN, "--nodes", nodes, "--rate", rate, *command])


class Cluster(ProcessTest):
    @classmethod
    def setUpClass(cls):
        if reason := why_not():
            raise unittest.SkipTest(f"no emulated cluster: {reason}")

    def test_a_link_is_as_narrow_as_it_is_said_to_be(self):
        file = self.directory / "figures.json"
        for rate, bits in (("80mbit", 80e6), ("320mbit", 320e6)):
            self.assert_done(on_nodes(3, rate, program(), "bench", "allreduce", "--reducer", "star,ring", "-b", "3M", "-e",
                                      "3M", "-n", "2", "-w", "1", "--quiet", "--json", file))
            figures = json.loads(file.read_text())
            self.assertEqual((figures["ranks"], figures["nwrong"]), (3, 0))
            times = [table["results"][0]["in_place"]["min_us"] * 1e-6 for table in figures["reducers"]]
            # A full token bucket at each of two ends lets a little through at once.
            for seconds, busiest in zip(times, (2, 4 / 3)):
                least = (busiest * 3 * 2**20 - 2 * 128 * 1024) * 8 / bits
                self.assertGreater(seconds, least, f"{rate}: {times}")

    def test_nodes_are_hosts_of_their_own(self):
        done = self.assert_done(on_nodes(2, "1gbit", "sh", "-c", "hostname"))
        self.assertEqual(done.out, "node0\n")

    def test_a_rank_that_fails(self):
        failed = on_nodes(2, "1gbit", "sh", "-c", "exit $((FIRECAFFE_RANK * 7))").wait()
        self.assertEqual(failed.status, 7, str(failed))
        self.assertIn("rank 1 ended with status 7", failed.err)

    def test_a_rate_that_is_none(self):
        failed = on_nodes(2, "fast", "true").wait()
        self.assertEqual(failed.status, 1, str(failed))
        self.assertIn("error: ", failed.err)
        self.assertIn("fast", failed.err)

    def test_figure_4(self):
        file = self.directory / "figure4.svg"
        done = self.assert_done(Running([sys.executable, "-B", ROOT / "bench" / "figure4.py", program(), "--ranks", "1", "2",
                                         "--bytes", "40000", "--rate", "100mbit", "--iterations", "1", "--svg", file]))
        rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in done.out.splitlines() if line.startswith("|")]
        self.assertEqual(rows[0], ["ms", "p = 1", "p = 2"])
        # 40,000 bytes take 3.2 ms at 100 Mbit/s.
        self.assertIn(["Equation 3, server", "3", "6"], rows)
        self.assertIn(["Equation 4, tree", "0", "6"], rows)
        models = [row for row in rows if row[0].endswith(", model")]
        measured = [row for row in rows[4:] if row not in models]
        self.assertEqual([row[0] + ", model" for row in measured], [row[0] for row in models])
        for row in models:
            self.assertRegex(row[2], r"^\d+ \([+-]\d+%\)$")
        for row in measured:
            self.assertRegex(row[2], r"^\d+ \(\d+\.\d\d\)$")
        names = [text.text for text in ElementTree.parse(file).iter("{http://www.w3.org/2000/svg}text")]
        for row in measured:
            self.assertIn(row[0].strip("`"), names)

    def test_nothing_is_left_when_it_is_killed(self):
        before = set(pathlib.Path("/sys/class/net").iterdir())
        for sign in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT):
            running = on_nodes(3, "1gbit", "sh", "-c", "echo begun; exec sleep 600")
            wait_until(lambda: "begun" in running.out, PATIENCE, "a rank", running)
            os.kill(running.pid, sign)
            running.wait()
            wait_until(lambda: not marked_processes(), PATIENCE, f"the end of all processes after {sign.name}")
        self.assertEqual(set(pathlib.Path("/sys/class/net").iterdir()), before)


if __name__ == "__main__":
    main(needs=None)
