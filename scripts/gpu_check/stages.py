# SPDX-License-Identifier: Apache-2.0
"""The stages, in their order, and how what they print is judged."""
import dataclasses
import json
import pathlib
import re
import sys

from stage import FAIL, PASS, SKIP, CannotRun, Outcome, Stage, last_words

ROOT = pathlib.Path(__file__).resolve().parents[2]
PEERS = ROOT / "bench" / "peers"
PROGRAMS = {"device": "tests/device/test_device", "tensor": "tests/tensor/test_tensor",
            "kernels": "tests/backend_cuda/test_backend_cuda_gpu",
            "dnn": "tests/backend_cuda/dnn/test_backend_cuda_dnn", "reducer": "tests/reducer/test_reducer",
            "ipc": "tests/reducer/test_reducer_processes", "nccl": "tests/nccl/test_nccl",
            "train": "tests/train/test_train",
            "program": "src/cli/firecaffe"}
NETS = ("nin_imagenet", "googlenet", "alexnet", "vgg19", "resnet50")  # the most telling first


@dataclasses.dataclass
class Setting:
    """What the stages are given: the folder of the build, one with libraries for our programs or None, and what the
    first stage found."""
    build: pathlib.Path
    libraries: pathlib.Path | None = None
    found: dict = dataclasses.field(default_factory=dict)

    @property
    def no_gpu(self):
        """Why there is no GPU; empty where there is one."""
        return "" if self.found.get("gpus") else self.found.get("no_gpu", "the environment is not known")

    def path(self, name):
        return self.found.get("paths", {}).get(name, "")

    def ours(self, name, *arguments, under=()):
        """The command that runs one of our programs, `under` another. Only ours are shown where libraries lie: PyTorch
        has its own."""
        program = self.build / PROGRAMS[name]
        if not program.exists():
            raise CannotRun(FAIL, f"{PROGRAMS[name]} was not built; build the preset cuda, or name its folder: --build")
        shown = {"LD_LIBRARY_PATH": self.path("libraries"), "FIRECAFFE_NCCL_LIBRARY": self.path("nccl")}
        variables = [f"{name}={value}" for name, value in shown.items() if value]
        return [*(["env", *variables] if variables else []), *under, program, *arguments]

    def torch(self, script, *arguments):
        python = self.path("torch_python")
        if not python:
            raise CannotRun(SKIP, "no PyTorch with CUDA")
        return [python, "-B", PEERS / script, *arguments]


def objects_in(text):
    """The JSON objects that stand alone on a line."""
    found = []
    for line in text.splitlines():
        if line.startswith("{"):
            try:
                found.append(json.loads(line))
            except ValueError:
                pass  # cut off by the time limit
    return found


def judge_environment(finished):
    found = objects_in(finished.text)
    if finished.fault() or not found:
        return Outcome(FAIL, finished.fault() or "it says nothing")
    (found, *_) = found
    versions = found["versions"]
    parts = [gpu["name"] for gpu in found["gpus"]] or [f"no GPU: {found['no_gpu']}"]
    parts += [f"{name} {versions[name]}" for name in ("cudnn", "cublasLt", "nccl", "torch") if versions.get(name)]
    parts += [f"our programs do not find {', '.join(found['not_found'])}"] if found["not_found"] else []
    return Outcome(PASS, "; ".join(parts), found)


def judge_tests(finished):
    """A Catch2 program. Where there is a GPU, a case that says it found none has failed."""
    text = finished.text
    skips = re.findall(r"^\s*SKIP:\s*(.*)$", text, re.MULTILINE)
    summary = re.search(r"^test cases:\s+(\d+).*$", text, re.MULTILINE)
    passed = re.search(r"^All tests passed \((\d+) assertions? in (\d+) test cases?\)", text, re.MULTILINE)
    if finished.status and finished.status > 0 and summary:
        return Outcome(FAIL, re.sub(r"\s+", " ", summary[0]))
    if finished.fault():
        return Outcome(FAIL, finished.fault())
    if blind := [reason for reason in skips if reason.startswith("no GPU")]:
        return Outcome(FAIL, f"the driver shows a GPU, but {len(blind)} cases said: {blind[0][:120]}")
    if not passed:
        return Outcome(FAIL, f"nothing was checked: {last_words(text)}")
    figures = {"assertions": int(passed[1]), "cases": int(passed[2]) - len(skips), "skipped": len(skips)}
    skipped = f", {len(skips)} skipped ({skips[0][:80]})" if skips else ""
    return Outcome(PASS, f"{figures['assertions']} assertions in {figures['cases']} cases{skipped}", figures)


def judge_sanitizer(finished):
    """The tests must pass under the sanitizer, and it must say that it found nothing."""
    findings = re.search(r"(?:ERROR|RACECHECK) SUMMARY: (\d+) (?:error|hazard)", finished.text)
    if findings and int(findings[1]):
        return Outcome(FAIL, f"{findings[1]} findings; the first: {first_finding(finished.text)}")
    tests = judge_tests(finished)
    if tests.status == PASS and not findings:
        return Outcome(FAIL, f"the sanitizer gave no summary: {last_words(finished.text)}")
    return tests if tests.status != PASS else Outcome(PASS, f"no findings; {tests.reason}", tests.figures)


def first_finding(text):
    lines = (re.sub(r"^=+\s*", "", line).strip() for line in text.splitlines() if line.startswith("========="))
    return next((line for line in lines if line and not line.startswith("COMPUTE-SANITIZER")), "")[:150]


