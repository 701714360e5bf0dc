#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A run that is killed or asked to stop at any moment, and goes on with another number of workers, ends with the
parameters of the run that nobody disturbed."""
import os
import pathlib
import random
import shutil
import signal
import time

from harness import EXAMPLE, PATIENCE, ProcessTest, main, marked_processes, run, train, wait_until

STEPS = 60
RUN = {"solver.max_iter": STEPS, "solver.global_batch": 16, "solver.display": 1, "output.checkpoint_interval": 3,
       "reducer.deadline_seconds": 3}


def shoot(running, workers, victim):
    """SIGKILL to the launcher, to one worker, or to all processes of the run. False: it had ended before."""
    pids = running.workers(workers) if victim != "launcher" and workers > 1 else []
    if running.process.poll() is not None:
        return False
    if victim == "worker" and pids:
        os.kill(random.choice(pids), signal.SIGKILL)
    else:
        for pid in (running.pid, *pids):
            os.kill(pid, signal.SIGKILL)
    return True


def disturbed_run(output, kills, randomness, changes, steps_per_life, say=lambda event: None):
    """Starts a run again and again, until it was killed `kills` times: at a random moment of its start, or after about
    `steps_per_life` steps. Each life has another number of workers. Returns what happened: victim, workers, the steps
    of that life, the newest checkpoint then, the launcher's status, and the seconds until no process was left."""
    history = []
    for _ in range(4 * kills):
        workers = randomness.choice([w for w in (1, 2, 3, 4, 8) if not history or w != history[-1]["workers"]])
        victim = randomness.choice(("launcher", "worker", "all"))
        at_start = randomness.random() < 0.2
        steps = 0 if at_start else randomness.randint(1, 2 * steps_per_life - 1)
        running = train("--workers", str(workers), "--output", output, "--resume", changes=changes)
        wait_until(lambda: running.err.count("step ") >= steps or running.process.poll() is not None, PATIENCE, "steps")
        time.sleep(randomness.uniform(0, 0.6 if at_start else 0.1))
        try:
            hit = shoot(running, workers, victim)
        except (AssertionError, ProcessLookupError):  # it has ended meanwhile
            hit = False
        struck = time.monotonic()
        wait_until(lambda: not marked_processes(), PATIENCE, "the end of all processes")
        seconds = time.monotonic() - struck
        running.wait()
        if not hit or running.status == 0:  # it was faster than we; the next one starts afresh
            shutil.rmtree(output)
            continue
        saved = sorted(p.name for p in pathlib.Path(output).glob("checkpoints/iter_*"))
        history.append({"victim": victim, "workers": workers, "steps": running.err.count("step "),
                        "newest_checkpoint": saved[-1] if saved else None, "status": running.status,
                        "seconds_until_all_were_gone": round(seconds, 3)})
        say(history[-1])
        if len(history) == kills:
            return history
    raise AssertionError(f"the runs were too short to be killed {kills} times: {history}")


class Resume(ProcessTest):
    def setUp(self):
        super().setUp()
        self.output = self.directory / "run"
        self.randomness = random.Random(os.environ.get("PROCESS_TEST_SEED") or time.time_ns())

    def finish(self, workers):
        return self.trained("--workers", str(workers), "--resume", output=self.output, changes=RUN)

    def test_killed_at_random_moments(self):
        reference = self.trained(changes=RUN)
        history = disturbed_run(self.output, 4, self.randomness, RUN, STEPS // 6,
                                lambda event: print(event, flush=True))
        found = self.finish(2)
        self.assertEqual(found["parameters_digest"], reference["parameters_digest"], history)
        self.assertEqual(found["train_loss"], reference["train_loss"], history)

    def test_asked_to_stop(self):
        """SIGTERM to the launcher: a checkpoint, status 75; then on with another number of workers."""
        reference = self.trained(changes=RUN)
        for workers, next_workers in ((1, 3), (3, 1), (2, 4)):
            with self.subTest(workers=workers):
                self.output = self.directory / f"stop-{workers}"
                change = {**RUN, "output.checkpoint_interval": 0}
                running = train("--workers", str(workers), "--output", self.output, changes=change)
                running.wait_for_line("step 2/")
                os.kill(running.pid, signal.SIGTERM)
                running.wait()
                self.assertEqual(running.status, 75, str(running))
                said = [line for line in running.errors() if "stopped as asked after iteration" in line]
                self.assertEqual(len(said), 1, str(running))
                self.assertIn("go on with --resume", said[0])
                self.assertEqual(len(list(self.output.glob("checkpoints/iter_*"))), 1)
                self.assert_nothing_half_written(self.output)
                found = self.finish(next_workers)
                self.assertGreaterEqual(found["resumed_from"], 2)
                self.assertLess(found["resumed_from"], STEPS)
                self.assertEqual(found["parameters_digest"], reference["parameters_digest"])

    def test_resume_without_a_checkpoint_starts_and_of_a_finished_run_ends_at_once(self):
        first = self.finish(1)
        self.assertIsNone(first["resumed_from"])
        again = self.finish(2)
        self.assertEqual(again["resumed_from"], STEPS)
        self.assertEqual(again["parameters_digest"], first["parameters_digest"])

    def test_a_run_never_mixes_with_an_earlier_one(self):
        """Without --resume a used directory is refused and stays as it was; --overwrite starts anew there, and what is
        killed before it has saved anything goes on as that run and not as the earlier one."""
        self.finish(1)
        before = {path: path.stat().st_mtime_ns for path in self.output.rglob("*")}
        for workers in ("1", "2"):
            refused = train("--workers", workers, "--output", self.output, changes=RUN).wait()
            self.assertEqual((refused.status, len(refused.errors())), (2, 1), str(refused))
            for words in (str(self.output), f"iteration {STEPS}", "--resume", "--overwrite"):
                self.assertIn(words, refused.errors()[0])
        self.assertEqual({path: path.stat().st_mtime_ns for path in self.output.rglob("*")}, before)

        other = {**RUN, "solver.base_lr": 0.005, "output.checkpoint_interval": 0}
        reference = self.trained(changes=other)
        running = train("--output", self.output, "--overwrite", changes=other)
        running.wait_for_line("step 2/")
        os.kill(running.pid, signal.SIGKILL)
        running.wait()
        self.assertFalse((self.output / "summary.json").exists())
        found = self.trained("--resume", output=self.output, changes=other)
        self.assertEqual(found["parameters_digest"], reference["parameters_digest"])
        lines = (self.output / "log.jsonl").read_text().splitlines()
        self.assertEqual(sum('"event":"end"' in line.replace(" ", "") for line in lines), 1, "the earlier log is gone")

    def test_resume_needs_a_directory(self):
        failed = run("train", EXAMPLE, "--resume")
        self.assertEqual((failed.status, len(failed.errors())), (2, 1), str(failed))
        self.assertIn("--output", failed.errors()[0])


if __name__ == "__main__":
    main()
