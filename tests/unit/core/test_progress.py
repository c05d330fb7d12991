"""The line of progress, and what is told of failed jobs, from records as Snakemake logs them."""

import enum
import io
import logging

import pytest
from edgeproof.core.progress import (
    CampaignProgress,
    ProgressHandler,
    ShortErrors,
    ShortReasons,
    describe_failures,
    describe_stopped,
    format_duration,
)


class Event(enum.Enum):
    """As snakemake.logging.LogEvent; a workflow test sees the real ones."""

    RUN_INFO = "run_info"
    JOB_INFO = "job_info"
    JOB_FINISHED = "job_finished"
    JOB_ERROR = "job_error"
    ERROR = "error"


@pytest.fixture
def log():
    """Return (a function that logs an event, the handler, its stream)."""
    stream = io.StringIO()
    handler = ProgressHandler(stream)

    def say(event, message="", **fields):
        record = logging.makeLogRecord({"msg": message, "event": event, **fields})
        handler.handle(record)
        return record

    return say, handler, stream


def test_a_line_after_each_measurement(log):
    say, _, stream = log
    say(Event.RUN_INFO, stats={"measure_run": 2, "measure_pairs": 1, "build_onnx": 5, "total": 8})
    for number, rule in enumerate(["build_onnx", "measure_run", "measure_pairs", "measure_run"]):
        say(Event.JOB_INFO, jobid=number, rule_name=rule, wildcards={})
        say(Event.JOB_FINISHED, job_id=number)
    assert stream.getvalue().splitlines() == [
        "Measured 1 of 2 cells, 0 of 1 comparisons; about 1 s left",
        "Measured 1 of 2 cells, 1 of 1 comparisons; about 1 s left",
        "Measured 2 of 2 cells, 1 of 1 comparisons",
    ]


def test_what_is_left_is_told_from_jobs_of_the_same_kind():
    progress = CampaignProgress({"measure_run": 3, "measure_pairs": 2})
    assert progress.estimate_rest() is None
    progress.enter("measure_run", 10)
    progress.enter("copy_model", 1000)
    assert progress.estimate_rest() == 2 * 10 + 2 * 10  # comparisons: unseen so far
    progress.enter("measure_pairs", 40)
    assert progress.estimate_rest() == 2 * 10 + 40
    assert progress.describe(bar=True) == (
        "[########............] Measured 1 of 3 cells, 1 of 2 comparisons; about 60 s left"
    )


def test_what_was_not_begun_counts_with_its_budget():
    progress = CampaignProgress({"measure_run": 2, "measure_pairs": 3}, {"measure_run": 10, "measure_pairs": 50})
    assert progress.estimate_rest() is None
    progress.enter("measure_run", 20)
    assert progress.estimate_rest() == 20 + 3 * 50
    progress.enter("measure_pairs", 10)  # decided early; the others need not be
    assert progress.estimate_rest() == 20 + 2 * (10 + 50) / 2


def test_an_estimate_comes_before_anything_is_measured(log):
    say, handler, stream = log
    handler.budgets = {"measure_run": 12.5, "measure_pairs": 50, "calibrate_cell": 60}
    say(Event.RUN_INFO, stats={"measure_run": 4, "measure_pairs": 3, "calibrate_cell": 1, "total": 9})
    assert stream.getvalue() == (
        "4 cells, 3 comparisons, 1 calibration: about 4 min at most to measure, and building before that\n"
    )


@pytest.mark.parametrize("stats", [{"total": 1}, {"measure_run": 1, "check_plan": 1}])
def test_nothing_is_estimated_where_nothing_is_measured_or_a_kind_has_no_budget(log, stats):
    say, handler, stream = log
    handler.budgets = {"measure_run": 12.5}
    say(Event.RUN_INFO, stats=stats)
    assert stream.getvalue() == ""


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "1 s"), (89, "89 s"), (91, "2 min"), (7100, "118 min"), (11100, "3 h 05 min")]
)
def test_durations_as_people_say_them(seconds, text):
    assert format_duration(seconds) == text


