import math

import numpy as np
import pytest
from edgeproof.core.paired_test import adjust_judgements, alpha_of_look, judge_pairs
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

pairs = st.lists(st.tuples(st.floats(0.8, 1.2), st.floats(0.8, 1.2)), min_size=2, max_size=12)
looks = st.sampled_from([None, 1, 2, 3])
MIRRORED = {"faster": "slower", "slower": "faster", "equivalent": "equivalent", "undecided": "undecided"}


def arms(ratio, spread, pairs=10, seed=0):
    """Return two arms whose log-ratios have exactly this mean and standard deviation."""
    noise = np.random.default_rng(seed).standard_normal(pairs)
    noise = (noise - noise.mean()) / noise.std(ddof=1)
    left = np.full(pairs, 4.0)
    return left, left * ratio * np.exp(spread * noise)


@pytest.mark.parametrize(
    ("ratio", "spread", "verdict"),
    [
        (0.9, 0.01, "faster"),
        (1.1, 0.01, "slower"),
        (1.0, 0.01, "equivalent"),
        (1.0, 0.1, "undecided"),
        (1.03, 0.05, "undecided"),
    ],
)
def test_verdicts(ratio, spread, verdict):
    judgement = judge_pairs(*arms(ratio, spread), margin=0.02)
    assert judgement.verdict == verdict
    assert judgement.ratio.estimate == pytest.approx(ratio)
    assert judgement.log_sd == pytest.approx(spread)
    assert (judgement.further_pairs is None) == (verdict != "undecided")
    assert judgement.reason is None


def test_equivalence_equals_two_t_tests_of_scipy():
    left, right = np.random.default_rng(3).lognormal(0, 0.02, (2, 14))
    logs, bound = np.log(right / left), math.log(1.02)
    test = judge_pairs(left, right, 0.02)
    upper = stats.ttest_1samp(logs, bound, alternative="less").pvalue
    lower = stats.ttest_1samp(logs, -bound, alternative="greater").pvalue
    assert test.equivalence_p == pytest.approx(max(upper, lower), rel=1e-9)
    expected = stats.ttest_1samp(logs, 0).confidence_interval(0.9)
    assert [test.equivalence.low, test.equivalence.high] == pytest.approx(np.exp([expected.low, expected.high]))


def test_the_difference_is_tested_against_the_margin_and_not_against_zero():
    left, right = arms(1.05, 0.03, pairs=12)
    logs = np.log(right / left)
    expected = 2 * stats.ttest_1samp(logs, math.log(1.02), alternative="greater").pvalue
    assert judge_pairs(left, right, 0.02).difference_p == pytest.approx(expected, rel=1e-9)


@given(pairs, looks, st.floats(0.001, 0.2))
def test_p_values_and_intervals_say_the_same(values, look, margin):
    left, right = zip(*values, strict=True)
    judgement = judge_pairs(left, right, margin, look=look)
    assume(judgement.log_sd > 1e-9)
    alpha = alpha_of_look(0.05, look)
    assert judgement.ratio.confidence == pytest.approx(1 - alpha)
    assert judgement.equivalence.confidence == pytest.approx(1 - 2 * alpha)
    high, low = 1 + margin, 1 / (1 + margin)
    gaps = [abs(bound / edge - 1) for bound in (judgement.ratio.low, judgement.ratio.high) for edge in (low, high)]
    gaps += [abs(b / e - 1) for b in (judgement.equivalence.low, judgement.equivalence.high) for e in (low, high)]
    assume(min(gaps) > 1e-9)
    beyond = judgement.ratio.low > high or judgement.ratio.high < low
    within = judgement.equivalence.low > low and judgement.equivalence.high < high
    assert (judgement.difference_p <= judgement.alpha) == beyond == (judgement.verdict in ("faster", "slower"))
    assert (judgement.equivalence_p <= judgement.alpha) == within == (judgement.verdict == "equivalent")


@given(pairs, st.floats(0.001, 0.2), st.floats(0.01, 100))
def test_swapping_arms_mirrors_the_verdict_and_the_unit_does_not_matter(values, margin, scale):
    left, right = zip(*values, strict=True)
    judgement = judge_pairs(left, right, margin, pair_limit=0)
    assume(judgement.log_sd > 1e-9)
    assume(min(abs(judgement.difference_p - 0.05), abs(judgement.equivalence_p - 0.05)) > 1e-9)
    assert judge_pairs(right, left, margin, pair_limit=0).verdict == MIRRORED[judgement.verdict]
    scaled = judge_pairs([scale * v for v in left], [scale * v for v in right], margin, pair_limit=0)
    assert scaled.verdict == judgement.verdict
    order = np.random.default_rng(0).permutation(len(left))
    shuffled = judge_pairs(np.array(left)[order], np.array(right)[order], margin, pair_limit=0)
    assert shuffled.verdict == judgement.verdict


