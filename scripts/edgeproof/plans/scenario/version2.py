"""Version 2 of the scenario document: graph, variants, set-up costs, provenance, derating, ingest and egress."""

import itertools
from pathlib import Path
from typing import Any

from edgeproof.core.configuration import Json
from edgeproof.core.errors import UserError
from edgeproof.core.seals import digest_json

from .contention import check_losses
from .model import LIMIT_KEYS, METRIC_KEYS, Contention, Device, Limits, Link, Option, Quantity, Scenario, Stage, Tensor
from .references import check_link_ends, find_name, index_names

_LINK_NUMBERS = ("latency_ms_per_mb", "energy_mj_per_mb", "setup_ms", "setup_mj")
_OPTION_NUMBERS = ("latency_ms", "energy_mj", "weights_mb", "activations_mb", "accuracy_drop")


def parse_v2(document: Json, where: str | Path) -> Scenario:
    """Return the `Scenario` of a validated version 2 document; UserError names the key that contradicts another."""
    reader = _Reader(document, where)
    devices, device_index = reader.read_devices()
    links = reader.read_links(device_index, devices)
    contention = reader.read_contention(device_index)
    stage_index = index_names([s["name"] for s in document["stages"]], "stages", where)
    stages = tuple(reader.read_stage(i, stage, device_index) for i, stage in enumerate(document["stages"]))
    tensors, edges = reader.read_tensors(stage_index)
    order = _sort_stages(edges, document["stages"], where)
    ingest, egress = reader.read_ends(device_index)
    tensors = _add_ends(tensors, edges, document, ingest, egress)
    caps = document.get("constraints", {})
    scenario = Scenario(
        name=document["name"],
        devices=devices,
        links=links,
        stages=stages,
        tensors=tuple(tensors),
        order=order,
        limits=Limits(**{METRIC_KEYS[metric]: caps.get(key) for metric, key in LIMIT_KEYS.items()}),
        version=2,
        description=document.get("description", ""),
        execution=document.get("execution", "serial"),
        thermal=document.get("thermal", "burst"),
        ingest=ingest,
        egress=egress,
        contention=contention,
        energy_missing=reader.energy_missing,
        stage_error=document.get("stage_error", 0.0),
        quantities=reader.quantities,
        digest=digest_json(document),
    )
    _check_crossings(scenario, where)
    _check_shared_weights(scenario, where)
    if scenario.idle_mj_per_ms and scenario.execution == "scheduled":
        raise UserError(f"{where}: devices have idle_mw, which scheduled execution does not count; use serial")
    if any(device.entry_ms for device in scenario.devices) and scenario.execution != "serial":
        raise UserError(f"{where}: devices have entry_ms, which only serial execution counts, not {scenario.execution}")
    if contention:
        check_losses(scenario, where)
    if scenario.energy_missing and scenario.limits.energy_mj is not None:
        raise UserError(f"{where}: max_total_energy_mj needs every energy, but {scenario.energy_missing} has none")
    return scenario