def test_records_that_say_nothing_are_ignored(log):
    say, handler, stream = log
    say(Event.JOB_FINISHED, job_id=7)  # never announced
    say(Event.JOB_INFO)
    say(Event.RUN_INFO, stats=None)
    say(None)
    handler.handle(logging.makeLogRecord({"msg": "text"}))
    assert stream.getvalue() == "" and handler.failed == []


def test_failed_jobs_are_told_once_with_their_reasons(log, tmp_path):
    say, handler, stream = log
    for number, (name, reason) in enumerate({"a": "no space", "b": "no space", "c": "a reason " * 60}.items()):
        (tmp_path / f"{name}.log").write_text(f"working\nerror: {name}/x: {reason}; the attempt is in {name}/1\n")
        say(Event.JOB_INFO, jobid=number, rule_name="measure_run", wildcards={"model": name, "preset": "x"})
        for _ in range(2):  # Snakemake repeats its errors
            say(Event.JOB_ERROR, jobid=number, rule_name="measure_run", log=[str(tmp_path / f"{name}.log")])
    say(Event.JOB_ERROR, jobid=9, rule_name="check_gate", log=[])
    assert stream.getvalue().count("Failed: measure_run a/x") == 1
    lines = describe_failures(handler.failed)
    assert lines[:2] == ["Failed: 4 jobs", "  measure_run a/x and 1 more: no space"]
    assert lines[2].startswith("  measure_run c/x: a reason") and lines[4].endswith(" …")
    assert lines[5] == "  check_gate: failed; no log" and max(map(len, lines)) <= 118
    assert describe_failures([]) == []


def test_a_job_that_says_nothing_leaves_its_exit_status(log):
    say, _, stream = log
    say(Event.ERROR, "CalledProcessError in file x\nCommand 'set -e' returned non-zero exit status 7.")
    say(Event.JOB_ERROR, jobid=1, rule_name="build_onnx", log=["a.log"])
    say(Event.JOB_ERROR, jobid=2, rule_name="check_gate", log=["b.log"])
    assert stream.getvalue().splitlines() == [
        "Failed: build_onnx; exit status 7; log a.log",
        "Failed: check_gate; log b.log",
    ]


@pytest.mark.parametrize(
    "status",
    [
        "returned non-zero exit status 130.",
        "died with <Signals.SIGINT: 2>.",
        "returned non-zero exit status 129.",
        "died with <Signals.SIGTERM: 15>.",
    ],
)
def test_what_ctrl_c_ends_has_not_failed(log, status):
    say, handler, stream = log
    say(Event.JOB_INFO, jobid=1, rule_name="calibrate_cell", wildcards={"model": "a"})
    for _ in range(2):
        say(Event.ERROR, f"CalledProcessError in file x\nCommand 'set -e' {status}")
        say(Event.JOB_ERROR, jobid=1, rule_name="calibrate_cell", log=["a.log"])
    say(Event.ERROR, "CalledProcessError in file x\nCommand 'set -e' returned non-zero exit status 1.")
    say(Event.JOB_ERROR, jobid=2, rule_name="check_gate", log=["b.log"])
    assert stream.getvalue().splitlines() == ["Failed: check_gate; exit status 1; log b.log"]
    assert [job[0] for job in handler.failed] == ["check_gate"]
    assert describe_stopped(handler.stopped)[0].startswith("Stopped: calibrate_cell a. The same command goes on: ")
    assert describe_stopped([]) == []


PROGRESS = "f-i  pair 2 of at most 6  ok  5.0 s\n"
TRACE = "Traceback (most recent call last):\n  File x\nValueError: it is odd\n"


