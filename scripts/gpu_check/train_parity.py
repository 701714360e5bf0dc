# SPDX-License-Identifier: Apache-2.0
"""Training on the GPU beside training on the CPU, and beside itself: the losses of steps, and digests of parameters.
Prints one JSON object per comparison, with `right`.
"""
import argparse
import json
import sys
import tempfile

import training

STEPS = 8
NET = "cifar10_quick"  # small, as a build without oneDNN trains it with plain loops on the CPU


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", nargs="+", help="firecaffe, as a command")
    a = parser.parse_args()
    wrong = 0

    def tell(what, right, **figures):
        nonlocal wrong
        wrong += not right
        print(json.dumps({"what": what, "right": bool(right), **figures}), flush=True)

    with tempfile.TemporaryDirectory() as folder:
        data = training.write_idx(folder, 512, (3, 32, 32), 10)

        def run(*arguments, batch=16, shards=1, steps=STEPS):
            settings = training.config(NET, data, {"mean_value": [127.5], "scale": 1 / 64}, base_lr=0.01,
                                       global_batch=batch, shards=shards, display=1, max_iter=steps)
            summary, reports = training.train(a.program, folder, settings, *arguments)
            return summary["parameters_digest"], [report["loss"] for report in reports]

        def apart(precision, tolerance):
            digest, losses = run("--device", "cuda", "--precision", precision)
            distance = max(abs(x - y) / abs(y) for x, y in zip(losses, on_cpu))
            tell(f"losses of {STEPS} steps in {precision} are the CPU's", distance < tolerance, farthest=distance,
                 tolerance=tolerance)
            return digest

        _, on_cpu = run()
        digest = apart("float32", 1e-5)
        apart("tf32", 2e-3)
        apart("bfloat16", 1e-2)
        apart("float16", 2e-3)
        tell("a second run has the same parameters", run("--device", "cuda")[0] == digest)
        tell("steps that are not recorded have the same parameters",
             run("--device", "cuda", "--set", "compute.graph=false")[0] == digest)
        alone = run("--device", "cuda", batch=64, shards=8)[0]
        tell("eight shards that are not recorded have the same parameters",
             run("--device", "cuda", "--set", "compute.graph=false", batch=64, shards=8)[0] == alone)
        for workers in (2, 4, 8):
            for reducer in ("tree", "pipelined_tree", "star"):
                several = run("--device", "cuda", "--workers", workers, "--set", f"reducer.type={reducer}",
                              batch=64, shards=8)[0]
                tell(f"{workers} workers by {reducer} have the parameters of one", several == alone)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
