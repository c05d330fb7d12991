"""The benchmark of the method: what it discards, what naive protocols would say, and its bounds."""

import numpy as np
import pytest
import scipy.stats
from edgeproof.bench.noise_trials import _lower_bound, discard_warmup, judge_naively, summarise_trials, welch_p


def test_warmup_is_at_least_ten_runs_and_the_time_asked_for():
    samples = np.full(1000, 1_000_000)
    assert len(discard_warmup(samples, 0.1)) == 1000 - 100
    assert len(discard_warmup(samples, 0.001)) == 1000 - 10
    assert len(discard_warmup(samples, 100)) == 1  # never nothing


def test_naive_protocols_see_what_they_would_have_measured():
    left, right = np.full(2000, 100), np.full(2000, 100)
    right[:60] = 200  # a slow start, over before a median of many runs looks
    shares = judge_naively({"left": [left], "right": [right]})
    assert shares == [1.0, 1.0, 1.0, 1.0, 0.0, 1.0]
    assert judge_naively({"left": [left[:200]], "right": [right[:200]]})[4] is None


def test_welch_agrees_with_scipy():
    random = np.random.default_rng(0)
    left, right = random.normal(1, 0.1, 50), random.normal(1.02, 0.2, 70)
    assert welch_p(left, right) == pytest.approx(scipy.stats.ttest_ind(left, right, equal_var=False).pvalue, rel=1e-9)


@pytest.mark.parametrize(("successes", "count"), [(0, 10), (1, 10), (38, 40), (40, 40), (80, 80)])
def test_lower_bound_is_clopper_pearson(successes, count):
    expected = scipy.stats.binomtest(successes, count, alternative="greater").proportion_ci(0.95).low
    assert _lower_bound(successes, count) == pytest.approx(expected, abs=1e-9)


def test_summary_counts_wrong_verdicts_as_rates():
    trial = {
        "ratio": 1.0,
        "log_sd": 0.01,
        "seconds": 1.0,
        "steal_share": 0.0,
        "naive": [0.5] * 6,
        "welch": [True, False],
    }
    verdicts = ["equivalent"] * 7 + ["undecided", "faster", "slower"]
    trials = {"m": [{**trial, "verdict": verdict} for verdict in verdicts]}
    slowed = [{**trial, "verdict": verdict} for verdict in ["slower", "undecided"]]
    summary = summarise_trials(trials, slowed, {"pairs": 10, "slowdown": 0.05})
    assert (summary["comparisons"], summary["aa_false_rate"], summary["detect_rate"]) == (10, 0.2, 0.5)
    assert summary["aa_false_rate_upper_95"] > 0.2 and summary["detect_rate_lower_95"] < 0.5
    assert summary["welch_over_iterations_share"] == {"m": 0.5}
    assert len(summary["naive"]) == 6
