# SPDX-License-Identifier: Apache-2.0
"""What the tests of the whole program share: starting it, stopping it, and looking at what it leaves behind.

The environment variable FIRECAFFE_PROGRAM names the program; FIRECAFFE_TEST_SLOWNESS says how much slower than an
ordinary one it may be, because of sanitizers. Every process that a test starts, and what that starts in
turn, carries a variable with the test's own mark, so that a test finds what is left over, and nobody else's processes.
"""
import ctypes
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import uuid

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "nin" / "fashion_mnist.json"
FASHION_MNIST = pathlib.Path("/usr/share/datasets/fashion-mnist")
MARK = ("PROCESS_TEST_MARK", uuid.uuid4().hex)
SLOWNESS = float(os.environ.get("FIRECAFFE_TEST_SLOWNESS", 1))
PATIENCE = 120.0 * SLOWNESS  # seconds; nothing here takes so long, on however busy a machine

# What makes the example small; shuffling, mirroring, cropping and dropout stay on.
SMALL = {"solver.max_iter": 12, "solver.global_batch": 32, "solver.shards": 8, "solver.test_interval": 0,
         "data.train.limit": 400, "data.test.limit": 100, "output.checkpoint_interval": 0, "solver.display": 0}

_LAUNCH = re.compile(r"^(FIRECAFFE_|OMPI_|PMI|PMIX_|SLURM_|MV2_|MPI_|(LOCAL_)?(RANK|WORLD_SIZE)$|MASTER_|JOB_COMPLETION)")


def program():
    path = os.environ.get("FIRECAFFE_PROGRAM", "")
    if not os.access(path, os.X_OK):
        sys.exit(f"FIRECAFFE_PROGRAM='{path}' is no program; set it to the program firecaffe that is to be tested")
    return path


def settings(changes=None):
    """--set arguments: SMALL, with changes on top."""
    return [x for key, value in {**SMALL, **(changes or {})}.items() for x in ("--set", f"{key}={json.dumps(value)}")]


def clean_environment(extra=None):
    """Ours without what a launcher around this test may have set; plus the mark."""
    kept = {k: v for k, v in os.environ.items() if not _LAUNCH.match(k)}
    return {**kept, MARK[0]: MARK[1], **(extra or {})}


def _die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: however this test ends, nothing of it stays


class Running:
    """A process under test; standard output and error go to files."""

    def __init__(self, command, environment=None, directory=None):
        self._out, self._err = tempfile.TemporaryFile(), tempfile.TemporaryFile()
        self.command = [str(c) for c in command]
        self.started = time.monotonic()
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=self._out, stderr=self._err,
                                        env=clean_environment(environment), cwd=directory or ROOT,
                                        preexec_fn=_die_with_parent, start_new_session=True)

    @property
    def pid(self):
        return self.process.pid

    @staticmethod
    def _text(file):
        return os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0).decode(errors="replace")

    @property
    def out(self):
        return self._text(self._out)

    @property
    def err(self):
        return self._text(self._err)

    def wait(self, patience=PATIENCE):
        """Waits for the end; `status` is its exit status, or minus the signal, and `seconds` how long it took."""
        try:
            self.status = self.process.wait(patience)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"still running after {patience} s: {self}") from None
        self.seconds = time.monotonic() - self.started
        return self

    def __del__(self):
        self._out.close()
        self._err.close()

    def errors(self):
        return [line for line in self.err.splitlines() if line.startswith("firecaffe: ")]

    def workers(self, count, patience=PATIENCE):
        """Process ids of the launcher's workers by rank, once all are there."""
        def look():
            found = {}
            for pid, _ in marked_processes():
                rank = environment_of(pid).get("FIRECAFFE_RANK")
                if parent_of(pid) == self.pid and rank is not None:
                    found[int(rank)] = pid
            return [found[r] for r in range(count)] if sorted(found) == list(range(count)) else None
        return wait_until(look, patience, f"{count} workers", self)

    def wait_for_line(self, text, patience=PATIENCE):
        wait_until(lambda: text in self.err, patience, f"'{text}'", self)

    def __str__(self):
        return f"{' '.join(self.command)}\n--- status {self.process.poll()}, stderr:\n{self.err}---"


def wait_until(look, patience, what, running=None):
    """Asks `look` until it returns something true; a deadline, or the end of `running`, is a failure."""
    end = time.monotonic() + patience
    while True:
        over = running is not None and running.process.poll() is not None
        if found := look():
            return found
        if over or time.monotonic() > end:
            raise AssertionError(f"{what}: not there {'when it ended' if over else f'within {patience} s'}"
                                 + (f": {running}" if running else ""))
        time.sleep(0.005)


