"""The oracle: the best that anyone could have done who knew the whole trace, and how far a replay is from it.

A step is worth the running variant's score, scaled over the family to 0 … 1, while that variant fits, and −1 while it
does not. The oracle may swap whenever old and new fit into memory together, at once and as often as it likes: no guard,
no load times. So its worth is a bound that no policy exceeds.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from edgeproof.runtime.variant_choice import Chooser

_UNFIT = -1.0


class Ledger(NamedTuple):
    """A replay as arrays, one entry per step: seconds that it lasts, MiB free without us, number of the active variant,
    and whether the limits of heat and battery are reached.
    """

    seconds: npt.NDArray[np.float64]
    free_mb: npt.NDArray[np.float64]
    active: npt.NDArray[np.int8]
    hot: npt.NDArray[np.bool_]
    empty: npt.NDArray[np.bool_]


class Worth(NamedTuple):
    """What a replay was worth: means over time of the oracle's and its own, the difference, and seconds in which what
    ran did not fit.
    """

    oracle: float
    achieved: float
    regret: float
    infeasible_s: float
    oracle_infeasible_s: float


def measure_worth(chooser: Chooser, ledger: Ledger, initial: str) -> Worth | None:
    """Return what a replay was worth against the oracle; None if its policy has no objective.

    `initial`: the variant both start with.
    """
    values = chooser.scale_scores()
    if values is None:
        return None
    fits = find_fitting(chooser, ledger)
    names = list(chooser.family.variants)
    worths = np.where(fits, np.array([values[name] for name in names])[:, None], _UNFIT)
    steps = np.arange(len(ledger.seconds))
    total = max(float(ledger.seconds.sum()), 1e-12)
    achieved = float((worths[ledger.active, steps] * ledger.seconds).sum())
    best, unfit = _follow_oracle(chooser, ledger, fits, worths, names.index(initial))
    infeasible = float(ledger.seconds[~fits[ledger.active, steps]].sum())
    return Worth(best / total, achieved / total, (best - achieved) / total, infeasible, unfit)


def find_fitting(chooser: Chooser, ledger: Ledger) -> npt.NDArray[np.bool_]:
    """Return what the oracle may choose from: whether each variant fits at each step, bool, shape (variants, steps)."""
    limits, rows = chooser.limits, []
    for variant in chooser.family.variants.values():
        known = variant.metadata
        fits = ledger.free_mb - limits.ram_reserve_mb >= known.memory_footprint_mb
        if not chooser.meets_ceiling(variant.name):
            fits = np.zeros_like(fits)
        if known.power_rank > limits.heat_rank:
            fits &= ~ledger.hot
        if known.power_rank > limits.battery_rank:
            fits &= ~ledger.empty
        rows.append(fits)
    return np.array(rows)


def _follow_oracle(
    chooser: Chooser, ledger: Ledger, fits: npt.NDArray[np.bool_], worths: npt.NDArray[np.float64], initial: int
) -> tuple[float, float]:
    """Return (worth, seconds that did not fit) of the oracle, both summed over time.

    Steps of one pattern (who fits, who can follow whom) are one stretch. Nothing is gained by swapping within it except
    at its last step, which is a stretch of its own: there the oracle may get ready for what comes.
    """
    footprints = np.array([item.metadata.memory_footprint_mb for item in chooser.family.variants.values()])
    count = len(footprints)
    # Variant j can be loaded beside i where both footprints are free.
    levels, level_of = np.unique(footprints[:, None] + footprints[None, :], return_inverse=True)
    level_of = level_of.reshape(count, count)
    reach = np.searchsorted(levels, ledger.free_mb, side="right")  # so many sums fit
    pattern = np.vstack([reach[None, :], fits.astype(np.int64)])
    changed = np.any(pattern[:, 1:] != pattern[:, :-1], axis=0)
    starts = np.flatnonzero(np.concatenate([[True], changed]) | np.concatenate([changed, [True]]))
    seconds = np.add.reduceat(ledger.seconds, starts)
    closures = {int(level): _close(level_of < level) for level in np.unique(reach)}
    state: list[tuple[float, float] | None] = [None] * count
    state[initial] = (0.0, 0.0)
    for start, lasted in zip(starts.tolist(), seconds.tolist(), strict=True):
        came_from = closures[int(reach[start])]
        after: list[tuple[float, float] | None] = []
        for number in range(count):
            found = [earlier for source in came_from[number] if (earlier := state[source]) is not None]
            if not found:
                after.append(None)
                continue
            worth, unfit = max(found, key=lambda pair: (pair[0], -pair[1]))
            fitting = bool(fits[number, start])
            after.append((worth + lasted * float(worths[number, start]), unfit + (0.0 if fitting else lasted)))
        state = after
    worth, unfit = max((pair for pair in state if pair is not None), key=lambda pair: (pair[0], -pair[1]))
    return worth, unfit


def _close(allowed: npt.NDArray[np.bool_]) -> list[list[int]]:
    """Return, for each variant, those from which it can be reached by any number of swaps, itself among them."""
    reached = allowed | np.eye(len(allowed), dtype=bool)
    for _ in range(len(allowed)):
        reached = (reached.astype(int) @ reached.astype(int)) > 0
    return [np.flatnonzero(reached[:, number]).tolist() for number in range(len(allowed))]
