"""How far a campaign is, from what Snakemake logs: a line after each measurement, and at the end what has failed."""

import copy
import logging
import re
import shutil
import sys
import textwrap
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from .campaign import Campaign
from .configuration import Json
from .exit_codes import ExitCode, describe_kill, name_signal
from .measuring_budgets import budget_measuring, name_counts

# Rules whose jobs start sessions of the agent, and what people call their jobs.
COUNTED = {
    "measure_run": "cells",
    "measure_pairs": "comparisons",
    "calibrate_cell": "calibrations",
    "measure_links": "links",
    "check_plan": "plans",
}
_EARLY = ("measure_pairs",)  # its jobs end when they are decided, so that the first ones tell little of the others
_BAR = 20
_WIDTH = 118
_REASON = 140  # characters of why a job runs
_OWN_PLACE = re.compile(r"; the attempt is in \S+$")  # differs from job to job, and is in the log
_STATUS = re.compile(r"exit status (\d+)|died with <Signals\.(\w+)")
_STOPPED = ("SIGHUP", "SIGINT", "SIGTERM")
# What a program that comes to such a verdict says last is the verdict.
_VERDICTS = (str(ExitCode.NOT_GOOD.value), str(ExitCode.NOT_PROVED.value))

Failure = tuple[str, str, str, str]  # rule, its wildcards, log file, how it ended: an exit code, a signal, or nothing


class CampaignProgress:
    """What of a run's measurements is done, and how long the others may take.

    `budgets`: {rule: seconds that one job may take}, where that is known. A job takes as long as those seen of its
    kind, and its budget where none was seen yet. The budget also counts among comparisons, which end early by luck.
    """

    def __init__(self, jobs: Mapping[str, int], budgets: Mapping[str, float] | None = None) -> None:
        self.budgets = budgets or {}
        self.wanted = {rule: jobs[rule] for rule in COUNTED if jobs.get(rule)}
        self.seconds: dict[str, list[float]] = {rule: [] for rule in self.wanted}

    def enter(self, rule: str, seconds: float) -> None:
        """Count a finished job of a rule; those that measure nothing are ignored."""
        if rule in self.seconds:
            self.seconds[rule].append(seconds)

    def estimate_rest(self) -> float | None:
        """Return the seconds that are left, None before anything was seen.

        An unseen kind without a budget counts like the others.
        """
        seen = [seconds for each in self.seconds.values() for seconds in each]
        if not seen:
            return None
        usual = sum(seen) / len(seen)
        return sum(
            max(0, self.wanted[rule] - len(each)) * self._expect(rule, each, usual)
            for rule, each in self.seconds.items()
        )

    def describe_start(self) -> str:
        """Return the line before anything was measured; empty where nothing is, or where a kind has no budget."""
        if not self.wanted or not set(self.wanted) <= set(self.budgets):
            return ""
        seconds = sum(count * self.budgets[rule] for rule, count in self.wanted.items())
        counts = name_counts({COUNTED[rule]: count for rule, count in self.wanted.items()})
        return f"{counts}: about {format_duration(seconds)} at most to measure, and building before that"

    def _expect(self, rule: str, seen: list[float], usual: float) -> float:
        """Return the seconds that one more job of a kind may take."""
        counted = [*seen, *([self.budgets[rule]] if rule in self.budgets and (rule in _EARLY or not seen) else [])]
        return sum(counted) / len(counted) if counted else usual

    def describe(self, bar: bool) -> str:
        """Return the line; `bar`: with a bar before it."""
        done, wanted = sum(map(len, self.seconds.values())), sum(self.wanted.values())
        parts = [f"{len(self.seconds[rule])} of {count} {COUNTED[rule]}" for rule, count in self.wanted.items()]
        rest = self.estimate_rest()
        left = "" if rest is None or done >= wanted else f"; about {format_duration(rest)} left"
        filled = _BAR * done // wanted if wanted else _BAR
        return (f"[{'#' * filled}{'.' * (_BAR - filled)}] " if bar else "") + f"Measured {', '.join(parts)}{left}"