@pytest.mark.parametrize(
    ("said", "ended", "reason"),
    [
        (PROGRESS, "returned non-zero exit status 137.", "was killed (SIGKILL); if nobody did that, the memory ran"),
        (PROGRESS, "died with <Signals.SIGKILL: 9>.", "was killed (SIGKILL); if nobody did that, the memory ran"),
        ("", "returned non-zero exit status 137.", "was killed (SIGKILL); if nobody did that, the memory ran"),
        (PROGRESS, "returned non-zero exit status 141.", "lost the reader of its output (SIGPIPE). Run the same"),
        (PROGRESS, "died with <Signals.SIGSEGV: 11>.", "was ended by SIGSEGV; it crashed"),
        (PROGRESS, "returned non-zero exit status 2.", "ended with exit status 2 and said no reason"),
        (PROGRESS, "", "failed and said no reason"),
        ("error: an earlier one\n" + PROGRESS, "died with <Signals.SIGKILL: 9>.", "was killed (SIGKILL)"),
        (PROGRESS + "error: no space\n", "returned non-zero exit status 141.", "no space"),
        ("error: no space\n" + PROGRESS, "returned non-zero exit status 2.", "no space"),
        (PROGRESS + TRACE, "returned non-zero exit status 70.", "ValueError: it is odd"),
        (PROGRESS + "Gate failed.\n", "returned non-zero exit status 1.", "Gate failed."),
    ],
)
def test_a_line_of_progress_is_never_a_reason(log, tmp_path, said, ended, reason):
    say, handler, _ = log
    (tmp_path / "a.log").write_text(said)
    say(Event.ERROR, f"CalledProcessError in file x\nCommand 'set -e' {ended}")
    say(Event.JOB_ERROR, jobid=1, rule_name="measure_pairs", log=[str(tmp_path / "a.log")])
    told = " ".join(map(str.strip, describe_failures(handler.failed)[1:]))
    assert told.startswith(f"measure_pairs: {reason}") and "pair 2" not in told


def test_many_reasons_are_counted(tmp_path):
    failed = []
    for number in range(9):
        (tmp_path / f"{number}.log").write_text(f"error: reason {number}\n")
        failed.append(("build_onnx", str(number), str(tmp_path / f"{number}.log"), "2"))
    lines = describe_failures(failed)
    assert len(lines) == 5 and lines[-1] == "  and others for 6 more reasons; their logs are in results/logs/"


def test_the_terminal_shows_no_page_on_a_failed_job():
    def shown(event, message):
        return ShortErrors().filter(logging.makeLogRecord({"msg": message, "event": event}))

    assert not shown(Event.JOB_ERROR, "Error in rule")
    assert not shown(Event.ERROR, 'RuleException:\nCalledProcessError in file "x"')
    assert shown(Event.ERROR, "MissingOutputException in rule x") and shown(Event.JOB_INFO, "") and shown(None, "text")


def test_why_a_job_runs_is_short_on_the_terminal_and_whole_in_the_log():
    reason = "Missing output files: " + ", ".join(f"results/runs/a/{number}.json" for number in range(40))
    record = logging.LogRecord("x", logging.INFO, "", 0, "%(reason)s", None, None)
    record.__dict__["reason"] = reason

    class Inner(logging.Formatter):
        def format(self, record):
            return f"Reason: {record.__dict__['reason']}"

    short = ShortReasons(Inner()).format(record)
    assert short.startswith("Reason: Missing output files: results/runs/a/0.json") and short.endswith(" …")
    assert len(short) < 160 and record.__dict__["reason"] == reason


def test_a_bar_that_does_not_fit_is_left_out(log, monkeypatch):
    say, _, stream = log
    stream.isatty = lambda: True
    for columns, bar in (("200", True), ("60", False)):
        monkeypatch.setenv("COLUMNS", columns)
        say(Event.RUN_INFO, stats={"measure_run": 9, "measure_pairs": 4, "calibrate_cell": 2})
        say(Event.JOB_INFO, jobid=1, rule_name="measure_run", wildcards={})
        say(Event.JOB_FINISHED, job_id=1)
        assert stream.getvalue().splitlines()[-1].startswith("[#") is bar
