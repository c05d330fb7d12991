"""Costs of a placement in units: rounding, crossings, limits, switches, and when serial stages end."""

import pytest
from edgeproof.plans.scenario.costs import UNIT, Caps, Problem, Totals
from edgeproof.plans.scenario.loading import parse_scenario

TOTALS = Totals(latency=10, energy=5, switches=1, accuracy=2, period=7, memory=(3, 4))
NO_CAPS = {"latency": None, "energy": None, "accuracy": None, "period": None, "memory": (None, None), "deadlines": ()}


def test_each_item_is_rounded_once(two_stages):
    two_stages["stages"][0]["profiles"]["cpu"]["latency_ms"] = 1 / 3
    problem = Problem(parse_scenario(two_stages))
    assert problem.latency[0][0] == 333_333_333
    assert problem.evaluate((0, 0)).latency == 333_333_333 + 6 * UNIT


def test_a_crossing_belongs_to_the_first_reader_on_the_device(two_stages):
    two_stages["stages"].append({**two_stages["stages"][1], "name": "third"})
    two_stages["edges"] = [{"source": "first", "target": name} for name in ("second", "third")]
    problem = Problem(parse_scenario(two_stages))
    (crossing,) = problem.list_crossings((0, 1, 1))
    assert (crossing.source, crossing.target, crossing.reader) == (0, 1, 1)
    assert crossing.latency == 1.5 * UNIT and crossing.energy == 1 * UNIT
    assert problem.list_crossings((0, 0, 0)) == []


def test_a_crossing_without_a_link_is_no_placement(two_stages):
    two_stages["links"][0]["bidirectional"] = False
    problem = Problem(parse_scenario(two_stages))
    assert problem.evaluate((0, 1)).switches == 1
    assert problem.list_crossings((1, 0)) is None and problem.evaluate((1, 0)) is None
    assert not problem.is_feasible((1, 0))
    with pytest.raises(ValueError, match=r"\(1, 0\) crosses where there is no link"):
        problem.require_totals((1, 0))
    with pytest.raises(ValueError, match="no link"):
        problem.require_crossings((1, 0))


@pytest.mark.parametrize("metric", ["latency", "energy", "accuracy", "period"])
def test_caps_are_inclusive(metric):
    value = getattr(TOTALS, metric)
    assert Caps(**{**NO_CAPS, metric: value}).allow(TOTALS)
    assert not Caps(**{**NO_CAPS, metric: value - 1}).allow(TOTALS)


def test_budgets_are_inclusive_and_per_device():
    assert Caps(**{**NO_CAPS, "memory": (3, 4)}).allow(TOTALS)
    assert not Caps(**{**NO_CAPS, "memory": (3, 3)}).allow(TOTALS)


def test_a_limit_allows_what_rounding_adds(two_stages):
    two_stages["constraints"] = {"max_total_latency_ms": 10}
    caps = Problem(parse_scenario(two_stages)).caps
    assert caps.latency == 10 * UNIT + 1 and caps.energy is None


def test_serial_stages_end_one_after_another_and_keep_deadlines(two_stages):
    problem = Problem(parse_scenario(two_stages))
    assert problem.stage_ends((0, 1)) == [4 * UNIT, 8.5 * UNIT]
    two_stages["stages"][1]["deadline_ms"] = 8.5
    assert Problem(parse_scenario(two_stages)).is_feasible((0, 1))
    two_stages["stages"][1]["deadline_ms"] = 8.49
    assert not Problem(parse_scenario(two_stages)).is_feasible((0, 1))


def test_the_period_is_that_of_the_busiest_device_or_link(two_stages):
    assert Problem(parse_scenario(two_stages)).evaluate((0, 0)).period == 10 * UNIT
    assert Problem(parse_scenario(two_stages)).evaluate((0, 1)).period == 4 * UNIT
    two_stages["links"][0]["setup_ms"] = 20
    assert Problem(parse_scenario(two_stages)).evaluate((0, 1)).period == 21 * UNIT


def test_a_tensor_lives_until_its_last_reader_and_a_copy_between_its_readers(two_stages):
    two_stages["stages"] += [{**two_stages["stages"][1], "name": name} for name in ("third", "fourth")]
    two_stages["edges"] = [{"source": "first", "target": name} for name in ("second", "third", "fourth")]
    problem = Problem(parse_scenario(two_stages))
    size = 10 * UNIT
    assert problem.list_spans([0, 1, 0, 1]) == [(0, size, 0, 3), (1, size, 1, 3)]
    assert problem.list_spans([0, 0, 1, 0]) == [(0, size, 0, 3), (1, size, 2, 2)]


def test_references_are_the_least_of_every_stage(two_stages):
    problem = Problem(parse_scenario(two_stages))
    assert (problem.latency_ref, problem.energy_ref) == (5 * UNIT, 3 * UNIT)
    assert Problem(parse_scenario(two_stages), references=(1, 2)).latency_ref == 1
