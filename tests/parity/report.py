# SPDX-License-Identifier: Apache-2.0
"""What a parity test counts and says."""
import sys

import tensors


class Report:
    """Counts cases and comparisons, and remembers the worst of each kind. `tolerance[kind][dtype]` is how far ours may
    be from torch's double."""

    def __init__(self, tolerance):
        self.tolerance = tolerance
        self.passed = self.failed = self.comparisons = 0
        self.worst = {}
        self.faults = []

    def compare(self, kind, dtype, name, ours, expected):
        self.comparisons += 1
        distance = tensors.distance(ours, expected)
        key = kind, dtype
        self.worst[key] = max(self.worst.get(key, (0.0, "")), (distance, name))
        if not distance <= self.tolerance[kind][dtype]:
            self.faults.append(f"{dtype} {name}: distance {distance:.2e}, allowed {self.tolerance[kind][dtype]:.0e}")

    def expect(self, condition, words):
        self.comparisons += 1
        if not condition:
            self.faults.append(words)

    def end_case(self, name):
        if self.faults:
            self.failed += 1
            print(f"FAILED: {name}", *self.faults, sep="\n    ")
        else:
            self.passed += 1
        self.faults = []

    def finish(self):
        for (kind, dtype), (distance, name) in sorted(self.worst.items()):
            print(f"worst {kind:10} {dtype}: {distance:.1e} of {self.tolerance[kind][dtype]:.0e}  ({name})")
        if self.failed:
            print(f"test cases: {self.passed + self.failed} | {self.passed} passed | {self.failed} failed")
            sys.exit(1)
        print(f"All tests passed ({self.comparisons} comparisons in {self.passed} test cases)")
