"""The bench of the observer: every call is recorded, and its document is the schema's."""

from edgeproof.bench.observer_cost import LIMIT_NS, measure_observer
from edgeproof.core.documents import validate


def test_every_call_is_recorded_and_the_verdict_follows_from_the_median(tmp_path):
    report = validate(measure_observer(tmp_path, 300), "bench-observer", "test")
    assert report["recorded"] == report["calls"] == 300
    assert report["met"] == (report["stage_ns"]["median"] <= LIMIT_NS)
    assert report["stage_ns"]["p99"] >= report["stage_ns"]["median"]
