import math

import numpy as np
import pytest
from edgeproof.core import distributions
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import special, stats

DOFS = [1, 1.5, 2, 3.7, 5, 9, 10, 29.3, 99, 250.5, 1000]


def close(ours, theirs):
    return math.isclose(ours, theirs, rel_tol=1e-10, abs_tol=1e-280)


@pytest.mark.parametrize("dof", DOFS)
def test_student_t_tail_equals_scipy(dof):
    for x in [0, 1e-6, 0.01, 0.5, 1, 1.7, 2, 3, 5, 10, 30, 1e6]:
        assert close(distributions.student_t_tail(x, dof), stats.t.sf(x, dof))
        assert close(distributions.student_t_tail(-x, dof), stats.t.sf(-x, dof))


@pytest.mark.parametrize("dof", DOFS)
def test_student_t_quantile_equals_scipy(dof):
    for p in [1e-12, 1e-6, 0.001, 0.025, 0.05, 0.2499, 0.2501, 0.4, 0.499999, 0.5, 0.6, 0.75, 0.9, 0.975, 0.99999]:
        assert close(distributions.student_t_quantile(p, dof), stats.t.ppf(p, dof)) or p == 0.5
    assert distributions.student_t_quantile(0.5, dof) == 0


@given(st.floats(1e-9, 1 - 1e-9), st.floats(1, 1000))
def test_student_t_quantile_inverts_the_tail(p, dof):
    assert distributions.student_t_tail(-distributions.student_t_quantile(p, dof), dof) == pytest.approx(p, rel=1e-9)


def test_normal_equals_scipy():
    for x in np.linspace(-30, 8, 77):
        assert close(distributions.normal_cdf(x), stats.norm.cdf(x))
    for p in [1e-200, 1e-12, 0.001, 0.025, 0.3, 0.5, 0.7, 0.975, 1 - 1e-9]:
        assert math.isclose(distributions.normal_quantile(p), stats.norm.ppf(p), rel_tol=1e-10, abs_tol=1e-14)


@given(st.floats(-2, 8), st.floats(-2, 8), st.floats(0.001, 0.999))
def test_incomplete_beta_equals_scipy(log_a, log_b, level):
    a, b = math.exp(log_a), math.exp(log_b)
    x = float(special.betaincinv(a, b, level))
    assume(1e-290 < x < 1 - 1e-9)  # nearer to 1, x itself no longer says what 1 - x is
    assert close(distributions.regularised_incomplete_beta(a, b, x), special.betainc(a, b, x))


@given(st.floats(0.1, 500), st.floats(0.1, 500), st.floats(1e-6, 1 - 1e-6))
def test_incomplete_beta_is_symmetric(a, b, x):
    mirrored = distributions.regularised_incomplete_beta(b, a, 1 - x, x)
    assert distributions.regularised_incomplete_beta(a, b, x, 1 - x) + mirrored == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("trials", [1, 5, 64, 662, 6636, 60_000])
@pytest.mark.parametrize("p", [0.5, 0.1, 0.01, 0.001])
def test_binomial_cdf_equals_scipy(trials, p):
    for successes in {-1, 0, 1, int(trials * p * 0.8), int(trials * p), int(trials * p * 1.1), trials}:
        assert close(distributions.binomial_cdf(successes, trials, p), stats.binom.cdf(successes, trials, p))


@pytest.mark.parametrize("dof", [1, 2, 4, 9, 19, 99, 999])
def test_noncentral_t_equals_scipy(dof):
    for noncentrality in [0, 0.5, 2, 3, 6]:
        for level in [0.9, 0.975, 0.999]:
            x = stats.t.ppf(level, dof)
            truth = stats.nct.sf(x, dof, noncentrality) if noncentrality else 1 - level
            assert distributions.noncentral_t_tail(x, dof, noncentrality) == pytest.approx(truth, abs=1e-8)


@pytest.mark.parametrize(
    "call",
    [
        lambda: distributions.student_t_quantile(0, 3),
        lambda: distributions.student_t_quantile(0.5, 0),
        lambda: distributions.student_t_tail(1, -1),
        lambda: distributions.normal_quantile(1),
        lambda: distributions.regularised_incomplete_beta(0, 1, 0.5),
        lambda: distributions.regularised_incomplete_beta(1, 1, 1.5),
        lambda: distributions.binomial_cdf(1, 2, 1.5),
        lambda: distributions.noncentral_t_tail(1, 0.5, 0),
    ],
)
def test_arguments_outside_the_domain_are_refused(call):
    with pytest.raises(ValueError):
        call()
