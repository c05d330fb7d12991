"""Medians of rows and of consecutive windows, without the overhead of `numpy.median`."""

import numpy as np
import numpy.typing as npt

DEFAULT_WINDOWS = 10


def window_medians(samples: npt.ArrayLike, windows: int = DEFAULT_WINDOWS) -> npt.NDArray[np.float64]:
    """Return the medians of `windows` equal consecutive windows of one process, float64, shape (windows,).

    `samples`: shape (n,), in the order measured. The n mod windows samples that are too many are left out at the
    start, next to the warm-up. Fewer samples than windows give one window per sample. ValueError when there is none.
    """
    array = np.asarray(samples)
    if array.ndim != 1 or not len(array):
        raise ValueError(f"samples of one process are needed, not an array of shape {array.shape}")
    if windows < 1:
        raise ValueError(f"at least one window is needed, not {windows}")
    windows = min(windows, len(array))
    return middle_of_rows(array[len(array) % windows :].reshape(windows, -1))


def middle_of_rows(array: npt.NDArray[np.integer | np.floating]) -> npt.NDArray[np.float64]:
    """Return the median of each row of a 2-D array as float64 (no NaN)."""
    half = array.shape[1] // 2
    if array.shape[1] % 2:
        return np.partition(array, half, axis=1)[:, half].astype(np.float64)
    ordered = np.partition(array, (half - 1, half), axis=1)
    return (ordered[:, half - 1].astype(np.float64) + ordered[:, half]) / 2


def medians_in_turn(samples: npt.NDArray[np.integer | np.floating], kinds: int) -> npt.NDArray[np.float64]:
    """Return the median of each kind where sample k is of the kind k mod `kinds`, shape (min(kinds, samples),)."""
    kinds = min(kinds, len(samples))
    rounds, more = divmod(len(samples), kinds)
    table = samples[: rounds * kinds].reshape(rounds, kinds)
    if not more:
        return middle_of_rows(table.T)
    first = np.concatenate((table[:, :more], samples[None, rounds * kinds :]))
    return np.concatenate((middle_of_rows(first.T), middle_of_rows(table[:, more:].T)))
