import math

import numpy as np
import pytest
from edgeproof.core.dependence import estimate_dependence, widen_error


def autoregression(correlation, sequences, length, seed=3):
    noise = np.random.default_rng(seed).standard_normal((sequences, length))
    noise[:, 1:] *= math.sqrt(1 - correlation**2)
    for index in range(1, length):
        noise[:, index] += correlation * noise[:, index - 1]
    return list(noise)


def test_without_sixty_pairs_it_is_two_tenths():
    for sequences in ([], autoregression(0.9, 2, 29), [np.zeros(7)] * 20):
        found = estimate_dependence(sequences)
        assert (found.correlation, found.source, found.estimate) == (0.2, "default", None)


@pytest.mark.parametrize("correlation", [0.0, 0.3, 0.6])
def test_many_pairs_show_the_true_correlation_and_the_limit_lies_above(correlation):
    found = estimate_dependence(autoregression(correlation, 100, 40))
    assert found.source == "calibration" and (found.pairs, found.sequences) == (4000, 100)
    assert found.estimate == pytest.approx(correlation, abs=0.05)
    assert found.estimate < found.correlation < found.estimate + 0.03


def test_it_is_never_negative():
    found = estimate_dependence([np.tile([1.0, -1.0], 60)])
    assert found.estimate < -0.9 and found.correlation == 0.0


def test_lags_stay_within_a_sequence_and_each_has_its_own_mean():
    rng = np.random.default_rng(8)
    days = [level + 0.01 * rng.standard_normal(20) for level in np.linspace(-1, 1, 30)]
    assert estimate_dependence(days).correlation < 0.15
    assert estimate_dependence([np.concatenate(days)]).correlation > 0.9


def test_equal_pairs_show_no_dependence():
    found = estimate_dependence([np.zeros(80)])
    assert found.source == "calibration" and 0 < found.correlation < 0.15


def test_errors_widen():
    assert widen_error(0.0) == 1.0
    assert widen_error(0.5) == pytest.approx(math.sqrt(3))
    for wrong in (-0.1, 1.0):
        with pytest.raises(ValueError):
            widen_error(wrong)
    with pytest.raises(ValueError):
        estimate_dependence([[math.nan] * 80])