def judge_limits(finished):
    found = objects_in(finished.text)
    if finished.fault() or not found:
        return Outcome(FAIL, finished.fault() or "it says nothing")
    return Outcome(PASS, ", ".join(f"{name} {value:.1f}" for name, value in found[0].items()), found[0])


def judge_speed(finished):
    """One object per measurement. What was measured before something failed is kept."""
    lines = objects_in(finished.text)
    good = [line for line in lines if "error" not in line]
    words = [f"{x['mode']} {x['images_per_second']:.0f}" for x in good]
    words += [f"{x['mode']} failed: {x['error'][:100]}" for x in lines if "error" in x]
    if finished.fault() and len(good) == len(lines):
        words.append(finished.fault())
    reason = (f"images/s at batch {lines[0]['batch']}: " if lines else "") + ", ".join(words)
    well = finished.status == 0 and good and len(good) == len(lines)
    return Outcome(PASS if well else FAIL, reason or "it says nothing", lines or None)


def judge_nccl(finished):
    """One object per number of workers and algorithm; no element may be wrong in any."""
    runs = objects_in(finished.text)
    faults = [f"{x['workers']} workers, {x['algorithm']}: {x.get('error') or str(x['wrong']) + ' wrong elements'}"
              for x in runs if "error" in x or x["wrong"] != 0]
    faults += [f"{x['workers']} workers summed the memory of the {x['device']}" for x in runs
               if x.get("device", "cuda") != "cuda"]
    if faults or finished.fault() or not runs:
        return Outcome(FAIL, "; ".join(faults)[:400] or finished.fault() or "it says nothing", runs or None)
    workers = sorted({x["workers"] for x in runs})
    return Outcome(PASS, f"no wrong element in {len(runs)} runs with {', '.join(map(str, workers))} workers", runs)


def judge_training(finished):
    """One object per comparison, with `right`."""
    lines = objects_in(finished.text)
    faults = [line["what"] for line in lines if not line["right"]]
    if faults or finished.fault() or not lines:
        return Outcome(FAIL, "; ".join(f"not so: {what}" for what in faults)[:400] or finished.fault() or
                       "it says nothing", lines or None)
    return Outcome(PASS, f"{len(lines)} comparisons: losses of the CPU, digests of the GPU", lines)


def judge_race(finished):
    """Measurements of ours and of PyTorch's, and at last their medians. What was measured before something failed is
    kept."""
    lines = objects_in(finished.text)
    medians = next((line["medians"] for line in lines if "medians" in line), {})
    ratio = next((line["ratio"] for line in lines if "ratio" in line), None)
    errors = [line["error"][:150] for line in lines if "error" in line]
    words = [f"{mode} {speed:.0f}" for mode, speed in medians.items()]
    reason = "images/s at batch 256, bfloat16: " + ", ".join(words) if words else ""
    reason += f"; ratio {ratio}" if ratio else ""
    if finished.fault() or errors or not medians:
        return Outcome(FAIL, "; ".join(filter(None, [reason, *errors, finished.fault()])) or "it says nothing",
                       lines or None)
    return Outcome(PASS, reason, lines)


def look_at_environment(setting):
    programs = [setting.build / program for program in PROGRAMS.values()]
    libraries = ["--libraries", setting.libraries] if setting.libraries else []
    return [sys.executable, "-B", pathlib.Path(__file__).parent / "environment.py", *libraries, *programs]


def sanitizer(tool):
    def command(setting):
        path = setting.path("sanitizer")
        if not path:
            raise CannotRun(SKIP, "compute-sanitizer is not there")
        return setting.ours("kernels", "[cuda]", under=[path, "--tool", tool, "--error-exitcode", "99"])
    return command


def nccl_sums(setting):
    if not setting.path("nccl"):
        raise CannotRun(SKIP, "NVIDIA's NCCL is not there")
    return setting.ours("program", under=script("nccl_sums.py"))


def script(name, *arguments):
    """A script beside this one that runs our program, whose command comes last."""
    return [sys.executable, "-B", pathlib.Path(__file__).parent / name, *arguments]


def training(setting):
    return script("train_parity.py", *setting.ours("program"))


def race(net):
    def command(setting):
        python = setting.path("torch_python")
        peer = ["--torch", python] if python else []
        return script("train_speed.py", "--net", net, *peer, "--", *setting.ours("program"))
    return Stage(f"speed-{net}", 300, command, judge_race)


def tests(name, limit, stage=None):
    return Stage(stage or f"test-{name}", limit, lambda setting: setting.ours(name, "[cuda]", "--durations", "yes"),
                 judge_tests)


def speed(net):
    return Stage(f"torch-{net}", 180, lambda setting: setting.torch("torch_gpu.py", "--nets", net), judge_speed)


STAGES = (Stage("environment", 90, look_at_environment, judge_environment, needs_gpu=False),
          tests("device", 60), tests("tensor", 30), tests("kernels", 120), tests("dnn", 180),
          tests("reducer", 120), tests("ipc", 240, "ipc"),
          tests("nccl", 120), Stage("nccl", 300, nccl_sums, judge_nccl),
          tests("train", 120), Stage("training", 240, training, judge_training),
          Stage("memcheck", 180, sanitizer("memcheck"), judge_sanitizer),
          Stage("racecheck", 180, sanitizer("racecheck"), judge_sanitizer),
          Stage("limits", 60, lambda setting: setting.torch("torch_limits.py"), judge_limits),
          *(race(net) for net in NETS), *(speed(net) for net in NETS))
