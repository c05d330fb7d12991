"""Whether latency depends on the values of the input: a test over processes, and how much it is.

Every process goes through the same inputs in turn, so each input has a median in each process. Processes differ in
level, which says nothing about inputs; what counts is whether the same inputs are slower in every process.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .distributions import regularised_incomplete_beta

SIGNIFICANCE = 0.01
# What is below this is no property of the values: the place in memory of one input's buffer makes as much.
SMALLEST_SPREAD = 0.02


@dataclass(frozen=True)
class InputSpread:
    """How the inputs of a run differ.

    `levels`: geometric mean over processes of each input's medians, in their unit. `slowest`: number of that input,
    from 0. `spread`: slowest / fastest - 1. `p_value`: of the hypothesis that inputs do not differ; None for one input
    or one process, which cannot tell. `depends`: the spread is significant and at least 2 %.
    """

    levels: tuple[float, ...]
    slowest: int
    spread: float
    p_value: float | None
    depends: bool


def judge_inputs(medians: ArrayLike) -> InputSpread:
    """Return how a run's latency depends on the values of its inputs, an InputSpread.

    `medians`: shape (processes, inputs), positive, the median time of each input in each process. The test is the
    F-test of a two-way layout on logarithms (rows are processes): the variance between inputs against what differs from
    one process to another. Source: R. A. Fisher, "The Design of Experiments" (1935), randomised blocks.
    """
    table = np.asarray(medians, dtype=np.float64)
    if table.ndim != 2 or not table.size or not (np.isfinite(table) & (table > 0)).all():
        raise ValueError(f"positive medians of processes and inputs are needed, not an array of shape {table.shape}")
    logs: NDArray[np.float64] = np.log(table)
    centres = logs.mean(axis=0)
    spread = math.expm1(float(centres.max() - centres.min()))
    p_value = _test_columns(logs, centres)
    return InputSpread(
        levels=tuple(np.exp(centres).tolist()),
        slowest=int(centres.argmax()),
        spread=spread,
        p_value=p_value,
        depends=p_value is not None and p_value < SIGNIFICANCE and spread >= SMALLEST_SPREAD,
    )


def _test_columns(logs: NDArray[np.float64], centres: NDArray[np.float64]) -> float | None:
    rows, columns = logs.shape
    if rows < 2 or columns < 2:
        return None
    between = rows * float(((centres - centres.mean()) ** 2).sum()) / (columns - 1)
    left = logs - centres - logs.mean(axis=1, keepdims=True) + centres.mean()
    freedom = (rows - 1) * (columns - 1)
    within = float((left**2).sum()) / freedom
    if between <= 1e-24:  # equal but for rounding
        return 1.0
    share = within * freedom / (within * freedom + between * (columns - 1))
    return regularised_incomplete_beta(freedom / 2, (columns - 1) / 2, share)
