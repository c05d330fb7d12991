"""An observed run beside a benchmark run: both numbers, and why they are no comparison.

A loop of the user's own runs once, with its camera, its other stages and whatever else runs; a benchmark run is fresh
processes that do nothing else. The difference between the two is not the artifact's, so there is no ratio here.
"""

from typing import Any

from edgeproof.core.configuration import Json

from .field_views import FieldReason

_KIND_REMEDY = "compare two benchmark runs (edgeproof compare LEFT RIGHT); judge a deadline by the observed run alone"
_ARTIFACT_REMEDY = "observe with artifact=FILE of that cell, or name the cell whose artifact the loop runs"
_MACHINE_REMEDY = "measure the cell on the machine that runs the loop"


def put_beside(observed: Json, result: Json) -> Json:
    """Put an observed run beside a benchmark run: {verdict, reasons, observed, benchmark, inference_ms}.

    The verdict is `not-comparable`, and the first reason is always their kind. `inference_ms`: the medians of the
    loop's inference stage and of the benchmark, None where there is none; they stand beside each other to be seen, and
    nothing follows from them.
    """
    reasons: list[FieldReason] = [_differ("kind", "observed", "benchmark", _KIND_REMEDY)]
    artifact = observed["loop"]["artifact"]
    own, other = artifact and artifact["sha256"], result["digests"]["artifact"]
    if own != other:
        reasons.append(_differ("artifact", own, other, _ARTIFACT_REMEDY))
    here = observed["loop"]["machine"]["id"]
    machines = sorted({str(session["machine"]["id"]) for session in result["sessions"]})
    if machines != [here]:
        reasons.append(_differ("machine", here, ", ".join(machines) or None, _MACHINE_REMEDY))
    inference = next((stage["median_ms"] for stage in observed["stages"] if stage["name"] == "inference"), None)
    benchmark = result["latency"] and result["latency"]["median_ms"]
    return {
        "verdict": "not-comparable",
        "mode": "none",
        "reasons": reasons,
        "observed": {"name": observed["name"], "calls": observed["calls"]["recorded"], "latency": observed["latency"]},
        "benchmark": {"cell": result["cell"], "status": result["status"], "latency": result["latency"]},
        "inference_ms": {"observed": inference, "benchmark": benchmark},
    }


def _differ(field: str, left: Any, right: Any, remedy: str) -> FieldReason:
    return {"field": field, "left": left, "right": right, "remedy": remedy}