def start(*arguments, environment=None):
    return Running([program(), *arguments], environment)


def run(*arguments, environment=None, patience=PATIENCE):
    return start(*arguments, environment=environment).wait(patience)


def train(*arguments, changes=None, environment=None):
    """Starts a small training run."""
    return start("train", EXAMPLE, *settings(changes), *arguments, environment=environment)


def train_ranks(environments, *arguments, changes=None):
    """Starts one process per environment, as a launcher of several ranks does."""
    return [train(*arguments, changes=changes, environment=e) for e in environments]


def free_port():
    """A port of 127.0.0.1 that nobody listens on just now, nor on the next one."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
            try:
                second.bind(("127.0.0.1", port + 1))
                return port
            except OSError:
                continue


def by_hand(rank, size, port, **more):
    """What somebody sets who starts the ranks without a launcher."""
    return {"FIRECAFFE_RANK": str(rank), "FIRECAFFE_WORLD_SIZE": str(size), "FIRECAFFE_TOKEN": "7a" * 32,
            "FIRECAFFE_RENDEZVOUS": f"tcp://127.0.0.1:{port}", "FIRECAFFE_RENDEZVOUS_SECONDS": "5", **more}


def summary(directory):
    return json.loads((pathlib.Path(directory) / "summary.json").read_text())


def _read_of(pid, name):
    try:
        return pathlib.Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:  # gone, or not ours to look at
        return b""


def environment_of(pid):
    data = _read_of(pid, "environ")
    return dict(e.split("=", 1) for e in data.decode(errors="replace").split("\0") if "=" in e)


def _stat(pid):
    """State and parent; a process that is gone counts as a zombie."""
    fields = _read_of(pid, "stat").decode(errors="replace").rpartition(")")[2].split()
    return (fields[0], int(fields[1])) if len(fields) > 1 else ("Z", 0)


def parent_of(pid):
    return _stat(pid)[1]


def catches(pid, sign):
    """True once the process has a handler for the signal."""
    caught = re.search(rb"^SigCgt:\s*(\w+)", _read_of(pid, "status"), re.MULTILINE)
    return caught is not None and bool(int(caught[1], 16) >> (sign - 1) & 1)


def marked_processes():
    """(pid, command) of all living processes that carry this test's mark."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) != os.getpid() and environment_of(entry).get(MARK[0]) == MARK[1]:
            if _stat(entry)[0] not in "ZX":
                found.append((int(entry), _read_of(entry, "cmdline").replace(b"\0", b" ").decode()))
    return found


class ProcessTest(unittest.TestCase):
    """A test with a directory of its own, that fails if a process outlives it."""

    def setUp(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="firecaffe-process-"))
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)

    def tearDown(self):
        left = marked_processes()
        for pid, _ in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.assertEqual(left, [], "processes were left over (and are now killed)")

    def assert_done(self, running):
        running.wait()
        self.assertEqual(running.status, 0, str(running))
        self.assertEqual(running.errors(), [], str(running))
        return running

    def trained(self, *arguments, output=None, changes=None, environment=None):
        """Trains to the end; the summary."""
        output = output or tempfile.mkdtemp(dir=self.directory)
        self.assert_done(train("--output", output, *arguments, changes=changes, environment=environment))
        return summary(output)

    def assert_nothing_half_written(self, directory):
        names = [str(p.relative_to(directory)) for p in pathlib.Path(directory).rglob("*")]
        self.assertEqual([n for n in names if ".tmp" in n or n.endswith("summary.json")], [])


def main(needs=FASHION_MNIST):
    """Runs the test cases of the calling file; says SKIP for those that cannot run here, and exits with 77 if none can.
    `needs`: the images that all of them need, or None."""
    if needs is not None and not needs.is_dir():
        print(f"SKIP: {needs} is not there (apt-get install dataset-fashion-mnist)")
        sys.exit(77)
    program()
    result = unittest.main(module="__main__", verbosity=2, exit=False).result
    sys.stderr.flush()
    for test, reason in result.skipped:
        print(f"SKIP: {test.id().rpartition('.')[2].strip(')')}: {reason}")
    if not result.wasSuccessful():
        sys.exit(1)
    whole_classes = sum(not isinstance(test, unittest.TestCase) for test, _ in result.skipped)
    sys.exit(77 if result.testsRun == len(result.skipped) - whole_classes and result.skipped else 0)
