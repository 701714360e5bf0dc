# SPDX-License-Identifier: Apache-2.0
"""Proves on a machine with a GPU, and without a network, what was built: the CUDA tests, memcheck and racecheck on our
kernels; and measures what the GPU can do at most and how fast PyTorch trains our nets there.

Each stage has its own time limit and ends in one line: PASS, FAIL or SKIP, seconds, a reason. Others go on after one
that fails. OUT gets gpu-check.json, brought up to date after each stage, and the output of each as <stage>.log.

Exit status: 0 if no stage failed, 1 if one did, 77 on a machine without a GPU, where nothing runs that needs one.

Examples:
  scripts/gpu-check.sh
  scripts/gpu-check.sh --build build/dev --stages 'test-*' --libraries carried --out out/gpu-tests
  scripts/gpu-check.sh --stages limits 'torch-*' --out out/gpu-speed
"""
import argparse
import datetime
import fnmatch
import json
import pathlib
import signal
import sys

from stage import FAIL, PASS, SKIP, run_stage
from stages import ROOT, STAGES, Setting

NO_GPU = 77


def parse():
    parser = argparse.ArgumentParser(prog="scripts/gpu-check.sh", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, help="default: build/cuda, or else build/dev")
    parser.add_argument("--libraries", type=pathlib.Path,
                        help="a folder with shared libraries that this machine lacks, for our programs only")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "out" / "gpu-check", help="default: out/gpu-check")
    parser.add_argument("--stages", nargs="+", default=["*"], help="names or patterns; `environment` runs in any case")
    parser.add_argument("--list", action="store_true", help="show the stages and their time limits, and end")
    a = parser.parse_args()
    if a.build is None:
        a.build = next((p for p in (ROOT / "build/cuda", ROOT / "build/dev") if p.is_dir()), ROOT / "build/cuda")
    elif not a.build.is_dir():
        parser.error(f"--build: {a.build} is no folder")
    if a.libraries is not None and not a.libraries.is_dir():
        parser.error(f"--libraries: {a.libraries} is no folder")
    unknown = [p for p in a.stages if not fnmatch.filter([stage.name for stage in STAGES], p)]
    if unknown:
        parser.error(f"--stages: no stage is called {unknown[0]}; --list shows them")
    a.build, a.out, a.libraries = a.build.resolve(), a.out.resolve(), a.libraries and a.libraries.resolve()
    return a


def published(found):
    return {key: value for key, value in found.items() if key != "paths"}


def check(a, stages=STAGES):
    """Runs the chosen stages; the exit status."""
    a.out.mkdir(parents=True, exist_ok=True)
    setting, results = Setting(a.build, a.libraries), []
    report = {"date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"), "commit": "unknown",
              "environment": {}, "stages": results}
    for stage in stages:
        first = stage is stages[0]
        if not first and not any(fnmatch.fnmatch(stage.name, pattern) for pattern in a.stages):
            continue
        outcome, seconds = run_stage(stage, setting, a.out / f"{stage.name}.log")
        figures = outcome.figures
        if first and figures:
            setting.found, figures = figures, None
            report.update(environment=published(setting.found), commit=setting.found["commit"])
        results.append({"stage": stage.name, "status": outcome.status, "seconds": round(seconds, 2),
                        "limit_seconds": stage.limit, "reason": outcome.reason, "figures": figures})
        (a.out / "gpu-check.json").write_text(json.dumps(report, indent=2) + "\n")
        print(f"{outcome.status}  {stage.name:18} {seconds:6.1f} s  {outcome.reason}", flush=True)
    counts = {status: sum(r["status"] == status for r in results) for status in (PASS, FAIL, SKIP)}
    print(f"{counts[PASS]} passed, {counts[FAIL]} failed, {counts[SKIP]} skipped; written: {a.out / 'gpu-check.json'}")
    if counts[FAIL]:
        return 1
    if setting.no_gpu:
        print(f"No GPU here, so what needs one did not run: {setting.no_gpu}")
        return NO_GPU
    return 0


def main():
    a = parse()
    if a.list:
        for stage in STAGES:
            print(f"{stage.name:20} {stage.limit:4g} s{'' if stage.needs_gpu else '  needs no GPU'}")
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the command of a stage is ended as well
    return check(a)


if __name__ == "__main__":
    sys.exit(main())
