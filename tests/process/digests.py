#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The same parameters, bit for bit, for any number of workers and threads, in real processes. Shuffling, mirroring,
random crops and dropout are on."""
import json

from harness import EXAMPLE, ProcessTest, main


class Digests(ProcessTest):
    def test_the_config_has_all_randomness_on(self):
        config = json.loads(EXAMPLE.read_text())
        net = json.loads((EXAMPLE.parent / config["net"]).read_text())
        self.assertTrue(config["data"]["shuffle"] and config["data"]["transform"]["mirror"])
        self.assertGreater(config["data"]["transform"]["pad"], 0)
        self.assertTrue(any(layer["type"] == "Dropout" for layer in net["layers"]))

    def test_workers_and_threads_change_nothing(self):
        reference = self.trained("--workers", "1", "--threads", "1")
        self.assertEqual(len(reference["parameters_digest"]), 64)
        for workers in (1, 2, 3, 4, 8):
            for threads in (1, 2):
                with self.subTest(workers=workers, threads=threads):
                    found = self.trained("--workers", str(workers), "--threads", str(threads))
                    self.assertEqual(found["workers"], workers)
                    for key in ("parameters_digest", "train_loss", "test_loss", "test_top1", "test_top5"):
                        self.assertEqual(found[key], reference[key], key)

    def test_nor_does_encryption(self):
        reference = self.trained()["parameters_digest"]
        for workers in (2, 3):
            changes = {"reducer.transport": "tcp", "reducer.encryption": "tls"}
            found = self.trained("--workers", str(workers), changes=changes)
            self.assertEqual((found["workers"], found["parameters_digest"]), (workers, reference))

    def test_nor_does_a_slow_link_which_takes_its_time(self):
        reference = self.trained()
        found = self.trained("--workers", "2", changes={"reducer.link_mbit": 60, "reducer.type": "pipelined_tree"})
        self.assertEqual(found["parameters_digest"], reference["parameters_digest"])
        megabits = 8e-6 * found["communication_bytes"]  # of rank 0
        self.assertGreater(megabits, 20)
        self.assertGreater(found["communication_seconds"], 0.8 * megabits / 60)

    def test_the_digest_depends_on_what_matters(self):
        """Else the test above could not fail."""
        reference = self.trained()["parameters_digest"]
        for key, value in (("solver.random_seed", 2), ("data.shuffle", False), ("data.transform.mirror", False),
                           ("data.transform.pad", 2), ("solver.shards", 4), ("solver.max_iter", 11)):
            with self.subTest(change=key):
                self.assertNotEqual(self.trained(changes={key: value})["parameters_digest"], reference)


if __name__ == "__main__":
    main()
