#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The reducer nccl in real processes, over the fake library of tests/nccl, which sums the host's memory and fails as it
is told to: sums, ends, and what is said where there is no NCCL that could sum."""
import json
import os
import signal
import time

from harness import PATIENCE, SLOWNESS, ProcessTest, main, run, train, wait_until

LIBRARY = os.environ.get("FIRECAFFE_NCCL_FAKE", "")
NCCL = {"reducer.type": "nccl"}
STALL, DEADLINE = 2.0 * SLOWNESS, 2.0 * SLOWNESS
SLACK = 3.0 * SLOWNESS  # to settle whose fault it is, and for a busy machine to end processes


def fake(faults=""):
    return {"FIRECAFFE_NCCL_LIBRARY": LIBRARY, "FAKE_NCCL_FAULTS": faults}


class Sums(ProcessTest):
    def test_training_beside_the_tree(self):
        reference = self.trained("--workers", "1")
        for workers in (2, 3):
            found = self.trained("--workers", str(workers), changes=NCCL, environment=fake())
            self.assertEqual((found["workers"], found["reducer"]), (workers, "nccl"))
            for key in ("train_loss", "test_loss"):  # another order of additions, twelve steps long
                self.assertAlmostEqual(found[key], reference[key], delta=1e-3 * reference[key], msg=key)

    def bench(self, faults=""):
        file = self.directory / "figures.json"
        done = run("bench", "allreduce", "--workers", "3", "--reducer", "nccl", "-b", "4K", "-e", "2M", "-f", "512",
                   "-n", "3", "-w", "1", "--json", file, environment=fake(faults))
        return done, json.loads(file.read_text())

    def test_the_bench_finds_no_wrong_sum(self):
        done, figures = self.bench()
        self.assertEqual((done.status, figures["nwrong"]), (0, 0), str(done))
        table = figures["reducers"][0]
        self.assertEqual((table["scheme"], table["canonical"], len(table["results"])), ("nccl", False, 2))
        for row in table["results"]:
            self.assertEqual(row["predicted_us"], None)

    def test_the_bench_finds_a_wrong_element(self):
        done, figures = self.bench("corrupt:rank=1:element=1000")
        self.assertEqual(done.status, 1, str(done))
        self.assertIn("rank 0: error: the sums of reducer 'nccl' are wrong", done.err)
        self.assertGreater(figures["nwrong"], 0)
        rows = [line.split() for line in done.out.splitlines() if not line.startswith("#")]
        self.assertTrue(all(int(row[12]) > 0 for row in rows), done.out)  # column #wrong, in place


class Ends(ProcessTest):
    """Every rank ends in time, and says what and where."""
    WORKERS = 3

    def train(self, faults, changes=None):
        return train("--workers", str(self.WORKERS), "--output", self.directory, environment=fake(faults),
                     changes={**NCCL, "reducer.deadline_seconds": DEADLINE, **(changes or {})})

    def failed(self, running, seconds, ranks):
        """The errors of these ranks, of which each must have said one within `seconds` of now."""
        since = time.monotonic()
        running.wait()
        took = time.monotonic() - since
        self.assertEqual(running.status, 75, str(running))
        self.assertLess(took, seconds + SLACK, str(running))
        said = [[line for line in running.errors() if line.startswith(f"firecaffe: rank {rank}: error: ")]
                for rank in ranks]
        self.assertEqual([len(lines) for lines in said], [1] * len(ranks), str(running))
        self.assert_nothing_half_written(self.directory)
        return [lines[0] for lines in said]

    def struck(self, faults, seconds):
        running = self.train(faults, {"reducer.stall_seconds": STALL})
        running.wait_for_line("fake NCCL: ")
        return self.failed(running, seconds, range(self.WORKERS))

    def assert_all_say(self, said, *words):
        for line in said:
            for word in words:
                self.assertRegex(line, word)

    def test_a_communicator_that_is_never_made(self):
        self.assert_all_say(self.struck("never:rank=2:call=0", STALL),
                            r"rank 0 \(host \S+, pid \d+\) gave up: NCCL 2\.14\.0 did not connect the ranks before .*"
                            r"\(all-reduce #1\) within \S+ s", "reducer.stall_seconds", "--resume goes on")

    def test_a_sum_that_never_completes(self):
        self.assert_all_say(self.struck("never:rank=1:call=9", STALL),
                            r"rank 0 \(host \S+, pid \d+\) gave up: NCCL 2\.14\.0 did not complete the sum of bucket "
                            r"\d+ of step \d+ \(all-reduce #9\) within \S+ s", "reducer.stall_seconds",
                            "--resume goes on")

    def test_an_asynchronous_error(self):
        self.assert_all_say(self.struck("error:rank=1:call=9", 0),
                            r"rank 1 \(host \S+, pid \d+\) gave up: NCCL 2\.14\.0: ncclAllReduce: a fault that was "
                            r"planned .*bucket \d+ of step \d+ \(all-reduce #9\)", "NCCL_DEBUG=INFO",
                            "--resume goes on")

    def test_an_abort_that_hangs(self):
        self.assert_all_say(self.struck("error:rank=1:call=9,hang", DEADLINE),
                            r"rank 1 \(host \S+, pid \d+\) gave up: .*\(all-reduce #9\)",
                            "a call into NCCL has not returned within .* end this process")

    def check_killed(self, faults, in_the_sum):
        running = self.train(faults)
        pids = running.workers(self.WORKERS)
        wait_until(lambda: running.err.count("call 9: never") == in_the_sum, PATIENCE, "ranks in a sum", running)
        os.kill(pids[1], signal.SIGKILL)
        for line in self.failed(running, DEADLINE, (0, 2)):
            self.assertRegex(line, rf"lost rank 1 \(host \S+, pid {pids[1]}\)")

    def test_a_rank_that_is_killed_while_the_others_wait_for_nccl(self):
        self.check_killed("never:call=9", self.WORKERS)

    def test_a_rank_that_is_killed_and_that_nccl_misses_first(self):
        """What NCCL says is only the echo of what the transport knows."""
        self.check_killed("never:rank=1:call=9", 1)


class Without(ProcessTest):
    def test_no_library(self):
        """Said once, before workers are started."""
        missing = {"FIRECAFFE_NCCL_LIBRARY": "/nowhere/libnccl.so.2"}
        done = train("--workers", "2", changes=NCCL, environment=missing).wait()
        self.assertEqual((done.status, len(done.errors())), (78, 1), str(done))
        for words in ("/nowhere/libnccl.so.2", "set FIRECAFFE_NCCL_LIBRARY", "use 'auto'"):
            self.assertIn(words, done.errors()[0])
        done = run("bench", "allreduce", "--workers", "2", "--reducer", "nccl", environment=missing)
        self.assertEqual((done.status, len(done.errors())), (2, 1), str(done))
        self.assertIn("set FIRECAFFE_NCCL_LIBRARY", done.errors()[0])

    def test_the_library_of_the_system_does_not_sum_the_memory_of_the_host(self):
        """Whether it is NVIDIA's or none, the run ends at once."""
        done = train("--workers", "2", changes=NCCL).wait()
        self.assertEqual((done.status, len(done.errors())), (78, 1), str(done))
        self.assertRegex(done.errors()[0], "/reducer/type: 'nccl' .*(GPUs|cannot be loaded).*use 'auto'")

    def test_one_worker_needs_no_nccl(self):
        self.assertEqual(self.trained(changes=NCCL)["reducer"], "local")


if __name__ == "__main__":
    main()
