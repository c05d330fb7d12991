"""A scenario: stages, devices, links and limits, as one set of classes for both versions of the document.

Where the versions differ, `Scenario` has a property for it: `charges_empty_crossings` and `counts_tensors`.
"""

from dataclasses import dataclass, field, replace
from typing import Any

Placement = tuple[int, ...]  # the index of an option per stage, in the order of `Scenario.stages`
# Start of every stage, and of every copy by (tensor, source device, target device), in units of `costs.py`.
Schedule = tuple[tuple[int, ...], dict[tuple[int, int, int], int]]
# Where a number stands: ("option", stage, option, field), ("link", link, field) or ("contention", index, field).
Place = tuple[Any, ...]

# Metric: the key of its limit in documents; `Limits` names it as METRIC_KEYS does.
LIMIT_KEYS = {
    "latency": "max_total_latency_ms",
    "energy": "max_total_energy_mj",
    "accuracy": "max_accuracy_drop",
    "period": "max_period_ms",
}
# Metric: its name with the unit, as documents have it.
METRIC_KEYS = {
    "latency": "latency_ms",
    "energy": "energy_mj",
    "accuracy": "accuracy_drop",
    "period": "period_ms",
    "switches": "switches",
    "score": "score",
}


@dataclass(frozen=True)
class Quantity:
    """One number and where it comes from.

    `value` has the unit of its key. `process_medians` (one per process) or `interval` (at `confidence`) say how
    uncertain it is. `result` and `digest` name the result file that it was taken from.
    """

    value: float
    provenance: str = "declared"
    result: str | None = None
    digest: str | None = None
    process_medians: tuple[float, ...] = ()
    interval: tuple[float, float] | None = None
    confidence: float = 0.95

    @property
    def uncertain(self) -> bool:
        """Whether resampling can change this number."""
        return len(self.process_medians) > 1 or self.interval is not None


@dataclass(frozen=True)
class Device:
    """A place to run. `memory_mb` is the budget (inclusive).

    The factors slow execution down under sustained load (1: burst). `entry_ms`: what a stage takes longer unless the
    one before it ran here. `idle_mw`: power at all times. `modes`: names of its power modes, of which a plan sets one.
    """

    name: str
    label: str
    memory_mb: float
    latency_factor: float = 1.0
    energy_factor: float = 1.0
    idle_mw: float = 0.0
    entry_ms: float = 0.0
    modes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Link:
    """One channel from device `source` to device `target` (indices); it serves both directions when `bidirectional`."""

    source: int
    target: int
    latency_ms_per_mb: float
    energy_mj_per_mb: float = 0.0
    setup_ms: float = 0.0
    setup_mj: float = 0.0
    bidirectional: bool = True


@dataclass(frozen=True)
class Contention:
    """A stage on device `slowed` takes `factor` times as long while a stage runs on device `by` (indices)."""

    slowed: int
    by: int
    factor: float


@dataclass(frozen=True)
class Option:
    """One way to run a stage: a device (index) and a variant; costs are those before the device's factors.

    `mode`: the device's power mode that they belong to; None: any.
    """

    device: int
    variant: str
    latency_ms: float
    energy_mj: float = 0.0
    weights_mb: float = 0.0
    activations_mb: float = 0.0
    accuracy_drop: float = 0.0
    shared_weights: str | None = None
    precision: str | None = None
    batch: int | None = None
    mode: str | None = None


@dataclass(frozen=True)
class Stage:
    """A stage and its options, sorted by device; options of one device keep the order of the document."""

    name: str
    options: tuple[Option, ...]
    description: str = ""
    deadline_ms: float | None = None


@dataclass(frozen=True)
class Tensor:
    """The output of stage `producer` (index; None: the pipeline's input), read by `consumers` (-1: the pipeline's
    output).
    """

    producer: int | None
    consumers: tuple[int, ...]
    size_mb: float
    name: str = ""


@dataclass(frozen=True)
class Limits:
    """Inclusive limits of the whole plan; None: no limit. Memory budgets are in `Device`, deadlines in `Stage`."""

    latency_ms: float | None = None
    energy_mj: float | None = None
    accuracy_drop: float | None = None
    period_ms: float | None = None

    def of(self, metric: str) -> float | None:
        """Return the limit on a metric of `LIMIT_KEYS`."""
        return getattr(self, METRIC_KEYS[metric])


@dataclass(frozen=True)
class Scenario:
    """Everything a plan depends on. `order` lists the stages (indices) in the order of serial execution.

    `stage_error`: by which share a stage's latency in a pipeline may differ from what it takes alone.
    """

    name: str
    devices: tuple[Device, ...]
    links: tuple[Link, ...]
    stages: tuple[Stage, ...]
    tensors: tuple[Tensor, ...]
    order: tuple[int, ...]
    limits: Limits = Limits()
    version: int = 1
    description: str = ""
    execution: str = "serial"
    thermal: str = "burst"
    ingest: int | None = None
    egress: int | None = None
    contention: tuple[Contention, ...] = ()
    energy_missing: str | None = None
    stage_error: float = 0.0
    quantities: dict[Place, Quantity] = field(default_factory=dict)
    digest: str = ""

    @property
    def charges_empty_crossings(self) -> bool:
        """Whether a crossing of 0 MB needs a link and pays its set-up cost (version 2)."""
        return self.version >= 2

    @property
    def counts_tensors(self) -> bool:
        """Whether tensors between stages take memory on both sides while they live (version 2)."""
        return self.version >= 2

    @property
    def idle_mj_per_ms(self) -> float:
        """The energy that all devices together draw per millisecond whatever runs."""
        return sum(device.idle_mw for device in self.devices) / 1000

    def mixes_modes(self, placement: Placement) -> bool:
        """Return whether a placement wants one device in two power modes at once."""
        wanted = {}
        for stage, index in zip(self.stages, placement, strict=True):
            option = stage.options[index]
            if option.mode is not None and wanted.setdefault(option.device, option.mode) != option.mode:
                return True
        return False

    @property
    def placements(self) -> int:
        """The number of placements: the product of the numbers of options."""
        count = 1
        for stage in self.stages:
            count *= len(stage.options)
        return count

    def with_values(self, values: dict[Place, float]) -> "Scenario":
        """Return a copy with other numbers.

        Keys are places: `("option", stage, option, field)`, `("link", link, field)`, `("contention", index, field)`.
        """
        links, contention, changed = list(self.links), list(self.contention), {}
        for place, value in values.items():
            if place[0] == "link":
                links[place[1]] = replace(links[place[1]], **{place[2]: value})
            elif place[0] == "contention":
                contention[place[1]] = replace(contention[place[1]], **{place[2]: value})
            else:
                changed.setdefault(place[1], {}).setdefault(place[2], {})[place[3]] = value
        stages = list(self.stages)
        for index, options in changed.items():
            new = [replace(option, **options.get(i, {})) for i, option in enumerate(stages[index].options)]
            stages[index] = replace(stages[index], options=tuple(new))
        return replace(self, links=tuple(links), stages=tuple(stages), contention=tuple(contention))