class _Reader:
    """Turns the parts of one document into objects, and collects the numbers that carry a provenance."""

    def __init__(self, document: Json, where: str | Path) -> None:
        self.document, self.where = document, where
        self.quantities = {}
        self.energy_missing = None

    def read_devices(self) -> tuple[tuple[Device, ...], dict[str, int]]:
        """Return (devices, {name: index}), with the factors of sustained load where the scenario asks for them."""
        names = [d["name"] for d in self.document["devices"]]
        sustained = self.document.get("thermal", "burst") == "sustained"
        devices = []
        for i, device in enumerate(self.document["devices"]):
            factors = (1.0, 1.0)
            if sustained and "sustained" in device:
                factors = self._read_factors(device["sustained"], f"devices[{i}].sustained")
            power = {key: device.get(key, 0.0) for key in ("idle_mw", "entry_ms")}
            power["modes"] = tuple(device.get("modes", ()))
            label = device.get("label", device["name"])
            devices.append(Device(device["name"], label, device["memory_mb"], *factors, **power))
        return tuple(devices), index_names(names, "devices", self.where)

    def _read_factors(self, sustained: Any, key: str) -> tuple[float, float]:
        """Return the (latency, energy) factors of a curve at `sustained_s`.

        Linear between the points of the curve, constant before the first and after the last.
        """
        if isinstance(sustained, dict):
            return sustained["latency_factor"], sustained.get("energy_factor", 1.0)
        times = [point["after_s"] for point in sustained]
        if any(b <= a for a, b in itertools.pairwise(times)):
            raise UserError(f"{self.where}: {key}: after_s must increase from point to point")
        at = self.document.get("sustained_s")
        at = times[-1] if at is None else min(max(at, times[0]), times[-1])
        right = next(i for i, time in enumerate(times) if time >= at)
        left = max(right - 1, 0)
        share = (at - times[left]) / (times[right] - times[left]) if right else 0.0
        pairs = [(p["latency_factor"], p.get("energy_factor", 1.0)) for p in (sustained[left], sustained[right])]
        return tuple(a + share * (b - a) for a, b in zip(*pairs, strict=True))

    def read_links(self, device_index: dict[str, int], devices: tuple[Device, ...]) -> tuple[Link, ...]:
        """Return the links of the document; UserError for an unknown device or a second link."""
        links = []
        for i, link in enumerate(self.document.get("links", [])):
            ends = [
                find_name(device_index, link[end], f"links[{i}].{end}", "device", self.where)
                for end in ("source", "target")
            ]
            if "energy_mj_per_mb" not in link:
                self._miss_energy(f"links[{i}].energy_mj_per_mb")
            numbers = {
                key: self._read_number(link[key], ("link", i, key), f"links[{i}].{key}")
                for key in _LINK_NUMBERS
                if key in link
            }
            links.append(Link(*ends, **numbers, bidirectional=link.get("bidirectional", True)))
        check_link_ends(links, devices, self.where)
        return tuple(links)

    def read_contention(self, device_index: dict[str, int]) -> tuple[Contention, ...]:
        """Return who slows whom; UserError for an unknown device, a factor below 1 or a second entry for a pair."""
        found = []
        for i, row in enumerate(self.document.get("contention", [])):
            ends = [
                find_name(device_index, row[end], f"contention[{i}].{end}", "device", self.where)
                for end in ("slowed", "by")
            ]
            factor = self._read_number(row["factor"], ("contention", i, "factor"), f"contention[{i}].factor")
            place = f"{self.where}: contention[{i}]"
            if factor < 1:
                raise UserError(f"{place}.factor is {factor}; it is at least 1: time beside another, over time alone")
            if ends[0] == ends[1]:
                raise UserError(f"{place}: {row['by']!r} cannot slow itself; a device runs one stage at a time")
            if any((known.slowed, known.by) == tuple(ends) for known in found):
                raise UserError(f"{place} repeats the pair {row['slowed']!r}, {row['by']!r}")
            found.append(Contention(ends[0], ends[1], factor))
        return tuple(found)

    def read_stage(self, i: int, stage: Json, device_index: dict[str, int]) -> Stage:
        """Return stage `i` with its options; UserError when two variants of a device have one name."""
        rows = []
        for device, profile in stage["profiles"].items():
            place = f"stages[{i}].profiles.{device}"
            index = find_name(device_index, device, f"stages[{i}].profiles", "device", self.where)
            variants = profile if isinstance(profile, list) else [profile]
            names = {}
            for v, variant in enumerate(variants):
                key = f"{place}[{v}]" if isinstance(profile, list) else place
                name = _name_variant(variant)
                if name in names:
                    raise UserError(
                        f"{self.where}: {key}: variant {name!r} occurs twice; tell them apart by precision, batch or"
                        " mode"
                    )
                names[name] = v
                self._check_mode(variant, device, f"{key}.mode")
                rows.append((index, name, variant, key))
        rows.sort(key=lambda row: row[0])
        options = []
        for o, (device, name, variant, key) in enumerate(rows):
            if variant.get("energy_mj") is None:
                self._miss_energy(f"{key}.energy_mj")
            numbers = {
                number: self._read_number(variant[number], ("option", i, o, number), f"{key}.{number}")
                for number in _OPTION_NUMBERS
                if variant.get(number) is not None
            }
            labels = {label: variant.get(label) for label in ("shared_weights", "precision", "batch", "mode")}
            options.append(Option(device, name, **numbers, **labels))
        return Stage(stage["name"], tuple(options), stage.get("description", ""), stage.get("deadline_ms"))

    def _check_mode(self, variant, device, key):
        modes = next(d.get("modes", []) for d in self.document["devices"] if d["name"] == device)
        mode = variant.get("mode")
        if mode is not None and mode not in modes:
            raise UserError(
                f"{self.where}: {key} is {mode!r}; the modes of {device!r} are {', '.join(modes) or 'none'}"
            )

    def read_tensors(self, stage_index: dict[str, int]) -> tuple[list[Tensor], list[tuple[int, int]]]:
        """Return (tensors, edges as pairs of stages); without `edges` the stages form a chain."""
        stages = self.document["stages"]
        if "edges" not in self.document:
            chain = [(i, i + 1) for i in range(len(stages) - 1)]
            return [Tensor(a, (b,), stages[a].get("output_mb", 0)) for a, b in chain], chain
        groups, edges = {}, []
        for i, edge in enumerate(self.document["edges"]):
            ends = [
                find_name(stage_index, edge[end], f"edges[{i}].{end}", "stage", self.where)
                for end in ("source", "target")
            ]
            size = edge.get("output_mb", stages[ends[0]].get("output_mb", 0))
            tensor = (ends[0], edge.get("tensor", ""))
            known = groups.setdefault(tensor, (size, i, []))
            if known[0] != size:
                raise UserError(
                    f"{self.where}: edges[{i}].output_mb is {size}, but edges[{known[1]}] hands over the same tensor"
                    f" at {known[0]}; name the tensors apart with 'tensor'"
                )
            if ends[1] in known[2]:
                raise UserError(f"{self.where}: edges[{i}] repeats an edge to {edge['target']!r}")
            known[2].append(ends[1])
            edges.append(tuple(ends))
        tensors = [Tensor(source, tuple(targets), size, name) for (source, name), (size, _, targets) in groups.items()]
        return tensors, edges

    def read_ends(self, device_index: dict[str, int]) -> list[int | None]:
        """Return the devices (indices) of ingest and egress, None where the document has none."""
        ends = []
        for key in ("ingest", "egress"):
            end = self.document.get(key)
            ends.append(end and find_name(device_index, end["device"], f"{key}.device", "device", self.where))
        return ends

    def _miss_energy(self, key):
        self.energy_missing = self.energy_missing or key

    def _read_number(self, number, place, key):
        if not isinstance(number, dict):
            return number
        quantity = Quantity(
            number["value"],
            number["provenance"],
            number.get("result"),
            number.get("digest"),
            tuple(number.get("process_medians", ())),
            tuple(number["interval"]) if "interval" in number else None,
            number.get("confidence", 0.95),
        )
        low, high = quantity.interval or (quantity.value, quantity.value)
        if quantity.process_medians:
            low, high = min(low, *quantity.process_medians), max(high, *quantity.process_medians)
        if quantity.interval and quantity.interval[0] > quantity.interval[1]:
            raise UserError(f"{self.where}: {key}.interval is [{low}, {high}]; the lower end comes first")
        if not low <= quantity.value <= high:
            raise UserError(f"{self.where}: {key}.value is {quantity.value}, outside its own samples [{low}, {high}]")
        self.quantities[place] = quantity
        return quantity.value


