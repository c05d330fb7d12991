"""Interruptions at random moments of a campaign that is continued each time: nothing measured may be lost or repeated.

The campaign has two cells of the digits with sessions of a second. It runs in a copy of the workflow, whose results are
in a small file system of their own where this machine allows that, so that the disk can be full.
"""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from edgeproof.core.configuration import Json

from .store_inspection import (
    digest_documents,
    digest_kept,
    list_broken,
    list_kept,
    list_lost,
    list_open,
    list_repeated,
    list_unused,
)
from .workflow_copies import clean_environment, compose_command, copy_workflow

KILL, FULL, CTRL_C = "kill -9", "disk full", "Ctrl-C twice"
_DISK_BYTES, _LEAST_LEFT, _MOST_LEFT = 256 << 20, 0, 64 << 10
_PATIENCE_S = 600
_FIRST_WARMUP = 10
_AGENT = "scripts/edgeproof/agent/session.py"
PROTOCOL: Json = {
    "description": "sessions of a second",
    "processes": 2,
    "warmup_seconds": 0,
    "min_samples": 11,
    "min_seconds": 0.3,
    "max_timer_share": 0.05,
    "pairs": 4,
    "pair_seconds": 0.5,
}
_CELL: Json = {"model": "digits-cnn", "preset": "ort-cpu-1t"}
CAMPAIGN: Json = {
    "campaign": "survival",
    "protocol": "blink",
    "policy": "strict",
    "devices": ["local"],
    "matrices": [{"models": ["digits-cnn"], "presets": ["ort-cpu-1t"], "precisions": ["fp32", "int8"]}],
    "comparisons": [
        {
            "name": "fp32-vs-int8",
            "left": {**_CELL, "precision": "fp32"},
            "right": {"precision": "int8"},
            "varies": ["precision"],
        }
    ],
}
_OPTIONS = ("--profile", "local", "--nolock", "--configfile", "config/survival.yaml", "--replace-workflow-config")
_TARGETS = ("runs", "comparability", "evidence")


@dataclass
class Trial:
    """A campaign that is interrupted again and again.

    `options`: how Snakemake is started. `sessions`: how many a cell may have. `span_s`: what a whole run takes, among
    which the moments are drawn. `renew`: asks for other measurements, so that a finished campaign has something to do;
    without it, later moments are drawn from what was left. `kept`: what was complete when it was last looked at.
    """

    root: Path
    draw: random.Random
    options: tuple[str, ...] = (*_OPTIONS, *_TARGETS)
    sessions: int = 1
    span_s: float = 0.0
    renew: Callable[[], object] | None = None
    kept: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])

    @property
    def results(self) -> Path:
        """Where its results are."""
        return self.root / "results"

    def start(self, limit: int | None = None) -> "subprocess.Popen[bytes]":
        """Start a run in a process group of its own. `limit`: largest file that it may write, in bytes."""
        command = compose_command(self.options)
        if limit is not None:
            command = ["bash", "-c", f'ulimit -f {max(1, limit // 1024)}; exec "$@"', "bash", *command]
        with self.log.open("wb") as log:
            return subprocess.Popen(
                command, cwd=self.root, env=clean_environment(), stdout=log, stderr=log, start_new_session=True
            )

    @property
    def log(self) -> Path:
        """What the last run said."""
        return self.root / "run.log"

    def finish(self) -> None:
        """Run until everything is made; RuntimeError if that fails."""
        begin = time.monotonic()
        code = self.start().wait(_PATIENCE_S)
        if code:
            raise RuntimeError(f"the campaign cannot be finished:\n{self.log.read_text(errors='replace')[-4000:]}")
        self.span_s = time.monotonic() - begin

    def interrupt(self, kind: str) -> Json:
        """Interrupt a run at a random moment and say what is wrong afterwards."""
        while True:
            after_s, begin = self.draw.uniform(0.1 * self.span_s, 0.9 * self.span_s), time.monotonic()
            row = _INTERRUPTIONS[kind](self, after_s)
            if row is not None:
                break
            if self.renew:  # it was done before the moment came
                self.renew()
            else:
                self.span_s = time.monotonic() - begin
        return {"kind": kind, "after_s": round(after_s, 2), **row, "faults": self.inspect()}

    def inspect(self) -> list[str]:
        """Return what is wrong with the results by now, and remember what has been measured."""
        faults = [
            *list_lost(self.kept, self.results),
            *list_repeated(self.results, self.sessions),
            *list_broken(self.results),
        ]
        if found := _find_traceback(self.log.read_text(errors="replace")):
            faults.append(f"a traceback is on the terminal: {found}")
        self.kept = digest_kept(self.results)
        return faults

    def close(self) -> None:
        """Finish the campaign, and RuntimeError unless it is whole and a further run does nothing."""
        self.finish()
        faults = [*self.inspect(), *list_unused(self.results)]
        before = len(list_kept(self.results))
        self.finish()
        if len(list_kept(self.results)) != before:
            faults.append("a run with nothing to do made attempts")
        if faults:
            raise RuntimeError("; ".join(faults))


