#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The nets of examples/ beside PyTorch's from the same weights, images and dropout masks: one pass forward and
backward, every gradient, and ten steps of the trainer.

What tests/parity/parity_nets_test.py does in a test's time, at length: with all pixels, or with the test's (`--pixels
fewer`). In double ours are plain loops, which for VGG-19 and its 20 thousand million multiply-adds an image take long.
Needs python3-torch, and memory for some copies of the parameters (1.1 GB each for VGG-19 in double).
Example: python3 bench/campaigns/net_parity.py build/release/tests/parity/parity_runner --pixels full --result
"""
import argparse
import pathlib
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.dont_write_bytecode = True
sys.path[:0] = [str(ROOT / "bench"), str(ROOT / "tests" / "parity")]

import torch  # noqa: E402

import nets  # noqa: E402
from common import write_result  # noqa: E402
from report import Report  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runner", help="the program parity_runner")
    parser.add_argument("--nets", nargs="+", choices=nets.EXAMPLES, default=list(nets.EXAMPLES))
    parser.add_argument("--pixels", choices=("full", "fewer"), default="full")
    parser.add_argument("--dtypes", nargs="+", choices=nets.DTYPES, default=list(nets.DTYPES), help="of ours")
    parser.add_argument("--step-dtypes", nargs="+", choices=nets.DTYPES,
                        help="of ours in training; default: as --dtypes")
    parser.add_argument("--steps", type=int, choices=range(11), metavar="N", default=10,
                        help="of training, 10 at most; 0: the pass only")
    parser.add_argument("--threads", type=int, default=2, help="of PyTorch")
    parser.add_argument("--work", type=pathlib.Path, help="where to put weights and answers, some gigabytes")
    parser.add_argument("--result", action="store_true", help="write a dated JSON under bench/results")
    a = parser.parse_args()
    torch.set_num_threads(a.threads)
    report, found = Report({}), []
    title = "-".join(["net-parity", a.pixels, *(a.nets if a.nets != list(nets.EXAMPLES) else [])])
    for name in a.nets:
        example = nets.EXAMPLES[name]
        pixels = example.pixels if a.pixels == "full" else example.fewer
        spec, author = nets.read_example(ROOT, name)
        makers = [(lambda: nets.Pass(example, spec, pixels), a.dtypes)]
        if a.steps > 0:
            makers.append((lambda: nets.Steps(example, spec, author["solver"], pixels, a.steps),
                           a.step_dtypes or a.dtypes))
        for make, dtypes in makers:  # one after the other, as each holds all parameters
            item, start = make(), time.monotonic()
            with tempfile.TemporaryDirectory(dir=a.work) as work:
                rows = nets.compare(report, a.runner, pathlib.Path(work), item, dtypes)
            nets.show(rows)
            found.append({"net": name, "what": type(item).__name__, "pixels": pixels, "batch": example.batch,
                          "seconds": round(time.monotonic() - start, 1), "rows": rows})
            report.end_case(f"{name}: {type(item).__name__}")
            if a.result:  # after each run, for they are long
                write_result(title, {"what": __doc__.split("\n\n")[0].replace("\n", " "), "steps": a.steps,
                                     "torch": torch.__version__, "runs": found})
    report.finish()


if __name__ == "__main__":
    main()
