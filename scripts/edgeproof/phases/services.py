"""Phase 2: a served family measured beside the inference runs, each latency with its boundary, and in no verdict."""

from collections.abc import Iterator

from edgeproof.adaptation.service_records import read_service
from edgeproof.core.configuration import Json
from edgeproof.core.files import FilePath, sha256_file

_QUANTILES = ("p50_ms", "p95_ms", "p99_ms")
_LOADS = {"single_stream": "one client", "closed": "several clients"}


def list_latencies(path: FilePath) -> Json:
    """Return the latencies of a service that phase 2 shows: {family, boundary, sha256, rows}.

    UserError where its `service.json` does not follow from the raw latencies beside it.
    Row: {load, figure, value_ms, low_ms, high_ms}. Cold and warm figures never share one.
    """
    document = read_service(path)
    return {
        "family": document["family"],
        "boundary": document["boundary"],
        "sha256": sha256_file(path),
        "rows": list(_list_rows(document)),
    }


def _list_rows(document: Json) -> Iterator[Json]:
    cold = document["cold"]
    for figure, values in (
        ("ready", [1e3 * each for each in cold["ready_s"]]),
        ("first answer", cold["first_answer_ms"]),
    ):
        load = f"{cold['starts']} fresh servers"
        middle = sorted(values)[len(values) // 2]
        yield {"load": load, "figure": figure, "value_ms": middle, "low_ms": min(values), "high_ms": max(values)}
    for name, load in _LOADS.items():
        for quantile in _QUANTILES:
            found = document[name]["latency"][quantile]
            bounds = {"value_ms": found["value"], "low_ms": found["low"], "high_ms": found["high"]}
            yield {"load": load, "figure": quantile.removesuffix("_ms"), **bounds}
