"""Where a series of numbers steps to another level or spread, by E-divisive.

D. Matteson and N. James, "A nonparametric approach for multiple change point analysis of multivariate data", J. Amer.
Statist. Assoc. 109 (2014). A series is split where the energy distance between both parts, |x - y| across less |x - x'|
within, is largest, and the parts are split again. A split counts if permuting the values within the parts so far gives
so large a distance in at most a share `significance` of cases. Nothing is assumed of the distribution.
"""

import itertools

import numpy as np
from numpy.typing import ArrayLike, NDArray

FEWEST_POINTS = 6
_FEWEST_SIDE = 3
_AT_ONCE = 1 << 22  # numbers in a batch of permuted distances: 32 MiB

Floats = NDArray[np.float64]
Places = NDArray[np.intp]


def find_steps(values: ArrayLike, significance: float = 0.05, permutations: int = 499, seed: int = 0) -> list[int]:
    """Return where a series steps to another level or spread, by energy distance (E-divisive), ascending.

    The series has one level before the value at each place, another from it on. `values`: shape (n,), any unit; of
    latencies give logarithms. At least three values lie between steps; fewer than six values have none. ValueError for
    values that are not finite.
    """
    series = np.asarray(values, dtype=np.float64)
    if series.ndim != 1 or not np.isfinite(series).all():
        raise ValueError("a series of finite numbers is needed")
    distances, draw = np.abs(series[:, None] - series), np.random.default_rng(seed)
    places: list[int] = []
    while (found := _split_best(distances, places)) is not None:
        place, strength = found
        larger = sum(
            int((_strengths(distances, places, orders) >= strength).sum())
            for orders in _permute(len(series), places, permutations, draw)
        )
        if (1 + larger) / (1 + permutations) > significance:
            break
        places = sorted([*places, place])
    return places


def _split_best(distances: Floats, places: list[int]) -> tuple[int, float] | None:
    """Return the best further split and its strength; None where no part is long enough."""
    found = [
        (start, _rate_splits(distances[None, start:end, start:end])[0]) for start, end in _parts(distances, places)
    ]
    rated = [(start + int(q.argmax()) + _FEWEST_SIDE, float(q.max())) for start, q in found]
    return max(rated, key=lambda each: each[1], default=None)


def _strengths(distances: Floats, places: list[int], orders: Places) -> Floats:
    """Return the strength of the best split of each permuted series; `orders`: shape (permutations, n)."""
    best = np.full(len(orders), -np.inf)
    for start, end in _parts(distances, places):
        own = orders[:, start:end]
        best = np.maximum(best, _rate_splits(distances[own[:, :, None], own[:, None, :]]).max(axis=1))
    return best


def _parts(distances: Floats, places: list[int]) -> list[tuple[int, int]]:
    """Return (start, end) of the parts that are long enough to be split."""
    edges = [0, *places, len(distances)]
    parts = itertools.pairwise(edges)
    return [(start, end) for start, end in parts if end - start >= 2 * _FEWEST_SIDE]


def _rate_splits(distances: Floats) -> Floats:
    """Return the scaled energy distance of every split of a part, shape (series, splits), with three values at least on
    either side. `distances`: shape (series, n, n).
    """
    count = distances.shape[1]
    sums = np.zeros((len(distances), count + 1, count + 1))
    sums[:, 1:, 1:] = distances.cumsum(axis=1).cumsum(axis=2)
    left: Places = np.arange(_FEWEST_SIDE, count - _FEWEST_SIDE + 1, dtype=np.intp)
    right: Places = count - left
    first = sums[:, left, left]
    across = sums[:, left, count] - first
    second = sums[:, count, count][:, None] - first - 2 * across
    energy = 2 * across / (left * right) - first / (left * (left - 1)) - second / (right * (right - 1))
    return energy * left * right / count


def _permute(count: int, places: list[int], permutations: int, draw: np.random.Generator) -> list[Places]:
    """Return batches of orders of the values, each permuted within the parts so far."""
    edges = [0, *places, count]
    orders = np.tile(np.arange(count, dtype=np.intp), (permutations, 1))
    for start, end in itertools.pairwise(edges):
        orders[:, start:end] = draw.permuted(orders[:, start:end], axis=1)
    size = max(1, _AT_ONCE // (count * count))
    return [orders[first : first + size] for first in range(0, permutations, size)]
