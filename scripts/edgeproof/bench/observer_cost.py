"""What the observer costs the loop that it observes: per stage and per call, on this machine, with its file written."""

import os
import platform
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeproof.core.configuration import Json
from edgeproof.runs.observed_files import read_recording
from edgeproof.runtime.observer import Observer

LIMIT_NS = 2_000  # per stage, at the median


def measure_observer(folder: Path, calls: int) -> Json:
    """Return the document of `calls` observed calls of one empty stage each, recorded into `folder`.

    The cost of a stage is the time around an empty one, less that around nothing; of a call likewise, its stage left
    out. A call's cost has the writing of its row and the hand-over of full buffers in it.
    """
    clock = time.perf_counter_ns
    nothing, stages, whole = (np.zeros(calls, np.int64) for _ in range(3))
    with Observer(folder / "cost.observed") as observed:
        for number in range(calls):
            begin = clock()
            nothing[number] = clock() - begin
            begin = clock()
            with observed.call():
                middle = clock()
                with observed.stage("inference"):
                    pass
                stages[number] = clock() - middle
            whole[number] = clock() - begin
    recorded = read_recording(folder / "cost.observed")
    own = float(np.median(nothing))
    stage_ns, call_ns = _summarise(stages - own), _summarise(whole - stages - 2 * own)
    return {
        "schema": "edgeproof.bench-observer.v1",
        "machine": {"processor": platform.machine(), "cores": os.cpu_count(), "python": platform.python_version()},
        "calls": calls,
        "recorded": len(recorded.calls),
        "stage_ns": stage_ns,
        "call_ns": call_ns,
        "limit_ns": LIMIT_NS,
        "boards": "unknown: nobody has measured it on a board; every recording says what it cost where it ran",
        "met": stage_ns["median"] <= LIMIT_NS and len(recorded.calls) == calls,
    }


def _summarise(costs: npt.NDArray[Any]) -> dict[str, float]:
    return {"median": round(float(np.median(costs)), 1), "p99": round(float(np.quantile(costs, 0.99)), 1)}
