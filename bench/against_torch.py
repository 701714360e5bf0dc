#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Our training speed beside PyTorch's: nets of examples/ forward, backward and the update, on one thread and on two.

Ours is `firecaffe train` with all that belongs to it; its images are made up by another thread. PyTorch's is the bare
step on one batch in memory, in the better of its two layouts (peers/torch_net.py). The two take turns, because the
speed of a shared machine drifts; ratios are taken round by round, and medians are quoted. In a run the median of its
steps counts, without the first ones.

Needs python3-torch. All nets take tens of minutes on two cores.
Example: python3 bench/against_torch.py build/release/src/cli/firecaffe --nets googlenet resnet18 --result
"""
import argparse
import dataclasses
import json
import pathlib
import subprocess
import tempfile

from common import ROOT, median, write_result

THREADS = (1, 2)
WARM_UP = 1  # steps


@dataclasses.dataclass(frozen=True)
class Subject:
    """A net of examples/ and what it is given. Ours computes a batch in so many shards, with one thread or two."""
    shape: tuple
    batch: int
    steps: int
    shards: int = 2
    classes: int = 1000


SUBJECTS = {"nin": Subject((1, 28, 28), batch=128, steps=30, shards=8, classes=10),
            "nin_imagenet": Subject((3, 224, 224), batch=16, steps=5),
            "alexnet": Subject((3, 227, 227), batch=32, steps=5),
            "googlenet": Subject((3, 224, 224), batch=16, steps=5),
            "vgg19": Subject((3, 224, 224), batch=4, steps=3),
            "resnet18": Subject((3, 224, 224), batch=16, steps=5)}


def config_of(name, subject, steps):
    images = {"type": "synthetic", "shape": list(subject.shape), "count": 1024, "classes": subject.classes}
    return {"data": {"train": images, "transform": {"mean_value": [127.5], "scale": 0.015625}},
            "net": str(ROOT / "examples" / name / "net.json"),
            "solver": {"base_lr": 1e-4, "momentum": 0.9, "weight_decay": 5e-4, "max_iter": WARM_UP + steps,
                       "display": 1, "global_batch": subject.batch, "shards": subject.shards},
            "output": {"checkpoint_interval": 0}}


def ours(program, name, subject, steps, threads):
    """Images per second."""
    with tempfile.TemporaryDirectory() as folder:
        config, output = pathlib.Path(folder) / "config.json", pathlib.Path(folder) / "run"
        config.write_text(json.dumps(config_of(name, subject, steps)))
        subprocess.run([program, "train", config, "--quiet", "--threads", str(threads), "--output", output], check=True,
                       stdout=subprocess.DEVNULL)
        events = [json.loads(line) for line in (output / "log.jsonl").read_text().splitlines()]
    speeds = [event["images_per_second"] for event in events if event["event"] == "step"]
    return median(speeds[WARM_UP:])


def torchs(python, name, subject, steps, threads, layout):
    command = [python, ROOT / "bench/peers/torch_net.py", ROOT / "examples" / name / "net.json",
               "--input", "x".join(map(str, subject.shape)), "--classes", str(subject.classes),
               "--batch", str(subject.batch), "--threads", str(threads), "--warm-up", str(WARM_UP),
               "--steps", str(steps), *(["--channels-last"] if layout == "channels_last" else [])]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def compare(a, name, subject):
    """Rounds of one net; its entry of the result."""
    steps = a.steps or subject.steps
    layouts = {}
    for threads in THREADS:
        tried = {layout: torchs(a.python, name, subject, steps, threads, layout) for layout in
                 ("contiguous", "channels_last")}
        layouts[threads] = max(tried, key=tried.get)
    contestants = {}
    for threads in THREADS:
        contestants[f"ours_{threads}"] = lambda t=threads: ours(a.program, name, subject, steps, t)
        contestants[f"torch_{threads}"] = lambda t=threads: torchs(a.python, name, subject, steps, t, layouts[t])
    runs = {contestant: [] for contestant in contestants}
    for number in range(a.rounds):
        for contestant in list(contestants) if number % 2 == 0 else reversed(contestants):
            runs[contestant].append(contestants[contestant]())
    speeds = {contestant: median(values) for contestant, values in runs.items()}
    ratios = {threads: median([o / t for o, t in zip(runs[f"ours_{threads}"], runs[f"torch_{threads}"])])
              for threads in THREADS}
    for threads in THREADS:
        print(f"{name:12} {threads} thread{'s' if threads > 1 else ' '}: ours {speeds[f'ours_{threads}']:8.2f}, torch "
              f"{speeds[f'torch_{threads}']:8.2f} images/s ({layouts[threads]}), ratio {ratios[threads]:.2f}",
              flush=True)
    return {"net": name, **dataclasses.asdict(subject), "steps": steps, "torch_layout": layouts,
            "images_per_second": speeds, "ours_over_torch": ratios, "runs": runs}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", help="the program firecaffe, built with the release preset")
    parser.add_argument("--nets", nargs="+", choices=SUBJECTS, default=list(SUBJECTS))
    parser.add_argument("--python", default="/usr/bin/python3", help="an interpreter that has torch")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=0, help="that are measured in a run; 0: as many as suit the net")
    parser.add_argument("--result", action="store_true", help="write a dated JSON under bench/results")
    a = parser.parse_args()
    versions = subprocess.run([a.python, "-c", "import torch; print(torch.__version__)"], check=True,
                              capture_output=True, text=True).stdout.strip()
    found = []
    for name in a.nets:
        found.append(compare(a, name, SUBJECTS[name]))
        if a.result:  # after each net, for they are long
            write_result("against-torch", {"what": __doc__.strip().split("\n\n")[0], "torch": versions,
                                           "rounds": a.rounds, "nets": found})


if __name__ == "__main__":
    main()
