"""What a drawing needs of the raw samples of a cell: quantiles, a histogram and the extremes."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .scales import LOG_FROM

QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
_BINS = 64
_NS_PER_MS = 1e6


class Distribution(NamedTuple):
    """All samples of a run pooled, in ms. It describes these samples and does not estimate percentiles.

    `quantiles`: {fraction: ms}. `density`: smoothed counts of the bins between `edges`, the 1st and 99th of 100 parts,
    largest 1; bins have equal widths, or equal ratios if the range is wide (`log`), since one bin would else hold all
    that is fast. `minimum`, `maximum`: of all samples.
    """

    count: int
    minimum: float
    maximum: float
    edges: np.ndarray
    log: bool
    quantiles: dict
    density: np.ndarray


def describe_distribution(processes: Sequence[np.ndarray], calls: Sequence[int]) -> Distribution:
    """Return the shape of a cell's latencies for a drawing: quantiles, a histogram, extremes.

    They are int64 nanoseconds, one array per process. `calls`: inferences per sample of each process.
    """
    pooled = np.concatenate([ns / (count * _NS_PER_MS) for ns, count in zip(processes, calls, strict=True)])
    values = np.quantile(pooled, QUANTILES)
    low, high = _widen(values[0], values[-1])
    log = high / low > LOG_FROM
    edges = np.geomspace(low, high, _BINS + 1) if log else np.linspace(low, high, _BINS + 1)
    counts = np.histogram(pooled, edges)[0].astype(np.float64)
    smooth = np.convolve(np.pad(counts, 2), [0.0625, 0.25, 0.375, 0.25, 0.0625], mode="same")[2:-2]
    return Distribution(
        count=len(pooled),
        minimum=float(pooled.min()),
        maximum=float(pooled.max()),
        edges=edges,
        log=log,
        quantiles=dict(zip(QUANTILES, values.tolist(), strict=True)),
        density=smooth / max(smooth.max(), 1e-300),
    )


def _widen(low, high):
    """Widen the range of (nearly) equal samples so that it can be drawn."""
    least = 0.002 * high
    if high - low >= least:
        return float(low), float(high)
    middle = (low + high) / 2
    return float(middle - least / 2), float(middle + least / 2)
