# SPDX-License-Identifier: Apache-2.0
"""A stage: one command under a time limit, and a judgement of what it printed."""
import dataclasses
import os
import pathlib
import signal
import subprocess
import time
from collections.abc import Callable

PASS, FAIL, SKIP = "PASS", "FAIL", "SKIP"


@dataclasses.dataclass(frozen=True)
class Finished:
    """What became of a command. `status` is its exit status, minus the signal that ended it, or None at the limit."""
    status: int | None
    text: str
    seconds: float
    limit: float = 0.0

    def fault(self):
        """Why the command as such did not do well, or nothing."""
        if self.status is None:
            return f"not done within its {self.limit:g} s"
        if self.status < 0:
            return f"ended by signal {-self.status}"
        return f"exit status {self.status}: {last_words(self.text)}" if self.status else ""


@dataclasses.dataclass(frozen=True)
class Outcome:
    status: str
    reason: str
    figures: object = None


class CannotRun(Exception):
    """Raised instead of a command. A check that was asked for and is not there fails; what only some machines have is
    skipped."""

    def __init__(self, status, reason):
        super().__init__(reason)
        self.outcome = Outcome(status, reason)


@dataclasses.dataclass(frozen=True)
class Stage:
    """`command` makes the command from the setting (stages.py), `judge` the outcome from what it did."""
    name: str
    limit: float  # seconds
    command: Callable
    judge: Callable
    needs_gpu: bool = True


def last_words(text):
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:200] if lines else "no output"


def run_command(command, limit, log):
    """Runs to the end or to the limit, and leaves nothing running. Output goes to the file `log`."""
    start = time.monotonic()
    with open(log, "wb") as output:
        try:
            process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=output,
                                       stderr=subprocess.STDOUT, start_new_session=True)
        except OSError as error:
            return Finished(127, str(error), 0.0, limit)
        try:
            status = process.wait(limit)
        except subprocess.TimeoutExpired:
            status = None
        finally:  # also if we are told to stop, and for what the command has left behind
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()
    text = pathlib.Path(log).read_text(errors="replace")
    return Finished(status, text, time.monotonic() - start, limit)


def run_stage(stage, setting, log):
    """The outcome of a stage, and its seconds."""
    try:
        if stage.needs_gpu and setting.no_gpu:
            raise CannotRun(SKIP, f"no GPU: {setting.no_gpu}")
        command = stage.command(setting)
    except CannotRun as refusal:
        return refusal.outcome, 0.0
    finished = run_command(command, stage.limit, log)
    return stage.judge(finished), finished.seconds
