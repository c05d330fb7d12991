"""Models whose builder draws: intervals over builds hold what they promise, and one build claims nothing."""

import math

import numpy as np
import pytest
from edgeproof.core.build_draws import BuiltPair, compare_builds
from scipy import stats

PAIRS, NOISE = 4, 0.004  # pairs of a build: the fewest that a comparison measures


def measure(draws, rng):
    """Return the pairs of builds whose log-ratios are these, as processes and blocks blur them."""
    return [[BuiltPair(float(draw + rng.normal(0, NOISE)), 0.3 * NOISE**2) for _ in range(PAIRS)] for draw in draws]


def two_point(slow, share):
    """Return the draw of a builder that takes a tactic slower by `slow` with this probability, and its mean."""
    return (lambda rng, n: math.log1p(slow) * (rng.random(n) < share)), share * math.log1p(slow)


def log_normal(spread, middle=0.0):
    return (lambda rng, n: rng.normal(middle, spread, n)), middle


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (log_normal(0.03), log_normal(0.03, 0.05)),
        (log_normal(0.01), log_normal(0.08)),
        (two_point(0.1, 0.1), two_point(0.1, 0.3)),
        (two_point(0.3, 0.0), two_point(0.3, 0.2)),
        (two_point(0.05, 0.5), two_point(0.2, 0.5)),
    ],
    ids=["log-normal", "two log-normals", "rare tactics", "one draws", "two tactics"],
)
def test_intervals_of_five_builds_cover_the_models_difference(left, right):
    """Of those that claim or could: builds that look alike answer undecided. A claim is wrong in few."""
    rng, (draw_left, mean_left), (draw_right, mean_right) = np.random.default_rng(7), left, right
    truth, told, hit, wrong, trials = mean_right - mean_left, 0, 0, 0, 600
    for _ in range(trials):
        found = compare_builds(measure(draw_right(rng, 5) - draw_left(rng, 5), rng), 0.02)
        told += found.reason != "alike"
        hit += found.reason != "alike" and math.log(found.ratio.low) <= truth <= math.log(found.ratio.high)
        in_fact = "equivalent" if abs(truth) < math.log(1.02) else "slower"
        wrong += found.verdict not in ("undecided", in_fact)
    luck = 2.33 * math.sqrt(0.93 * 0.07 / told)  # the 99 % limit of so many trials
    assert told > trials / 4 and hit / told + luck >= 0.93
    assert wrong / trials <= 0.07


def test_alike_builds_claim_only_what_no_unseen_tactic_could_undo():
    rng = np.random.default_rng(1)
    few = compare_builds(measure(np.full(5, 0.2), rng), 0.02)
    assert (few.verdict, few.reason) == ("undecided", "alike") and few.rare == pytest.approx(0.451, abs=0.001)
    assert few.ratio.low < 1 < few.ratio.high  # nearly half of the builds may be twice as fast
    many = compare_builds(measure(np.full(14, 0.2), rng), 0.02)
    assert (many.verdict, many.reason) == ("slower", None) and many.rare < 0.2


def test_more_alike_builds_never_make_the_interval_wider():
    widths = []
    for count in (5, 8, 13, 14, 20, 60):
        ratio = compare_builds([[BuiltPair(0.0, None), BuiltPair(0.001, None)]] * count, 0.02).ratio
        widths.append(math.log(ratio.high / ratio.low))
    assert widths == sorted(widths, reverse=True)


def test_equivalent_is_claimed_where_no_unseen_tactic_could_leave_the_margin():
    """A share of 1 - 0.05^(1/n) twice as slow moves the mean by that share of log 2."""
    rng = np.random.default_rng(2)
    few, many = (compare_builds(measure(np.zeros(count), rng), 0.05) for count in (30, 60))
    assert (few.verdict, few.reason) == ("undecided", "alike") and (many.verdict, many.reason) == ("equivalent", None)
    differ = compare_builds(measure(rng.normal(0, 0.01, 30), rng), 0.05)  # its spread would be small enough
    assert (differ.verdict, differ.reason) == ("undecided", "width") and differ.equivalence.high < 1.05


def test_one_build_has_no_interval():
    found = compare_builds(measure([0.5], np.random.default_rng(1)), 0.02)
    assert (found.verdict, found.reason, found.ratio.low) == ("undecided", "one-build", None)
    single = [[BuiltPair(0.1, None)], [BuiltPair(0.2, None)]]
    assert compare_builds(single, 0.02).reason == "pairs"


def test_the_split_finds_what_was_put_in():
    rng = np.random.default_rng(3)
    found = compare_builds(measure(rng.normal(0, 0.05, 400), rng), 0.02).variances
    assert math.sqrt(found.builds) == pytest.approx(0.05, rel=0.1)
    assert found.blocks == pytest.approx(0.3 * NOISE**2) and found.processes == pytest.approx(0.7 * NOISE**2, rel=0.1)


def test_the_test_for_alike_builds_is_that_of_scipy():
    """At the level: builds are alike just where scipy's one-way analysis of variance says so."""
    rng = np.random.default_rng(5)
    for _ in range(40):
        builds = measure(rng.normal(0, 0.003, 4), rng)
        alike = stats.f_oneway(*([pair.log_ratio for pair in pairs] for pairs in builds)).pvalue >= 0.05
        assert (compare_builds(builds, 1e-9).reason == "alike") == alike


def test_pairs_and_margin_are_needed():
    for builds, margin in (([], 0.02), ([[]], 0.02), ([[BuiltPair(0.1, None)]], 0.0)):
        with pytest.raises(ValueError, match="every build needs a pair"):
            compare_builds(builds, margin)
