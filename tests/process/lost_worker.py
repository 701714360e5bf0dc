#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One of three workers is killed or stopped: the others say which, and leave within the deadline."""
import os
import re
import signal
import time

from harness import SLOWNESS, ProcessTest, main, marked_processes, parent_of, train, wait_until

DEADLINE = 3.0 * SLOWNESS
SLACK = 1.5 * SLOWNESS  # for a busy machine to start and to end processes
WORKERS = 3
RUN = {"solver.max_iter": 100000, "solver.display": 1, "reducer.deadline_seconds": DEADLINE}


def lose(victim, sign, directory, workers=WORKERS, changes=None, delay=0.0):
    """Runs workers, sends the signal to one `delay` seconds after they have begun to train, and returns the launcher, the
    ids of the workers, and the seconds until the last other worker was gone."""
    running = train("--workers", str(workers), "--output", directory, changes={**RUN, **(changes or {})})
    pids = running.workers(workers)
    running.wait_for_line("step 3/")
    time.sleep(delay)
    os.kill(pids[victim], sign)
    struck = time.monotonic()
    others = [pid for rank, pid in enumerate(pids) if rank != victim]
    wait_until(lambda: not any(pid in others and parent_of(pid) == running.pid for pid, _ in marked_processes()),
               60 * SLOWNESS, "the end of the other workers")
    seconds = time.monotonic() - struck
    return running.wait(), pids, seconds


class LostWorker(ProcessTest):
    def check(self, victim, sign):
        running, pids, seconds = lose(victim, sign, self.directory)
        said = str(running)
        self.assertEqual(running.status, 75, said)
        self.assertLess(seconds, DEADLINE + SLACK, said)
        print(f"rank {victim}, {sign.name}: the others were gone after {seconds:.2f} s", flush=True)
        for rank in range(WORKERS):
            lines = [line for line in running.errors() if line.startswith(f"firecaffe: rank {rank}: error: ")]
            if rank == victim:
                # Who was killed says nothing. Who was stopped is killed by the launcher, or wakes up and learns why.
                self.assertLessEqual(len(lines), 0 if sign == signal.SIGKILL else 1, said)
                continue
            self.assertEqual(len(lines), 1, said)
            self.assertRegex(lines[0], rf"lost rank {victim} \(host \S+, pid {pids[victim]}\): .+, "
                             r"while waiting in bucket \d+ of step \d+ \(all-reduce #\d+\)")
            self.assertIn("Start again. --resume goes on from the last checkpoint", lines[0])
        launcher = [line for line in running.errors() if re.match(r"firecaffe: error: rank \d", line)]
        self.assertEqual(len(launcher), 1, said)
        if sign == signal.SIGKILL:
            self.assertIn(f"rank {victim} (pid {pids[victim]}) was killed by signal 9", launcher[0])
        self.assert_nothing_half_written(self.directory)

    def test_rank_0_killed(self):
        self.check(0, signal.SIGKILL)

    def test_rank_2_killed(self):
        self.check(2, signal.SIGKILL)

    def test_rank_0_stopped(self):
        self.check(0, signal.SIGSTOP)

    def test_rank_1_stopped(self):
        self.check(1, signal.SIGSTOP)


if __name__ == "__main__":
    main()
