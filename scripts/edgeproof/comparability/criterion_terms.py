"""The terms of criteria: which quantities there are, in which statistics and units, and what belongs to each."""

from typing import NamedTuple, NotRequired, TypedDict

from edgeproof.core.summary import PERCENTILES

_TIME: dict[str, float] = {"ns": 1e-6, "us": 1e-3, "ms": 1.0, "s": 1e3}
_BYTES: dict[str, float] = {"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_COLD = ("mean", *PERCENTILES)
# (metric, regime): its statistics, and its units as multiples of the unit of documents (ms, bytes, 1/s, pp, J).
OFFERED: dict[tuple[str, str | None], tuple[tuple[str, ...], dict[str, float]]] = {
    ("latency", "warm"): (("median", "mean", *PERCENTILES), _TIME),
    ("latency", "cold"): (_COLD, _TIME),
    ("cold_start", "cold"): (_COLD, _TIME),
    ("throughput", "warm"): (("mean",), {"1/s": 1}),
    ("memory_peak", None): (("maximum", "mean"), _BYTES),
    ("artifact_size", None): (("total",), _BYTES),
    ("accuracy_difference", None): (("paired_difference",), {"pp": 1}),
    ("parity", None): (("missed_limits",), {"count": 1}),
    ("energy_ratio", None): (("paired",), {"ratio": 1}),
    ("energy", "warm"): (("mean", "net"), {"J": 1, "mJ": 1e-3}),
    ("power", "warm"): (("mean", "maximum"), {"W": 1, "mW": 1e-3}),
    ("temperature", "warm"): (("mean", "maximum"), {"°C": 1}),
    ("memory", "warm"): (("mean", "maximum"), _BYTES),
}
WATCHED = ("energy", "power", "temperature", "memory")  # what samplers watch
# Counts and readings have no confidence; energy and mean power have an error budget instead.
WITHOUT_CONFIDENCE = {
    ("memory_peak", "maximum"),
    ("artifact_size", "total"),
    ("parity", "missed_limits"),
    ("energy_ratio", "paired"),  # the comparison's
    *((metric, statistic) for metric in WATCHED for statistic in OFFERED[metric, "warm"][0]),
}


class Criterion(TypedDict):
    """One criterion of a file of config/criteria/. `regime`: warm, cold, or None if the metric has none.

    `confidence`: None for what is counted or read off. `direction`: at_most or at_least. `limit`: in `unit`.
    `boundary`: what a power or an energy must be of; any if left out.
    """

    id: str
    metric: str
    regime: str | None
    statistic: str
    confidence: float | None
    limit: float
    unit: str
    direction: str
    required: bool
    boundary: NotRequired[str]


class Quantity(NamedTuple):
    """A value with its interval in the criterion's unit. `reason`: why it is not known, None if it is known.

    An unknown quantity may still have figures to show. `provenance`: measured, declared, estimated or simulated, None
    if there is nothing. `source`: what it was computed from. `remedy`: what would narrow the interval so that it is on
    one side of the criterion's limit, in words with the number where it can be computed.
    """

    value: float | None
    low: float | None
    high: float | None
    provenance: str | None
    source: str
    reason: str | None
    remedy: str = "more processes would narrow it"


def in_unit(quantity: Quantity, criterion: Criterion) -> Quantity:
    """Return a quantity in the terms of a criterion: in its unit instead of the unit of documents."""
    factor = OFFERED[criterion["metric"], criterion["regime"]][1][criterion["unit"]]
    value, low, high = (None if x is None else x / factor for x in (quantity.value, quantity.low, quantity.high))
    return quantity._replace(value=value, low=low, high=high)


def absent(source: str, reason: str, provenance: str | None = None) -> Quantity:
    """Return an unknown Quantity, without figures, as a criterion's term."""
    return Quantity(None, None, None, provenance, source, reason)


def confidence_of(criterion: Criterion) -> float:
    """Return the confidence, a term of a criterion whose quantity has an interval.

    `read_criteria` checks that it has one.
    """
    if criterion["confidence"] is None:
        raise ValueError(f"{criterion['id']}: {criterion['statistic']} of {criterion['metric']} needs a confidence")
    return criterion["confidence"]
