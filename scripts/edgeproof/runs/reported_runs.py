"""Reported runs: a benchmark command of the user's own, run once under EdgeEnv's contract; its figures are its word.

There are no raw samples, so there is no interval, and figures of two runs are never pooled. What the command printed is
kept in the attempt, and the document is computed from it again whenever it is read.
"""

import json
import os
import platform
import secrets
import signal
import subprocess
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from edgeproof.agent.lock import hold_device
from edgeproof.agent.machine import describe_machine
from edgeproof.agent.tied_processes import open_tied
from edgeproof.core.attempts import Attempt, check_files, list_attempts, open_attempt, read_record
from edgeproof.core.configuration import Json
from edgeproof.core.documents import read_sealed, write_sealed
from edgeproof.core.errors import UserError
from edgeproof.core.files import FilePath, atomic_write
from edgeproof.core.keys import compose_key
from edgeproof.core.layout import relative_to_repository, run_folder
from edgeproof.core.processes import FOREIGN
from edgeproof.core.recomputing import must_follow
from edgeproof.core.seals import SEAL

from .edgeenv_files import (
    Benchmark,
    compose_variables,
    describe_run,
    identify_model_file,
    simulate_fake_target,
)
from .edgeenv_output import MalformedOutput, Printed, parse_output
from .edgeenv_sampler import CommandWatch, SamplerFailed, read_sampled

REPORTED = "reported.json"
_REMEDY = "run the benchmark again: edgeproof runs from-edgeenv"
_STDOUT, _STDERR = "stdout.txt", "stderr.txt"


class CommandFailed(UserError):
    """The command gave no figures: it did not start, ended with an error, took too long, or printed something else."""


_KINDS: dict[type[Exception], str] = {
    CommandFailed: "command_failed",
    MalformedOutput: "malformed_metrics",
    SamplerFailed: "sampler",
}


def report_benchmark(benchmark: Benchmark, root: Path) -> Json:
    """Make a reported run: run the command once, write `reported.json` of its newest figures, and return that.

    CommandFailed with the reason and the attempt that keeps its output if there are none; an earlier document stays.
    """
    folder = root / run_folder(benchmark.cell)
    model_hash, has_bytes = identify_model_file(benchmark.config)
    parts = {"config": benchmark.config, "target": benchmark.target, "model": model_hash}
    label = str(benchmark.cell)
    with open_attempt(folder, "command", compose_key(parts), describe_machine()) as attempt:
        atomic_write(attempt.folder / "config.json", _render(benchmark.config))
        atomic_write(attempt.folder / "target.json", _render(benchmark.target))
        started = datetime.now(UTC)
        known: Json = {
            "run_id": f"run-{started:%Y%m%d-%H%M%S}-{secrets.token_hex(4)}",
            "created_at": started.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "model_hash": model_hash,
            "env": _describe_python(started),
        }
        try:
            if benchmark.target["target_type"] == "fake":
                (attempt.folder / _STDOUT).write_bytes(simulate_fake_target(benchmark))
                (attempt.folder / _STDERR).write_bytes(b"")
            else:
                with hold_device(None, label):
                    _run_watched(benchmark, attempt.folder)
            parse_output((attempt.folder / _STDOUT).read_bytes())
        except (CommandFailed, MalformedOutput, SamplerFailed) as error:
            kind = _KINDS[type(error)]
            failed = attempt.fail(kind, str(error), **known)
            place = relative_to_repository(failed.folder, root)
            raise CommandFailed(f"{label}: {error}; its output is in {place}") from error
        attempt.complete(**known, model_bytes=has_bytes)
    document = _build_document(benchmark.cell._asdict(), folder, root)
    write_sealed(folder / REPORTED, document, "reported")
    return document


def read_reported(path: FilePath, root: Path) -> Json:
    """Return a reported run, computed again from what its command printed; UserError names what differs."""
    document = read_sealed(path, "reported", _REMEDY)
    again = _build_document(document["cell"], Path(path).parent, root)
    claimed = {key: value for key, value in document.items() if key != SEAL}
    must_follow(claimed, again, "", relative_to_repository(path, root), "the output of its command")
    return document


def _build_document(cell: Json, folder: Path, root: Path) -> Json:
    """Return the document of the newest complete attempt below a result's folder."""
    complete = [attempt for attempt in list_attempts(folder) if attempt.complete]
    if not complete:
        raise UserError(f"{folder}: has no complete attempt; {_REMEDY}")
    newest = complete[-1]
    check_files(newest.folder)
    record = read_record(newest.folder)
    run = _read_run(newest)
    return {
        "schema": "edgeproof.reported.v1",
        "kind": "reported",
        "cell": cell,
        "provenance": "simulated" if run["target"]["target_type"] == "fake" else "reported",
        "attempt": relative_to_repository(newest.folder, root),
        "earlier": len(complete) - 1,
        "machine": record["machine"],
        "model_bytes": record["facts"]["model_bytes"],
        "sampler": read_sampled(newest.folder)[1],
        "run": run,
    }


def _read_run(attempt: Attempt) -> Json:
    config, target = (json.loads((attempt.folder / f"{name}.json").read_text()) for name in ("config", "target"))
    try:
        printed = parse_output((attempt.folder / _STDOUT).read_bytes())
    except MalformedOutput as error:
        raise UserError(f"{attempt.folder / _STDOUT}: {error}; {_REMEDY}") from error
    resources, _ = read_sampled(attempt.folder)
    if resources:  # what was sampled stands in place of what the command says
        printed = Printed(printed.metrics, {**printed.optional, "resource_metrics": resources})
    return describe_run(config, target, printed, attempt.record["facts"])


def _run_watched(benchmark: Benchmark, folder: Path) -> None:
    """Run the command with the sampler of its target profile around it, if there is one."""
    block = benchmark.target.get("sampler")
    if block is None:
        return _run_command(benchmark, folder)
    watch = CommandWatch(block, folder)
    watch.start()
    try:
        _run_command(benchmark, folder)
    finally:
        watch.stop()
    return None


def _run_command(benchmark: Benchmark, folder: Path) -> None:
    """Run the command once, with its output in `folder`; CommandFailed with the reason if it does not end well.

    It has a group of processes of its own, which is killed when its time is over, so that nothing of it measures on.
    """
    config = benchmark.config
    inherited = {name: value for name, value in os.environ.items() if name not in (*FOREIGN, "PYTHONNOUSERSITE")}
    timeout = config.get("timeout_seconds")
    with open(folder / _STDOUT, "wb") as output, open(folder / _STDERR, "wb") as errors:
        try:
            process: subprocess.Popen[bytes] = open_tied(
                benchmark.words,
                cwd=config.get("working_directory"),
                env={**inherited, **compose_variables(benchmark)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                start_new_session=True,
            )
        except OSError as error:
            named = error.filename or benchmark.words[0]
            raise CommandFailed(f"the command cannot be started: {named}: {error.strerror}") from error
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired as error:
            raise CommandFailed(f"the command did not end within timeout_seconds, {timeout:g}") from error
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if code != 0:
        ended = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        raise CommandFailed(f"the command {ended}{_quote_end(folder / _STDERR)}")


def _quote_end(path: Path) -> str:
    """Return the last line that a program said, as the end of a sentence."""
    lines = path.read_bytes().decode("utf-8", "replace").strip().splitlines()
    return f": {lines[-1][:200]}" if lines else ""


def _describe_python(moment: datetime) -> Json:
    return {
        "captured_at": moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "python_version": platform.python_version(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "processor": platform.processor(),
    }


def _render(document: Any) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
