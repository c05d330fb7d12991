"""Distribution functions that the statistics need, in plain Python floats; the tests compare them with scipy.

They are not taken from scipy because a job that needs a single quantile would pay for its import. A Python that imports
numpy takes 0.40 s, with this module 0.66 s, with scipy.special 1.42 s (medians of 15 starts in turn on a busy machine
with two cores; the fastest were 0.17, 0.19 and 1.08 s). A quantile takes 0.5 ms here and 1.5 µs there, but a job needs
a handful, and they are cached. The largest relative errors against exact values (900-digit arithmetic, for 2 to 1,000
degrees of freedom and up to 60,000 trials) are 2.6e-14 for the t tail (scipy: 2.5e-14), 2.7e-14 for t quantiles
(1.3e-14) and 1.1e-13 for the binomial (4.9e-11). The noncentral t differs from scipy's by less than 2e-13.

Everything rests on the regularised incomplete beta function. Its prefactor is evaluated in the saddle-point form of
C. Loader, "Fast and accurate computation of binomial probabilities" (2000), which does not cancel for large arguments,
and its continued fraction by the modified Lentz method (DLMF 8.17.22; Press et al., "Numerical Recipes", section 6.4).
"""

import functools
import itertools
import math
from statistics import NormalDist

import numpy as np

_TINY = 1e-300
_HALF_LOG_TWO_PI = 0.5 * math.log(2 * math.pi)
_NORMAL = NormalDist()
_RULE = np.polynomial.legendre.leggauss(40)
_NODES: list[float] = _RULE[0].tolist()
_WEIGHTS: list[float] = _RULE[1].tolist()


def normal_cdf(x: float) -> float:
    """Return the distribution function P(Z <= x) of the standard normal, its lower tail accurate in relative terms."""
    return 0.5 * math.erfc(-x / math.sqrt(2))


def normal_quantile(probability: float) -> float:
    """Return the quantile of the standard normal distribution; ValueError outside (0, 1).

    Source: Wichura's AS 241, as in the standard library.
    """
    _require(0 < probability < 1, f"probability {probability} is not inside (0, 1)")
    return _NORMAL.inv_cdf(probability)


def regularised_incomplete_beta(a: float, b: float, x: float, complement: float | None = None) -> float:
    """Return I_x(a, b), the distribution function of the beta distribution, for a, b > 0 and 0 <= x <= 1.

    `complement` is 1 - x if the caller knows it more exactly than the subtraction gives it.
    """
    _require(a > 0 and b > 0, f"shape parameters must be positive, not {a} and {b}")
    y = 1 - x if complement is None else complement
    _require(0 <= x <= 1 and 0 <= y <= 1, f"x = {x} is not inside [0, 1]")
    if x == 0 or y == 0:
        return float(y == 0)
    if x * (a + b + 2) > a + 1:
        return 1 - _beta_tail(b, a, y, x)
    return _beta_tail(a, b, x, y)


def binomial_cdf(successes: int, trials: int, probability: float) -> float:
    """Return the distribution function P(X <= successes) for X ~ Binomial(trials, probability).

    `successes` is an integer and may be negative.

    Source: P(X <= k) = I_{1-p}(n - k, k + 1) (DLMF 8.17.5).
    """
    _require(trials >= 0 and 0 <= probability <= 1, f"no binomial has {trials} trials of probability {probability}")
    if successes < 0:
        return 0.0
    if successes >= trials:
        return 1.0
    return regularised_incomplete_beta(trials - successes, successes + 1, 1 - probability, probability)


def student_t_tail(x: float, dof: float) -> float:
    """Return the tail P(T > x) of Student's t distribution with `dof` > 0 degrees of freedom, also between integers.

    Accurate in relative terms in the upper tail.

    Source: P(T > x) = I_{v/(v+x²)}(v/2, 1/2) / 2 for x >= 0 (Abramowitz and Stegun 26.7.1).
    """
    _require(dof > 0, f"degrees of freedom must be positive, not {dof}")
    if x < 0:
        return 1 - student_t_tail(-x, dof)
    if math.isinf(x):
        return 0.0
    far, near = _split(x, dof)
    return 0.5 * regularised_incomplete_beta(dof / 2, 0.5, far, near)


@functools.lru_cache(maxsize=4096)
def student_t_quantile(probability: float, dof: float) -> float:
    """Return the quantile of Student's t distribution; ValueError outside (0, 1) or for dof <= 0.

    Newton's method on log P against log x, where both tail and centre are nearly straight, inside a bracket.
    """
    _require(0 < probability < 1, f"probability {probability} is not inside (0, 1)")
    _require(dof > 0, f"degrees of freedom must be positive, not {dof}")
    tail = min(probability, 1 - probability)
    if tail == 0.5:
        return 0.0
    central = tail > 0.25
    target = math.log(0.5 - tail if central else tail)
    sign = 1 if central else -1  # the centre grows with x, the tail falls
    low, high = -60.0, 700.0
    u = math.log(-_NORMAL.inv_cdf(tail))
    for _ in range(200):
        x = math.exp(u)
        far, near = _split(x, dof)
        mass = 0.5 * (
            regularised_incomplete_beta(0.5, dof / 2, near, far)
            if central
            else regularised_incomplete_beta(dof / 2, 0.5, far, near)
        )
        if mass <= 0:
            high, u = u, (low + u) / 2
            continue
        error = (math.log(mass) - target) * sign
        low, high = (low, u) if error > 0 else (u, high)
        slope = x * _student_t_density(x, dof)
        following = u - error * mass / slope if slope > 0 else math.inf
        if not low < following < high:
            following = (low + high) / 2
        if abs(following - u) <= 1e-15 * max(1.0, abs(u)):
            break
        u = following
    return math.copysign(math.exp(u), probability - 0.5)