def prepare_trial(folder: Path, seed: int) -> Trial:
    """Prepare a trial of survival: make the copy with the campaign of two cells, run once to the end."""
    root, warmups = copy_workflow(folder), [_FIRST_WARMUP]

    def renew() -> None:
        """Ask for other sessions: by this protocol nothing has been measured yet."""
        warmups[0] += 1
        protocol = PROTOCOL | {"warmup_runs": warmups[0]}
        (root / "config/protocols/blink.yaml").write_text(yaml.safe_dump(protocol))

    (root / "config/survival.yaml").write_text(yaml.safe_dump(CAMPAIGN))
    device = root / "config/devices/local.yaml"  # a lock of its own: other trials need not wait
    device.write_text(f"{device.read_text().rstrip()}\nlock: {folder}.lock\n")
    renew()
    trial = Trial(root, random.Random(seed), renew=renew)
    trial.results.mkdir(exist_ok=True)
    return trial


@contextlib.contextmanager
def mount_disk(folder: Path) -> Iterator[bool]:
    """Give the results in a trial of survival a small file system in memory; yield whether that was possible."""
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={_DISK_BYTES}", "tmpfs", str(folder)]
    mounted = (
        shutil.which("mount") is not None and subprocess.run(command, capture_output=True, check=False).returncode == 0
    )
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


def try_revert(trial: Trial) -> Json:
    """Trial of survival: break the agent, fail a re-run, put it back; same documents, without a session?"""
    trial.finish()
    agent = trial.root / _AGENT
    text, before, attempts = agent.read_text(), digest_documents(trial.results), len(list_kept(trial.results))
    agent.write_text(f'raise SystemExit("broken")\n{text}')
    failed = trial.start().wait(_PATIENCE_S) != 0
    lost = len([name for name in before if not (trial.results / name).exists()])
    sessions = len([item for item in list_kept(trial.results) if item.complete])
    agent.write_text(text)
    trial.finish()
    after = digest_documents(trial.results)
    complete = len([item for item in list_kept(trial.results) if item.complete])
    changed = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
    return {
        "failed": failed,
        "removed_by_the_failure": lost,
        "attempts_that_say_why": len(list_kept(trial.results)) - attempts,
        "changed": changed,
        "sessions": complete - sessions,
    }


def _find_traceback(text: str) -> str | None:
    """Return where and how the first traceback through our code ends; None without one.

    Snakemake shows one of its own when Ctrl-C meets it while it starts or ends.
    """
    for block in text.split("Traceback (most recent call last):\n")[1:]:
        lines = block.splitlines()
        last = next((at for at, line in enumerate(lines) if line[:1].strip()), len(lines) - 1)
        places = [line.strip() for line in lines[:last] if line.strip().startswith("File ")]
        if any("/scripts/" in place for place in places):
            return f"{lines[last]} ({places[-1]})"
    return None


def _kill(trial: Trial, after_s: float) -> Json | None:
    run = trial.start()
    if not _wait(run, after_s):
        return None
    open_rooms = list_open(trial.results)
    os.killpg(run.pid, signal.SIGKILL)
    return {"open": open_rooms, "exit": run.wait(_PATIENCE_S)}


def _press_twice(trial: Trial, after_s: float) -> Json | None:
    run = trial.start()
    if not _wait(run, after_s):
        return None
    open_rooms = list_open(trial.results)
    os.killpg(run.pid, signal.SIGINT)
    _wait(run, trial.draw.uniform(0.05, 1.5))
    with contextlib.suppress(ProcessLookupError):
        os.killpg(run.pid, signal.SIGINT)
    return {"open": open_rooms, "exit": run.wait(_PATIENCE_S)}


def _fill_disk(trial: Trial, after_s: float) -> Json | None:
    left = trial.draw.randint(_LEAST_LEFT, _MOST_LEFT)
    if not trial.results.is_mount():  # no file may be larger instead
        code = trial.start(limit=left).wait(_PATIENCE_S)
        return {"open": [], "exit": code} if code else None
    run, ballast = trial.start(), trial.results / ".ballast"
    try:
        if not _wait(run, after_s):
            return None
        open_rooms = list_open(trial.results)
        state = os.statvfs(trial.results)
        with contextlib.suppress(OSError), ballast.open("wb") as stream:
            os.posix_fallocate(stream.fileno(), 0, max(1, state.f_bavail * state.f_frsize - left))
        code = run.wait(_PATIENCE_S)
    finally:
        ballast.unlink(missing_ok=True)
    return {"open": open_rooms, "exit": code} if code else None


def _wait(run: "subprocess.Popen[bytes]", seconds: float) -> bool:
    """Wait so long; return whether the run still goes on."""
    try:
        run.wait(seconds)
    except subprocess.TimeoutExpired:
        return True
    return False


_INTERRUPTIONS: dict[str, Callable[[Trial, float], Json | None]] = {
    KILL: _kill,
    FULL: _fill_disk,
    CTRL_C: _press_twice,
}
