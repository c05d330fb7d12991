"""The bench of the samplers' cost: a planted cost is found exactly, and the agent's recorder really stops."""

import math

import pytest
from edgeproof.bench.sampling_cost import (
    CostPlan,
    PausedRecorder,
    compare_states,
    describe_bench,
    summarise_costs,
    write_monitor,
)
from edgeproof.core.documents import validate


class Planted:
    """Work that takes `cost` more time while it is watched, on a machine that slows down all the time."""

    def __init__(self, cost):
        self.cost, self.now, self.on = cost, 0.0, False

    def resume(self):
        self.on = True

    def pause(self):
        self.on = False

    def work(self):
        self.now += 0.001 * (1 + 1e-3 * self.now) * (1 + self.cost * self.on)

    def rest(self, seconds):
        self.now += seconds


@pytest.mark.parametrize("cost", [0.0, 0.01, 0.2])
def test_a_planted_cost_is_found_while_the_machine_drifts(cost):
    planted = Planted(cost)
    found = compare_states(
        planted.work, planted, CostPlan(1, 40, 0.05), 3, clock=lambda: planted.now, rest=planted.rest
    )
    assert found == pytest.approx(math.log1p(cost), abs=2e-5) and not planted.on


@pytest.mark.parametrize(
    ("logs", "verdict"),
    [([0.001, 0.0012, 0.0008], "within"), ([0.02, 0.021, 0.019], "beyond"), ([0.0, 0.02, -0.02], "stated")],
)
def test_the_verdict_follows_from_the_interval(logs, verdict):
    found = summarise_costs(logs)
    assert found["verdict"] == verdict and found["low_pct"] < found["cost_pct"] < found["high_pct"]
    case = {"model": "squeezenet", "threads": 1, **found}
    samplers = [{"name": "hwmon", "interval_ms": 20}]
    validate(describe_bench([case], samplers, CostPlan(3, 20)), "bench-sampling", "test")


def test_a_recorder_stops_and_goes_on(tmp_path):
    write_monitor(tmp_path)
    with PausedRecorder([{"name": "hwmon", "root": str(tmp_path), "interval_ms": 1}], tmp_path / "out") as recorder:
        compare_states(lambda: sum(range(1000)), recorder, CostPlan(1, 2, 0.02), 0)
    (sampler,) = recorder.read_record()["samplers"]
    assert sampler["reason"] is None and sampler["samples"]["total_w"] > 5
