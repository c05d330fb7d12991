"""A scenario: stages, devices, links and limits, read strictly from JSON (version 1 and version 2).

Both versions become one `Scenario`. What differs is kept as rules of it: `charges_empty_crossings` (version 2: a
crossing pays the set-up cost and needs a link even at 0 MB) and `counts_tensors` (version 2: what stages hand over
takes memory).
"""

from dataclasses import dataclass, field, replace

from edgeproof.core.documents import digest_json, read_json, validate
from edgeproof.core.errors import UserError

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


def load_scenario(path):
    """Return the `Scenario` in the JSON file `path`; UserError names file, place and remedy."""
    return parse_scenario(read_json(path, "scenario"), path)


def parse_scenario(document, where="scenario"):
    """Return the `Scenario` of a JSON value; `where` names it in errors. Marker `schema` decides the version."""
    from .scenario_v2 import parse_v2  # that module builds on this one

    validate(document, "scenario", where)
    if "schema" in document:
        return parse_v2(validate(document, "scenario-v2", where), where)
    return _parse_v1(validate(document, "scenario-v1", where), where)


def _parse_v1(document, where):
    devices = tuple(Device(d["name"], d.get("label", d["name"]), d["memory_mb"]) for d in document["devices"])
    device_index = index_names([d.name for d in devices], "devices", where)
    links = tuple(
        Link(
            find_name(device_index, link["source"], f"links[{i}].source", "device", where),
            find_name(device_index, link["target"], f"links[{i}].target", "device", where),
            link["latency_ms_per_mb"],
            link["energy_mj_per_mb"],
            bidirectional=link.get("bidirectional", True),
        )
        for i, link in enumerate(document.get("links", []))
    )
    check_links(links, devices, where)
    index_names([s["name"] for s in document["stages"]], "stages", where)
    stages = []
    for i, stage in enumerate(document["stages"]):
        options = []
        for device, profile in stage["profiles"].items():
            index = find_name(device_index, device, f"stages[{i}].profiles", "device", where)
            options.append(
                Option(index, "", profile["latency_ms"], profile["energy_mj"], weights_mb=profile["memory_mb"])
            )
        options.sort(key=lambda option: option.device)
        stages.append(Stage(stage["name"], tuple(options), stage.get("description", "")))
    tensors = tuple(Tensor(i, (i + 1,), stage.get("output_mb", 0)) for i, stage in enumerate(document["stages"][:-1]))
    caps = document.get("constraints", {})
    return Scenario(
        name=document["name"],
        devices=devices,
        links=links,
        stages=tuple(stages),
        tensors=tensors,
        order=tuple(range(len(stages))),
        limits=Limits(caps.get("max_total_latency_ms"), caps.get("max_total_energy_mj")),
        description=document.get("description", ""),
        digest=digest_json(document),
    )


def index_names(names, key, where):
    """Return `{name: index}`; UserError when a name occurs twice."""
    index = {}
    for i, name in enumerate(names):
        if name in index:
            raise UserError(f"{where}: {key}[{i}].name is {name!r}, as {key}[{index[name]}].name; names must be unique")
        index[name] = i
    return index


def find_name(index, name, key, noun, where):
    """Return the index of `name`; UserError lists what is declared."""
    if name not in index:
        raise UserError(f"{where}: {key} names {noun} {name!r}, which is not declared; known: {', '.join(index)}")
    return index[name]


def check_links(links, devices, where):
    """Refuse a link from a device to itself and a second link for an ordered pair of devices."""
    seen = {}
    for i, link in enumerate(links):
        if link.source == link.target:
            name = devices[link.source].name
            raise UserError(f"{where}: links[{i}] joins {name!r} to itself; staying on a device is free")
        pairs = [(link.source, link.target)] + ([(link.target, link.source)] if link.bidirectional else [])
        for pair in pairs:
            if pair in seen:
                names = " → ".join(devices[d].name for d in pair)
                raise UserError(
                    f"{where}: links[{i}] declares {names} again (links[{seen[pair]}]); one link per direction"
                )
            seen[pair] = i
