"""The figures of `service.json`: pure functions of the answers that a served family gave, and of nothing else.

They are asked for twice: while the load is put on a server, and from the raw data whenever the document is read. The
search for the highest rate depends on what it found before, so it is the same code in both cases. The unit of all
intervals is a stretch of load; requests within one wait for each other.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from edgeproof.core.configuration import Json
from edgeproof.core.distributions import student_t_quantile
from edgeproof.core.errors import UserError

from .service_load import Answers, Arrivals

CONFIDENCE = 0.95
QUANTILES = {"p50_ms": 0.5, "p90_ms": 0.9, "p95_ms": 0.95, "p99_ms": 0.99}


@dataclass(frozen=True)
class ServiceSetting:
    """What is measured. `budget_ms`: of the p99 latency. `stretches` of `seconds` each make one figure.

    `starts`: fresh servers for the cold part. `steps`: rates tried between one that holds and one that does not.
    """

    budget_ms: float = 50.0
    seconds: float = 5.0
    stretches: int = 5
    starts: int = 5
    clients: int = 8
    connections: int = 32
    steps: int = 6
    seed: int = 0


@dataclass(frozen=True)
class ServerUse:
    """What the server took during a stretch: share of one processor, resident memory in MiB at its end."""

    cpu_share: float
    memory_mb: float


@dataclass(frozen=True)
class Loaded:
    """What came of one load: the answers of each stretch, and what the server took; None where it runs elsewhere."""

    stretches: Sequence[Answers]
    use: ServerUse | None


class Load(Protocol):
    """A server under load, or the record of one. `name`: of the load in the raw data."""

    def close_loop(self, name: str, clients: int) -> Loaded:
        """Return what came of a closed loop of so many clients."""
        ...

    def open_loop(self, name: str, arrivals: Arrivals, rate: float) -> Loaded:
        """Return what came of an open loop at a rate per second."""
        ...


def describe_service(load: Load, setting: ServiceSetting) -> Json:
    """Return the figures of a service, {single_stream, closed, capacity, open}, as `service.json` has them.

    UserError where no answer under load was good: there is nothing to describe then.
    """
    single = _describe_closed_loop(load, "single_stream", 1)
    closed = _describe_closed_loop(load, "closed", setting.clients)
    capacity = find_capacity(load, 0.5 * closed["per_second"], setting)
    rate = 0.5 * (capacity["holds"] or closed["per_second"])
    kinds: tuple[Arrivals, ...] = ("poisson", "constant")
    return {
        "single_stream": {"scenario": "SingleStream", **single},
        "closed": closed,
        "capacity": {"scenario": "Server", **capacity},
        "open": [_describe_open_loop(load, f"open/{kind}", kind, rate, setting) for kind in kinds],
    }


def _describe_closed_loop(load: Load, name: str, clients: int) -> Json:
    """Return the figures of a closed loop of so many clients."""
    figures = summarise_load(load.close_loop(name, clients))
    if figures["failed"] == figures["requests"]:
        raise UserError(f"{name}: none of {figures['requests']} requests had a good answer; is the server still there?")
    return {"clients": clients, **figures}


def _describe_open_loop(load: Load, name: str, arrivals: Arrivals, rate: float, setting: ServiceSetting) -> Json:
    """Return the figures of an open loop at a rate per second, and whether it holds the budget."""
    found = load.open_loop(name, arrivals, rate)
    budget_ns = setting.budget_ms * 1e6
    late = [float(((one.latency_ns > budget_ns) | (one.status != 200)).mean()) for one in found.stretches]
    low, high = _interval_of_mean(late)
    held = "holds" if high <= 0.01 else "fails" if low > 0.01 else "undecided"
    beyond = {"share": statistics.fmean(late), "low": max(0.0, low), "high": min(1.0, high), "verdict": held}
    return {"arrivals": arrivals, "rate": rate, "beyond_budget": beyond, **summarise_load(found)}


def find_capacity(load: Load, first_rate: float, setting: ServiceSetting) -> Json:
    """Return a service's figure `capacity`: the highest rate found that holds the budget, and its error.

    A rate holds where the share of requests beyond the budget is at most 1 %. The search halves the gap between a rate
    that holds and one that fails. `holds` is a lower, `fails` an upper limit; rates between them are not decided.
    `holds` is null where not even the lowest rate tried did.
    """
    tried: list[Json] = []
    holds: float | None = None
    fails: float | None = None
    rate = first_rate
    for number in range(setting.steps):
        row = _describe_open_loop(load, f"server/{number}", "poisson", rate, setting)
        tried.append(row)
        if row["beyond_budget"]["verdict"] == "holds":
            holds = rate if holds is None else max(holds, rate)
        elif row["beyond_budget"]["verdict"] == "fails":
            fails = rate if fails is None else min(fails, rate)
        if row["beyond_budget"]["verdict"] == "undecided":
            rate = rate * 0.9 if holds is None or holds < rate * 0.9 else (rate + holds) / 2
        elif fails is None:
            rate = rate * 1.5
        elif holds is None:
            rate = fails / 2
        else:
            rate = math.sqrt(holds * fails)
    return {"statistic": "p99", "budget_ms": setting.budget_ms, "holds": holds, "fails": fails, "tried": tried}


def summarise_load(found: Loaded) -> Json:
    """Return the figures of one load on a service, {requests, failed, per_second, latency, server}.

    Intervals are over the stretches.
    """
    figures: Json = {}
    for key, share in QUANTILES.items():
        each = [float(np.quantile(one.latency_ns, share)) / 1e6 for one in found.stretches]
        low, high = _interval_of_mean(each)
        figures[key] = {"value": statistics.fmean(each), "low": max(0.0, low), "high": high}
    use = found.use
    return {
        "requests": sum(len(one.status) for one in found.stretches),
        "failed": sum(one.failed for one in found.stretches),
        "per_second": statistics.fmean(one.rate for one in found.stretches),
        "latency": figures,
        "server": None if use is None else {"cpu_share": use.cpu_share, "memory_mb": use.memory_mb},
    }


def _interval_of_mean(values: Sequence[float]) -> tuple[float, float]:
    """Return the t-interval of the mean over stretches; the value itself twice for a single one."""
    mean = statistics.fmean(values)
    if len(values) < 2:
        return mean, mean
    reach = (
        student_t_quantile((1 + CONFIDENCE) / 2, len(values) - 1) * statistics.stdev(values) / math.sqrt(len(values))
    )
    return mean - reach, mean + reach
