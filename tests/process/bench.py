#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`firecaffe bench` in real processes: the table and the JSON, wrong flags, a lost worker, a wish to stop; and overlap.

Usage: bench.py [Runs | Flags | Ends | Overlap]; without an argument all of them."""
import json
import os
import signal

from harness import PATIENCE, ROOT, ProcessTest, by_hand, free_port, main, run, start, wait_until

QUICK = ("-n", "3", "-w", "1")


def bench(*arguments, environment=None):
    return start("bench", "allreduce", *arguments, environment=environment)


def known_reducers():
    """What the program says that it knows."""
    said = run("bench", "allreduce", "--reducer", "none").errors()[0]
    return said.rpartition("use all, or some of ")[2].split(", ")


class Runs(ProcessTest):
    def figures(self, *arguments):
        """A whole run's JSON and its rows as printed."""
        file = self.directory / "figures.json"
        done = self.assert_done(bench(*QUICK, *arguments, "--json", file))
        rows = [line.split() for line in done.out.splitlines() if not line.startswith("#")]
        return json.loads(file.read_text()), rows, done

    def check_rows(self, figures, rows, sizes, element):
        results = [row for table in figures["reducers"] for row in table["results"]]
        self.assertEqual([int(row[0]) for row in rows], sizes * len(figures["reducers"]))
        for row, result in zip(rows, results, strict=True):
            self.assertEqual(len(row), 13, row)
            self.assertEqual(row[1:5], [str(int(row[0]) // element), result["type"], "sum", "-1"])
            for first, way in ((5, "out_of_place"), (9, "in_place")):
                time, algorithm, bus, wrong = row[first:first + 4]
                self.assertEqual((wrong, result[way]["nwrong"]), ("0", 0))
                self.assertAlmostEqual(float(time), result[way]["time"], delta=1)
                ranks = figures["ranks"]
                self.assertAlmostEqual(result[way]["alg_bw"], result["size"] / result[way]["time"] / 1e3)
                self.assertAlmostEqual(result[way]["bus_bw"], result[way]["alg_bw"] * 2 * (ranks - 1) / ranks)
                self.assertAlmostEqual(float(algorithm), result[way]["alg_bw"], delta=0.006)
                self.assertAlmostEqual(float(bus), result[way]["bus_bw"], delta=0.006)
                self.assertLessEqual(result[way]["min_us"], result[way]["p50_us"])
                self.assertLessEqual(result[way]["p50_us"], result[way]["p95_us"])
            self.assertEqual((result["iters"], len(result["wire_bytes"])), (3, figures["ranks"]))
            if ranks == 1:
                self.assertEqual((result["predicted_us"], figures["network"]), (None, None))
            else:
                self.assertGreater(figures["network"]["link"]["alpha_us"], 0)
        for table in figures["reducers"]:
            has_one_plan = figures["ranks"] > 1 and table["reducer"] != "auto"
            for result in table["results"]:
                self.assertEqual(result["predicted_us"] is not None, has_one_plan, table["reducer"])

    def test_every_reducer_with_one_two_and_three_workers(self):
        known = known_reducers()
        self.assertIn("tree", known)
        for workers in (1, 2, 3):
            with self.subTest(workers=workers):
                figures, rows, done = self.figures("--workers", str(workers), "--reducer", "all",
                                                   "-b", "4", "-e", "1M", "-f", "512", "--quiet")
                self.assertEqual(done.err, "")
                self.assertEqual((figures["ranks"], figures["complete"], figures["nwrong"]), (workers, True, 0))
                self.check_rows(figures, rows, [4, 2048, 1048576], 4)
                measured = [table["reducer"] for table in figures["reducers"]]
                left_out = {"auto", "mpi", "nccl"} | ({"local"} if workers > 1 else set())
                self.assertEqual(set(known) - set(measured) - left_out, set(), "a reducer is not measured")
                self.assertEqual(done.out.count("# Out of bounds values : 0 OK"), len(measured))
                for table in figures["reducers"]:
                    wire = table["results"][-1]["wire_bytes"]
                    self.assertEqual(sum(wire) > 2 * (workers - 1) * 1048576 - 1, True, table["reducer"])

    def test_steps_doubles_and_no_checks(self):
        figures, rows, done = self.figures("--workers", "2", "-b", "8", "-e", "40", "-i", "16", "-d", "double")
        self.check_rows(figures, rows, [8, 24, 40], 8)
        self.assertIn("2 local workers meet at", done.err)
        figures, rows, done = self.figures("--workers", "2", "-b", "4K", "-e", "4K", "-c", "0")
        self.assertEqual((rows[0][8], rows[0][12], figures["nwrong"]), ("N/A", "N/A", None))

    def test_each_transport(self):
        wire = {}
        for transport, encryption in (("tcp", "none"), ("tcp", "tls"), ("shared_memory", "none")):
            figures, rows, _ = self.figures("--workers", "3", "--transport", transport, "--encryption", encryption,
                                            "--reducer", "pipelined_tree", "-b", "4", "-e", "1M", "-f", "512")
            self.check_rows(figures, rows, [4, 2048, 1048576], 4)
            self.assertEqual((figures["config"]["transport"], figures["config"]["encryption"]), (transport, encryption))
            wire[transport, encryption] = sum(figures["reducers"][0]["results"][0]["wire_bytes"])
        self.assertEqual(wire["tcp", "none"], wire["shared_memory", "none"], "frames are of one length on both")
        self.assertGreater(wire["tcp", "tls"], wire["tcp", "none"])

    def test_a_slow_link(self):
        """1 MB each way over 80 Mbit/s takes two workers 0.1 s, whatever else this machine does meanwhile."""
        figures, rows, _ = self.figures("--workers", "2", "--link-mbit", "80", "--reducer", "ring", "-b", "1M",
                                        "-e", "1M", "--no-predict")
        result = figures["reducers"][0]["results"][0]
        self.assertEqual((figures["config"]["link_mbit"], rows[0][8]), (80, "0"))
        self.assertGreater(result["in_place"]["p50_us"], 0.8 * 1048576 / 10)
        self.assertLess(result["in_place"]["p50_us"], 3 * 1048576 / 10)

    def test_narrow_types_on_the_wire(self):
        wire = {}
        for name in ("same", "bfloat16", "float16"):
            figures, rows, _ = self.figures("--workers", "2", "--wire", name, "--reducer", "pipelined_tree", "-b", "1M",
                                            "-e", "1M", "--no-predict")
            self.assertEqual((rows[0][8], rows[0][12], figures["network"]), ("0", "0", None))
            self.assertEqual((figures["config"]["wire"], figures["reducers"][0]["canonical"]), (name, name == "same"))
            wire[name] = sum(figures["reducers"][0]["results"][0]["wire_bytes"])
        self.assertEqual(wire["bfloat16"], wire["float16"])
        self.assertAlmostEqual(wire["same"] / wire["bfloat16"], 2, delta=0.01)

    def test_ranks_that_are_started_by_hand(self):
        port = free_port()
        ranks = [bench(*QUICK, "-b", "1K", "-e", "1K", environment=by_hand(rank, 2, port)) for rank in (0, 1)]
        for running in ranks:
            self.assert_done(running)
        self.assertIn("; 2 ranks; ", ranks[0].out)
        self.assertEqual((ranks[1].out, ranks[1].err), ("", ""), "rank 1 leaves the talking to rank 0")


class Flags(ProcessTest):
    def test_what_cannot_be_meant(self):
        for arguments, words in ((("-b", "4T"), ("-b '4T'", "4K")),
                                 (("-b", "64M"), ("-b 67108864", "-e 33554432")),
                                 (("-b", "2", "-e", "8"), ("-b 2", "4 bytes")),
                                 (("-f", "1"), ("--stepfactor",)),
                                 (("-f", "2", "-i", "8"), ("--stepfactor", "--stepbytes")),
                                 (("-o", "max"), ("-o max", "sum")),
                                 (("-d", "half"), ("-d half", "float and double")),
                                 (("-z", "0"), ("-z 0", "use 1")),
                                 (("-a", "4"), ("--average",)),
                                 (("-n", "-1"), ("--iters",)),
                                 (("-g", "1"), ("-g",)),
                                 (("--seconds", "0"), ("--seconds",)),
                                 (("--wire", "half"), ("--wire half", "bfloat16 or float16")),
                                 (("--wire", "float16", "-d", "double"), ("only float is narrowed",)),
                                 (("--transport", "shm"), ("--transport shm", "auto, tcp or shared_memory")),
                                 (("--encryption", "ssl"), ("--encryption ssl", "none or tls")),
                                 (("--link-mbit", "-1"), ("--link-mbit",)),
                                 (("--link-mbit", "1e10"), ("--link-mbit", "1e10", "1000000000")),
                                 (("--link-mbit", "80", "--transport", "shared_memory"),
                                  ("link_mbit", "'tcp' or 'auto'")),
                                 (("--reducer", "treee"), ("--reducer treee", "tree")),
                                 (("--reducer", "tree,rign"), ("--reducer rign", "tree")),
                                 (("--reducer", "local", "--workers", "2"), ("--reducer local", "2"))):
            with self.subTest(arguments=arguments):
                done = run("bench", "allreduce", *arguments)
                self.assertEqual((done.status, len(done.errors()), done.out), (2, 1, ""), str(done))
                for word in words:
                    self.assertIn(word, done.errors()[0])
        nothing = run("bench")
        self.assertEqual((nothing.status, len(nothing.errors())), (2, 1), str(nothing))

    def test_a_file_that_cannot_be_written(self):
        for workers in ("1", "2"):
            done = run("bench", "allreduce", "--workers", workers, "--json", "/nowhere/figures.json")
            self.assertEqual((done.status, len(done.errors())), (74, 1), str(done))
            self.assertIn("/nowhere/figures.json", done.errors()[0])
            self.assertNotIn("local workers meet", done.err)

    def test_ranks_that_are_to_measure_different_things(self):
        port = free_port()
        ranks = [bench(*QUICK, "-b", size, "-e", "1M", environment=by_hand(rank, 2, port))
                 for rank, size in enumerate(("1K", "2K"))]
        for running in ranks:
            self.assertEqual(running.wait().status, 78, str(running))
            self.assertEqual(len(running.errors()), 1, str(running))
            self.assertIn("differs", running.errors()[0])


class Ends(ProcessTest):
    LONG = ("--workers", "3", "-b", "4K", "-e", "32M", "-i", "4K", *QUICK)  # 8192 sizes

    def begun(self, *arguments):
        """The launcher and its workers' ids, when a size has been measured."""
        running = bench(*self.LONG, *arguments)
        pids = running.workers(3)
        wait_until(lambda: " float " in running.out, PATIENCE, "a row", running)
        return running, pids

    def test_a_worker_that_is_killed(self):
        running, pids = self.begun()
        os.kill(pids[1], signal.SIGKILL)
        running.wait()
        said = str(running)
        self.assertEqual(running.status, 75, said)
        self.assertTrue(any(f"rank 1 (pid {pids[1]}) was killed by signal 9" in line and "Start again" in line
                            for line in running.errors()), said)
        for rank in (0, 2):
            lines = [line for line in running.errors() if line.startswith(f"firecaffe: rank {rank}: error: ")]
            self.assertEqual(len(lines), 1, said)
            self.assertRegex(lines[0], rf"rank 1 \(host \S+, pid {pids[1]}\)")
            self.assertNotIn("--resume", lines[0])

    def test_a_wish_to_stop(self):
        file = self.directory / "figures.json"
        running, _ = self.begun("--json", file)
        os.kill(running.pid, signal.SIGINT)
        running.wait()
        said = str(running)
        self.assertEqual(running.status, 75, said)
        self.assertTrue(any("stopped as asked" in line for line in running.errors()), said)
        figures = json.loads(file.read_text())
        self.assertFalse(figures["complete"])
        rows = [line for line in running.out.splitlines() if not line.startswith("#")]
        self.assertEqual(len(rows), len(figures["reducers"][0]["results"]))
        self.assertIn(f"after {len(rows)} of 8192 sizes", said)


class Overlap(ProcessTest):
    NET = ("bench", "overlap", ROOT / "examples" / "lenet" / "net.json", "--input", "1x28x28", "--batch", "4",
           "--passes", "1", "-n", "3", "-w", "1", "--bucket-mb", "0.1")

    def test_two_workers(self):
        file = self.directory / "figures.json"
        done = self.assert_done(run(*self.NET, "--workers", "2", "--reducer", "tree,direct", "--json", file))
        figures = json.loads(file.read_text())
        self.assertEqual((figures["ranks"], figures["complete"]), (2, True))
        self.assertGreaterEqual(figures["gradient_bytes"], 4 * 431080)  # LeNet's parameters
        self.assertGreater(figures["compute_ms"], 0)
        self.assertEqual([row["reducer"] for row in figures["reducers"]], ["tree", "direct"])
        for row, line in zip(figures["reducers"], done.out.splitlines()[2:], strict=True):
            self.assertEqual(line.split()[:2], [row["reducer"], str(row["buckets"])])
            self.assertGreater(row["buckets"], 1)
            for step, exposed in (("step_ms", "exposed_ms"), ("step_after_ms", "exposed_after_ms")):
                self.assertGreaterEqual(row[step], figures["compute_ms"])
                self.assertAlmostEqual(row[exposed], row[step] - figures["compute_ms"])

    def test_one_worker_and_what_cannot_be_meant(self):
        alone = self.assert_done(run(*self.NET, "--scale", "0.5", "--idle"))
        self.assertIn(" local ", " " + alone.out)
        for arguments, words in ((("--reducer", "none"), "--reducer none"), (("--scale", "-1"), "--scale"),
                                 (("--bucket-mb", "0"), "--bucket-mb")):
            failed = run(*self.NET, *arguments)
            self.assertEqual(failed.status, 2, str(failed))
            self.assertIn(words, failed.err)


if __name__ == "__main__":
    main(needs=None)
