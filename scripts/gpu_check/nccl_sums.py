# SPDX-License-Identifier: Apache-2.0
"""Sums of the reducer nccl between workers that share the GPU: are they right? Prints one JSON object per run of
`firecaffe bench allreduce`. The times are those of workers that take turns on a GPU, and say nothing of NCCL.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

# 1, 4099 and 16,801,801 elements of float: odd counts, of each kind of protocol.
SIZES = ("-b", "4", "-e", "67207204", "-f", "4099")
RUNS = [(workers, algorithm, "float") for workers in (2, 3, 4) for algorithm in ("ring", "tree")]
RUNS.append((2, "auto", "double"))


def measure(program, workers, algorithm, kind, seconds):
    run = {"workers": workers, "algorithm": algorithm, "type": kind}
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder, "figures.json")
        sizes = SIZES if kind == "float" else ("-b", "32792", "-e", "32792")
        command = [program, "bench", "allreduce", "--reducer", "nccl", "--share-gpu", "--algorithm", algorithm,
                   "--workers", workers, *sizes, "-d", kind, "-n", 2, "-w", 1, "--quiet", "--json", file]
        try:
            done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=seconds,
                                  check=False)
        except subprocess.TimeoutExpired:
            return {**run, "error": f"not done within {seconds} s"}
        if not file.exists():
            return {**run, "error": (done.stderr.strip() or f"exit status {done.returncode}")[-1000:]}
        figures = json.loads(file.read_text())
        (table,) = figures["reducers"]
        run |= {"wrong": figures["nwrong"], "device": table["device"],
                "us": {row["size"]: round(row["in_place"]["p50_us"]) for row in table["results"]}}
        return run if done.returncode == 0 else {**run, "error": done.stderr.strip()[-1000:]}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program", help="firecaffe")
    parser.add_argument("--seconds", type=float, default=60, help="that a run may take")
    a = parser.parse_args()
    wrong = 0
    for run in RUNS:
        found = measure(a.program, *run, a.seconds)
        wrong += "error" in found or found["wrong"] != 0
        print(json.dumps(found), flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
