"""Trials of the drift control on this machine: changes that are planted in the middle of a session, and none.

Sessions are in time lapse (see `drift_session`): each has about as many points as one of two minutes. What a change of
the machine is, a real kernel sees: the whole session stopped for a fifth of the time, a neighbour that comes. Steps are
planted into the times of quiet sessions. What the control costs is taken from a session of pairs of real length.
"""

import contextlib
import itertools
import json
import math
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgeproof.core.configuration import Json, MeasuringProtocol, NamedDevice
from edgeproof.core.keys import compose_key
from edgeproof.core.layout import REPOSITORY
from edgeproof.runs.drift_records import describe_drift
from edgeproof.runs.paired_sessions import PairPlace, measure_session

from .neighbours import start_neighbours
from .trial_arms import TrialArm

LAPSE = 10.0  # how many times as fast neighbours change between busy and idle
DUTY, PERIOD_S = 0.8, 0.025
STEP = 1.05  # planted into the second half of quiet sessions
CASES = {  # what happens, and which share of sessions names a change
    "quiet": "at most",
    "neighbours": "at most",
    "duty": "at least",
    "neighbour": "at least",
    "step": "at least",
}
LIMITS = {"at most": 2 / 40, "at least": 38 / 40}
COST = 0.03
_REAL = ("quiet", "neighbours", "duty", "neighbour")


@dataclass(frozen=True)
class Setting:
    """What is tried: so many sessions per case, of so many seconds, and no further one after so many minutes.

    The cost is that of a session of `pairs` pairs of `arm`, whose attempt goes to `folder`.
    """

    sessions: int
    seconds: float
    minutes: float
    pairs: int
    arm: TrialArm
    protocol: MeasuringProtocol
    device: NamedDevice
    folder: Path


def run_trials(setting: Setting, show: Callable[[str], object]) -> Json:
    """Run the trials of the drift control and return the `bench-drift` document.

    Each case is tried once whatever the time.
    """
    until = time.monotonic() + 60 * setting.minutes
    cost = measure_drift_cost(setting)
    show(f"cost: {cost['share']:.2%} of {cost['seconds']:.0f} s")
    found: dict[str, list[Json]] = {case: [] for case in CASES}
    for number in range(setting.sessions):
        for case in _REAL:
            if number and time.monotonic() >= until:
                return _summarise_trials(setting, found, cost)
            found[case].append(run_case(case, setting.seconds, number))
            told = found[case][-1]
            show(f"{case} {number + 1}: {len(told['points'])} points, {len(told['changes'])} changes")
        found["step"].append(plant_step(found["quiet"][-1]))
    return _summarise_trials(setting, found, cost)


def run_case(case: str, seconds: float, number: int) -> Json:
    """Run one trial, a session in time lapse with what the case plants in its middle; return its described drift."""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "scripts")}
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        come = stack.enter_context(_prepare_neighbours(case))
        command = [sys.executable, "-m", "edgeproof.bench.drift_session", folder, str(seconds), str(number)]
        session = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        stack.callback(session.wait)
        assert session.stdout
        session.stdout.readline()  # its middle
        come()
        if case == "duty":
            stack.enter_context(_stop_and_continue(session))
        record = json.loads(session.stdout.readline())
    described = describe_drift(record)
    assert described is not None
    return described


def plant_step(drift: Json) -> Json:
    """Return the drift control of a trial's session as it would be if the machine had become slower in its middle."""
    points: list[Json] = drift["points"]
    planted = [
        {**point, "mean_ns": round(point["mean_ns"] * (STEP if number >= len(points) // 2 else 1))}
        for number, point in enumerate(points)
    ]
    described = describe_drift({**drift, "points": planted})
    assert described is not None
    return described


def is_found(case: str, drift: Json) -> bool:
    """Tell whether a trial of the drift control has found a change: its session names one.

    Of a planted change, it names a slow-down in its middle half.
    """
    if CASES[case] == "at most":
        return bool(drift["changes"])
    end = drift["points"][-1]["at_s"]
    return any(
        change["ratio"] > 1 and change["after_s"] <= 0.75 * end and change["before_s"] >= 0.25 * end
        for change in drift["changes"]
    )


def measure_drift_cost(setting: Setting) -> Json:
    """Measure a session of pairs in a trial and return what share of its time the drift control took."""
    arm = setting.arm
    key = compose_key({"trial": "cost of the drift control", "arm": arm.arm})
    place = PairPlace(arm.inputs, setting.device, setting.protocol, sys.executable)
    arms = {"left": arm.located, "right": arm.located}
    plan: Json = {"budget": {"pairs": setting.pairs, "seconds": None}, "first_pair": 0}
    session = measure_session(setting.folder, "drift: cost", key, arms, place, plan, lambda pairs: True)
    drift: Any = session.record["drift"] or {"share": 0.0, "points": []}
    return {
        "pairs": len(session.pairs),
        "seconds": session.record["seconds"],
        "points": len(drift["points"]),
        "share": drift["share"],
        "at_most": COST,
        "met": drift["share"] <= COST,
    }


def _summarise_trials(setting: Setting, found: dict[str, list[Json]], cost: Json) -> Json:
    """Return the `bench-drift` document of the sessions of each case."""
    return {
        "schema": "edgeproof.bench-drift.v1",
        "minutes": setting.minutes,
        "seconds": setting.seconds,
        "lapse": LAPSE,
        "cases": [_summarise(case, drifts) for case, drifts in found.items()],
        "cost": cost,
    }


def _summarise(case: str, drifts: list[Json]) -> Json:
    named = sum(is_found(case, drift) for drift in drifts)
    sense, limit = CASES[case], LIMITS[CASES[case]]
    share = named / len(drifts)
    return {
        "case": case,
        "sessions": len(drifts),
        "named": named,
        "sense": sense,
        "limit": limit,
        "met": share <= limit if sense == "at most" else share >= limit,
        "points": int(np.median([len(drift["points"]) for drift in drifts])),
        "halves_ratio": float(np.median([_compare_halves(drift) for drift in drifts])),
    }


def _compare_halves(drift: Json) -> float:
    """Return the kernel's time in the second half of a session over that in the first."""
    logs = np.log([point["mean_ns"] for point in drift["points"] if point["complete"]])
    half = len(logs) // 2
    return math.exp(float(logs[half:].mean() - logs[:half].mean()))


@contextlib.contextmanager
def _prepare_neighbours(case: str) -> Generator[Callable[[], None]]:
    """Start the neighbours of a case, those from the middle on stopped; yield what lets them come."""
    if case not in ("neighbours", "neighbour"):
        yield lambda: None
        return
    # One neighbour beside a free core slows nothing: the kernel has one thread.
    with start_neighbours(2 if case == "neighbours" else os.cpu_count() or 1, LAPSE) as pids:
        if case == "neighbours":
            yield lambda: None
            return
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield lambda: _continue(pids)
        finally:
            _continue(pids)  # a stopped process does not end


def _continue(pids: list[int]) -> None:
    for pid in pids:
        os.kill(pid, signal.SIGCONT)


@contextlib.contextmanager
def _stop_and_continue(process: subprocess.Popen[str]) -> Generator[None]:
    """Stop a process for a share of every period, as firmware does that throttles by duty."""
    over = threading.Event()

    def turn() -> None:
        for number in itertools.count():
            stopped = number % 2 == 1
            process.send_signal(signal.SIGSTOP if stopped else signal.SIGCONT)
            if over.wait(PERIOD_S * (1 - DUTY if stopped else DUTY)):
                break
        process.send_signal(signal.SIGCONT)

    thread = threading.Thread(target=turn, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
