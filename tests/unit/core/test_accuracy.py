import math

import numpy as np
import pytest
from edgeproof.core.accuracy import bootstrap_accuracy_difference, paired_score_interval
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, stats


def answers(gained, lost, both, neither=0):
    reference = [False] * gained + [True] * lost + [True] * both + [False] * neither
    candidate = [True] * gained + [False] * lost + [True] * both + [False] * neither
    return np.array(reference), np.array(candidate)


@st.composite
def tables(draw):
    count = draw(st.integers(1, 400))
    gained = draw(st.integers(0, count))
    return gained, draw(st.integers(0, count - gained)), count


def score_by_optimisation(gained, lost, count, difference):
    """The score statistic with the nuisance parameter found by maximising the likelihood numerically."""

    def minus_log_likelihood(lost_probability):
        chances = (lost_probability + difference, lost_probability, 1 - 2 * lost_probability - difference)
        counts = (gained, lost, count - gained - lost)
        return -sum(n * math.log(max(p, 1e-300)) for n, p in zip(counts, chances, strict=True) if n)

    low, high = max(0.0, -difference), (1 - difference) / 2
    found = optimize.minimize_scalar(
        minus_log_likelihood, bounds=(low, high), options={"xatol": 1e-12}, method="bounded"
    )
    variance = count * (2 * found.x + difference - difference**2)
    return (gained - lost - count * difference) / math.sqrt(variance)


@pytest.mark.parametrize(
    ("gained", "lost", "count"), [(3, 12, 500), (10, 27, 87), (1, 0, 44), (0, 5, 20), (40, 40, 100)]
)
def test_score_interval_ends_where_a_numerical_score_test_rejects(gained, lost, count):
    low, high = paired_score_interval(gained, lost, count)
    z = stats.norm.ppf(0.975)
    assert score_by_optimisation(gained, lost, count, high) == pytest.approx(-z, abs=1e-3)
    assert score_by_optimisation(gained, lost, count, low) == pytest.approx(z, abs=1e-3)


@given(tables())
def test_score_interval_holds_the_difference_has_width_and_mirrors(table):
    gained, lost, count = table
    low, high = paired_score_interval(gained, lost, count)
    assert -1 <= low <= (gained - lost) / count <= high <= 1
    assert low < high
    assert paired_score_interval(lost, gained, count) == pytest.approx((-high, -low), abs=1e-12)
    wide_low, wide_high = paired_score_interval(gained, lost, count, 0.99)
    assert wide_low <= low + 1e-12
    assert high <= wide_high + 1e-12


@pytest.mark.parametrize("count", [1, 10, 500])
def test_without_discordant_samples_the_interval_is_not_a_certainty(count):
    result = bootstrap_accuracy_difference(*answers(0, 0, count), seed=0)
    z2 = stats.norm.ppf(0.975) ** 2
    assert (result.difference, result.mcnemar_p) == (0, 1)
    assert [result.low, result.high] == pytest.approx([-z2 / (count + z2), z2 / (count + z2)])
    assert result.bootstrap_low is None
    assert result.bootstrap_high is None


@pytest.mark.parametrize(
    ("count", "gain", "loss"), [(30, 0.05, 0.05), (50, 0.02, 0.1), (100, 0.005, 0.01), (60, 0.2, 0.3)]
)
def test_score_interval_covers_by_exact_enumeration(count, gain, loss):
    covered = 0.0
    for gained in range(count + 1):
        for lost in range(count + 1 - gained):
            chance = stats.multinomial.pmf([gained, lost, count - gained - lost], count, [gain, loss, 1 - gain - loss])
            if chance > 1e-7:
                low, high = paired_score_interval(gained, lost, count)
                covered += chance * (low <= gain - loss <= high)
    assert covered > 0.935


def test_the_bootstrap_agrees_with_scipy_and_with_the_score_interval_when_discordant_samples_are_plenty():
    reference, candidate = answers(90, 150, 1500, 260)
    result = bootstrap_accuracy_difference(reference, candidate, seed=4)
    steps = candidate.astype(float) - reference
    scipy = stats.bootstrap((steps,), np.mean, n_resamples=9999, batch=500, method="BCa", rng=np.random.default_rng(5))
    expected = [scipy.confidence_interval.low, scipy.confidence_interval.high]
    assert [result.bootstrap_low, result.bootstrap_high] == pytest.approx(expected, abs=0.0014)
    assert [result.bootstrap_low, result.bootstrap_high] == pytest.approx([result.low, result.high], abs=0.0014)


def test_counts_accuracies_and_the_exact_mcnemar_test():
    result = bootstrap_accuracy_difference(*answers(3, 12, 400, 85), seed=1)
    assert (result.gained, result.lost, result.count) == (3, 12, 500)
    assert (result.reference_accuracy, result.candidate_accuracy) == (0.824, 0.806)
    assert result.difference == pytest.approx(result.candidate_accuracy - result.reference_accuracy)
    assert result.mcnemar_p == pytest.approx(stats.binomtest(3, 15).pvalue, rel=1e-9)


def test_the_seed_decides_and_the_order_of_samples_does_not():
    reference, candidate = answers(5, 9, 80, 6)
    first = bootstrap_accuracy_difference(reference, candidate, seed=7)
    assert bootstrap_accuracy_difference(reference[::-1], candidate[::-1], seed=7) == first
    swapped = bootstrap_accuracy_difference(candidate, reference, seed=7)
    assert [swapped.low, swapped.high] == pytest.approx([-first.high, -first.low], abs=1e-12)


def test_integers_0_and_1_are_answers_and_other_shapes_are_refused():
    assert bootstrap_accuracy_difference([1, 0, 1], [1, 1, 1], seed=0).gained == 1
    for reference, candidate in [([], []), ([1, 2], [1, 1]), ([[1]], [[1]]), ([1, 1], [1])]:
        with pytest.raises(ValueError):
            bootstrap_accuracy_difference(reference, candidate, seed=0)
    with pytest.raises(ValueError):
        paired_score_interval(3, 3, 5)
