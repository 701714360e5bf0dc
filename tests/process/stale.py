#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A stale server between real processes: without staleness runs repeat, with it the bound holds; and local SGD and
PowerSGD, over TCP and in shared memory."""
from harness import ProcessTest, main, run

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


if __name__ == "__main__":
    main()
