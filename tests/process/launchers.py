#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Two ranks started by mpirun, by the variables of torchrun or Slurm, or by hand train what --workers 2 trains.

Usage: launchers.py [Variables | Mpirun]; without an argument both."""
import shutil
import unittest

from harness import EXAMPLE, ProcessTest, Running, by_hand, free_port, main, program, settings, summary, train_ranks


class Launchers(ProcessTest):
    def setUp(self):
        super().setUp()
        self.reference = self.trained("--workers", "2")
        self.output = self.directory / "ranks"

    def check(self):
        found = summary(self.output)
        self.assertEqual(found["workers"], 2)
        for key in ("parameters_digest", "train_loss", "test_loss", "test_top1"):
            self.assertEqual(found[key], self.reference[key], key)

    def check_ranks(self, environments, source):
        ranks = train_ranks(environments, "--output", self.output)
        for running in ranks:
            self.assert_done(running)
        self.assertIn(f"2 workers, as {source} (", ranks[0].err)
        self.assertEqual((ranks[1].out, ranks[1].err), ("", ""), "rank 1 leaves the talking to rank 0")
        self.check()


class Variables(Launchers):
    def test_by_hand(self):
        port = free_port()
        self.check_ranks([by_hand(rank, 2, port) for rank in (0, 1)], "FireCaffe")

    def test_by_hand_with_a_file_to_meet_at(self):
        place = f"file://{self.directory}/meet"
        self.check_ranks([by_hand(rank, 2, 0, FIRECAFFE_RENDEZVOUS=place, FIRECAFFE_TOKEN="") for rank in (0, 1)], "FireCaffe")
        self.assertFalse((self.directory / "meet").exists())

    def test_torchrun_s_variables(self):
        port = free_port()  # torchrun's own store has it; ranks meet at the next one
        self.check_ranks([{"RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_RANK": str(rank), "LOCAL_WORLD_SIZE": "2",
                           "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)} for rank in (0, 1)], "torchrun")

    def test_slurm_s_variables(self):
        while not 10000 <= (port := free_port()) < 60000:
            pass  # the ranks meet at 10000 + (job + step) % 50000
        self.check_ranks([{"SLURM_JOB_ID": str(port - 10000), "SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "2",
                           "SLURM_PROCID": str(rank), "SLURM_LOCALID": str(rank), "SLURM_NODEID": "0",
                           "SLURM_STEP_TASKS_PER_NODE": "2", "SLURM_STEP_NODELIST": "localhost",
                           "SLURM_JOB_NODELIST": "localhost"} for rank in (0, 1)], "Slurm")

    def test_workers_inside_of_a_job_of_another_size(self):
        for running in train_ranks([by_hand(rank, 2, free_port()) for rank in (0, 1)], "--workers", "3"):
            running.wait()
            self.assertEqual((running.status, len(running.errors())), (2, 1), str(running))
            self.assertIn("--workers 3 inside a job of 2 ranks", running.errors()[0])


class Mpirun(Launchers):
    COMMAND = ("mpirun", "-n", "2", "--allow-run-as-root", "--oversubscribe", "--bind-to", "none")

    @classmethod
    def setUpClass(cls):
        if not shutil.which("mpirun"):
            raise unittest.SkipTest("mpirun is not installed (apt-get install openmpi-bin)")

    def run_under_it(self, *arguments, changes=None):
        return Running([*self.COMMAND, program(), "train", EXAMPLE, *settings(changes), *arguments])

    def test_mpirun(self):
        self.assert_done(self.run_under_it("--output", self.output))
        self.check()

    def test_an_error_of_all_ranks_comes_with_the_rank(self):
        failed = self.run_under_it(changes={"solver.base_lr": 1e9, "solver.max_iter": 30}).wait()
        self.assertEqual(failed.status, 1, str(failed))
        self.assertEqual(len(failed.errors()), 1, str(failed))
        self.assertIn("firecaffe: rank 0: error: the loss is ", failed.errors()[0])


if __name__ == "__main__":
    main()
