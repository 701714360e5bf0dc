#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Our training speed beside PyTorch's on the slim NiN, in turn, in one run.

Ours is a whole run on Fashion-MNIST (reading, augmentation and exchange included); PyTorch's is the bare step on a
synthetic batch in memory, the better of its two layouts. Needs python3-torch.
Example: python3 bench/against_torch.py build/release/src/cli/firecaffe --python /usr/bin/python3
"""
import argparse
import subprocess

from common import ROOT, median, train, write_result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--python", default="/usr/bin/python3", help="an interpreter that has torch")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--shards", type=int, default=8)
    parser.add_argument("--result", action="store_true", help="write a dated JSON under bench/results")
    a = parser.parse_args()
    net = ROOT / "examples" / "nin" / "net.json"
    config = ROOT / "examples" / "nin" / "fashion_mnist.json"

    def ours(*arguments):
        settings = ["solver.max_iter=150", f"solver.global_batch={a.batch}", f"solver.shards={a.shards}",
                    "solver.test_interval=0", "data.test.limit=100"]
        return train(a.program, config, *arguments, *(x for s in settings for x in ("--set", s)))["images_per_second"]

    def torch(threads):
        def speed(*more):
            command = [a.python, str(ROOT / "bench/peers/torch_net.py"), str(net), "--batch", str(a.batch),
                       "--threads", str(threads), *more]
            return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        return max(speed(), speed("--channels-last"))

    contestants = {"torch_1_thread": lambda: torch(1), "ours_1_thread": ours,
                   "torch_2_threads": lambda: torch(2), "ours_2_threads": lambda: ours("--threads", "2"),
                   "ours_2_workers": lambda: ours("--workers", "2")}
    figures = {name: [] for name in contestants}
    for _ in range(a.rounds):
        for name, measure in contestants.items():
            figures[name].append(measure())
    medians = {name: median(values) for name, values in figures.items()}
    for name, value in medians.items():
        print(f"{name:16} {value:8.0f} images/s")
    ratios = {name: median([o / t for o, t in zip(figures[name], figures[peer])]) for name, peer in
              (("ours_1_thread", "torch_1_thread"), ("ours_2_threads", "torch_2_threads"),
               ("ours_2_workers", "torch_2_threads"))}
    for name, value in ratios.items():
        print(f"{name} / torch: {value:.2f}")
    if a.result:
        write_result("against-torch", {"what": __doc__.strip().split("\n\n")[0], "batch": a.batch,
                                       "images_per_second": medians, "ratios": ratios, "runs": figures})


if __name__ == "__main__":
    main()
