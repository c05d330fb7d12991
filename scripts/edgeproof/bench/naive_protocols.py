"""What common tools would have said: a few runs after a short warm-up, of one process per arm."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgeproof.core.distributions import student_t_tail

# (name, runs discarded, runs used, statistic): defaults of common tools, from docs/method.md.
NAIVE_PROTOCOLS = (
    ("10 warm-up, 20 runs, mean", 10, 20, np.mean),
    ("1 warm-up, 50 runs, mean", 1, 50, np.mean),
    ("10 warm-up, 100 runs, mean", 10, 100, np.mean),
    ("10 warm-up, 100 runs, median", 10, 100, np.median),
    ("10 warm-up, 1,400 runs, median", 10, 1400, np.median),
    ("10 warm-up, 20 runs, p99", 10, 20, lambda runs: np.quantile(runs, 0.99)),
)
LIMIT = 0.05

Times = NDArray[np.int64]


def judge_naively(left: Times, right: Times) -> list[bool | None]:
    """Return per naive protocol whether it reports two processes as more than 5 % apart; None where runs are too few.

    `left`, `right`: nanoseconds of each inference from the second on.
    """
    found: list[bool | None] = []
    for _, skipped, runs, statistic in NAIVE_PROTOCOLS:
        first, last = skipped - 1, skipped - 1 + runs
        if min(len(left), len(right)) < last:
            found.append(None)
            continue
        ratio = float(statistic(right[first:last]) / statistic(left[first:last]))
        found.append(abs(ratio - 1) > LIMIT)
    return found


def find_p_by_iterations(left: Times, right: Times) -> float:
    """Return the two-sided p-value of Welch's t-test over raw iterations, as a naive protocol would.

    It wrongly takes them for independent.
    """
    errors = [float(sample.var(ddof=1)) / len(sample) for sample in (left, right)]
    error = sum(errors)
    freedom = error**2 / sum(e**2 / (len(s) - 1) for e, s in zip(errors, (left, right), strict=True))
    return 2 * student_t_tail(abs(float(left.mean() - right.mean())) / math.sqrt(error), freedom)


def count_shares(judged: Sequence[Sequence[bool | None]]) -> list[float | None]:
    """Return per naive protocol the share of comparisons that it reports as more than 5 % apart.

    None where it had none.
    """
    columns = ([flag for flag in column if flag is not None] for column in zip(*judged, strict=True))
    return [float(np.mean(column)) if column else None for column in columns]
