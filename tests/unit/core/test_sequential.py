import math

import numpy as np
import pytest
from edgeproof.core.interference import Interference
from edgeproof.core.modes import ProcessLevels
from edgeproof.core.sequential import Design, find_stops, judge_sequence, look_at_sequences, predict_pairs
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

INDEPENDENT = Design(0.02, correlation=0.0)
MIRRORED = {"faster": "slower", "slower": "faster", "equivalent": "equivalent", "undecided": "undecided"}
sequences = st.lists(st.floats(-0.2, 0.2), min_size=1, max_size=30)


def draw(effect, sd, pairs, seed=1):
    return math.log1p(effect) + sd * np.random.default_rng(seed).standard_normal(pairs)


@pytest.mark.parametrize(
    ("effect", "sd", "pairs", "verdict", "reason"),
    [
        (-0.3, 0.01, 6, "faster", None),
        (0.05, 0.005, 6, "slower", None),
        (0.0, 0.005, 12, "equivalent", None),
        (0.0, 0.005, 9, "undecided", "budget"),
        (0.3, 0.01, 3, "undecided", "budget"),
        (0.0, 0.1, 60, "undecided", "horizon"),
    ],
)
def test_verdicts(effect, sd, pairs, verdict, reason):
    found = judge_sequence(draw(effect, sd, pairs), Design(0.02))
    assert (found.verdict, found.reason) == (verdict, reason)
    assert found.can_continue == (reason == "budget")
    assert found.given == pairs


def test_the_interval_is_estimate_and_boundary_times_the_widened_error():
    logs, design = draw(0.0, 0.05, 12), Design(0.02, correlation=0.2)
    found = judge_sequence(logs, design)
    error = stats.sem(logs) * math.sqrt(1.2 / 0.8)
    assert found.standard_error == pytest.approx(error)
    assert found.boundary == design.difference.at(12)
    low, high = (math.exp(logs.mean() + sign * found.boundary * error) for sign in (-1, 1))
    assert [found.ratio.low, found.ratio.high] == pytest.approx([low, high])
    assert found.ratio.confidence == 0.95
    narrow = design.equivalence.at(12) * error
    assert [found.equivalence.low, found.equivalence.high] == pytest.approx(
        [math.exp(logs.mean() - narrow), math.exp(logs.mean() + narrow)]
    )
    assert found.equivalence.confidence == 0.9


def test_before_the_fourth_pair_there_is_an_estimate_and_no_interval():
    found = judge_sequence([0.1, 0.1, 0.1], INDEPENDENT)
    assert found.ratio.estimate == pytest.approx(math.exp(0.1))
    assert found.ratio.low is None and found.boundary is None and found.equivalence is None
    assert judge_sequence([0.1], INDEPENDENT).log_sd is None


def test_levels_are_divided_by_the_comparisons_declared():
    design = Design(0.02, comparisons=5)
    assert design.level == pytest.approx(0.01)
    found = judge_sequence(draw(0.0, 0.05, 12), design)
    assert found.ratio.confidence == 0.99 and found.equivalence.confidence == 0.98
    assert found.boundary > judge_sequence(draw(0.0, 0.05, 12), Design(0.02)).boundary


def test_the_clock_sets_a_floor_under_the_spread():
    logs = np.full(12, math.log(1.03))
    assert judge_sequence(logs, INDEPENDENT).verdict == "slower"
    found = judge_sequence(logs, INDEPENDENT, floor_sd=0.05)
    assert found.verdict == "undecided"
    assert found.standard_error == pytest.approx(0.05 / math.sqrt(12))


@given(sequences, st.floats(0.005, 0.1))
def test_swapping_the_arms_mirrors_the_verdict(logs, margin):
    found = judge_sequence(logs, Design(margin))
    mirrored = judge_sequence([-log for log in logs], Design(margin))
    assert mirrored.verdict == MIRRORED[found.verdict]
    assert mirrored.pairs == found.pairs
    assert mirrored.ratio.estimate == pytest.approx(1 / found.ratio.estimate)


