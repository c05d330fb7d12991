"""The trials of feasibility: exact in a world of plain arithmetic, and true processes hold what they are told."""

import pytest
from edgeproof.bench.feasibility_trials import measure_feasibility, try_swaps
from edgeproof.bench.memory_holders import start_holder
from edgeproof.core.documents import validate
from edgeproof.runtime.device_state import ProcessReader


class Arithmetic:
    """A world in which memory is a sum. `leak`: what a swap takes beyond its footprint."""

    def __init__(self, leak=0.0):
        self.leak, self.own, self.neighbour, self.now = leak, 30.0, 0.0, 0.0

    def read(self):
        self.now += 1.0
        available = 4000.0 - self.own - self.neighbour - self.leak * (self.own > 30)
        own = {"variant": None, "memory_mb": self.own, "cpu_pct": 0.0}
        return {"available_ram_mb": available, "timestamp": self.now, "own": own}

    def swap(self, footprint_mb):
        self.own = 30.0 + footprint_mb

    def move_neighbour(self, megabytes):
        self.neighbour = megabytes


def test_predictions_are_exact_where_nothing_else_happens(tmp_path):
    found = try_swaps(Arithmetic(), 100, tmp_path / "trace.jsonl")
    assert len((tmp_path / "trace.jsonl").read_text().splitlines()) == 101
    assert found["at_rest"]["error_max_mb"] == 0.0 and found["at_rest"]["wrong"] == 0
    assert 0 < found["at_rest"]["fitted"] < found["at_rest"]["swaps"]
    assert found["neighbour_moved"]["error_max_mb"] == 300.0 and found["neighbour_moved"]["wrong"] > 0


def test_what_is_not_in_a_footprint_shows_as_an_error(tmp_path):
    """Only the first swap leaks: after it the leak is part of what is not free."""
    exact, leaking = (try_swaps(Arithmetic(leak), 40, tmp_path / "trace.jsonl") for leak in (0.0, 17.0))
    parts = ("at_rest", "neighbour_moved")
    assert sum(leaking[part]["error_median_mb"] for part in parts) == sum(
        exact[part]["error_median_mb"] for part in parts
    )
    assert max(leaking[part]["error_max_mb"] for part in parts) >= 17.0


def test_a_holder_holds_what_it_is_told():
    with start_holder() as holder:
        reader = ProcessReader(holder.pid)
        base = reader.read().memory_mb
        holder.hold(40)
        assert reader.read().memory_mb - base == pytest.approx(40, abs=4)
        holder.hold(0)
        assert reader.read().memory_mb - base == pytest.approx(0, abs=4)


def test_trials_on_this_machine_are_a_document(tmp_path):
    document = measure_feasibility(3, 0.0, tmp_path / "trace.jsonl")
    assert validate(document, "bench-feasibility", "here")["swaps"] == 3
