"""A scenario: stages, devices, links and limits.

Both versions become one `Scenario`. What differs is kept as rules of it: `charges_empty_crossings` (version 2: a
crossing pays the set-up cost and needs a link even at 0 MB) and `counts_tensors` (version 2: what stages hand over
takes memory).
"""

from dataclasses import dataclass, field, replace

PROVENANCES = ("measured", "declared", "estimated", "simulated")


@dataclass(frozen=True)
class Quantity:
    """One number and where it comes from.

    `value` is in the unit of its key; `process_medians` (one per process) or `interval` at `confidence` say how far it
    can be trusted; `result` and `digest` name the result it was taken from.
    """

    value: float
    provenance: str = "declared"
    result: str | None = None
    digest: str | None = None
    process_medians: tuple = ()
    interval: tuple | None = None
    confidence: float = 0.95

    @property
    def uncertain(self):
        """Whether resampling can move this number."""
        return len(self.process_medians) > 1 or self.interval is not None


@dataclass(frozen=True)
class Device:
    """A place to run; `memory_mb` is an inclusive budget, the factors derate execution there (1 = burst)."""

    name: str
    label: str
    memory_mb: float
    latency_factor: float = 1.0
    energy_factor: float = 1.0


@dataclass(frozen=True)
class Link:
    """One channel from device `source` to `target` (indices), both ways when `bidirectional`."""

    source: int
    target: int
    latency_ms_per_mb: float
    energy_mj_per_mb: float = 0.0
    setup_ms: float = 0.0
    setup_mj: float = 0.0
    bidirectional: bool = True


@dataclass(frozen=True)
class Option:
    """One way to run a stage: a device (index) and a variant, with its costs before derating."""

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


@dataclass(frozen=True)
class Stage:
    """A stage and its options, ordered by device, then as written."""

    name: str
    options: tuple
    description: str = ""
    deadline_ms: float | None = None


@dataclass(frozen=True)
class Tensor:
    """What stage `producer` (index; None: the pipeline's input) hands to `consumers`; -1 is the pipeline's output."""

    producer: int | None
    consumers: tuple
    size_mb: float
    name: str = ""


@dataclass(frozen=True)
class Limits:
    """Inclusive limits of the whole plan; None: no limit. Budgets stand with devices, deadlines with stages."""

    latency_ms: float | None = None
    energy_mj: float | None = None
    accuracy_drop: float | None = None
    period_ms: float | None = None


@dataclass(frozen=True)
class Scenario:
    """Everything a plan depends on. `order` lists the stages (indices) as they execute one after another."""

    name: str
    devices: tuple
    links: tuple
    stages: tuple
    tensors: tuple
    order: tuple
    limits: Limits = Limits()
    version: int = 1
    description: str = ""
    execution: str = "serial"
    thermal: str = "burst"
    ingest: int | None = None
    egress: int | None = None
    energy_missing: str | None = None
    quantities: dict = field(default_factory=dict)
    digest: str = ""

    @property
    def charges_empty_crossings(self):
        """Version 2: a crossing of 0 MB needs a link and pays its set-up cost."""
        return self.version >= 2

    @property
    def counts_tensors(self):
        """Version 2: tensors between stages take memory on both sides while they live."""
        return self.version >= 2

    @property
    def placements(self):
        """The number of assignments of an option to every stage."""
        count = 1
        for stage in self.stages:
            count *= len(stage.options)
        return count

    def with_values(self, values):
        """Return a copy with numbers replaced.

        Keys are places `("option", stage, option, field)` or `("link", i, field)`.
        """
        links, changed = list(self.links), {}
        for place, value in values.items():
            if place[0] == "link":
                links[place[1]] = replace(links[place[1]], **{place[2]: value})
            else:
                changed.setdefault(place[1], {}).setdefault(place[2], {})[place[3]] = value
        stages = list(self.stages)
        for index, options in changed.items():
            new = [replace(option, **options.get(i, {})) for i, option in enumerate(stages[index].options)]
            stages[index] = replace(stages[index], options=tuple(new))
        return replace(self, links=tuple(links), stages=tuple(stages))