def _name_variant(variant):
    parts = [variant["precision"]] if "precision" in variant else []
    if "batch" in variant:
        parts.append(f"b{variant['batch']}")
    if "mode" in variant:
        parts.append(variant["mode"])
    return "-".join(parts)


def _add_ends(tensors, edges, document, ingest, egress):
    stages = range(len(document["stages"]))
    if ingest is not None:
        fed = {target for _, target in edges}
        first = tuple(i for i in stages if i not in fed)
        tensors = [Tensor(None, first, document["ingest"]["input_mb"], "input"), *tensors]
    if egress is not None:
        read = {source for source, _ in edges}
        last = [i for i in stages if i not in read]
        tensors = [*tensors, *(Tensor(i, (-1,), document["stages"][i].get("output_mb", 0), "output") for i in last)]
    return tensors


def _sort_stages(edges: list[tuple[int, int]], stages: list[Json], where: str | Path) -> tuple[int, ...]:
    """Return the stages in the order of serial execution.

    The next stage is always the first one in the document whose inputs are there.
    """
    waiting = {i: {a for a, b in edges if b == i} for i in range(len(stages))}
    order = []
    while waiting:
        ready = next((i for i, sources in waiting.items() if not sources & waiting.keys()), None)
        if ready is None:
            raise UserError(f"{where}: edges form a cycle: {_trace_cycle(waiting, stages)}; remove one of these edges")
        order.append(ready)
        del waiting[ready]
    return tuple(order)


