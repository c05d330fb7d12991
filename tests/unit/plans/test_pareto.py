"""Fronts against all placements, on chains (traced) and graphs (enumerated), with and without caps."""

from dataclasses import replace

import pytest
from edgeproof.bench.scenario_families import draw_chain, draw_graph
from edgeproof.plans.outcome import pareto
from edgeproof.plans.outcome.pareto import choose_axes, trace_front
from edgeproof.plans.scenario.costs import UNIT, Problem
from edgeproof.plans.scenario.loading import parse_scenario
from edgeproof.plans.solver.search import Effort


def list_front(problem, axes, oracle, limits=None):
    """Return the values of the front in units, by all placements."""
    points = set()
    for _, _, totals, broken in oracle(problem.scenario, "min-latency", limits).rows:
        if not broken:
            points.add(tuple(round(totals[axis] * UNIT) for axis in axes))
    beaten = {p for p in points for q in points if q != p and all(a <= b for a, b in zip(q, p, strict=True))}
    return sorted(points - beaten)


def read_values(front):
    return [tuple(round(value * UNIT) for value in point.values) for point in front.points]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("traced", [True, False], ids=["traced", "enumerated"])
def test_a_front_has_all_points_that_nothing_beats(seed, traced, oracle, monkeypatch):
    monkeypatch.setattr(pareto, "_TRIED_OUT", 0 if traced else 20_000)
    for document in (draw_chain(seed, 4, 3), draw_graph(seed, 3, 2, variants=2)):
        problem = Problem(parse_scenario(document))
        axes = choose_axes(problem)
        front = trace_front(problem, axes)
        assert front.complete and front.axes == axes
        assert read_values(front) == list_front(problem, axes, oracle)


def test_every_point_is_attained_by_its_placements():
    problem = Problem(parse_scenario(draw_chain(1, 5, 3)))
    front = trace_front(problem, ("latency", "energy"))
    assert len(front.points) > 2
    for point in front.points:
        totals = [problem.evaluate(placement) for placement in point.placements]
        assert list(point.totals) == totals
        assert {(t.latency / UNIT, t.energy / UNIT) for t in totals} == {point.values}


def test_caps_cut_the_front(oracle):
    problem = Problem(parse_scenario(draw_chain(1, 5, 3)))
    points = read_values(trace_front(problem, ("latency", "energy")))
    caps = replace(problem.caps, latency=points[1][0])
    assert read_values(trace_front(problem, ("latency", "energy"), caps)) == points[:2]


def test_a_front_that_ends_early_says_so():
    problem = Problem(parse_scenario(draw_chain(1, 5, 3)))
    whole = trace_front(problem, ("latency", "energy"))
    part = trace_front(problem, ("latency", "energy"), limit=2)
    assert whole.complete and not part.complete and len(part.points) == 2


def test_axes_are_those_that_say_something(two_stages):
    assert choose_axes(Problem(parse_scenario(two_stages))) == ("latency", "energy")
    assert choose_axes(Problem(parse_scenario(two_stages)), period=True) == ("latency", "energy", "period")
    two_stages["stages"][0]["profiles"]["npu"].update(accuracy_drop=0.1, energy_mj=None)
    assert choose_axes(Problem(parse_scenario(two_stages))) == ("latency", "accuracy")


def test_the_period_is_an_axis(two_stages):
    two_stages["devices"][1]["memory_mb"] = 1000
    problem = Problem(parse_scenario(two_stages), "pipelined")
    front = trace_front(problem, ("latency", "energy", "period"), effort=Effort(seconds=5.0))
    assert (5.0, 3.0, 5.0) in [point.values for point in front.points]
    assert front.complete
