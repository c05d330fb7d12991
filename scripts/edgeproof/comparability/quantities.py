"""Named quantities: what a criterion can ask about a measured cell, each with its interval and its origin.

Cold and warm are different quantities and never pooled. Cold figures are one value per fresh process.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from edgeproof.core.configuration import Json
from edgeproof.core.distributions import student_t_quantile
from edgeproof.core.headlines import confidence_to_state, find_headline_percentiles
from edgeproof.core.percentiles import percentile_floor, pooled_percentiles
from edgeproof.core.summary import PERCENTILES
from edgeproof.runs.result_parts import take_counted
from edgeproof.runs.sessions import Samples

from .agreement_quantities import find_agreement, find_paired_accuracy
from .criterion_terms import OFFERED, WATCHED, Criterion, Quantity, absent, confidence_of, in_unit

COLD_PROCESSES = 20  # fresh processes that a figure about cold starts needs
PERCENTILE_CONFIDENCE = 0.99  # at least, of each bound: the floors are made for it
_FEWEST_SESSIONS = 3  # that have an interval


class RunEvidence(NamedTuple):
    """A cell as measured: its result, its raw samples (one array per process), its artifact's parity."""

    result: Json
    samples: list[Samples]
    parity: Json


def find_in_run(criterion: Criterion, evidence: RunEvidence, accept_trivial: bool = False) -> Quantity:
    """Return the Quantity that a criterion asks about a cell.

    `accept_trivial`: whether it counts that a graph agrees with itself in the same runtime.
    """
    metric = criterion["metric"]
    if metric == "energy_ratio":
        quantity = absent("result.json", "it is a figure of a comparison, not of a cell", evidence.result["provenance"])
    elif metric in ("parity", "accuracy_difference"):
        quantity = find_agreement(criterion, evidence.parity, accept_trivial)
    elif evidence.result["status"] in ("failed", "unsupported"):
        message = f"the cell is {evidence.result['status']}: {evidence.result['reason']['message']}"
        quantity = absent("result.json", message, evidence.result["provenance"])
    elif metric in ("memory_peak", "artifact_size"):
        quantity = _find_resource(criterion, evidence.result)
    elif evidence.result["status"] == "throttled":
        message = f"the run is throttled: {evidence.result['reason']['message']}"
        quantity = absent("result.json", message, evidence.result["provenance"])
    elif metric in WATCHED:
        quantity = _find_watched(criterion, evidence.result)
    elif criterion["regime"] == "cold":
        quantity = _find_cold(criterion, evidence.result)
    else:
        quantity = _find_warm(criterion, evidence)
    return in_unit(quantity, criterion)


def find_in_comparison(criterion: Criterion, report: Json) -> Quantity:
    """Return the Quantity that a criterion asks about a comparison: right / left in energy per inference, with the
    interval of its pairs; or right minus left in accuracy, of two models.
    """
    if criterion["metric"] == "accuracy_difference":
        return find_paired_accuracy(criterion, report)
    energy, source = report.get("energy"), "the comparison's pairs"
    if energy is None:
        return absent(source, "the comparison did not ask for energy (`energy: true`)")
    effect = energy["effect"]
    if effect is None:
        return absent(source, energy["explanation"], report["provenance"])
    source = f"{effect['pairs']} pairs, {energy['boundary']} ({' + '.join(energy['rails'])}), by {energy['sampler']}"
    asked, reason = criterion.get("boundary"), None
    if asked and asked != energy["boundary"]:
        reason = f"it is the energy of the {energy['boundary']}, the criterion asks about {asked}"
    elif effect["interval_low"] is None:
        reason = "too few pairs for an interval"
    figures = (effect["ratio"], effect["interval_low"], effect["interval_high"])
    return Quantity(*figures, report["provenance"], source, reason, "more pairs would narrow it")


def mean_interval(values: Sequence[float], confidence: float) -> tuple[float, float, float] | tuple[float, None, None]:
    """Return a quantity's mean and its t-interval, (mean, low, high); bounds None for fewer than two values."""
    array = np.asarray(values, dtype=np.float64)
    mean = float(array.mean())
    if len(array) < 2:
        return mean, None, None
    error = float(array.std(ddof=1)) / math.sqrt(len(array))
    reach = student_t_quantile((1 + confidence) / 2, len(array) - 1) * error
    return mean, mean - reach, mean + reach