class ProgressHandler(logging.Handler):
    """A handler of Snakemake's log. `failed`: each job that failed, in order; `stopped`: each that Ctrl-C or a signal
    has told to end. `budgets`: {rule: seconds that one job may take}; with them, the first line says how long all may
    take, unless `silent`.

    Snakemake logs events as attributes of its records (`LogEvent`); what they lack is ignored, for a line of progress
    must never end a run.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        super().__init__(logging.INFO)
        self.stream = stream or sys.stderr
        self.budgets: Mapping[str, float] = {}
        self.silent = False
        self.progress: CampaignProgress | None = None
        self.failed: list[Failure] = []
        self.stopped: list[Failure] = []
        self._status = ""
        self._jobs: dict[int, tuple[str, str, float]] = {}

    def foretell(self, campaign: Campaign, protocols: Mapping[str, Json], silent: bool = False) -> None:
        """Take how long a campaign's measurements may take; unless `silent`, the first line of a run says it."""
        budgets = budget_measuring(campaign, protocols)
        self.budgets, self.silent = {rule: budget.seconds for rule, budget in budgets.items()}, silent

    def emit(self, record: logging.LogRecord) -> None:
        """Take one record."""
        fields: dict[str, Any] = record.__dict__
        event = getattr(fields.get("event"), "value", fields.get("event"))
        if event == "run_info" and self.progress is None:
            self.progress = CampaignProgress(fields["stats"], self.budgets)
            if not self.silent and (line := self.progress.describe_start()):
                print(line, file=self.stream, flush=True)
        elif event == "job_info":
            wildcards: Mapping[str, str] = fields.get("wildcards") or {}
            self._jobs[fields["jobid"]] = (fields["rule_name"], "/".join(wildcards.values()), time.monotonic())
        elif event == "job_finished":
            self._finish(fields["job_id"])
        elif event == "job_error":
            logs: Sequence[str] = fields.get("log") or []
            wildcards_text = self._jobs.get(fields["jobid"], ("", "", 0.0))[1]
            job = (str(fields["rule_name"]), wildcards_text, logs[0] if logs else "")
            if job not in [known[:3] for known in (*self.failed, *self.stopped)]:
                status, self._status = self._status, ""
                (self.stopped if status in _STOPPED else self.failed).append((*job, status))
                if status in _STOPPED:
                    return
                told = f"; {f'exit status {status}' if status.isdigit() else status}" if status else ""
                print(f"Failed: {' '.join(filter(None, job[:2]))}{told}; log {job[2]}", file=self.stream, flush=True)
        elif event == "error" and (ended := _STATUS.search(record.getMessage())):
            # said just before the error of its job; a shell tells a signal by its number
            self._status = ended[2] or name_signal(int(ended[1])) or ended[1]

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (logging's name)
        """Ignore a record that we do not understand."""

    def handle(self, record: logging.LogRecord) -> bool:
        """Take one record, whatever it holds."""
        try:
            self.emit(record)
        except (AttributeError, KeyError, IndexError, TypeError, ValueError, OSError):
            self.handleError(record)
        return True

    def _finish(self, job: int) -> None:
        rule, _, started = self._jobs.pop(job)
        if self.progress and rule in self.progress.wanted:
            self.progress.enter(rule, time.monotonic() - started)
            line = self.progress.describe(bar=self.stream.isatty())
            if len(line) > shutil.get_terminal_size().columns:
                line = self.progress.describe(bar=False)
            print(line, file=self.stream, flush=True)


class ShortErrors(logging.Filter):
    """A filter for the terminal: a job that failed has said why, so Snakemake's page on it stays in the log file."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether a record is shown."""
        event = getattr(record.__dict__.get("event"), "value", None)
        return event != "job_error" and not (event == "error" and "CalledProcessError" in record.getMessage())


class ShortReasons(logging.Formatter):
    """A formatter for the terminal: why a job runs in a line or two; every missing file stands in the log file.

    `inner`: Snakemake's own formatter. A dry run keeps whole reasons: they are what it is asked for.
    """

    def __init__(self, inner: logging.Formatter) -> None:
        super().__init__()
        self.inner = inner

    def format(self, record: logging.LogRecord) -> str:
        """Return the text of a record; the record stays as it is, for the handlers of log files."""
        reason = record.__dict__.get("reason")
        if isinstance(reason, str) and len(reason) > _REASON:
            record = copy.copy(record)
            record.__dict__["reason"] = textwrap.shorten(reason, _REASON, placeholder=" …")
        return self.inner.format(record)


def describe_failures(failed: Sequence[Failure], most: int = 3) -> list[str]:
    """Return the progress handler's last lines, on the jobs that Snakemake logged as failed: one for each reason."""
    if not failed:
        return []
    groups: dict[str, list[str]] = {}
    for rule, about, log, status in failed:
        reason = _OWN_PLACE.sub("", _read_reason(log, status).removeprefix(f"{about}: "))
        groups.setdefault(reason, []).append(f"{rule} {about}".strip())
    lines = [f"Failed: {len(failed)} {'job' if len(failed) == 1 else 'jobs'}"]
    for reason, names in [*groups.items()][:most]:
        others = f" and {len(names) - 1} more" if len(names) > 1 else ""
        text = f"  {names[0]}{others}: {reason}"
        lines += textwrap.wrap(text, _WIDTH, subsequent_indent="    ", max_lines=3, placeholder=" …")
    if len(groups) > most:
        lines.append(f"  and others for {len(groups) - most} more reasons; their logs are in results/logs/")
    return lines


def describe_stopped(stopped: Sequence[Failure]) -> list[str]:
    """Return the progress handler's line on jobs that Ctrl-C or a signal ended, and how to go on; none without such."""
    if not stopped:
        return []
    names = f"{' '.join(filter(None, stopped[0][:2]))}{f' and {len(stopped) - 1} more' if len(stopped) > 1 else ''}"
    text = f"Stopped: {names}. The same command goes on: what was measured is kept, and a comparison keeps its pairs."
    return textwrap.wrap(text, _WIDTH, subsequent_indent="  ")


def format_duration(seconds: float) -> str:
    """Return how long the progress line says something takes, as people say it: `40 s`, `12 min`, `3 h 05 min`."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60:02} min"


def _read_reason(log: str, status: str) -> str:
    """Return why a job failed: what it has said, else what its end means. Its last line may be one of progress."""
    known = bool(log) and Path(log).is_file()
    text = Path(log).read_text(errors="replace") if known else ""
    lines = [line.strip() for line in text.splitlines() if line.strip()] or [""]
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    killed = status.startswith("SIG")
    if errors and (not killed or lines[-1].startswith("error: ")):
        return errors[-1]
    if killed:
        return describe_kill(status)
    if lines[-1] and (status in _VERDICTS or "Traceback (most recent call last)" in text):
        return lines[-1]
    ended = f"ended with exit status {status}" if status else "failed"
    return f"{ended} and said no reason" if known else f"{ended}; no log"
