#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""MPI under mpirun: the reducer mpi beside the tree, our plans over MPI's messages, ranks that are killed, stopped or of
another mind, a program that uses MPI itself, and what is said where there is no MPI.

Usage: mpi.py [Sums | Plans | Ends | Program | Without]; without an argument all of them. FIRECAFFE_MPIRUN names an mpirun
that is not called so, for example mpirun.mpich."""
import json
import os
import shutil
import signal
import unittest

from harness import (EXAMPLE, PATIENCE, SLOWNESS, ProcessTest, Running, by_hand, environment_of, free_port, main,
                     marked_processes, program, run, settings, summary, train, train_ranks, wait_until)

MPIRUN = os.environ.get("FIRECAFFE_MPIRUN", "mpirun")
MPI = {"reducer.type": "mpi"}
THROUGH_MPI = {"FIRECAFFE_RENDEZVOUS": "mpi://"}
# As root, and with more ranks than cores; MPICH needs to be told nothing.
LENIENT = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "OMPI_MCA_rmaps_base_oversubscribe": "1",
           "OMPI_MCA_hwloc_base_binding_policy": "none"}


def built_with():
    """The MPI of the program, in its own words, or None."""
    lines = [line.split(None, 1) for line in run("version").out.splitlines()]
    return dict(line for line in lines if len(line) == 2).get("MPI")


def mpirun(ranks, *command, environment=None):
    return Running([MPIRUN, "-n", ranks, *command], {**LENIENT, **(environment or {})})


def rank_of(pid):
    """The rank that mpirun gave to a process, or None."""
    variables = environment_of(pid)
    return variables.get("OMPI_COMM_WORLD_RANK", variables.get("PMI_RANK"))


class UnderMpirun(ProcessTest):
    @classmethod
    def setUpClass(cls):
        if built_with() is None:
            raise unittest.SkipTest("built without MPI (apt-get install libopenmpi-dev, FIRECAFFE_WITH_MPI=ON)")
        if not shutil.which(MPIRUN):
            raise unittest.SkipTest(f"{MPIRUN} is not installed (apt-get install openmpi-bin)")
        said = Running([MPIRUN, "--version"]).wait().out
        if ("Open MPI" in said) != ("Open MPI" in built_with()):
            raise unittest.SkipTest(f"{MPIRUN} ({said.splitlines()[0]}) is not that of {built_with()}")

    def train(self, ranks, output, changes=None, environment=None):
        self.assert_done(mpirun(ranks, program(), "train", EXAMPLE, *settings(changes), "--output", output,
                                environment=environment))
        return summary(output)

    def bench(self, ranks, *arguments, environment=None):
        file = self.directory / "figures.json"
        self.assert_done(mpirun(ranks, program(), "bench", "allreduce", "-b", "8", "-e", "2M", "-f", "512", "-n", "3",
                                "-w", "1", "-c", "2", *arguments, "--quiet", "--json", file, environment=environment))
        figures = json.loads(file.read_text())
        self.assertEqual((figures["ranks"], figures["complete"], figures["nwrong"]), (ranks, True, 0))
        return {table["reducer"]: table for table in figures["reducers"]}


class Sums(UnderMpirun):
    def test_training_beside_the_tree(self):
        reference = self.trained("--workers", "1")
        for ranks, environment in ((2, {}), (3, {}), (5, {}), (3, THROUGH_MPI)):
            with self.subTest(ranks=ranks, environment=environment):
                found = self.train(ranks, self.directory / f"{ranks}{len(environment)}", MPI, environment)
                self.assertEqual((found["workers"], found["reducer"]), (ranks, "mpi"))
                for key in ("train_loss", "test_loss"):  # another order of additions, twelve steps long
                    self.assertAlmostEqual(found[key], reference[key], delta=1e-3 * reference[key], msg=key)

    def test_the_bench_finds_no_wrong_sum(self):
        for ranks, datatype in ((2, "float"), (3, "double"), (5, "float")):
            with self.subTest(ranks=ranks, datatype=datatype):
                mpi = self.bench(ranks, "--reducer", "mpi,tree", "-d", datatype)["mpi"]
                self.assertEqual((mpi["scheme"], mpi["canonical"], len(mpi["results"])), ("mpi", False, 3))


class Plans(UnderMpirun):
    """MPI's messages as the transport."""

    def test_training_has_the_same_bits(self):
        reference = self.trained("--workers", "2")
        for ranks, reducer in ((2, "tree"), (3, "pipelined_tree"), (3, "direct"), (5, "two_level")):
            with self.subTest(ranks=ranks, reducer=reducer):
                found = self.train(ranks, self.directory / reducer, {"reducer.type": reducer}, THROUGH_MPI)
                self.assertEqual(found["parameters_digest"], reference["parameters_digest"])

    def test_a_stale_server_serves(self):
        """Without staleness as over our own messages; a rank whose loss is not finite ends the run in order."""
        changes = {"reducer.type": "stale_server"}
        reference = self.trained("--workers", "3", changes=changes)
        found = self.train(3, self.directory / "exact", changes, THROUGH_MPI)
        self.assertEqual(found["parameters_digest"], reference["parameters_digest"])
        found = self.train(3, self.directory / "stale", {**changes, "reducer.staleness": 2}, THROUGH_MPI)
        self.assertEqual(sum(found["lags"]), 3 * found["iterations"])
        self.assertLessEqual(len(found["lags"]), 3)
        failed = mpirun(3, program(), "train", EXAMPLE, *settings({**changes, "solver.base_lr": 1e30}),
                        environment=THROUGH_MPI).wait()
        self.assertNotEqual(failed.status, 0, str(failed))
        # mpirun may end the rank that diverged before it has said so itself; the others say why it gave up.
        self.assertTrue("diverged" in failed.err or "gave up: its loss is" in failed.err, str(failed))

    def test_every_reducer_sums_right(self):
        for ranks in (2, 3, 5):
            with self.subTest(ranks=ranks):
                tables = self.bench(ranks, "--reducer", "all,mpi", environment=THROUGH_MPI)
                self.assertGreaterEqual(len(tables), 10)
                for table in tables.values():
                    if table["scheme"] != "mpi":
                        wire = table["results"][-1]["wire_bytes"]
                        self.assertGreaterEqual(sum(wire), 2 * (ranks - 1) * table["results"][-1]["size"])

    def test_ranks_of_another_mind(self):
        one = [program(), "train", EXAMPLE]
        failed = mpirun(1, *one, *settings(), ":", "-n", 1, *one, *settings({"solver.base_lr": 0.5}),
                        environment=THROUGH_MPI).wait()
        self.assertNotEqual(failed.status, 0, str(failed))
        self.assertTrue(any("the configuration of this process, rank 1 " in line and "/solver/base_lr" in line
                            for line in failed.errors()) or
                        any("configuration of rank 1 " in line for line in failed.errors()), str(failed))

    def test_mpi_is_not_encrypted(self):
        """Who asks for it is told so, whether MPI carries the gradients or all there is."""
        for reducer, environment in (("mpi", None), ("ring", THROUGH_MPI)):
            with self.subTest(reducer=reducer):
                done = mpirun(2, program(), "bench", "allreduce", "--reducer", reducer, "--encryption", "tls", "-b", "8",
                              "-e", "8", environment=environment).wait()
                self.assertNotEqual(done.status, 0, str(done))
                self.assertIn("encrypted", done.err)
                self.assertLess(done.seconds, 20 * SLOWNESS)


