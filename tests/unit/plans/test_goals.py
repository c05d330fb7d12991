"""Goals: what they compare, what they are called, and which limits make inputs overlap."""

from fractions import Fraction

import pytest
from edgeproof.core.errors import UserError
from edgeproof.plans.scenario.costs import UNIT, Problem, Totals
from edgeproof.plans.scenario.goals import (
    BLENDS,
    SEQUENCES,
    Level,
    blend_level,
    compile_goal,
    needs_pipelining,
    pick_goal_metric,
)
from edgeproof.plans.scenario.loading import parse_scenario
from edgeproof.plans.scenario.model import Limits

TOTALS = Totals(latency=8 * UNIT, energy=6 * UNIT, switches=1, accuracy=0, period=4 * UNIT, memory=(5, 9))


@pytest.fixture
def problem(two_stages):
    return Problem(parse_scenario(two_stages))


def test_a_blend_is_the_score_of_version_1(problem):
    level = blend_level("balanced", problem)  # references: 5 ms and 3 mJ
    assert level.value(TOTALS) * level.scale == Fraction(3, 4) * Fraction(8, 5) + Fraction(3, 4) * 2 + Fraction(2, 25)


@pytest.mark.parametrize("name", SEQUENCES)
def test_sequences_compare_plain_metrics_in_readers_units(problem, name):
    goal = compile_goal(name, problem)
    assert not goal.scores
    assert goal.levels[0].name == SEQUENCES[name][0]
    assert float(goal.levels[0].value(TOTALS) * goal.levels[0].scale) == getattr(TOTALS, SEQUENCES[name][0]) / UNIT


def test_levels_that_only_break_ties_are_left_out(problem):
    assert [level.name for level in compile_goal("lex:latency,energy", problem).levels] == ["latency"]
    assert [level.name for level in compile_goal("lex:energy,latency", problem).levels] == ["energy", "latency"]
    assert [level.name for level in compile_goal("lex:latency,switches", problem).levels] == ["latency", "switches"]


def test_plans_are_ranked_by_levels_then_ties_then_path(problem):
    goal = compile_goal("min-energy", problem)
    assert goal.key(problem, TOTALS, (0, 1)) == (6 * UNIT, 8 * UNIT, 6 * UNIT, 1, (0, 1))


def test_memory_is_a_metric_per_device():
    assert pick_goal_metric(TOTALS, ("memory", 1)) == 9
    assert Level("memory", {("memory", 0): Fraction(2)}).value(TOTALS) == 10


@pytest.mark.parametrize(
    ("name", "limits", "expected"),
    [
        ("throughput", Limits(), True),
        ("lex:latency,period", Limits(), True),
        ("balanced", Limits(period_ms=5), True),
        ("balanced", Limits(latency_ms=5), False),
    ],
)
def test_a_period_makes_inputs_overlap(name, limits, expected):
    assert needs_pipelining(name, limits) is expected


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("fastest", "--goal is 'fastest'; allowed: latency, efficiency"),
        ("lex:latency,latency", "a metric occurs twice"),
        ("lex:", "'' is not a metric"),
    ],
)
def test_an_unknown_goal_is_a_mistake(problem, name, words):
    with pytest.raises(UserError, match=words):
        compile_goal(name, problem)


def test_without_energy_only_goals_that_do_not_need_it(two_stages):
    del two_stages["stages"][0]["profiles"]["npu"]["energy_mj"]
    problem = Problem(parse_scenario(two_stages))
    for name in (*BLENDS, "min-energy", "lex:energy"):
        with pytest.raises(UserError, match=r"needs every energy, but stages\[0\].profiles.npu.energy_mj has none"):
            compile_goal(name, problem)
    assert [level.name for level in compile_goal("accuracy-first", problem).levels] == ["accuracy", "latency"]
