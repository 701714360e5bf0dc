#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How much faster are two workers than one? Slim NiN on Fashion-MNIST, one thread per worker, the same batch per
worker; the two are run in turn, and the ratio is taken pair by pair.

Example: python3 bench/scaling.py build/release/src/cli/firecaffe --pairs 7
"""
import argparse

from common import ROOT, median, train, write_result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", help="the program firecaffe, built with the release preset")
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--batch", type=int, default=64, help="images per worker and step")
    parser.add_argument("--result", action="store_true", help="write a dated JSON under bench/results")
    a = parser.parse_args()
    config = ROOT / "examples" / "nin" / "fashion_mnist.json"

    def speed(workers):
        settings = [f"solver.max_iter={a.steps}", f"solver.global_batch={a.batch * workers}",
                    f"solver.shards={4 * workers}", "solver.test_interval=0", "data.test.limit=100"]
        return train(a.program, config, "--workers", str(workers), *(x for s in settings for x in ("--set", s)))

    rows = []
    for pair in range(a.pairs):
        one, two = speed(1), speed(2)
        row = {"one": one["images_per_second"], "two": two["images_per_second"],
               "ratio": two["images_per_second"] / one["images_per_second"],
               "exposed_share": two["exposed_communication_seconds"] / two["seconds"]}
        rows.append(row)
        print(f"pair {pair + 1}: 1 worker {row['one']:.0f}, 2 workers {row['two']:.0f} images/s, "
              f"ratio {row['ratio']:.3f}, exchange not hidden {100 * row['exposed_share']:.1f} %", flush=True)
    summary = {key: median([row[key] for row in rows]) for key in rows[0]}
    print(f"median: 1 worker {summary['one']:.0f}, 2 workers {summary['two']:.0f} images/s, "
          f"ratio {summary['ratio']:.3f}")
    if a.result:
        write_result("scaling", {"what": __doc__.strip().split("\n\n")[0], "batch_per_worker": a.batch,
                                 "steps": a.steps, "median": summary, "pairs": rows})


if __name__ == "__main__":
    main()