def _trace_cycle(waiting: dict[int, set[int]], stages: list[Json]) -> str:
    """Return a cycle among stages that wait for each other, as text: `a → b → a`."""
    trail, stage = [], next(iter(waiting))
    while stage not in trail:
        trail.append(stage)
        stage = min(waiting[stage] & waiting.keys())
    cycle = [*trail[trail.index(stage) :], stage]
    return " → ".join(stages[i]["name"] for i in reversed(cycle))


def _check_crossings(scenario: Scenario, where: str | Path) -> None:
    """Raise UserError for a hand-over that no placement can make: no common device, and no link between the devices."""
    joined = {(link.source, link.target) for link in scenario.links}
    joined |= {(link.target, link.source) for link in scenario.links if link.bidirectional}
    for tensor in scenario.tensors:
        sources = _devices_of(scenario, tensor.producer, scenario.ingest)
        for consumer in tensor.consumers:
            targets = _devices_of(scenario, None if consumer == -1 else consumer, scenario.egress)
            if sources & targets or any((a, b) in joined for a in sources for b in targets):
                continue
            ends = [
                scenario.stages[i].name if i not in (None, -1) else end
                for i, end in ((tensor.producer, "ingest"), (consumer, "egress"))
            ]
            names = [", ".join(scenario.devices[d].name for d in sorted(group)) for group in (sources, targets)]
            raise UserError(
                f"{where}: {ends[0]} → {ends[1]} cannot be handed over: no link from {names[0]}"
                f" to {names[1]} and no device runs both"
            )


def _devices_of(scenario: Scenario, stage: int | None, end: int | None) -> set[int]:
    return (
        {-1 if end is None else end} if stage is None else {option.device for option in scenario.stages[stage].options}
    )


def _check_shared_weights(scenario, where):
    seen = {}
    for stage in scenario.stages:
        for option in stage.options:
            if option.shared_weights is None:
                continue
            key = (option.device, option.shared_weights)
            size, name = seen.setdefault(key, (option.weights_mb, stage.name))
            if size != option.weights_mb:
                raise UserError(
                    f"{where}: stage {stage.name!r} shares weights {option.shared_weights!r} with {name!r},"
                    f" but one says {option.weights_mb} MB and the other {size} MB"
                    f" on {scenario.devices[option.device].name!r}"
                )
