"""Intervals of standard deviations: they hold the truth about as often as they say, with heavy tails, too."""

import numpy as np
import pytest
from edgeproof.bench.spreads import compare_sds, estimate_sd

TRIALS = 2_000
DRAWS = {
    "normal": lambda generator, count: generator.standard_normal(count),
    "heavy tails": lambda generator, count: generator.standard_t(6, count) / np.sqrt(1.5),
    "uniform": lambda generator, count: np.sqrt(3) * generator.uniform(-1, 1, count),
}


@pytest.mark.parametrize("kind", DRAWS)
def test_the_interval_of_a_standard_deviation_holds_it(kind):
    generator = np.random.default_rng(3)
    held = [(found := estimate_sd(DRAWS[kind](generator, 30))).low < 1 < found.high for _ in range(TRIALS)]
    assert 0.90 <= np.mean(held) <= 0.99


@pytest.mark.parametrize("kind", DRAWS)
def test_the_interval_of_a_ratio_holds_it(kind):
    generator = np.random.default_rng(4)
    held = []
    for _ in range(TRIALS):
        found = compare_sds(0.2 * DRAWS[kind](generator, 30), DRAWS[kind](generator, 30))
        held.append(found.low < 0.2 < found.high)
    assert 0.90 <= np.mean(held) <= 0.99


def test_estimates_are_the_samples_own():
    over, under = np.array([1.0, 2, 3, 4, 7]), np.array([10.0, 14, 12, 11, 19])
    assert estimate_sd(over).estimate == pytest.approx(over.std(ddof=1))
    assert compare_sds(over, under).estimate == pytest.approx(over.std(ddof=1) / under.std(ddof=1))


@pytest.mark.parametrize("values", [[1.0, 2, 3], [1.0] * 8, [1.0, 2, 3, np.nan]])
def test_values_without_a_spread_are_refused(values):
    with pytest.raises(ValueError, match="four values"):
        estimate_sd(values)
