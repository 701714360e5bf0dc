# SPDX-License-Identifier: Apache-2.0
"""scripts/gpu-check.sh: what it does without a GPU, and, with programs that only pretend, how it judges where there is
one: a test that did not see the GPU, or did not end, has not passed."""
import argparse
import contextlib
import importlib.util
import io
import json
import os
import sys

import harness

HERE = harness.ROOT / "scripts" / "gpu_check"
sys.path[:0] = [str(HERE)]

import stage  # noqa: E402
import stages  # noqa: E402

_at = importlib.util.spec_from_file_location("gpu_check_main", HERE / "__main__.py")
gpu_check = importlib.util.module_from_spec(_at)
_at.loader.exec_module(gpu_check)

PASSED = "All tests passed (9 assertions in 4 test cases)"
BLIND = "SKIP: no GPU: this is a build without CUDA"


class Case(harness.ProcessTest):
    def setUp(self):
        super().setUp()
        os.environ[harness.MARK[0]] = harness.MARK[1]  # so that what a stage leaves running is found
        self.build = self.directory / "build"
        self.torch = self.pretend(self.directory / "python", "exit 3")
        self.found = {"gpus": [{"name": "pretended"}], "no_gpu": "", "not_found": [], "versions": {}, "commit": "abc",
                      "paths": {"torch_python": str(self.torch), "sanitizer": "", "libraries": "", "nccl": ""}}

    @staticmethod
    def pretend(path, body):
        """A program that is a shell script."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/bash\n{body}\n")
        path.chmod(0o755)
        return path

    def outcome(self, name, limit=60):
        """Of a stage, on a machine with a GPU."""
        chosen = next(s for s in stages.STAGES if s.name == name)
        short = stage.Stage(name, limit, chosen.command, chosen.judge)
        return stage.run_stage(short, stages.Setting(self.build, None, self.found), self.directory / "log")[0]

    def expect(self, outcome, status, words):
        self.assertEqual(outcome.status, status, outcome)
        self.assertIn(words, outcome.reason)

    def program_says(self, body, limit=60):
        self.pretend(self.build / stages.PROGRAMS["kernels"], body)
        return self.outcome("test-kernels", limit)


class Absent(Case):
    @staticmethod
    def start_script(*arguments):
        return harness.Running(["bash", harness.ROOT / "scripts" / "gpu-check.sh", *arguments],
                               {"CUDA_VISIBLE_DEVICES": ""})

    def run_script(self, *arguments):
        return self.start_script(*arguments).wait()

    def test_without_a_gpu_it_says_so_and_writes_all_the_same(self):
        for program in stages.PROGRAMS.values():
            self.pretend(self.build / program, f"touch {self.directory}/ran")
        ended = self.run_script("--build", self.build, "--out", self.directory)
        self.assertEqual(ended.status, 77, str(ended) + ended.out)
        report = json.loads((self.directory / "gpu-check.json").read_text())
        self.assertEqual([s["stage"] for s in report["stages"]], [s.name for s in stages.STAGES])
        self.assertEqual([s["status"] for s in report["stages"]], ["PASS"] + ["SKIP"] * (len(stages.STAGES) - 1))
        self.assertTrue(all(s["reason"].startswith("no GPU: ") for s in report["stages"][1:]), report)
        self.assertFalse((self.directory / "ran").exists(), "a program was started")
        self.assertLess({"gpus", "no_gpu", "versions", "machine", "commit"}, set(report["environment"]))
        self.assertNotIn("paths", report["environment"])
        for name in (s.name for s in stages.STAGES):
            self.assertEqual(sum(line.split()[1:2] == [name] for line in ended.out.splitlines()), 1, ended.out)
        self.assertIn("No GPU here", ended.out)

    def test_who_ends_it_ends_its_stage_too(self):
        started = self.start_script("--build", self.directory, "--out", self.directory)

        def stage_runs():
            return any("environment.py" in command for _, command in harness.marked_processes())
        harness.wait_until(stage_runs, harness.PATIENCE, "a stage", started)
        started.process.terminate()
        self.assertEqual(started.wait().status, 143, str(started))
        harness.wait_until(lambda: not harness.marked_processes(), harness.PATIENCE, "the end of the stage")

    def test_what_is_asked_for_wrongly_is_refused(self):
        for words, arguments in (("no stage is called test-nothing", ["--stages", "test-nothing"]),
                                 ("nowhere is no folder", ["--build", "nowhere"]),
                                 ("nowhere is no folder", ["--libraries", "nowhere"])):
            ended = self.run_script(*arguments)
            self.assertEqual(ended.status, 2, str(ended))
            self.assertIn(words, ended.err)


class Tests(Case):
    def test_what_a_program_says_decides(self):
        self.expect(self.outcome("test-kernels"), "FAIL", "was not built")
        self.expect(self.program_says(f"echo '{PASSED}'"), "PASS", "9 assertions in 4 cases")
        self.expect(self.program_says(f"echo 'SKIP: half'; echo '{PASSED}'"), "PASS", "3 cases, 1 skipped (half)")
        self.expect(self.program_says(f"echo '{BLIND}'; echo '{PASSED}'"), "FAIL", "this is a build without CUDA")
        self.expect(self.program_says("echo 'test cases: 3 | 3 passed'"), "FAIL", "nothing was checked")
        self.expect(self.program_says("echo 'test cases: 3 | 2 passed | 1 failed'; exit 1"), "FAIL", "1 failed")
        self.expect(self.program_says(f"echo '{PASSED}'; exit 4"), "FAIL", "exit status 4")
        self.expect(self.program_says("kill -SEGV $$"), "FAIL", "signal 11")
        self.expect(self.program_says("echo error while loading libcudnn.so.9; exit 127"), "FAIL", "libcudnn.so.9")

    def test_a_limit_ends_all_that_was_started(self):
        self.expect(self.program_says("sleep 1000 & sleep 1000", limit=0.3), "FAIL", "not done within its 0.3 s")
        self.expect(self.program_says(f"sleep 1000 & echo '{PASSED}'"), "PASS", "9 assertions")
        harness.wait_until(lambda: not harness.marked_processes(), harness.PATIENCE, "the end of what was started")

    def test_only_our_programs_are_shown_our_libraries(self):
        self.found["paths"]["libraries"] = "/some/where"
        shown = f'[[ $LD_LIBRARY_PATH == /some/where ]] && echo "{PASSED}"'
        self.expect(self.program_says(shown), "PASS", "9 assertions")
        self.pretend(self.torch, '[[ $LD_LIBRARY_PATH != /some/where ]] && echo \'{"copy": 1.0}\'')
        self.expect(self.outcome("limits"), "PASS", "copy 1.0")


class Sanitizer(Case):
    def said(self, tool, body):
        self.found["paths"]["sanitizer"] = str(self.pretend(self.directory / "sanitizer", body))
        return self.outcome(tool)

    def test_findings_and_silence_fail(self):
        self.expect(self.outcome("memcheck"), "SKIP", "compute-sanitizer is not there")
        self.pretend(self.build / stages.PROGRAMS["kernels"], f"echo '{PASSED}'")
        through = '[[ $1 $2 == "--tool %s" ]]; "${@:5}"; echo "========= %s"'.replace("$1 $2", '"$1 $2"')
        clean = {"memcheck": "ERROR SUMMARY: 0 errors",
                 "racecheck": "RACECHECK SUMMARY: 0 hazards displayed (0 errors, 0 warnings)"}
        for tool, summary in clean.items():
            self.expect(self.said(tool, "set -e; " + through % (tool, summary)), "PASS", "no findings; 9 assertions")
            self.expect(self.said(tool, '"${@:5}"'), "FAIL", "no summary")
        found = "echo '========= Invalid __global__ read of size 4'; echo '========= ERROR SUMMARY: 2 errors'; exit 99"
        self.expect(self.said("memcheck", found), "FAIL", "2 findings; the first: Invalid __global__ read of size 4")
        found = "========= RACECHECK SUMMARY: 1 hazard displayed (1 error, 0 warnings)"
        self.expect(self.said("racecheck", f"echo '{found}'; echo '{PASSED}'"), "FAIL", "1 findings")
        self.pretend(self.build / stages.PROGRAMS["kernels"], "echo 'test cases: 3 | 2 passed | 1 failed'; exit 1")
        failed = '"${@:5}"; echo "========= ERROR SUMMARY: 0 errors"; exit 1'
        self.expect(self.said("memcheck", failed), "FAIL", "1 failed")


class Speed(Case):
    EAGER = '{"mode": "eager", "batch": 256, "images_per_second": 12345.6}'

    def said(self, body, limit=60):
        self.pretend(self.torch, body)
        return self.outcome("torch-googlenet", limit)

    def test_what_was_measured_is_kept(self):
        self.expect(self.said(f"echo '{self.EAGER}'"), "PASS", "images/s at batch 256: eager 12346")
        outcome = self.said(f"echo '{self.EAGER}'; echo '{{\"mode\": \"max'; sleep 1000", limit=2)
        self.expect(outcome, "FAIL", "eager 12346, not done within its 2 s")
        self.assertEqual(outcome.figures, [json.loads(self.EAGER)])
        error = '{"mode": "default", "batch": 256, "error": "out of memory"}'
        self.expect(self.said(f"echo '{self.EAGER}'; echo '{error}'; exit 1"), "FAIL", "default failed: out of memory")
        self.expect(self.said("echo no module; exit 1"), "FAIL", "no module")
        self.expect(self.said("true"), "FAIL", "it says nothing")
        self.found["paths"]["torch_python"] = ""
        self.expect(self.said("true"), "SKIP", "no PyTorch with CUDA")


class Nccl(Case):
    """The stage runs our program for each number of workers; here that is a script, which looks at what it is told."""

    def said(self, body, limit=60):
        self.found["paths"]["nccl"] = "/some/where/libnccl.so.2"
        self.pretend(self.build / stages.PROGRAMS["program"], body)
        return self.outcome("nccl", limit)

    def test_wrong_elements_and_failed_runs_fail(self):
        self.expect(self.outcome("nccl"), "SKIP", "NCCL is not there")
        table = '{"device": "%s", "results": [{"size": 4, "in_place": {"p50_us": 7.3}}]}'
        figures = 'echo \'{"nwrong": %s, "reducers": [' + table + ']}\' > "${@: -1}"'
        right = figures % (0, "cuda")
        outcome = self.said(f'[[ "$*" == *--share-gpu* && $FIRECAFFE_NCCL_LIBRARY == /some/* ]] && {right}')
        self.expect(outcome, "PASS", "no wrong element in 7 runs with 2, 3, 4 workers")
        self.assertEqual(outcome.figures[0], {"workers": 2, "algorithm": "ring", "type": "float", "wrong": 0,
                                              "device": "cuda", "us": {"4": 7}})
        three = 'if [[ "$*" == *"--workers 3"* ]]; then %s; else ' + right + "; fi"
        wrong = self.said(three % (figures % (5, "cuda") + "; exit 1"))
        self.expect(wrong, "FAIL", "3 workers, ring: 5 wrong elements; 3 workers, tree: 5 wrong elements")
        self.expect(self.said(three % "echo 'Duplicate GPU' >&2; exit 75"), "FAIL", "3 workers, ring: Duplicate GPU")
        self.expect(self.said(three % (figures % (0, "cpu"))), "FAIL", "3 workers summed the memory of the cpu")
        self.expect(self.said(three % "sleep 1000", limit=2), "FAIL", "not done within its 2 s")
        harness.wait_until(lambda: not harness.marked_processes(), harness.PATIENCE, "the end of what was started")


class Training(Case):
    """Stages that train; our program is a script that leaves what `firecaffe train` does."""

    def said(self, stage_name, digest="d", speed=100):
        step = json.dumps({"event": "step", "loss": 2.5, "images_per_second": speed, "data_wait_share": 0})
        body = ('while (($#)); do case $1 in --output) out=$2 ;; --json) json=$2 ;; esac; shift; done; mkdir -p "$out"; '
                f"for i in 1 2 3; do echo '{step}'; done > \"$out/log.jsonl\"; "
                f'echo "{{\\"parameters_digest\\": \\"{digest}\\", \\"train_loss\\": 2.5}}" > "$json"')
        self.pretend(self.build / stages.PROGRAMS["program"], body)
        return self.outcome(stage_name, 60)

    def test_digests_and_losses_are_compared(self):
        self.expect(self.said("training"), "PASS", "comparisons: losses of the CPU")
        self.expect(self.said("training", digest="$BASHPID"), "FAIL", "not so: a second run has the same parameters")
        self.pretend(self.build / stages.PROGRAMS["program"], "echo 'error: no memory' >&2; exit 71")
        self.expect(self.outcome("training", 60), "FAIL", "no memory")

    def test_speed_is_told_with_and_without_a_peer(self):
        outcome = self.said("speed-googlenet")  # the peer is a script that says nothing
        self.expect(outcome, "FAIL", "bfloat16: firecaffe 100; torch graph")
        self.found["paths"]["torch_python"] = ""
        self.expect(self.said("speed-googlenet"), "PASS", "images/s at batch 256, bfloat16: firecaffe 100")
        self.pretend(self.build / stages.PROGRAMS["program"], "echo 'error: no memory' >&2; exit 71")
        self.expect(self.outcome("speed-googlenet", 60), "FAIL", "no memory")


class Whole(Case):
    def checked(self, *bodies, pattern="*"):
        """Exit status and report of a run with these programs as stages, on a machine that has a GPU."""
        environment = stage.Stage("environment", 60, lambda _: ["echo", json.dumps(self.found)],
                                  stages.judge_environment, needs_gpu=False)
        others = [stage.Stage(f"s{i}", 60, lambda _, b=body: ["bash", "-c", b], stages.judge_tests)
                  for i, body in enumerate(bodies)]
        a = argparse.Namespace(build=self.build, libraries=None, out=self.directory, stages=[pattern])
        with contextlib.redirect_stdout(io.StringIO()):
            status = gpu_check.check(a, [environment, *others])
        return status, json.loads((self.directory / "gpu-check.json").read_text())

    def test_others_go_on_after_one_that_fails(self):
        status, report = self.checked("exit 1", f"echo '{PASSED}'")
        self.assertEqual((status, [s["status"] for s in report["stages"]]), (1, ["PASS", "FAIL", "PASS"]))
        self.assertEqual((report["commit"], report["environment"]["gpus"]), ("abc", [{"name": "pretended"}]))
        status, report = self.checked(f"echo '{PASSED}'")
        self.assertEqual(status, 0)
        self.assertEqual(report["stages"][1]["figures"], {"assertions": 9, "cases": 4, "skipped": 0})
        status, report = self.checked("exit 1", f"echo '{PASSED}'", pattern="s1")
        self.assertEqual((status, [s["stage"] for s in report["stages"]]), (0, ["environment", "s1"]))

    def test_an_environment_that_cannot_be_known_is_a_failure(self):
        self.found = "nothing"
        status, report = self.checked(f"echo '{PASSED}'")
        self.assertEqual((status, [s["status"] for s in report["stages"]]), (1, ["FAIL", "SKIP"]))


if __name__ == "__main__":
    harness.main(needs=None)