def percentile_interval(
    processes: Sequence[npt.NDArray[Any]], q: float, confidence: float
) -> tuple[float, float, int] | tuple[None, None, int]:
    """Return the interval of a quantity that is a percentile (fraction `q`): (low, high, effective count); bounds None
    below the floor.

    `processes`: arrays of samples, one per process; a single array holds independent values. Each bound errs with
    probability at most (1 - confidence) / 2, and at most 1 - PERCENTILE_CONFIDENCE. The upper bound is the
    early-stopping estimate (core.percentiles); the lower is the same rule on the negated samples at 1 - q.
    """
    level = max(PERCENTILE_CONFIDENCE, (1 + confidence) / 2)
    (high, effective), *_ = pooled_percentiles(processes, (q,), level)
    (low, _), *_ = pooled_percentiles([-samples for samples in processes], (1 - q,), level)
    return (None, None, effective) if low is None or high is None else (-low, high, effective)


def _find_warm(criterion: Criterion, evidence: RunEvidence) -> Quantity:
    result, statistic, confidence = evidence.result, criterion["statistic"], confidence_of(criterion)
    boundary = result["latency_definition"]["boundary"]
    source = f"warm samples of {len(evidence.samples)} processes, boundary: {boundary}"
    provenance, processes = result["provenance"], result["processes"]
    if statistic in PERCENTILES:
        entry = result["percentiles"][statistic]
        if entry["value_ms"] is None:
            return absent(source, entry["reason"], provenance)
        counted = [
            take_counted(samples, process["load"]) for samples, process in zip(evidence.samples, processes, strict=True)
        ]
        fraction = PERCENTILES[statistic]
        found = find_headline_percentiles(counted, [fraction], confidence_to_state(fraction, confidence))[0]
        low, high = (None if end is None else end / 1e6 for end in (found.low, found.high))
        return Quantity(entry["value_ms"], low, high, provenance, source, found.reason)
    if statistic == "median":
        logs, reason = _choose_units([math.log(process["median_ms"]) for process in processes], result)
        figures = tuple(None if end is None else math.exp(end) for end in mean_interval(logs, confidence))
    elif criterion["metric"] == "throughput":
        rates = [1e3 * result["workload"]["batch_size"] / process["mean_ms"] for process in processes]
        units, reason = _choose_units(rates, result)
        figures = mean_interval(units, confidence)
    else:
        units, reason = _choose_units([process["mean_ms"] for process in processes], result)
        figures = mean_interval(units, confidence)
    value, low, high = figures if reason is None else (figures[0], None, None)
    quantity = Quantity(value, low, high, provenance, source, reason)
    if len(result["sessions"]) > 1:
        return quantity._replace(remedy="more sessions would narrow it")
    return _name_processes(quantity, criterion, len(processes))


def _name_processes(quantity: Quantity, criterion: Criterion, count: int) -> Quantity:
    """Return a quantity, a mean over `count` processes in the unit of documents, with the number that would decide it.

    Its interval narrows with the root of the number.
    """
    limit = criterion["limit"] * OFFERED[criterion["metric"], criterion["regime"]][1][criterion["unit"]]
    value, low, high = quantity.value, quantity.low, quantity.high
    if value is None or low is None or high is None or value == limit:
        return quantity
    reach = high - value if value < limit else value - low
    needed = math.ceil(count * (reach / abs(value - limit)) ** 2)
    return quantity._replace(remedy=f"about {max(count + 1, needed):,} processes would decide it")


def _choose_units(values: Sequence[float], result: Json) -> tuple[list[float], str | None]:
    """Return what an interval is over, and why there can be none: processes of one session, or means of sessions."""
    sessions = range(len(result["sessions"]))
    if len(sessions) == 1:
        return list(values), "one process has no interval" if len(values) < 2 else None
    grouped = [
        [value for value, process in zip(values, result["processes"], strict=True) if process["session"] == number]
        for number in sessions
    ]
    means = [sum(group) / len(group) for group in grouped]
    return means, "two sessions have no interval; a third gives one" if len(means) < _FEWEST_SESSIONS else None