@given(pairs, st.floats(0.001, 0.1), st.floats(1.01, 3))
def test_a_wider_margin_never_makes_a_difference_nor_unmakes_an_equivalence(values, margin, factor):
    left, right = zip(*values, strict=True)
    narrow = judge_pairs(left, right, margin, pair_limit=0)
    wide = judge_pairs(left, right, margin * factor, pair_limit=0)
    assert wide.difference_p >= narrow.difference_p
    assert wide.equivalence_p <= narrow.equivalence_p


@given(pairs, st.floats(0.001, 0.1))
def test_a_later_look_decides_nothing_that_an_earlier_one_would_not(values, margin):
    left, right = zip(*values, strict=True)
    verdicts = [judge_pairs(left, right, margin, look=look, pair_limit=0).verdict for look in (None, 1, 2, 3)]
    for number in (1, 2, 3):
        assert verdicts[number] in (verdicts[number - 1], "undecided")


def test_looks_spend_no_more_than_alpha():
    assert alpha_of_look(0.05, None) == 0.05
    assert [alpha_of_look(0.05, look) for look in (1, 2, 3)] == pytest.approx([0.0375, 0.009375, 0.00234375])
    assert sum(alpha_of_look(0.05, look) for look in range(1, 200)) <= 0.05 + 1e-15
    for wrong in (0, -1, 1.5):
        with pytest.raises(ValueError, match="looks count from 1"):
            alpha_of_look(0.05, wrong)


def test_one_pair_decides_nothing():
    judgement = judge_pairs([1.0], [9.0], 0.02)
    assert (judgement.verdict, judgement.difference_p, judgement.equivalence_p) == ("undecided", 1.0, 1.0)
    assert judgement.further_pairs is None
    assert "one pair has no spread" in judgement.reason


def test_arms_without_spread_are_judged_by_their_ratio():
    ones = np.ones(5)
    assert judge_pairs(ones, ones, 0.02).verdict == "equivalent"
    assert judge_pairs(ones, ones * 2, 0.02).verdict == "slower"
    assert judge_pairs(ones * 2, ones, 0.02).verdict == "faster"
    on_the_margin = judge_pairs(ones, np.exp(ones * math.log1p(0.02)), 0.02)
    assert on_the_margin.further_pairs is None or on_the_margin.verdict != "undecided"


def test_an_effect_on_the_margin_has_no_number_of_pairs():
    judgement = judge_pairs(*arms(1.0201, 0.03), margin=0.02)
    assert judgement.verdict == "undecided"
    assert judgement.further_pairs is None
    assert "so near the margin of 2 % that 10000 pairs would not decide" in judgement.reason


def test_further_pairs_are_enough_when_effect_and_spread_stay():
    for ratio, spread in [(1.0, 0.05), (1.05, 0.06), (0.95, 0.06), (1.01, 0.02)]:
        first = judge_pairs(*arms(ratio, spread), margin=0.02, look=1)
        assert first.verdict == "undecided"
        again = judge_pairs(*arms(ratio, spread, 10 + first.further_pairs), margin=0.02, look=2)
        assert again.verdict != "undecided"


@pytest.mark.parametrize("margin", [0, -0.1, math.nan, math.inf])
def test_a_margin_is_a_positive_fraction(margin):
    with pytest.raises(ValueError, match="margin"):
        judge_pairs([1, 2], [1, 2], margin)


def test_a_table_is_corrected_by_holm():
    assert adjust_judgements([]) == []
    clear = judge_pairs(*arms(1.2, 0.01), margin=0.02)
    narrow = judge_pairs(*arms(1.06, 0.05, seed=1), margin=0.02)
    assert 0.025 < narrow.difference_p < 0.05
    even = judge_pairs(*arms(1.0, 0.005, seed=2), margin=0.02)
    table = adjust_judgements([clear, narrow, even])
    assert [judgement.verdict for judgement in table] == ["slower", "undecided", "equivalent"]
    assert table[1].reason == "slower on its own, not after Holm's correction over 3 comparisons"
    assert table[1].difference_p == pytest.approx(2 * narrow.difference_p)
    assert table[1].ratio == narrow.ratio
    assert adjust_judgements([narrow])[0] == narrow
    with pytest.raises(ValueError, match="one confidence"):
        adjust_judgements([clear, judge_pairs(*arms(1.2, 0.01), margin=0.02, confidence=0.9)])
