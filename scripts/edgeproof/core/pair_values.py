"""From the raw times of two processes that took turns to one value: log(right / left) of the pair.

Times are compared call by call, since both arms ran the same input one block apart: what lasts longer than a block hits
both and cancels. Latency may depend on the input, so each input has its own ratio, and the pair's value is that of the
mix: with m_i the median log-ratio of input i and w_i its share of the left arm's time, log Σ w_i exp(m_i).
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

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
    """Return the PairValue of two processes.

    `left_ns`, `right_ns`: shape (calls,), times of calls (or of samples that repeat one input), the k-th of one beside
    the k-th of the other: same block pair, same place in the block, same input. `inputs`: shape (calls,), which input
    it was. Every input counts alike in the mix, as in the headline. Let each input be met in both orders of the arms
    equally often: where second blocks are slower by 3 %, inputs that are balanced only on the whole add 0.02 % to the
    value. ValueError for times that are not positive or not paired.
    """
    left, right, labels = _times(left_ns), _times(right_ns), np.asarray(inputs)
    if not left.shape == right.shape == labels.shape:
        raise ValueError(f"{len(left)} left and {len(right)} right calls with {labels.size} inputs cannot be paired")
    logs = np.log(right / left)
    members = {int(label): labels == label for label in np.unique(labels)}
    medians = {label: float(np.median(left[chosen])) for label, chosen in members.items()}
    total = math.fsum(medians.values())
    ratios = tuple(
        InputRatio(label, medians[label], float(np.median(logs[chosen])), medians[label] / total, int(chosen.sum()))
        for label, chosen in members.items()
    )
    return PairValue(math.log(math.fsum(ratio.share * math.exp(ratio.log_ratio) for ratio in ratios)), ratios)


def value_process(times_ns: ArrayLike, inputs: ArrayLike, blocks: ArrayLike) -> ProcessValue:
    """Return the ProcessValue of one process.

    `times_ns`, `inputs`, `blocks`: shape (calls,), in any order; `blocks` says to which block a call belongs. The error
    is that of a median over blocks, from the median absolute deviation of the blocks' levels once inputs are taken out.
    """
    times, labels, places = _times(times_ns), np.asarray(inputs), np.asarray(blocks, dtype=np.int64)
    if not times.shape == labels.shape == places.shape:
        raise ValueError(f"{len(times)} calls, {labels.size} inputs and {places.size} blocks do not belong together")
    kinds, codes = np.unique(labels, return_inverse=True)
    medians = np.array([np.median(times[codes == code]) for code in range(len(kinds))])
    logs: NDArray[np.float64] = np.log(times / medians[codes])
    levels = _medians_per_place(logs, places)
    error = None
    if len(levels) > 1:
        spread = _NORMAL_MAD * float(np.median(np.abs(levels - np.median(levels))))
        error = _MEDIAN_ERROR * spread / math.sqrt(len(levels))
    return ProcessValue(float(medians.mean()), error)


def floor_of_clock(quantum_ns: float, block_ns: float) -> float:
    """Return the least standard deviation that a pair can have, on the log scale: (quantum / block) / √6.

    `quantum_ns`: the step of the clock; `block_ns`: time of a block of the faster arm. A block's time is the difference
    of two readings, each of which errs uniformly by one step: standard deviation step / √6. A comparison whose pairs
    all agree within the clock's step must not look more certain than one block of the faster arm.
    """
    if quantum_ns < 0 or block_ns <= 0:
        raise ValueError(f"no clock steps by {quantum_ns} ns in a block of {block_ns} ns")
    return quantum_ns / block_ns / math.sqrt(6)


def _medians_per_place(logs: NDArray[np.float64], places: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the median of each place's values, in order of place; at once where all have equally many."""
    order = np.argsort(places, kind="stable")
    starts = np.flatnonzero(np.diff(places[order], prepend=places[order[0]] - 1))
    counts = np.diff(starts, append=len(places))
    if (counts == counts[0]).all():
        return np.median(logs[order].reshape(len(counts), -1), axis=1)
    return np.array([np.median(part) for part in np.split(logs[order], starts[1:])])


def _times(values: ArrayLike) -> NDArray[np.float64]:
    times = np.asarray(values, dtype=np.float64)
    if times.ndim != 1 or not len(times) or not (np.isfinite(times) & (times > 0)).all():
        raise ValueError("times of calls are needed, one dimension, all positive")
    return times
