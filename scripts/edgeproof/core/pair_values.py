"""From the raw times of two processes that took turns to one value: log(right / left) of the pair.

Times are compared call by call, since both arms ran the same input one block apart: what lasts longer than a block hits
both and cancels. Latency may depend on the input, so each input has its own ratio, and the pair's value is that of the
mix: with m_i the median log-ratio of input i and w_i its share of the left arm's time, log Σ w_i exp(m_i).
"""

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .medians import median_by_label, middle_of_rows

Floats: TypeAlias = NDArray[np.float64]

_NORMAL_MAD = 1.4826  # standard deviation of a normal distribution over its median absolute deviation
_MEDIAN_ERROR = 1.2533  # standard error of a median over that of a mean


@dataclass(frozen=True)
class InputRatio:
    """One input in one pair: median left time, median log(right / left), share of the mix, number of calls."""

    input: int
    left_ns: float
    log_ratio: float
    share: float
    calls: int


@dataclass(frozen=True)
class PairValue:
    """log(right / left) of a pair, and of each of its inputs."""

    log_ratio: float
    inputs: tuple[InputRatio, ...]


@dataclass(frozen=True)
class ProcessValue:
    """A process's latency over the mix: arithmetic mean over inputs of their medians.

    `log_error`: standard error of its logarithm, from how its blocks differ; None for a single block.
    """

    value_ns: float
    log_error: float | None


def value_pair(left_ns: ArrayLike, right_ns: ArrayLike, inputs: ArrayLike) -> PairValue:
    """Return the PairValue of two processes that took turns.

    `left_ns`, `right_ns`: shape (calls,), times of calls (or of samples that repeat one input), the k-th of one beside
    the k-th of the other: same block pair, same place in the block, same input. `inputs`: shape (calls,), which input
    it was. Every input counts alike in the mix, as in the headline. Let each input be met in both orders of the arms
    equally often: where second blocks are slower by 3 %, inputs that are balanced only on the whole add 0.02 % to the
    value. ValueError for times that are not positive or not paired.
    """
    return value_pairs(np.asarray(left_ns)[None], np.asarray(right_ns)[None], inputs)[0]


def value_pairs(left_ns: ArrayLike, right_ns: ArrayLike, inputs: ArrayLike) -> list[PairValue]:
    """Return the PairValue of each pair of processes that met their inputs in the same order, as `value_pair` does.

    `left_ns`, `right_ns`: shape (pairs, calls). `inputs`: shape (calls,).
    """
    left, right, labels = _times(left_ns), _times(right_ns), np.asarray(inputs)
    if not left.shape[1:] == right.shape[1:] == labels.shape or len(left) != len(right):
        raise ValueError(
            f"{left.shape[1]} left and {right.shape[1]} right calls with {labels.size} inputs cannot be paired"
        )
    kinds, counts = (each.tolist() for each in np.unique(labels, return_counts=True))
    medians = median_by_label(left, labels).tolist()
    ratios = median_by_label(np.log(right / left), labels).tolist()
    return [_mix(kinds, counts, *each) for each in zip(medians, ratios, strict=True)]


def value_process(times_ns: ArrayLike, inputs: ArrayLike, blocks: ArrayLike) -> ProcessValue:
    """Return the ProcessValue of one process of a pair.

    `times_ns`, `inputs`, `blocks`: shape (calls,), in any order; `blocks` says to which block a call belongs. The error
    is that of a median over blocks, from the median absolute deviation of the blocks' levels once inputs are taken out.
    """
    return value_processes(np.asarray(times_ns)[None], inputs, blocks)[0]


def value_processes(times_ns: ArrayLike, inputs: ArrayLike, blocks: ArrayLike) -> list[ProcessValue]:
    """Return the ProcessValue of each process, all with the same inputs and blocks, as `value_process` does.

    `times_ns`: shape (processes, calls). `inputs`, `blocks`: shape (calls,).
    """
    times, labels, places = _times(times_ns), np.asarray(inputs), np.asarray(blocks, dtype=np.int64)
    if not times.shape[1:] == labels.shape == places.shape:
        raise ValueError(
            f"{times.shape[1]} calls, {labels.size} inputs and {places.size} blocks do not belong together"
        )
    codes = np.unique(labels, return_inverse=True)[1]
    medians = median_by_label(times, codes)
    levels = median_by_label(np.log(times / medians.take(codes, axis=1)), places)
    values: list[float] = medians.mean(axis=1).tolist()
    errors: list[float | None] = [None] * len(times)
    if levels.shape[1] > 1:
        spreads = _NORMAL_MAD * middle_of_rows(np.abs(levels - middle_of_rows(levels)[:, None]))
        errors = (_MEDIAN_ERROR * spreads / math.sqrt(levels.shape[1])).tolist()
    return [ProcessValue(*each) for each in zip(values, errors, strict=True)]


def floor_of_clock(quantum_ns: float, block_ns: float) -> float:
    """Return the least standard deviation that pairs' values can have with this clock: (quantum / block) / √6, in logs.

    `quantum_ns`: the step of the clock; `block_ns`: time of a block of the faster arm. A block's time is the difference
    of two readings, each of which errs uniformly by one step: standard deviation step / √6. A comparison whose pairs
    all agree within the clock's step must not look more certain than one block of the faster arm.
    """
    if quantum_ns < 0 or block_ns <= 0:
        raise ValueError(f"no clock steps by {quantum_ns} ns in a block of {block_ns} ns")
    return quantum_ns / block_ns / math.sqrt(6)


def _mix(kinds: list[int], counts: list[int], medians: list[float], ratios: list[float]) -> PairValue:
    """Return the PairValue of a pair's inputs. `medians`: of the left arm; `ratios`: median logarithms."""
    total = math.fsum(medians)
    inputs = tuple(
        InputRatio(int(kind), median, ratio, median / total, count)
        for kind, median, ratio, count in zip(kinds, medians, ratios, counts, strict=True)
    )
    return PairValue(math.log(math.fsum(each.share * math.exp(each.log_ratio) for each in inputs)), inputs)


def _times(values: ArrayLike) -> Floats:
    times = np.asarray(values, dtype=np.float64)
    if times.ndim != 2 or not times.size or not (np.isfinite(times) & (times > 0)).all():
        raise ValueError("times of calls are needed, one dimension, all positive")
    return times