@given(sequences, st.data())
def test_further_pairs_never_change_a_verdict(logs, data):
    first = judge_sequence(logs[: data.draw(st.integers(1, len(logs)))], Design(0.02))
    whole = judge_sequence(logs, Design(0.02))
    assert first.verdict in ("undecided", whole.verdict)
    if first.verdict != "undecided":
        assert whole.pairs == first.pairs
        assert whole.ratio.estimate == pytest.approx(first.ratio.estimate)


@given(sequences)
def test_verdict_and_interval_say_the_same(logs):
    found = judge_sequence(logs, Design(0.02))
    beyond = found.ratio.low is not None and (found.ratio.low > 1.02 or found.ratio.high < 1 / 1.02)
    within = found.equivalence is not None and found.equivalence.low > 1 / 1.02 and found.equivalence.high < 1.02
    assert beyond == (found.verdict in ("faster", "slower"))
    assert within == (found.verdict == "equivalent")


def test_pairs_beyond_the_horizon_are_not_used():
    logs = np.concatenate((draw(0.0, 0.2, 60), np.full(400, 0.3)))
    found = judge_sequence(logs, INDEPENDENT)
    assert (found.verdict, found.reason, found.pairs, found.given) == ("undecided", "horizon", 60, 460)
    assert not found.can_continue and found.further_pairs is None


def test_many_sequences_at_once_are_each_as_alone():
    logs = 0.02 + 0.02 * np.random.default_rng(4).standard_normal((50, 40))
    stops = find_stops(look_at_sequences(logs, Design(0.02)).claims)
    alone = [judge_sequence(row, Design(0.02)) for row in logs]
    assert [found.pairs if found.verdict != "undecided" else 41 for found in alone] == stops.tolist()
    assert {"slower", "undecided"} <= {found.verdict for found in alone}


def add_slow_starts(logs, starts, slower):
    """Return pairs' values and processes of which the right arm's `starts` are slower by a fraction."""
    right = np.array(logs)
    right[list(starts)] += math.log1p(slower)
    errors = np.full(len(right), 0.002)
    return right, (ProcessLevels(np.zeros(len(right)), errors), ProcessLevels(right, errors))


def test_a_verdict_that_one_level_contradicts_is_not_given():
    """One start of three is 3 % slower, two are 10 %: on the whole slower than a margin of 5 %, but not always."""
    logs, processes = add_slow_starts(draw(0.03, 0.001, 30), [n for n in range(30) if n % 3], 0.07)
    assert judge_sequence(logs, Design(0.05)).verdict == "slower"
    found = judge_sequence(logs, Design(0.05), processes=processes)
    assert (found.verdict, found.reason) == ("undecided", "modes")
    assert [mode.starts for mode in found.modes.right] == [10, 20]
    assert found.can_continue and found.further_pairs is None


def test_a_verdict_that_every_level_supports_is_given_with_its_levels():
    logs, processes = add_slow_starts(draw(0.30, 0.001, 20), (0, 2), 0.05)
    found = judge_sequence(logs, Design(0.02), processes=processes)
    assert found.verdict == "slower" and [mode.starts for mode in found.modes.right] == [found.pairs - 2, 2]


def test_a_level_seen_once_is_no_mode_and_its_spread_undoes_equivalence():
    logs, processes = add_slow_starts(draw(0.0, 0.002, 12), (5,), 0.25)
    found = judge_sequence(logs, Design(0.02), processes=processes)
    assert (found.verdict, found.reason, found.modes.seen) == ("undecided", "budget", False)
    assert judge_sequence(draw(0.0, 0.002, 12), Design(0.02)).verdict == "equivalent"


