# SPDX-License-Identifier: Apache-2.0
"""How fast `firecaffe train` is beside PyTorch, in turns: images/s with a batch of 256 in bfloat16.

Ours reads images of 256 x 256 bytes from files, and crops and mirrors them; PyTorch has one batch on the GPU. Prints a
JSON object per measurement, and at last one with the medians and their ratio.

Example: python3 scripts/gpu_check/train_speed.py --net nin_imagenet --torch python3 build/cuda/src/cli/firecaffe
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile

import training

BATCH = 256
STEPS = {"display": 50, "max_iter": 250}


def ours(program, folder, net, data, side):
    settings = training.config(net, data, {"crop_size": side, "mirror": True, "mean_value": [127.5], "scale": 1 / 64},
                               threads=min(8, os.cpu_count()), base_lr=1e-5, global_batch=BATCH, shards=1, **STEPS)
    summary, steps = training.train(program, folder, settings, "--device", "cuda", "--precision", "bfloat16",
                                    "--tune", 8)
    speeds = [step["images_per_second"] for step in steps[1:]]  # the first has the search for plans in it
    return {"images_per_second": round(statistics.median(speeds), 1),
            "slowest": round(min(speeds), 1), "waited_for_data": max(step["data_wait_share"] for step in steps[1:]),
            "loss": summary["train_loss"]}


def torchs(python, net, mode, seconds):
    script = training.ROOT / "bench" / "peers" / "torch_gpu.py"
    command = [python, "-B", script, "--nets", net, "--batch", BATCH, "--modes", mode]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=seconds, check=False)
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    if not lines or "error" in lines[0]:
        raise RuntimeError(lines[0]["error"] if lines else done.stderr.strip()[-600:])
    return {key: value for key, value in lines[0].items() if key not in ("net", "batch", "mode")}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", nargs="+", help="firecaffe, as a command")
    parser.add_argument("--net", required=True)
    parser.add_argument("--torch", default="", help="a Python with PyTorch; none: ours alone")
    parser.add_argument("--modes", nargs="+", default=["graph"], help="of bench/peers/torch_gpu.py")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=170, help="that a measurement of PyTorch may take")
    a = parser.parse_args()
    speeds = {}
    with tempfile.TemporaryDirectory() as folder:
        side = 227 if a.net == "alexnet" else 224
        data = training.write_idx(folder, 1024, (3, 256, 256), 256)
        for number in range(a.rounds):
            turns = {"firecaffe": lambda: ours(a.program, folder, a.net, data, side)}
            for mode in a.modes if a.torch else ():
                turns[f"torch {mode}"] = lambda mode=mode: torchs(a.torch, a.net, mode, a.seconds)
            for mode, turn in turns.items():
                found = {"net": a.net, "batch": BATCH, "round": number, "mode": mode}
                try:
                    found |= turn()
                    speeds.setdefault(mode, []).append(found["images_per_second"])
                except (RuntimeError, subprocess.TimeoutExpired) as error:
                    found["error"] = f"{mode}: {str(error)[:600] or 'it said nothing'}"
                print(json.dumps(found), flush=True)
    medians = {mode: statistics.median(values) for mode, values in speeds.items()}
    peers = [speed for mode, speed in medians.items() if mode != "firecaffe"]
    if "firecaffe" not in medians:
        return 1
    print(json.dumps({"net": a.net, "medians": medians, "gpu": "bfloat16",
                      "ratio": round(medians["firecaffe"] / max(peers), 3) if peers else None}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
