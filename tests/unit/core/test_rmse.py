"""The paired difference in error between two regressions."""

import numpy as np
import pytest
from edgeproof.core.rmse import bootstrap_error_difference


def draw(seed, count=200, bias=0.0):
    random = np.random.default_rng(seed)
    targets = random.normal(100, 50, (count, 1))
    reference = targets + random.normal(0, 20, (count, 1))
    return targets, reference, reference + random.normal(bias, 2, (count, 1))


def test_errors_and_shares_are_those_of_the_definitions():
    targets, reference, candidate = draw(0)
    found = bootstrap_error_difference(targets, reference, candidate, seed=0)
    assert found.reference_rmse == pytest.approx(np.sqrt(((reference - targets) ** 2).mean()))
    assert found.candidate_rmse == pytest.approx(np.sqrt(((candidate - targets) ** 2).mean()))
    assert found.difference == pytest.approx(found.candidate_rmse - found.reference_rmse)
    assert found.reference_r2 == pytest.approx(1 - ((reference - targets) ** 2).mean() / targets.var())
    assert found.count == 200 and found.low <= found.difference <= found.high


def test_equal_answers_have_no_interval_instead_of_one_without_width():
    targets, reference, _ = draw(1)
    found = bootstrap_error_difference(targets, reference, reference, seed=0)
    assert (found.difference, found.low, found.high) == (0.0, None, None)


def test_pairing_sees_a_small_bias_that_the_noise_of_the_samples_would_hide():
    targets, reference, _ = draw(2)
    worse = targets + 1.05 * (reference - targets)
    found = bootstrap_error_difference(targets, reference, worse, seed=0)
    assert found.low > 0
    assert found.high - found.low < 0.3 * found.reference_rmse


def test_the_same_seed_gives_the_same_interval():
    first, again = (bootstrap_error_difference(*draw(3), seed=4) for _ in range(2))
    assert first == again


def test_the_interval_holds_the_truth_about_as_often_as_it_says():
    """Both models err alike: 0 is the truth."""
    held = 0
    for seed in range(200):
        random = np.random.default_rng(seed)
        targets = np.zeros((80, 1))
        common = random.normal(0, 10, (80, 1))
        answers = [common + random.normal(0, 3, (80, 1)) for _ in range(2)]
        found = bootstrap_error_difference(targets, *answers, seed=seed, resamples=500)
        held += found.low <= 0 <= found.high
    assert 178 <= held <= 198


def test_targets_without_variance_have_no_share():
    ones = np.ones((5, 1))
    found = bootstrap_error_difference(ones, ones + 1, ones - 2, seed=0)
    assert (found.reference_r2, found.candidate_r2, found.difference) == (None, None, 1.0)


@pytest.mark.parametrize("shapes", [((3, 1), (3, 1), (3, 2)), ((1, 1), (1, 1), (1, 1)), ((), (), ())])
def test_what_cannot_be_paired_is_an_error(shapes):
    with pytest.raises(ValueError, match="differ"):
        bootstrap_error_difference(*(np.zeros(shape) for shape in shapes), seed=0)
