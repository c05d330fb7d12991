"""Power of the paired tests: what effect a number of pairs detects, and how many pairs an effect needs.

Power is exact through the noncentral t, as in J. Cohen (1988) and S. Julious (2004); effects and spreads are on the
log scale.
"""

import functools
import math

from .distributions import noncentral_t_tail, normal_quantile, student_t_quantile


def detectable_effect(
    aa_log_ratio_sd: float, pairs: int, power: float = 0.8, confidence: float = 0.95, margin: float = 0.0
) -> float:
    """Return the smallest true ratio above 1 that a paired comparison reports as a difference with the given power.

    `aa_log_ratio_sd`: standard deviation of log(right / left) over pairs of identical arms; `pairs` >= 2. The test is
    the one of `judge_pairs`: the confidence interval wholly beyond 1 + `margin`. By symmetry, 1 / ratio is the
    speed-up it detects.
    """
    if aa_log_ratio_sd < 0 or pairs < 2:
        raise ValueError(f"needs a spread >= 0 and at least two pairs, not {aa_log_ratio_sd} and {pairs}")
    distance = noncentrality_needed(int(pairs), power, 1 - confidence) * aa_log_ratio_sd / math.sqrt(pairs)
    return (1 + margin) * math.exp(distance)


@functools.lru_cache(maxsize=1024)
def noncentrality_needed(pairs: int, power: float, alpha: float) -> float:
    """Return the distance from the bound, in standard errors, at which one tail of a two-sided t-test has `power`."""
    critical = student_t_quantile(1 - alpha / 2, pairs - 1)
    low, high = 0.0, critical + 10
    while noncentral_t_tail(critical, pairs - 1, high) < power:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if noncentral_t_tail(critical, pairs - 1, middle) < power else (low, middle)
    return high


def power_of_pairs(log_effect: float, log_sd: float, log_margin: float, pairs: int, alpha: float) -> float:
    """Return the probability that `pairs` pairs reach the verdict that is true of `log_effect`.

    Beyond the margin: that the 1 - alpha interval lies wholly beyond it. Within: that the 1 - 2 alpha interval lies
    wholly inside, by the Bonferroni bound on two one-sided tests (a little low when the power is small).
    """
    if log_sd == 0:
        return float(abs(log_effect) != log_margin)
    error, dof = log_sd / math.sqrt(pairs), pairs - 1
    outward = (abs(log_effect) - log_margin) / error
    if outward > 0:
        return noncentral_t_tail(student_t_quantile(1 - alpha / 2, dof), dof, outward)
    critical = student_t_quantile(1 - alpha, dof)
    near = noncentral_t_tail(critical, dof, -outward)
    far = noncentral_t_tail(critical, dof, (abs(log_effect) + log_margin) / error)
    return max(0.0, near + far - 1)


@functools.lru_cache(maxsize=1024)
def pairs_needed(
    log_effect: float, log_sd: float, log_margin: float, alpha: float, power: float = 0.8, limit: int = 10_000
) -> int | None:
    """Return the smallest number of pairs (>= 2) whose power reaches `power`, or None if more than `limit` are needed.

    The search starts from the normal approximation and grows and halves a bracket around it.
    """
    distance = abs(abs(log_effect) - log_margin)
    if distance == 0:
        return None
    reach = normal_quantile(1 - alpha / 2) + normal_quantile((1 + power) / 2)
    if not (reach * log_sd / distance) ** 2 < 4 * limit:
        return None

    def reached(pairs: int) -> bool:
        return power_of_pairs(log_effect, log_sd, log_margin, pairs, alpha) >= power

    low = high = min(limit, max(2, math.ceil((reach * log_sd / distance) ** 2)))
    while not reached(high):
        if high == limit:
            return None
        low, high = high, min(limit, max(high + 2, high * 5 // 4))
    while low > 2 and reached(low):
        low, high = max(2, low * 4 // 5), low
    if reached(low):
        return low
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if reached(middle) else (middle, high)
    return high