def noncentral_t_tail(x: float, dof: float, noncentrality: float) -> float:
    """Return the tail P(T > x), x >= 0, of the noncentral t distribution: the power of a one-sided t-test.

    `x` is the test's critical value.

    Source: T = (Z + d) / S with S² = χ²_v / v, hence P(T > x) = ∫ Φ(d - x s) f_S(s) ds, by Gauss-Legendre quadrature
    over panels that resolve where Φ changes. Absolute error below 1e-8 for dof >= 1.
    """
    _require(dof >= 1 and x >= 0, f"needs dof >= 1 and x >= 0, not {dof} and {x}")
    spread = 1 / math.sqrt(2 * dof)
    low, high = max(0.0, 1 - 9 * spread), 1 + 9 * spread
    log_scale = math.log(2) + (dof / 2) * math.log(dof / 2) - math.lgamma(dof / 2)
    cuts = {low, high, min(high, max(low, 1 - 3 * spread)), min(high, 1 + 3 * spread)}
    if x > 0:
        cuts |= {min(high, max(low, (noncentrality + width) / x)) for width in (-8, -3, 0, 3, 8)}
    edges = sorted(cuts)
    total = 0.0
    for left, right in itertools.pairwise(edges):
        half, middle = (right - left) / 2, (right + left) / 2
        for node, weight in zip(_NODES, _WEIGHTS, strict=True):
            s = middle + half * node
            density = math.exp(log_scale + (dof - 1) * math.log(s) - dof * s * s / 2)
            total += half * weight * density * normal_cdf(noncentrality - x * s)
    return min(1.0, total)


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)


def _split(x: float, dof: float) -> tuple[float, float]:
    """Return v/(v+x²) and x²/(v+x²) without subtraction and without overflow."""
    ratio = x / math.sqrt(dof)
    if ratio > 1:
        inverse = 1 / ratio
        near = 1 / (1 + inverse * inverse)
        return inverse * inverse * near, near
    far = 1 / (1 + ratio * ratio)
    return far, ratio * ratio * far


def _student_t_density(x: float, dof: float) -> float:
    log_density = (
        math.lgamma((dof + 1) / 2)
        - math.lgamma(dof / 2)
        - 0.5 * math.log(dof * math.pi)
        - (dof + 1) * math.log(math.hypot(1, x / math.sqrt(dof)))
    )
    return math.exp(log_density)


def _beta_tail(a: float, b: float, x: float, y: float) -> float:
    """Return I_x(a, b) for x below about its mean: prefactor x^a y^b / (a B(a, b)) times the continued fraction."""
    prefactor = math.exp(_log_binomial_density(a, b, x, y)) * b / (a + b)
    return prefactor * _beta_fraction(a, b, x) if prefactor > 0 else 0.0


def _log_binomial_density(a: float, b: float, x: float, y: float) -> float:
    """Return log of Γ(a+b+1) / (Γ(a+1) Γ(b+1)) x^a y^b in Loader's form; a and b need not be integers."""
    n = a + b
    return (
        _stirling_error(n)
        - _stirling_error(a)
        - _stirling_error(b)
        - _deviance(a, n * x)
        - _deviance(b, n * y)
        + 0.5 * math.log(n / (a * b))
        - _HALF_LOG_TWO_PI
    )


def _stirling_error(n: float) -> float:
    """Return log Γ(n+1) minus Stirling's formula for it (DLMF 5.11.1)."""
    if n < 16:
        return math.lgamma(n + 1) - (n + 0.5) * math.log(n) + n - _HALF_LOG_TWO_PI
    m = n * n
    return (1 / 12 - (1 / 360 - (1 / 1260 - (1 / 1680 - 1 / (1188 * m)) / m) / m) / m) / n


def _deviance(x: float, mean: float) -> float:
    """Return x log(x / mean) + mean - x without cancellation when x is near mean (Loader's bd0)."""
    if abs(x - mean) >= 0.1 * (x + mean):
        return x * math.log(x / mean) + mean - x
    ratio = (x - mean) / (x + mean)
    total, term, k = (x - mean) * ratio, 2 * x * ratio, 1
    while True:
        term *= ratio * ratio
        following = total + term / (2 * k + 1)
        if following == total:
            return total
        total, k = following, k + 1


def _beta_fraction(a: float, b: float, x: float) -> float:
    c, d = 1.0, 1 - (a + b) * x / (a + 1)
    d = 1 / (d if abs(d) > _TINY else _TINY)
    value = d
    for m in range(1, 100_000):
        for numerator in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 + numerator * d
            d = 1 / (d if abs(d) > _TINY else _TINY)
            c = 1 + numerator / c
            c = c if abs(c) > _TINY else _TINY
            value *= c * d
        if abs(c * d - 1) < 1e-15:
            return value
    raise ArithmeticError(f"the continued fraction of I_{x}({a}, {b}) did not converge")
