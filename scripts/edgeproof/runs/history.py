"""All sessions of a cell in order of time, whatever their keys: where its latency stepped, and what changed there.

A step is a change of the level of the sessions' headlines (`core.energy_steps`). The drift control timed the same fixed
kernel in every session, so a step that its times share is the machine's. Otherwise the two sessions beside the step
differ in a part of their keys, or nothing says why.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from edgeproof.core.attempts import list_attempts
from edgeproof.core.change_points import SMALLEST_CHANGE
from edgeproof.core.configuration import Json
from edgeproof.core.energy_steps import FEWEST_POINTS, find_steps
from edgeproof.core.files import FilePath
from edgeproof.core.keys import Difference, list_differences
from edgeproof.core.layout import relative_to_repository
from edgeproof.core.same_attempts import leave_out_copies
from edgeproof.core.summary import summarise_run

from .sessions import read_session

Cause = Literal["machine", "key", "unknown"]
_NEAR = 3  # sessions: noise moves a found step so far, so the steps of a latency and of the kernel may still be one


class HistoricSession(NamedTuple):
    """One session of a cell. `median_ms`: its headline. `kernel_ns`: mean time of the drift control's kernel, None
    where it was not timed. `parts`: of its key.
    """

    attempt: str
    started_at_unix_s: float
    median_ms: float
    kernel_ns: float | None
    machine: str | None
    parts: Json


class Step(NamedTuple):
    """A change of level between the sessions `place` - 1 and `place`, as later / earlier. `kernel_ratio`: of the drift
    control, None where it is not known. `differences`: of the two sessions' keys.
    """

    place: int
    ratio: float
    kernel_ratio: float | None
    cause: Cause
    differences: tuple[Difference, ...]


def read_history(folder: FilePath) -> list[HistoricSession]:
    """Return every session in a run's store that measured something, in order of start, copies left out; UserError
    where a file was changed since.
    """
    found = [_read_one(attempt) for attempt in leave_out_copies(list_attempts(folder)) if _is_session(attempt)]
    return sorted((each for each in found if each), key=lambda each: each.started_at_unix_s)


def find_history_steps(sessions: Sequence[HistoricSession]) -> list[Step]:
    """Return the steps of a history, in order; none of fewer than six sessions."""
    if len(sessions) < FEWEST_POINTS:
        return []
    logs = np.log([each.median_ms for each in sessions])
    kernel = [each.kernel_ns for each in sessions]
    places = find_steps(logs)
    known = np.log([each for each in kernel if each is not None]) if None not in kernel else None
    moved = find_steps(known) if known is not None else []
    edges = [0, *places, len(sessions)]
    found: list[Step] = []
    for before, place, after in zip(edges[:-2], places, edges[2:], strict=True):
        ratio = _ratio(logs, before, place, after)
        kernel_ratio = None if known is None else _ratio(known, before, place, after)
        differences = tuple(list_differences(sessions[place - 1].parts, sessions[place].parts))
        shared = any(abs(place - each) <= _NEAR for each in moved) and _is_large(kernel_ratio)
        other = sessions[place - 1].machine != sessions[place].machine
        cause: Cause = "machine" if shared or other else "key" if differences else "unknown"
        found.append(Step(place, ratio, kernel_ratio, cause, differences))
    return found


def describe_history(cell: str, sessions: Sequence[HistoricSession], steps: Sequence[Step]) -> Json:
    """Return a history as `edgeproof runs history --json` prints it."""
    return {
        "cell": cell,
        "sessions": [{key: value for key, value in each._asdict().items() if key != "parts"} for each in sessions],
        "steps": [{**step._asdict(), "differences": [item._asdict() for item in step.differences]} for step in steps],
        "reason": None
        if len(sessions) >= FEWEST_POINTS
        else f"{len(sessions)} sessions are too few for steps; {FEWEST_POINTS} are needed",
    }


def _is_session(attempt: Any) -> bool:
    return attempt.complete and attempt.record["kind"] == "session"


def _read_one(attempt: Any) -> HistoricSession | None:
    session = read_session(attempt)
    processes = [process for process in session.record["processes"] if process["status"] == "ok"]
    if not processes:
        return None
    times = [session.samples[each["slot"]] / each["calls_per_sample"] for each in processes]
    summary = summarise_run([times], min(each["inputs"] for each in processes))
    points = (session.record.get("drift") or {}).get("points", [])
    kernel = [point["mean_ns"] for point in points if point["complete"]]
    return HistoricSession(
        attempt=str(relative_to_repository(Path(session.attempt))),
        started_at_unix_s=session.record["started_at_unix_s"],
        median_ms=summary["latency"]["median_ms"],
        kernel_ns=float(np.mean(kernel)) if kernel else None,
        machine=session.machine["id"],
        parts=attempt.record["key"]["parts"],
    )


def _ratio(logs: Any, before: int, place: int, after: int) -> float:
    return math.exp(float(logs[place:after].mean() - logs[before:place].mean()))


def _is_large(ratio: float | None) -> bool:
    return ratio is not None and abs(math.log(ratio)) >= math.log1p(SMALLEST_CHANGE)
