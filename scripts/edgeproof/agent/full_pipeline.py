"""`flow`: a placed pipeline that is kept full, so that its inputs overlap: time between results, and response time."""

from __future__ import annotations

import json
import os
import time
from typing import List, Optional

import numpy

from .backends.fake import Fake
from .backends.opening import is_simulated
from .failures import Verdict
from .flow import Flow
from .inference import read_mix
from .placement_specs import Overlap
from .specs import Array, Feed, PlacedArm, ProcessSpec, Report
from .step_order import add_up, find_busiest

_WARM_UP = 10  # results before the window begins
_SIMULATED = 50


def measure_flow(spec: ProcessSpec, out: str) -> None:
    """Measure a full pipeline, one that is kept full: fill `out` with `process.json` and `samples.npy`.

    The samples are int64 nanoseconds, two rows of as many entries as results. The first row has the time from one
    result to the next, the second from when the pipeline took an input to its result. The caller hands in an input
    whenever its place is free, for `full_seconds` of the arm (with `overlap`); a Verdict is recorded as status
    `failed`.
    """
    arm = spec["arm"]
    assert "steps" in arm and "overlap" in arm  # a session gives this verb to such arms only
    report: Report = {"status": "ok", "reason": None, "pid": os.getpid(), "calls_per_sample": 1}
    report["provenance"] = "simulated" if is_simulated(arm) else "measured"
    try:
        if is_simulated(arm):
            samples = _simulate(arm, spec)
        else:
            feeds, _ = read_mix(spec["inputs"], spec["protocol"])
            report["window_started_at"] = time.time()
            samples = _keep_full(arm, arm["overlap"], feeds)
        report["samples"] = int(samples.shape[1])
        report["window_ns"] = int(samples[0].sum())
        numpy.save(os.path.join(out, "samples.npy"), samples)
    except Verdict as verdict:
        report.update(status="failed", reason={"kind": verdict.kind, "message": str(verdict)})
    with open(os.path.join(out, "process.json"), "w", encoding="utf-8") as stream:
        json.dump(report, stream, indent=2)


def _keep_full(arm: PlacedArm, overlap: Overlap, feeds: List[Feed]) -> Array:
    """Return the times between results, and from input to result (2, n) in ns, of a pipeline that is kept full.

    It is full for `full_seconds`, and until it has given one result.
    """
    crew, clock = Flow(arm, overlap), time.perf_counter_ns
    pending: List[int] = []
    ends: List[int] = []
    rows: List[int] = []
    until: Optional[int] = None
    given = [[numpy.ascontiguousarray(feed[name]) for name, _ in arm["inputs"]] for feed in feeds]
    try:
        while True:
            if crew.has_result():
                for _, key in arm["outputs"]:
                    numpy.array(crew.slot_out[key])
                crew.take()
                ends.append(clock())
                rows.append(ends[-1] - pending.pop(0))
                if len(ends) == _WARM_UP:
                    until = ends[-1] + int(arm.get("full_seconds", 0.0) * 1e9)
                if until is not None and ends[-1] > until:
                    break
            elif crew.may_admit():
                pending.append(clock())
                for (_, key), value in zip(arm["inputs"], given[(len(ends) + len(pending)) % len(given)]):
                    numpy.copyto(crew.slot_in[key], value)
                crew.admit()
            else:
                crew.await_news()
    finally:
        crew.close()
    return numpy.array([numpy.diff(ends[_WARM_UP - 1 :]), rows[_WARM_UP:]], "int64")


def _simulate(arm: PlacedArm, spec: ProcessSpec) -> Array:
    times = [
        Fake(step["arm"]).simulate(spec["slot"], spec["protocol"], 1).samples[:_SIMULATED] for step in arm["steps"]
    ]
    gaps = numpy.array([find_busiest(arm, row) for row in numpy.transpose(times)], "int64")
    return numpy.array([gaps, numpy.maximum(add_up(arm, times), gaps)], "int64")