def _find_cold(criterion: Criterion, result: Json) -> Quantity:
    parts = ["cold_first_inference_ms"]
    if criterion["metric"] == "cold_start":
        parts = ["import_ms", "load_ms", *parts]
    values = [sum(process[part] for part in parts) for process in result["processes"]]
    boundary = result["latency_definition"]["boundary"]
    source = f"{' + '.join(parts)} of {len(values)} fresh processes, boundary: {boundary}"
    return judge_cold(values, criterion, result["provenance"], source)


def judge_cold(values: Sequence[float], criterion: Criterion, provenance: str, source: str) -> Quantity:
    """Return the Quantity of cold figures in ms, one per fresh process."""
    confidence = confidence_of(criterion)
    if len(values) < COLD_PROCESSES:
        starts = "one cold start" if len(values) == 1 else f"{len(values)} cold starts"
        return absent(source, f"{starts}, {COLD_PROCESSES} fresh processes are needed", provenance)
    if criterion["statistic"] == "mean":
        mean = Quantity(*mean_interval(values, confidence), provenance, source, None)
        return _name_processes(mean, criterion, len(values))
    q = PERCENTILES[criterion["statistic"]]
    low, high, effective = percentile_interval([np.asarray(values, dtype=np.float64)], q, confidence)
    if high is None:
        floor = cold_percentile_floor(criterion)
        return absent(source, f"{effective} cold starts, {floor} are needed for {criterion['statistic']}", provenance)
    return Quantity(high, low, high, provenance, source, None)


def cold_percentile_floor(criterion: Criterion) -> int:
    """Return how many cold starts a quantity that is their percentile needs for its interval."""
    level = max(PERCENTILE_CONFIDENCE, (1 + confidence_of(criterion)) / 2)
    return percentile_floor(PERCENTILES[criterion["statistic"]], level)


def _find_resource(criterion: Criterion, result: Json) -> Quantity:
    provenance, metric = result["provenance"], criterion["metric"]
    if metric == "artifact_size":
        size = result["artifact_bytes"]
        return Quantity(size, size, size, "measured", "artifact_bytes", None if size else "there is no artifact")
    peaks = [process["memory_peak_bytes"] for process in result["processes"]]
    source = f"memory_peak_bytes of {len(peaks)} processes"
    if criterion["statistic"] == "maximum":
        return Quantity(max(peaks), max(peaks), max(peaks), provenance, f"{source}, the largest seen", None)
    figures = mean_interval(peaks, confidence_of(criterion))
    return Quantity(*figures, provenance, source, "one process has no interval" if figures[1] is None else None)


# Where a statistic of what samplers watch stands in a result's part.
_KEYS = {
    ("energy", "mean"): "value_j",
    ("energy", "net"): "net_j",
    ("power", "mean"): "mean_w",
    ("power", "maximum"): "peak_w",
    ("temperature", "mean"): "mean_c",
    ("temperature", "maximum"): "peak_c",
    ("memory", "mean"): "mean_bytes",
    ("memory", "maximum"): "peak_bytes",
}


def _find_watched(criterion: Criterion, result: Json) -> Quantity:
    """Return power, energy, temperature or memory: what has an error budget with it, else the reading itself."""
    metric, statistic = criterion["metric"], criterion["statistic"]
    part, energy = result[metric], result["energy"]
    value = part[_KEYS[metric, statistic]]
    if value is None:
        return absent(metric, part["reason"] or part.get("net_reason") or "it was not measured", None)
    of = part.get("sensor") or part["boundary"]
    if metric in ("energy", "power"):
        of = f"{of} ({' + '.join(result['power']['rails'])})"
    source = f"{metric} of {of}, by {part['sampler']}"
    asked = criterion.get("boundary")
    if asked and asked != part.get("boundary"):
        return absent(source, f"it is the {metric} of the {part.get('boundary')}, the criterion asks about {asked}")
    low = high = value
    if (metric, statistic) == ("energy", "net"):
        error = energy["net_error"]
    elif (metric, statistic) in (("energy", "mean"), ("power", "mean")):
        error = energy["budget"]["total"]
    else:
        return Quantity(value, low, high, result["provenance"], source, None)
    if statistic == "mean" and metric == "energy" and energy["low_j"] is not None:
        low, high = energy["low_j"], energy["high_j"]
    reach = (low * (1 - error), high * (1 + error))
    return Quantity(value, *reach, result["provenance"], f"{source}, error budget {error:.1%}", None)