class Ends(UnderMpirun):
    """mpirun ends all ranks when one has ended without MPI_Finalize; who notices first says why."""
    DEADLINE = 3.0 * SLOWNESS

    def struck(self, sign, changes, environment=None):
        running = mpirun(3, program(), "train", EXAMPLE, *settings({"solver.max_iter": 100000, "solver.display": 1,
                                                                    **changes}), "--output", self.directory,
                         environment=environment)
        running.wait_for_line("step 3/")
        pid = next(pid for pid, _ in marked_processes() if rank_of(pid) == "1")
        os.kill(pid, sign)
        wait_until(lambda: running.process.poll() is not None, self.DEADLINE + 20 * SLOWNESS, "the end of all ranks")
        self.assertNotEqual(running.wait().status, 0, str(running))
        self.assert_nothing_half_written(self.directory)
        return running, pid

    def test_a_rank_that_is_killed(self):
        self.struck(signal.SIGKILL, MPI)
        self.struck(signal.SIGKILL, {}, THROUGH_MPI)

    def check_stopped(self, changes, environment=None):
        running, pid = self.struck(signal.SIGSTOP, changes, environment)
        said = [line for line in running.errors() if "lost rank 1 (host " in line and f"pid {pid})" in line]
        self.assertTrue(said, str(running))
        self.assertIn("--resume goes on from the last checkpoint", said[0])

    def test_a_rank_that_is_stopped(self):
        self.check_stopped({**MPI, "reducer.deadline_seconds": self.DEADLINE})

    def test_a_rank_that_is_stopped_where_all_goes_through_mpi(self):
        self.check_stopped({"reducer.type": "star", "reducer.stall_seconds": self.DEADLINE}, THROUGH_MPI)


class Program(UnderMpirun):
    def test_a_program_that_uses_mpi_itself(self):
        path = os.environ.get("FIRECAFFE_MPI_PROGRAM", "")
        if not os.access(path, os.X_OK):
            self.skipTest("FIRECAFFE_MPI_PROGRAM is not set to the program test_mpi_program")
        for ranks in (2, 5):
            done = mpirun(ranks, path).wait()
            self.assertEqual(done.status, 0, str(done))
            self.assertEqual(sorted(done.out.splitlines()), [f"rank {rank} is right" for rank in range(ranks)])


class Without(ProcessTest):
    def test_workers_that_no_mpirun_started(self):
        failed = train("--workers", "2", changes=MPI).wait()
        status, words = (78, "FIRECAFFE_WITH_MPI=ON") if built_with() is None else (2, "mpirun -n 2")
        self.assertEqual((failed.status, len(failed.errors())), (status, 1), str(failed))
        self.assertIn(words, failed.errors()[0])

    def test_ranks_of_another_launcher(self):
        port = free_port()
        for running in train_ranks([by_hand(rank, 2, port) for rank in (0, 1)], changes=MPI):
            running.wait(PATIENCE)
            self.assertEqual(len(running.errors()), 1, str(running))
            status, words = (78, "FIRECAFFE_WITH_MPI=ON") if built_with() is None else (69, "2 workers, but 1 in MPI's")
            self.assertEqual(running.status, status, str(running))
            self.assertIn(words, running.errors()[0])
        # Without mpirun, Open MPI starts a helper of its own for each process, which sees a moment later that it is gone.
        wait_until(lambda: not marked_processes(), PATIENCE, "the end of MPI's helpers")

    def test_one_worker_needs_no_mpi(self):
        self.assertEqual(self.trained(changes=MPI)["reducer"], "local")


if __name__ == "__main__":
    main()
