"""Medians of rows and of consecutive windows, without the overhead of `numpy.median`."""

from typing import Any

import numpy as np
import numpy.typing as npt

DEFAULT_WINDOWS = 10
_FEW = 256  # values are sorted in less time than it takes to find two in the middle


def window_medians(samples: npt.ArrayLike, windows: int = DEFAULT_WINDOWS) -> npt.NDArray[np.float64]:
    """Return the medians of `windows` equal consecutive windows of each process, float64, shape (…, windows).

    `samples`: shape (…, n), in the order measured. The n mod windows samples that are too many are left out at the
    start, next to the warm-up. Fewer samples than windows give one window per sample. ValueError when there is none.
    """
    array = np.asarray(samples)
    if not array.ndim or not array.size:
        raise ValueError(f"samples of processes are needed, not an array of shape {array.shape}")
    if windows < 1:
        raise ValueError(f"at least one window is needed, not {windows}")
    count = array.shape[-1]
    windows = min(windows, count)
    return middle_of_rows(array[..., count % windows :].reshape(*array.shape[:-1], windows, -1))


def middle_of_rows(array: npt.NDArray[np.integer | np.floating]) -> npt.NDArray[np.float64]:
    """Return the medians along the last axis as float64 (no NaN)."""
    count = array.shape[-1]
    half = count // 2
    middle = (half,) if count % 2 else (half - 1, half)
    ordered = np.sort(array, axis=-1) if count <= _FEW else np.partition(array, middle, axis=-1)
    if count % 2:
        return ordered[..., half].astype(np.float64)
    return (ordered[..., half - 1].astype(np.float64) + ordered[..., half]) / 2


def medians_in_turn(samples: npt.NDArray[np.integer | np.floating], kinds: int) -> npt.NDArray[np.float64]:
    """Return the median of each kind where sample k is of the kind k mod `kinds`.

    `samples`: shape (…, n). Returns shape (…, min(kinds, n)).
    """
    count = samples.shape[-1]
    kinds = min(kinds, count)
    rounds, more = divmod(count, kinds)
    table = np.moveaxis(samples[..., : rounds * kinds].reshape(*samples.shape[:-1], rounds, kinds), -1, -2)
    if not more:
        return middle_of_rows(table)
    first = np.concatenate((table[..., :more, :], samples[..., rounds * kinds :, None]), axis=-1)
    return np.concatenate((middle_of_rows(first), middle_of_rows(table[..., more:, :])), axis=-1)


def median_by_label(values: npt.NDArray[np.float64], labels: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return the median of the values of each label, in order of label; at once where all have equally many.

    `values`: shape (rows, calls). `labels`: shape (calls,), integers. Returns shape (rows, labels that occur).
    """
    order = np.argsort(labels, kind="stable")
    starts = np.flatnonzero(np.diff(labels[order])) + 1
    counts = np.diff(starts, prepend=0, append=len(labels))
    ordered = values.take(order, axis=1)  # rows stay rows in memory, so that a mean over them adds in the same order
    if (counts == counts[0]).all():
        return middle_of_rows(ordered.reshape(len(values), len(counts), -1))
    return np.stack([middle_of_rows(part) for part in np.split(ordered, starts, axis=1)], axis=1)
