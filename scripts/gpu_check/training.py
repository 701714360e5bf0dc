# SPDX-License-Identifier: Apache-2.0
"""What the stages of training share: data sets of random bytes, and runs of `firecaffe train` on them."""
import json
import pathlib
import random
import struct
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]


def write_idx(folder, count, shape, classes):
    """A data set of random images and labels, as bytes; always the same."""
    source = random.Random(1)
    pixels, labels = pathlib.Path(folder, "images.idx"), pathlib.Path(folder, "labels.idx")
    size = shape[0] * shape[1] * shape[2]
    with open(pixels, "wb") as file:
        file.write(struct.pack(">5I", 0x804, count, *shape))
        for _ in range(count):
            file.write(source.randbytes(size))
    labels.write_bytes(struct.pack(">2I", 0x801, count) + bytes(source.randrange(classes) for _ in range(count)))
    return {"type": "idx", "images": str(pixels), "labels": str(labels), "classes": classes}


def config(net, data, transform, threads=1, **solver):
    """A run of a net of examples/, as a dictionary."""
    return {"name": net, "data": {"train": data, "transform": transform, "threads": threads, "prefetch": 8},
            "net": str(ROOT / "examples" / net / "net.json"),
            "solver": {"type": "sgd", "momentum": 0.9, "weight_decay": 0.0005, "random_seed": 1, **solver},
            "reducer": {"type": "auto"}}


def train(program, folder, settings, *arguments, seconds=120):
    """Runs it; the summary, and the reports of its steps. Throws RuntimeError with what it said."""
    folder = pathlib.Path(folder)
    (folder / "run.json").write_text(json.dumps(settings))
    command = [*program, "train", folder / "run.json", "--overwrite", "--output", folder / "run",
               "--json", folder / "summary.json", "--quiet", *arguments]
    try:
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=seconds,
                              check=False)
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"training was not done within {seconds} s") from None
    if done.returncode:
        raise RuntimeError((done.stderr.strip() or f"exit status {done.returncode}")[-600:])
    events = [json.loads(line) for line in (folder / "run" / "log.jsonl").read_text().splitlines()]
    return (json.loads((folder / "summary.json").read_text()), [e for e in events if e.get("event") == "step"])
