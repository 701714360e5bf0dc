#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One epoch of NiN on CIFAR-10, ours beside PyTorch's: the same initial weights, the same images in the same order, the
same rule of SGD.

The images are JPEG files in class folders, `train/<class>/*.jpg` and `test/<class>/*.jpg`. Both programs read one
list of them in an order drawn once, without shuffling and mirroring. The initial weights are ours: a first run with a
rate of zero saves them. Then:

* without dropout the two compute the same, and part only by rounding, which training amplifies: the first steps must
  agree closely. The peer trains again from weights that are moved by as little as rounding moves them;
* with dropout each draws its own masks, and so does each run of the peer.

How far the peer's runs are from each other is the noise, and ours must be among them.

Needs python3-torch and python3-pil. An epoch takes both together some tens of minutes on two cores.
Example: python3 bench/campaigns/cifar10_epoch.py build/release/src/cli/firecaffe --images cifar10 --result
"""
import argparse
import itertools
import json
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.dont_write_bytecode = True
sys.path[:0] = [str(ROOT / "bench")]

from common import write_result  # noqa: E402

WINDOW = 20         # steps over which losses are averaged before curves are compared
FIRST = 5           # steps in which rounding has not grown yet
FIRST_WITHIN = 1e-3  # relative; without dropout
CURVE_WITHIN = 0.05  # relative; averaged losses, where the peer's runs are no further from each other
NUDGE = 6e-8         # half of a float's last bit: by so much of itself weights are moved without dropout
SPREADS = 3          # ours may end so many standard deviations of the peer's runs from their mean,
AT_LEAST = 0.02      # and this share of the loss in any case, for few runs measure their spread badly


def write_list(images, part, path, shuffle):
    """The files of a part with their labels, in an order that depends on nothing but their names."""
    classes = sorted(folder for folder in (images / part).iterdir() if folder.is_dir())
    lines = [f"{file.relative_to(images)} {label}" for label, folder in enumerate(classes)
             for file in sorted(folder.iterdir())]
    if shuffle:
        random.Random(1).shuffle(lines)
    path.write_text("\n".join(lines) + "\n")
    return len(lines), len(classes)


def make_config(a, folder, dropout):
    """The example's solver and transformation for one pass over lists, and its net with dropout or without."""
    example = json.loads((a.example / "author.json").read_text())
    net = json.loads((a.example / "net.json").read_text())
    for layer in net["layers"]:
        if layer["type"] == "Dropout" and not dropout:
            layer["dropout_ratio"] = 0
    sets = {}
    for part in ("train", "test"):
        count, classes = write_list(a.images, part, folder / f"{part}.txt", part == "train")
        sets[part] = {"type": "image_folder", "root": str(a.images.resolve()), "list": str(folder / f"{part}.txt"),
                      "classes": classes, "limit": a.test_images if part == "test" else 0}
        if part == "train":
            steps = a.iterations or count // a.batch
    transform = {key: example["data"]["transform"][key] for key in ("mean_value", "scale")}
    solver = {**example["solver"], "lr_policy": "fixed", "base_lr": a.base_lr or example["solver"]["base_lr"],
              "max_iter": steps, "global_batch": a.batch, "shards": a.shards, "display": 1, "test_interval": 0}
    return {"name": "cifar10_epoch", "data": {**sets, "transform": transform, "shuffle": False}, "net": net,
            "solver": solver}


def ours(a, config, output, *settings):
    """Runs the program and returns the folder of its run."""
    command = [a.program, "train", str(config), "--quiet", "--output", str(output), "--threads", str(a.threads)]
    subprocess.run([*command, *(x for s in settings for x in ("--set", s))], check=True)
    return output


def our_figures(folder):
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    summary = json.loads((folder / "summary.json").read_text())
    return {"losses": [line["loss"] for line in lines if line["event"] == "step"], "seconds": summary["seconds"],
            "test_loss": summary["test_loss"], "test_top1": summary["test_top1"]}


def peer(a, config, weights, output, seed, nudge):
    command = [a.python, str(ROOT / "bench/peers/torch_train.py"), str(config), "--weights", str(weights), "--output",
               str(output), "--threads", str(a.threads), "--seed", str(seed), "--nudge", str(nudge)]
    subprocess.run(command, check=True)
    return json.loads(output.read_text())


def averaged(losses):
    """Means over WINDOW steps each; of all steps where there are fewer."""
    window = min(WINDOW, len(losses))
    return [sum(losses[i:i + window]) / window for i in range(0, len(losses) - window + 1, window)]


def figures_of(run):
    """What is kept of a run."""
    return {**{key: run[key] for key in ("seconds", "test_loss", "test_top1")}, "first": run["losses"][:FIRST],
            "curve": averaged(run["losses"])}


