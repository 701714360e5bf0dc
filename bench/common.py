# SPDX-License-Identifier: Apache-2.0
"""What the measuring scripts share: running the program, describing the machine, writing a dated result."""
import datetime
import json
import os
import pathlib
import platform
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent


def train(program, config, *arguments, timeout=900):
    """Runs `firecaffe train` and returns its summary as a dictionary."""
    with tempfile.TemporaryDirectory() as folder:
        summary = pathlib.Path(folder) / "summary.json"
        command = [str(program), "train", str(config), "--quiet", "--json", str(summary), *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=timeout)
        return json.loads(summary.read_text())


def machine():
    """Processor, cores, memory, kernel: what a figure depends on; no names of hosts or paths."""
    model = "unknown"
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {"processor": model, "cores": len(os.sched_getaffinity(0)), "memory_gib": round(memory, 1),
            "kernel": platform.release().split("-")[0]}


def commit():
    try:
        done = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    except OSError:  # no git on this machine
        return "unknown"
    return done.stdout.strip() or "unknown"


def median(values):
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def write_result(name, result):
    """Writes bench/results/<date>-<name>.json and says so."""
    date = datetime.date.today().isoformat()
    path = ROOT / "bench" / "results" / f"{date}-{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"date": date, "commit": commit(), "machine": machine(), **result}, indent=2) + "\n")
    print(f"written: {path.relative_to(ROOT)}")
