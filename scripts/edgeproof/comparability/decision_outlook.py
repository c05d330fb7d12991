"""What a campaign that is not measured yet can show of its criteria at best, by the functions that will judge it.

At best means that candidate and source give equal answers, and that every start is timed as its protocol says.
"""

from collections.abc import Mapping
from typing import NamedTuple

from edgeproof.core.accuracy import count_samples_to_decide, paired_score_interval
from edgeproof.core.configuration import Json
from edgeproof.core.headlines import FEWEST_FOR_PERCENTILES
from edgeproof.core.percentiles import percentile_floor
from edgeproof.core.summary import PERCENTILES
from edgeproof.sources.samples import MINIMUM_CALIBRATION

from .criteria import Criteria
from .criterion_terms import Criterion
from .quantities import COLD_PROCESSES, cold_percentile_floor


class SampleSets(NamedTuple):
    """How many samples calibrate and evaluate, and whether accuracy is measured on those that evaluate."""

    calibration: int
    evaluation: int
    accuracy: bool


class Starts(NamedTuple):
    """What required criteria ask of a protocol: processes, samples of all together, and which criterion asks most."""

    processes: int
    samples: int
    most: Criterion | None


def count_evaluation_samples(criteria: Criteria) -> int:
    """Return the fewest evaluation samples that leave the outlook on a decision about accuracy.

    On these, equal answers pass every required criterion of accuracy. 0 if there is no such criterion, or if equal
    answers cannot pass one.
    """
    return max((_count_samples(item) or 0 for item in _list_accuracy(criteria)), default=0)


def count_starts(criteria: Criteria) -> Starts:
    """Return, for the outlook on a decision, the fewest starts and samples that give each required time an interval."""
    asked = [(item, _count_processes(item), _count_calls(item)) for item in criteria["criteria"] if item["required"]]
    processes = max((count for _, count, _ in asked), default=1)
    most = next((item for item, count, _ in asked if count == processes and count > 1), None)
    return Starts(processes, max((calls for *_, calls in asked), default=0), most)


def find_protocol(criteria: Criteria, protocols: Mapping[str, Json]) -> str | None:
    """Return the shortest protocol with an outlook on a decision: it has enough starts and samples for the criteria.

    None if none has them. What is asked of a warm model is not answered by a protocol that hardly warms it up.
    """
    starts = count_starts(criteria)
    warm = starts.most is not None and starts.most["regime"] == "warm"
    able = [
        name
        for name, protocol in protocols.items()
        if _has_starts(protocol, starts) and (protocol["warmup_seconds"] > 0 or not warm)
    ]
    return min(able, key=lambda name: (_count_seconds(protocols[name]), name), default=None)


def can_decide_accuracy(criteria: Criteria, sets: SampleSets) -> bool:
    """Tell whether the outlook is a decision on accuracy: equal answers on these samples pass what is required."""
    needed = [_count_samples(item) for item in _list_accuracy(criteria)]
    return all(sets.accuracy and count is not None and count <= sets.evaluation for count in needed)


def describe_outlook(
    name: str, criteria: Criteria, sets: SampleSets, protocol: str, protocols: Mapping[str, Json]
) -> list[str]:
    """Return the outlook on a decision in sentences: whether a campaign can end in one, and what it would take.

    `name`: of the criteria. `protocol`: the campaign's, one of `protocols`.
    """
    told = [_describe_accuracy(name, item, sets) for item in _list_accuracy(criteria)][:1]
    starts = count_starts(criteria)
    if starts.most and not _has_starts(protocols[protocol], starts):
        better = find_protocol(criteria, protocols)
        has = protocols[protocol]["processes"]
        told.append(
            f"Criterion {starts.most['id']} of {name} needs {starts.processes} starts"
            + (f" and {starts.samples} samples" if has >= starts.processes else "")
            + f"; protocol {protocol} has {has}, "
            + (f"protocol {better} has enough." if better else "and no protocol of config/protocols/ has enough.")
        )
    return told


def _describe_accuracy(name: str, item: Criterion, sets: SampleSets) -> str:
    limit = f"{abs(item['limit']):g} {'point' if abs(item['limit']) == 1 else 'points'}"
    needed, end = _count_samples(item), "a comparison can only end with insufficient evidence"
    if not sets.accuracy:
        told = f"Criteria {name} require accuracy within {limit}, which is not measured here, so {end}."
        if needed is None:
            return told
        every = f"{MINIMUM_CALIBRATION + needed} labelled samples: {MINIMUM_CALIBRATION} calibrate, {needed} evaluate"
        return f"{told} A classifier needs at least {every}."
    if needed is None:
        return f"Criteria {name} ask for more than equal answers can show (criterion {item['id']}); {end}."
    reach = 100 * paired_score_interval(0, 0, sets.evaluation, item["confidence"] or 0.95)[1]
    best = f"{sets.evaluation} samples that evaluate show accuracy within ±{reach:.2g} points at best"
    if needed <= sets.evaluation:
        return f"{best}; criteria {name} allow {limit}: enough if (almost) all answers agree."
    return (
        f"{best}; criteria {name} allow {limit}, so {end}: it takes {needed} that evaluate, "
        f"{sets.calibration + needed} in all, and more if answers differ."
    )


def _list_accuracy(criteria: Criteria) -> list[Criterion]:
    """Return the required criteria of accuracy, the most demanding first."""
    found = [item for item in criteria["criteria"] if item["required"] and item["metric"] == "accuracy_difference"]
    return sorted(found, key=lambda item: abs(item["limit"]))


def _count_samples(item: Criterion) -> int | None:
    """Return on how many samples equal answers pass a criterion of accuracy; None if on no number."""
    allows = item["limit"] < 0 if item["direction"] == "at_least" else item["limit"] > 0
    return count_samples_to_decide(0, 0, 1, item["limit"] / 100, item["confidence"] or 0.95) if allows else None


def _count_processes(item: Criterion) -> int:
    """Return how many starts a criterion needs for an interval."""
    if item["regime"] == "cold":
        if item["statistic"] == "mean":
            return COLD_PROCESSES
        return max(COLD_PROCESSES, cold_percentile_floor(item))
    if item["regime"] != "warm" or item["confidence"] is None:
        return 1
    return FEWEST_FOR_PERCENTILES if item["statistic"] in PERCENTILES else 2


def _count_calls(item: Criterion) -> int:
    """Return how many calls of all processes together a criterion needs."""
    warm = item["regime"] == "warm" and item["statistic"] in PERCENTILES
    return percentile_floor(PERCENTILES[item["statistic"]]) if warm else 0


def _has_starts(protocol: Json, starts: Starts) -> bool:
    processes = protocol["processes"]
    return processes >= starts.processes and processes * protocol["min_samples"] >= starts.samples


def _count_seconds(protocol: Json) -> float:
    loaded: float = protocol["load"]["seconds"] if protocol.get("load") else 0.0
    return protocol["processes"] * max(protocol["warmup_seconds"] + protocol["min_seconds"], loaded)
