"""Snakemake as a child of ours: what it says is read and not shown, and Ctrl-C reaches all that it has started."""

import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil

from edgeproof.agent.messages import tell
from edgeproof.core.errors import UserError
from edgeproof.core.processes import child_environment

_STARTED = re.compile(r"Job (\d+): (.*)")
_FINISHED = re.compile(r"Finished jobid: (\d+) \(Rule: (\w+)\)")
_LOCKED = "cannot be locked"
_WAITING = re.compile(r"the device is busy: waiting for (.*, process \d+) of ")
_POLL_S = 0.2


class SnakemakeRun:
    """One run of Snakemake. `seconds`: of each rule's jobs, by rule. `told`: lines that say what went wrong."""

    def __init__(self, arguments: Sequence[str], root: Path, verbose: bool) -> None:
        self.seconds: dict[str, float] = {}
        self.told: list[str] = []
        self.locked = False
        self._root, self._verbose = root, verbose
        self._jobs: dict[str, float] = {}
        self._begin = time.monotonic()
        environment = {k: v for k, v in child_environment(sys.executable).items() if not k.startswith("SNAKEMAKE_")}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "snakemake", *arguments],
            cwd=root,
            env=environment,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C comes to us, and we pass it on to the whole group
        )
        self._lines: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def follow(self) -> Iterator[str | None]:
        """Yield what a job does when it starts, and None every now and then, until Snakemake ends."""
        while True:
            try:
                line = self._lines.get(timeout=_POLL_S)
            except queue.Empty:
                yield None
                continue
            if line is None:
                return
            if message := self._take(line):
                yield message

    def wait(self) -> int:
        """Return the exit code; UserError where another Snakemake holds the folder."""
        code = self._process.wait()
        self.seconds["all"] = time.monotonic() - self._begin
        if self.locked:
            raise UserError(_describe_holder(self._root))
        return code

    def interrupt(self) -> None:
        """Send all that was started the signal of Ctrl-C and wait for their end; what was measured is kept."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGINT)
        self._process.wait()

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def _take(self, line: str) -> str | None:
        if self._verbose:
            tell(line, end="")
        self.locked = self.locked or _LOCKED in line
        if line.startswith(("error: ", "Failed: ")) and line.strip() not in self.told:
            self.told.append(line.strip())
        if waiting := _WAITING.search(line):
            return f"Waiting for the device: {waiting[1]}"
        if started := _STARTED.match(line):
            self._jobs[started[1]] = time.monotonic()
            return started[2]
        if finished := _FINISHED.match(line):
            spent = time.monotonic() - self._jobs.pop(finished[1], time.monotonic())
            self.seconds[finished[2]] = self.seconds.get(finished[2], 0.0) + spent
        return None


def make_targets(targets: Sequence[str], root: Path) -> None:
    """Run Snakemake as a child to make targets by profile `local`; stderr tells what begins. UserError if it fails."""
    run = SnakemakeRun(["--profile", "local", *targets], root, verbose=False)
    try:
        for message in run.follow():
            if message:
                tell(f"  {message}")
    except KeyboardInterrupt:
        run.interrupt()
        raise
    if run.wait():
        raise UserError(f"{targets[0]}: not made: {'; '.join(run.told) or 'see what Snakemake says'}")


def _describe_holder(root: Path) -> str:
    """Return a line on who holds the folder: the process of another Snakemake, or nobody any more."""
    for process in psutil.process_iter(["pid", "cmdline", "cwd"]):
        words = process.info["cmdline"] or []
        if process.info["cwd"] == str(root.resolve()) and any("snakemake" in Path(word).name for word in words[:3]):
            return f"{root}: process {process.info['pid']} works in this folder ({' '.join(words)}); wait for its end"
    return f"{root}: is locked by a Snakemake that is gone; unlock it: snakemake --profile local --unlock"
