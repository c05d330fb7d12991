"""Dependence on inputs: found where it is planted, not invented, and named."""

import numpy as np
import pytest
from edgeproof.core.input_dependence import judge_inputs
from edgeproof.core.summary import summarise_run
from scipy import stats

RUNS, PROCESSES, INPUTS, SAMPLES = 40, 5, 16, 320
# 99 % limits of a count in 40 at a rate of 5 %, and of what method asks for.
MOST_INVENTED, FEWEST_FOUND = 2, 38


def simulate(generator, factors, between=0.05, within=0.02, walk=0.0, heavy=False):
    """Return samples of one run: processes differ by `between`, samples by `within`, with a random `walk` over time."""
    run = []
    for _ in range(PROCESSES):
        draws = generator.standard_t(3, SAMPLES) if heavy else generator.standard_normal(SAMPLES)
        level = between * generator.standard_normal() + np.cumsum(walk * generator.standard_normal(SAMPLES))
        own = np.asarray(factors)[np.arange(SAMPLES) % INPUTS]
        run.append((1e6 * own * np.exp(level + within * draws)).astype("int64"))
    return run


def count_found(seed, factors, **options):
    generator = np.random.default_rng(seed)
    runs = (simulate(generator, factors, **options) for _ in range(RUNS))
    return sum(summarise_run([run], INPUTS)["inputs"]["depends"] for run in runs)


def one_slow(factor):
    return [factor if number == 5 else 1.0 for number in range(INPUTS)]


SCORES = [8.0 if number % 3 == 0 else 1.0 for number in range(INPUTS)]  # as of non-maximum suppression


@pytest.mark.parametrize(
    ("factors", "options"),
    [
        (one_slow(1.3), {}),
        (one_slow(1.3), {"heavy": True}),
        (one_slow(495.0), {}),  # numbers below the normal range in one sample
        (SCORES, {"within": 0.1}),
        (one_slow(1.1), {"walk": 0.002}),
    ],
)
def test_planted_dependence_is_found(factors, options):
    assert count_found(1, factors, **options) >= FEWEST_FOUND


@pytest.mark.parametrize(
    "options", [{}, {"heavy": True}, {"within": 0.2}, {"walk": 0.005}, {"between": 0.3, "within": 0.1, "walk": 0.01}]
)
def test_dependence_is_not_invented(options):
    assert count_found(2, [1.0] * INPUTS, **options) <= MOST_INVENTED


def test_the_p_value_is_that_of_the_f_test_of_randomised_blocks():
    table = np.exp(0.02 * np.random.default_rng(3).standard_normal((5, 16)))
    logs = np.log(table)
    rows, columns, whole = logs.mean(axis=1, keepdims=True), logs.mean(axis=0), logs.mean()
    between = 5 * ((columns - whole) ** 2).sum() / 15
    within = ((logs - rows - columns + whole) ** 2).sum() / 60
    assert judge_inputs(table).p_value == pytest.approx(stats.f.sf(between / within, 15, 60), rel=1e-9)


def test_a_small_difference_is_no_dependence_however_sure_it_is():
    exact = np.tile([1.0, 1.0, 1.01], (5, 1)) * np.exp(1e-5 * np.random.default_rng(4).standard_normal((5, 3)))
    found = judge_inputs(exact)
    assert found.p_value < 1e-6 and not found.depends
    assert judge_inputs(exact * [1, 1, 1.02]).depends


def test_one_process_or_one_input_cannot_tell():
    for table in ([[1.0, 2.0]], [[1.0], [2.0]]):
        found = judge_inputs(table)
        assert (found.p_value, found.depends) == (None, False)
    assert judge_inputs([[1.0, 2.0]]).slowest == 1
    assert judge_inputs([[1.0, 1.0], [2.0, 2.0]]).p_value == 1
    for wrong in ([], [1.0], [[0.0, 1.0]]):
        with pytest.raises(ValueError):
            judge_inputs(wrong)
