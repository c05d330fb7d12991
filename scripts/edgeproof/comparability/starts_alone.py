"""The starts of both cells measured alone, beside those of their pairs: levels that only one of the two has seen.

A cell's headline and a comparison's ratio stand on one page. Where starts jump between levels and few pairs were
needed, the pairs can all have met one level, and then the two figures contradict each other. The verdict stays; the
report says what its pairs did not see.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from edgeproof.core.configuration import Json
from edgeproof.core.modes import Floats, Mode, find_unseen_levels
from edgeproof.runs.pair_records import Pair

from .pair_verdicts import Judged

_SIDES = ("left", "right")


def compare_starts(
    results: Mapping[str, Json], pairs: Sequence[Pair], judged: Judged, items: Mapping[str, int]
) -> Json | None:
    """Return what the cells measured alone say of a comparison's starts, None without an interval to set beside it.

    `results`: {left, right}, the result of each cell. `pairs`: as judged, per item where batches differ. `items`:
    {left, right}, by which the times alone are divided.
    - `left`, `right`: `starts` alone; `unseen_in_pairs`: levels of these that no pair saw, each with the ratio
      right / left of that level and the other side's headline; `unseen_alone`: levels of pairs that no start alone saw;
    - `ratio`: the quotient of the two headlines with the least and the largest that their intervals allow;
    - `overlaps`: whether these meet the pairs' interval, None where a headline has no interval.
    Levels stand there only where the verdict's figure misses them: their ratio lies outside of the pairs' interval.
    """
    low, high = judged.verdict.ratio.low, judged.verdict.ratio.high
    if low is None or high is None or any(result["latency"] is None for result in results.values()):
        return None
    headlines = {side: _scale(results[side]["latency"], items[side]) for side in _SIDES}
    middles = {side: headlines[side]["median_ms"] for side in _SIDES}
    quotient = {"ratio": middles["right"] / middles["left"], **_divide(headlines["right"], headlines["left"])}
    used = pairs[: judged.verdict.pairs]
    found: Json = {}
    for side in _SIDES:
        values = [getattr(pair, side) for pair in used]
        logs = np.log([value.value_ns / 1e6 for value in values])
        errors = [value.log_error or 0.0 for value in values]
        alone = _list_levels(results[side], items[side])
        margin = max(judged.design.margin, results[side]["latency"]["width"])
        missed = [
            _describe(mode, middles["right"] / mode.level if side == "left" else mode.level / middles["left"])
            for mode in find_unseen_levels(alone, logs, errors, margin)
        ]
        told = [level for level in missed if not low <= level["ratio"] <= high]
        extra: list[Json] = []
        if not low <= quotient["ratio"] <= high:
            own = _split_pairs(logs, judged, side)
            extra = [
                _describe(mode, quotient["ratio"])
                for mode in find_unseen_levels(own, np.concatenate(alone), errors, margin)
                if len(own) > 1
            ]
        starts = len(results[side]["processes"])
        found[side] = {"starts": starts, "unseen_in_pairs": told, "unseen_alone": extra}
    ends = (quotient["low"], quotient["high"])
    overlaps = None if None in ends else bool(ends[0] <= high and low <= ends[1])
    return {**found, "ratio": quotient, "overlaps": overlaps}


def _describe(mode: Mode, ratio: float) -> Json:
    return {"level_ms": mode.level, "starts": mode.starts, "ratio": ratio}


def _scale(latency: Json, items: int) -> Json:
    names = ("median_ms", "interval_low_ms", "interval_high_ms")
    return {name: None if latency[name] is None else latency[name] / items for name in names}


def _divide(upper: Json, lower: Json) -> Json:
    """Return {low, high} of the quotient of two headlines: the least and the largest that both intervals allow."""
    ends = (upper["interval_low_ms"], upper["interval_high_ms"], lower["interval_low_ms"], lower["interval_high_ms"])
    if None in ends:
        return {"low": None, "high": None}
    return {"low": ends[0] / ends[3], "high": ends[1] / ends[2]}


def _list_levels(result: Json, items: int) -> list[Floats]:
    """Return the levels of a cell's starts, each the logarithms of their times in ms, of all its sessions.

    A result has of each level how many starts it holds; levels lie one above the other.
    """
    levels: list[Floats] = []
    for number, session in enumerate(result["sessions"]):
        own = [process["median_ms"] for process in result["processes"] if process["session"] == number]
        levels += _cut(np.log(np.array(own) / items), [mode["starts"] for mode in session["modes"]])
    return levels


def _split_pairs(logs: npt.NDArray[np.float64], judged: Judged, side: str) -> list[Floats]:
    """Return the levels of one arm's starts in pairs, each the logarithms of their times."""
    modes = judged.verdict.modes
    return _cut(logs, [mode.starts for mode in getattr(modes, side)]) if modes else [logs]


def _cut(logs: npt.NDArray[np.float64], counts: Sequence[int]) -> list[Floats]:
    """Return starts in order of time, cut into levels of so many starts each."""
    assert math.fsum(counts) == len(logs)
    return np.split(np.sort(logs), np.cumsum(counts)[:-1])
