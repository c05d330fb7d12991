"""`session`: one measurement on this device, from lock to lock.

A session holds the device's exclusive lock, records the environment, runs one fresh process (`measure`) per slot of
`spec["order"]` (arm names, interleaved where there are two), and records the environment again. Before, between and
after the processes it times the drift control. `telemetry/` has what the samplers said, if the spec names some.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import nullcontext
from typing import Callable, Dict, Iterator, List, Optional

import numpy

from .backends.opening import is_simulated
from .children import run_child
from .drift import start_drift_control
from .environment import read_board, read_environment, steal_share
from .failures import NoVerdict
from .lock import hold_device
from .machine import describe_itself
from .memory import read_oom_kills
from .messages import tell
from .power_control import control_power
from .specs import ArmsSpec, Reason, Report, SessionSpec
from .telemetry import IDLE_S, SessionTelemetry

# A process that ends by one of these ended by its own doing; any other signal came from outside and is no verdict.
_CRASHES = (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL)


def run_session(spec: SessionSpec, out: str) -> None:
    """Run one session on this device: fill `out` with `session.json` and one folder per slot."""
    check_board(spec.get("board"))
    simulated = all(is_simulated(arm) for arm in spec["arms"].values())
    wanted = None if simulated else spec.get("power_control")
    held = hold_device(spec.get("lock"), spec["label"])
    with held as lock, nullcontext() if simulated else control_power(wanted) as control:
        before = read_environment()
        started = time.time()
        samplers = None if simulated else spec.get("samplers")
        telemetry = SessionTelemetry(samplers, spec.get("idle_seconds", IDLE_S), os.path.join(out, "telemetry"))
        try:
            telemetry.rest("before")
            drift = start_drift_control(simulated)
            processes: List[Report] = []
            for number, record in enumerate(_run_slots(spec, out, telemetry.watch), 1):
                processes.append(record)
                if drift and number < len(spec["order"]) and record["status"] != "skipped":
                    drift.time_gap()
            if drift:
                drift.time_end()
            telemetry.rest("after")
            watched = telemetry.end()
        finally:
            telemetry.close()
        after = read_environment()
    report: Report = {
        "label": spec["label"],
        "lock": lock,
        "started_at_unix_s": round(started, 3),
        "processes": processes,
        "environment": {"before": before, "after": after, "steal_share": steal_share(before, after)},
        "drift": drift.save(out) if drift else None,
        "telemetry": watched,
        "power_control": control,
    }
    with open(os.path.join(out, "session.json"), "w", encoding="utf-8") as stream:
        json.dump(report, stream, indent=2)


def check_board(expected: Optional[str]) -> None:
    """Raise NoVerdict before the agent's session unless the board's own name has `expected` in it (None: any does)."""
    board = read_board()
    if expected and expected.lower() not in (board or "").lower():
        raise NoVerdict(
            "wrong_device",
            "the device file expects a board named {!r}, and this machine {}; choose the device that it is, or correct "
            "`board_contains`".format(expected, describe_itself(board)),
        )


def _run_slots(spec: SessionSpec, out: str, watch: Callable[[Optional[int]], None]) -> Iterator[Report]:
    failed: Dict[str, Reason] = {}
    begin = time.monotonic()
    for slot, arm in enumerate(spec["order"]):
        if arm in failed:  # a verdict about the artifact will not change by trying again
            yield {"slot": slot, "arm": arm, "status": "skipped", "reason": failed[arm]}
            continue
        folder = os.path.join(out, "process-{:03d}".format(slot))
        os.makedirs(folder, exist_ok=True)
        record = run_process(spec, slot, arm, folder, watch)
        watch(None)
        if record["status"] != "ok":
            failed[arm] = record["reason"]
        elapsed = time.monotonic() - begin
        left = elapsed / (slot + 1) * (len(spec["order"]) - slot - 1)
        tell(
            "{}  process {} of {}{}  {}  {:.0f} s left".format(
                spec["label"],
                slot + 1,
                len(spec["order"]),
                "" if len(spec["arms"]) == 1 else " ({})".format(arm),
                _summary(record, folder),
                left,
            )
        )
        yield record


def run_process(
    spec: ArmsSpec, slot: int, arm: str, folder: str, watch: Optional[Callable[[int], None]] = None
) -> Report:
    """Run one fresh process of the session and return its record; NoVerdict when it ended for a reason from outside.

    `watch` is told its process id.
    """
    chosen = spec["arms"][arm]
    inputs = chosen.get("inputs_file", spec["inputs"])
    process_spec = {"arm": chosen, "inputs": inputs, "protocol": spec["protocol"], "slot": slot}
    spec_path = os.path.join(folder, "spec.json")
    with open(spec_path, "w", encoding="utf-8") as stream:
        json.dump(process_spec, stream)
    interpreter = chosen.get("interpreter") or sys.executable
    command = [interpreter, "-m", str(__package__), chosen.get("verb", "measure"), spec_path, folder]
    base: Report = {"slot": slot, "arm": arm}
    kills = read_oom_kills()
    with open(os.path.join(folder, "log.txt"), "wb") as log:
        try:
            code = run_child(command, log, spec["timeout_s"], watch)
        except subprocess.TimeoutExpired:
            message = "no result within {} s".format(spec["timeout_s"])
            return dict(base, status="failed", reason={"kind": "timed_out", "message": message})
        except OSError as error:
            message = "{}: cannot be started ({})".format(interpreter, error.strerror)
            raise NoVerdict("runtime_missing", message) from error
    if code == 0:
        with open(os.path.join(folder, "process.json"), encoding="utf-8") as stream:
            return dict(json.load(stream), **base)
    return dict(base, status="failed", reason=explain_end(code, kills, folder))


def explain_end(code: int, kills: int, folder: str) -> Reason:
    """Return why a process of the session ended with this exit code, if that is a verdict about the artifact; else
    raise NoVerdict.

    `kills`: what `read_oom_kills` said before it was started; `folder`: where its log and failure are.
    """
    if code < 0:
        message = "the process was ended by {}".format(signal.Signals(-code).name)
        if -code == signal.SIGKILL and read_oom_kills() > kills:
            return {"kind": "out_of_memory", "message": message}
        if -code in _CRASHES:
            return {"kind": "crashed", "message": message}
        raise NoVerdict("interrupted", message + "; run the same command again")
    failure = os.path.join(folder, "failure.json")
    if os.path.exists(failure):
        with open(failure, encoding="utf-8") as stream:
            reason = json.load(stream)
        raise NoVerdict(reason["kind"], reason["message"])
    with open(os.path.join(folder, "log.txt"), encoding="utf-8", errors="replace") as stream:
        raise NoVerdict("agent_error", "a process exited with {}: {}".format(code, stream.read()[-500:]))


def _summary(record: Report, folder: str) -> str:
    if record["status"] != "ok":
        return "{}: {}".format(record["reason"]["kind"], record["reason"]["message"][:120])
    samples = numpy.atleast_2d(numpy.load(os.path.join(folder, "samples.npy")))[0]  # of a full pipeline: the periods
    median = float(numpy.median(samples)) / record["calls_per_sample"]
    return "median {:.4g} ms".format(median / 1e6)
