"""`links.json`: the time to hand a tensor from one executor to another, as set-up and time per MB."""

import math
import statistics
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edgeproof.core.configuration import Json, MeasuringProtocol, NamedDevice
from edgeproof.core.distributions import student_t_quantile
from edgeproof.core.documents import write_json
from edgeproof.core.errors import UserError
from edgeproof.core.layout import relative_to_repository
from edgeproof.runs.drift_records import describe_drift
from edgeproof.runs.sessions import SessionSetup, compose_session_key, digest_agent, run_session

CONFIDENCE = 0.95
_MS = 1e6


def measure_hand_overs(
    pipeline: str, arm: Json, device: NamedDevice, protocol: MeasuringProtocol, interpreter: str, output: Path
) -> None:
    """Measure every ordered pair of executors in fresh processes and write `links.json` (`edgeproof.links.v2`).

    `arm`: `executors` {name: {interpreter, channels_last}}, `sizes_mb`, `samples`, `simulated`. UserError when a
    process failed.
    """
    label = f"{pipeline}/links"
    session = run_session(output.parent, label, *_compose_session(arm, device, protocol, interpreter))
    processes = session.record["processes"]
    broken = next((process for process in processes if process["status"] != "ok"), None)
    if broken:
        raise UserError(f"{label}: {broken['reason']['kind']}: {broken['reason']['message']}")
    document = {
        "schema": "edgeproof.links.v2",
        "pipeline": pipeline,
        "provenance": processes[0]["provenance"],
        "device": device.get("name"),
        "method": "a ring of processes passes a tensor on; per process the median of each pair and size, then a line"
        " through the sizes with the least squares of relative residuals, neither part below zero",
        "arm": arm,
        "processes": len(processes),
        "agent_sha256": digest_agent(),
        "links": fit_links([process["handovers"] for process in processes]),
        "environment": session.record["environment"],
        "drift": describe_drift(session.record.get("drift")),
        "attempt": relative_to_repository(session.attempt),
    }
    write_json(output, document, "links")


def compose_links_key(arm: Json, device: NamedDevice, protocol: MeasuringProtocol, interpreter: str) -> Json:
    """Return the key of attempts that measure a pipeline's hand-overs; arguments as in `measure_hand_overs`."""
    return compose_session_key(*_compose_session(arm, device, protocol, interpreter))


def _compose_session(
    arm: Json, device: NamedDevice, protocol: MeasuringProtocol, interpreter: str
) -> tuple[Json, list[str], SessionSetup]:
    """Return arms, order and setup of the session that measures links."""
    order = ["links"] * protocol["processes"]
    return {"links": {**arm, "verb": "links"}}, order, SessionSetup("", device, protocol, interpreter)


def fit_links(processes: list[list[Json]]) -> list[Json]:
    """Return one row per ordered pair from the hand-overs of every process.

    A hand-over is {source, target, size_mb, median_ns}; all processes have the same pairs and sizes.
    """
    groups = {}
    for number, handovers in enumerate(processes):
        for row in handovers:
            sizes = groups.setdefault((row["source"], row["target"]), {})
            sizes.setdefault(row["size_mb"], [None] * len(processes))[number] = row["median_ns"] / _MS
    links = []
    for (source, target), sizes in sorted(groups.items()):
        fits = [fit_line(list(sizes), [times[n] for times in sizes.values()]) for n in range(len(processes))]
        setup, rate = (summarise_hand_over([fit[part] for fit in fits]) for part in (0, 1))
        residuals = [
            abs(times[n] - fits[n][0] - fits[n][1] * size) / times[n]
            for size, times in sizes.items()
            for n in range(len(processes))
        ]
        links.append(
            {
                "source": source,
                "target": target,
                "setup_ms": setup,
                "latency_ms_per_mb": rate,
                "largest_relative_residual": max(residuals),
                "points": [{"size_mb": size, "process_medians_ms": times} for size, times in sizes.items()],
            }
        )
    return links


def fit_line(sizes: Sequence[float], times: Sequence[float]) -> tuple[float, float]:
    """Return the (set-up, rate) >= 0 of hand-overs that fit time = set-up + rate · size best.

    They minimise the squares of the relative residuals. `times` are positive; `sizes` has two or more distinct values.
    Where the free fit has a negative part, that part is 0 and the other is fitted alone.
    """
    durations = np.asarray(times, "float64")
    design = np.column_stack([1 / durations, np.asarray(sizes, "float64") / durations])
    target = np.ones(len(durations))
    setup, rate = np.linalg.lstsq(design, target, rcond=None)[0]
    if setup < 0:
        setup, rate = 0.0, design[:, 1].sum() / (design[:, 1] @ design[:, 1])
    elif rate < 0:
        setup, rate = design[:, 0].sum() / (design[:, 0] @ design[:, 0]), 0.0
    return float(setup), float(rate)


def summarise_hand_over(values: list[float]) -> Json:
    """Return the set-up time or the rate of a hand-over, from one number per process.

    It is their median with a t-interval (lower end at least 0; null for one process), and the numbers.
    """
    interval = None
    if len(values) > 1:
        mean, spread = statistics.fmean(values), statistics.stdev(values)
        reach = student_t_quantile((1 + CONFIDENCE) / 2, len(values) - 1) * spread / math.sqrt(len(values))
        interval = [max(0.0, mean - reach), mean + reach]
    return {
        "value": statistics.median(values),
        "interval": interval,
        "confidence": CONFIDENCE,
        "process_values": list(values),
    }