def apart(mine, theirs):
    return max(abs(m - t) / t for m, t in zip(mine, theirs, strict=True))


def compare_ends(mine, peers):
    """Of figures at the end of runs: ours against the mean of the peer's."""
    mean = statistics.mean(peers)
    spread = statistics.stdev(peers) if len(peers) > 1 else 0.0
    allowed = max(SPREADS * spread, AT_LEAST * mean)
    return {"ours": mine, "peers": peers, "difference": mine - mean, "spread": spread, "allowed": allowed,
            "within_noise": abs(mine - mean) <= allowed}


def compare_curves(mine, peers):
    """Ours may be as far from the nearest of the peer's curves as those are from each other."""
    distances = [apart(mine, curve) for curve in peers]
    among_peers = [apart(a, b) for a, b in itertools.combinations(peers, 2)]
    allowed = max([*among_peers, CURVE_WITHIN])
    return {"apart": distances, "peers_apart": among_peers, "allowed": allowed,
            "within_noise": min(distances) <= allowed}


def compare(dropout, mine, peers):
    """Whether ours is within the noise of the peer's runs, and the figures that say so."""
    found = {"train_loss": compare_ends(mine["curve"][-1], [p["curve"][-1] for p in peers]),
             "test_loss": compare_ends(mine["test_loss"], [p["test_loss"] for p in peers]),
             "curves": compare_curves(mine["curve"], [p["curve"] for p in peers])}
    if not dropout:
        first = apart(mine["first"], peers[0]["first"])
        found["first_steps"] = {"apart": first, "allowed": FIRST_WITHIN, "within_noise": first <= FIRST_WITHIN}
    within = all(figure["within_noise"] for figure in found.values())
    return {"dropout": dropout, "within_noise": within, **found, "our_run": mine, "peer_runs": peers}


def run(a, folder, dropout, earlier):
    """`earlier`: the same of an earlier result, of which the runs are taken over, or None."""
    folder.mkdir()
    config = folder / "config.json"
    config.write_text(json.dumps(make_config(a, folder, dropout)))
    start = ours(a, config, folder / "start", "solver.base_lr=0", "solver.max_iter=1", "data.test.limit=1")
    weights = start / "checkpoints" / "iter_00000001" / "model.safetensors"
    mine = earlier["our_run"] if earlier else figures_of(our_figures(ours(a, config, folder / "ours")))
    peers = earlier["peer_runs"] if earlier else []
    for seed in range(len(peers) + 1, a.peers + 1):
        nudge = NUDGE if not dropout and seed > 1 else 0
        peers.append(figures_of(peer(a, config, weights, folder / f"peer{seed}.json", seed, nudge)))
    return compare(dropout, mine, peers)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--images", type=pathlib.Path, required=True, help="folder with train/<class> and test/<class>")
    parser.add_argument("--example", type=pathlib.Path, default=ROOT / "examples" / "nin_cifar10",
                        help="folder with net.json and author.json")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--shards", type=int, default=8)
    parser.add_argument("--base-lr", type=float, help="instead of the example's")
    parser.add_argument("--iterations", type=int, help="instead of one epoch")
    parser.add_argument("--test-images", type=int, default=0, help="test on so many only; 0: all")
    parser.add_argument("--threads", type=int, default=2, help="of each program")
    parser.add_argument("--peers", type=int, default=3, help="runs of PyTorch")
    parser.add_argument("--only", choices=("dropout", "no-dropout"))
    parser.add_argument("--earlier", type=pathlib.Path,
                        help="a result of this campaign: its runs are not made again, but counted in, and peers added")
    parser.add_argument("--python", default="/usr/bin/python3", help="an interpreter that has torch")
    parser.add_argument("--result", action="store_true", help="write a dated JSON under bench/results")
    a = parser.parse_args()
    earlier = {run_["dropout"]: run_ for run_ in json.loads(a.earlier.read_text())["runs"]} if a.earlier else {}
    results = []
    with tempfile.TemporaryDirectory() as scratch:
        for name, dropout in (("no-dropout", False), ("dropout", True)):
            if a.only in (None, name):
                results.append(run(a, pathlib.Path(scratch) / name, dropout, earlier.get(dropout)))
                shown = {k: v for k, v in results[-1].items() if not k.endswith(("run", "runs"))}
                print(f"{name}: {json.dumps(shown)}", flush=True)
    if a.result:
        write_result("cifar10-epoch", {"what": __doc__.split("\n\n")[0].replace("\n", " "), "batch": a.batch,
                                       "runs": results})
    return 0 if all(result["within_noise"] for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