def test_interference_beyond_the_margin_forbids_and_at_half_of_it_warns():
    logs = draw(-0.3, 0.01, 8)
    certain = Interference(0.03, 0.025, 0.035, 0.0, 0.03, 8, 0.95)
    found = judge_sequence(logs, Design(0.02), interference=certain)
    assert (found.verdict, found.reason) == ("undecided", "interference")
    assert found.warns_of_interference and found.can_continue and found.further_pairs is None
    vague = Interference(0.015, -0.02, 0.05, 0.0, 0.015, 8, 0.95)
    found = judge_sequence(logs, Design(0.02), interference=vague)
    assert found.verdict == "faster" and found.warns_of_interference
    none = Interference(0.002, -0.001, 0.005, 0.0, 0.002, 8, 0.95)
    assert not judge_sequence(logs, Design(0.02), interference=none).warns_of_interference


@pytest.mark.parametrize(("effect", "sd"), [(0.05, 0.02), (0.1, 0.05), (0.0, 0.01), (0.05, 0.01)])
def test_predicted_pairs_are_those_needed(effect, sd):
    predicted = predict_pairs(math.log1p(effect), sd, Design(0.02))
    logs = math.log1p(effect) + sd * np.random.default_rng(9).standard_normal((400, 60))
    stops = find_stops(look_at_sequences(logs, Design(0.02)).claims)
    assert predicted.median == pytest.approx(np.median(stops), abs=1)
    assert predicted.most == pytest.approx(np.quantile(stops, 0.9), rel=0.15, abs=1)
    assert predicted.decided == pytest.approx((stops <= 60).mean(), abs=0.05)


def test_an_effect_at_the_margin_has_no_number_of_pairs():
    predicted = predict_pairs(math.log1p(0.02), 0.02, Design(0.02))
    assert predicted.median is None and predicted.decided < 0.1


def test_further_pairs_of_an_undecided_comparison():
    logs = draw(0.06, 0.04, 6, seed=5)
    found = judge_sequence(logs, Design(0.02))
    assert found.verdict == "undecided"
    assert 1 <= found.further_pairs <= 54
    assert judge_sequence(draw(0.02, 0.1, 20), Design(0.02)).further_pairs is None


@pytest.mark.parametrize(
    "wrong", [{"margin": 0}, {"margin": math.nan}, {"comparisons": 0}, {"alpha": 0.5}, {"horizon": 5}]
)
def test_designs_that_judge_nothing(wrong):
    with pytest.raises(ValueError):
        Design(**{"margin": 0.02, **wrong})


def test_what_is_not_a_sequence():
    for wrong in ([], [[0.1]], [math.nan]):
        with pytest.raises(ValueError):
            judge_sequence(wrong, Design(0.02))
    with pytest.raises(ValueError, match="two processes"):
        judge_sequence([0.1, 0.1], Design(0.02), processes=(ProcessLevels(np.zeros(1), np.zeros(1)),) * 2)


def test_a_bound_on_errors_widens_both_intervals_by_its_mean():
    logs, bounds = draw(0.0, 0.005, 12), np.linspace(0.001, 0.003, 12)
    design = Design(0.001)  # which neither decides
    plain, found = judge_sequence(logs, design), judge_sequence(logs, design, bounds=bounds)
    slack = math.exp(bounds.mean())
    assert found.slack == pytest.approx(bounds.mean()) and plain.slack == 0
    for one, other in ((plain.ratio, found.ratio), (plain.equivalence, found.equivalence)):
        assert [other.low, other.high] == pytest.approx([one.low / slack, one.high * slack])


def test_what_only_the_bound_forbids_is_called_so():
    logs = draw(0.05, 0.005, 12)
    assert judge_sequence(logs, Design(0.02)).verdict == "slower"
    found = judge_sequence(logs, Design(0.02), bounds=np.full(12, 0.05))
    assert (found.verdict, found.reason) == ("undecided", "error_budget")


@given(sequences, st.floats(0, 0.1))
def test_a_bound_never_turns_a_claim_around(logs, bound):
    looks = [look_at_sequences(logs, INDEPENDENT, slack=slack).claims[..., -1] for slack in (0.0, bound)]
    assert looks[1] in (0, looks[0])
