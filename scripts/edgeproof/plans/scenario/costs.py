"""Costs of a placement in whole units, so that sums are exact.

A unit is 1e-9 of the unit in a name (ms, mJ, MB, points of accuracy). Each item (a stage on a device, a crossing) is
rounded once; totals are integers. In execution order (`scenario.order`), a stage first fetches the inputs that its
device lacks, then runs: a crossing belongs to the first stage on the target device that reads the tensor.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from edgeproof.core.errors import UserError

from .bounds import LARGEST, LARGEST_SUM, describe_excess
from .contention import tabulate_losses
from .model import LIMIT_KEYS, Placement, Scenario

UNIT = 10**9
TOLERANCE = 1e-9  # of objectives in readers' units: below it two values count as equal
_COLUMNS = ("latency_ms", "energy_mj", "weights_mb", "activations_mb", "accuracy_drop")
FORBIDDEN = -1
REFERENCE_FLOOR = 1000  # 1e-6 in units: the smallest reference a score divides by


class Totals(NamedTuple):
    """What a placement costs, in units; `memory` has one entry per device."""

    latency: int
    energy: int
    switches: int
    accuracy: int
    period: int
    memory: tuple[int, ...]


class Crossing(NamedTuple):
    """A copy of one tensor to one device. `reader` is the stage that waits for it (-1: the pipeline's output)."""

    tensor: int
    source: int
    target: int
    reader: int
    latency: int
    energy: int


@dataclass(frozen=True)
class Caps:
    """The largest totals allowed, in units; None: no limit. `memory` is per device, `deadlines` per stage.

    Each is one unit above the limit itself, for what rounding adds.
    """

    latency: int | None
    energy: int | None
    accuracy: int | None
    period: int | None
    memory: tuple[int | None, ...]
    deadlines: tuple[int | None, ...]

    def allow(self, totals: Totals) -> bool:
        """Return whether totals keep every limit; deadlines are not looked at, they need the times of the stages."""
        pairs = [
            (totals.latency, self.latency),
            (totals.energy, self.energy),
            (totals.accuracy, self.accuracy),
            (totals.period, self.period),
            *zip(totals.memory, self.memory, strict=True),
        ]
        return all(cap is None or value <= cap for value, cap in pairs)


class Problem:
    """A scenario in units: costs per option, crossings per tensor and pair of devices, references and limits.

    `memory_rule` says how memory is counted: `serial` (peak of what is alive at one time), `scheduled` (the same over
    the schedule) or `pipelined` (everything at once, tensors twice).
    """

    def __init__(
        self, scenario: Scenario, memory_rule: str | None = None, references: tuple[int, int] | None = None
    ) -> None:
        """Compile a scenario. `references`: (latency, energy) in units that scores divide by; default: the scenario's
        own.

        UserError for a cost too large to count.
        """
        self.scenario = scenario
        self.memory_rule = memory_rule or scenario.execution
        self.order = scenario.order
        self.entry = [_units(device.entry_ms) for device in scenario.devices]
        self.has_entries = any(self.entry)
        self.losses = tabulate_losses(scenario)
        self.has_modes = any(device.modes for device in scenario.devices)
        self.ingest, self.egress = (-1 if end is None else end for end in (scenario.ingest, scenario.egress))
        self.position = {stage: i for i, stage in enumerate(self.order)}
        self._compile_options()
        self._compile_crossings()
        # What a tensor takes in the memory of devices: input and output of the pipeline lie with the caller.
        inner = [t.producer is not None and t.consumers != (-1,) for t in scenario.tensors]
        self.sizes = [
            _units(tensor.size_mb) if scenario.counts_tensors and held else 0
            for tensor, held in zip(scenario.tensors, inner, strict=True)
        ]
        # Per stage the tensors that it reads or makes.
        self.tensors_of = [
            {k for k, tensor in enumerate(scenario.tensors) if stage == tensor.producer or stage in tensor.consumers}
            for stage in range(len(scenario.stages))
        ]
        self._check_sums()
        self.latency_ref, self.energy_ref = references or (
            max(REFERENCE_FLOOR, sum(min(costs) for costs in self.latency)),
            max(REFERENCE_FLOOR, sum(min(costs) for costs in self.energy)),
        )
        limits = {metric: scenario.limits.of(metric) for metric in LIMIT_KEYS}
        self.caps = Caps(
            **{metric: None if limit is None else _cap(limit) for metric, limit in limits.items()},
            memory=tuple(_cap(device.memory_mb) for device in scenario.devices),
            deadlines=tuple(None if s.deadline_ms is None else _cap(s.deadline_ms) for s in scenario.stages),
        )

    def _compile_options(self):
        scenario = self.scenario
        table = np.array(
            [
                (
                    option.latency_ms * scenario.devices[option.device].latency_factor,
                    option.energy_mj * scenario.devices[option.device].energy_factor
                    + scenario.idle_mj_per_ms * option.latency_ms * scenario.devices[option.device].latency_factor,
                    option.weights_mb,
                    option.activations_mb,
                    option.accuracy_drop,
                )
                for stage in scenario.stages
                for option in stage.options
            ],
            float,
        )
        places = [(stage, option) for stage in scenario.stages for option in stage.options]
        for row, column in np.argwhere(np.abs(table) >= LARGEST)[:1]:
            stage, option = places[row]
            where = f"stage {stage.name!r} on {scenario.devices[option.device].name!r}: {_COLUMNS[column]}"
            raise UserError(
                describe_excess(where, float(table[row, column]), "leave out a profile that must not be used")
            )
        columns = np.rint(table.T * UNIT).astype(np.int64).tolist()
        ends = np.cumsum([len(stage.options) for stage in scenario.stages]).tolist()
        split = [[column[a:b] for a, b in zip([0, *ends], ends, strict=False)] for column in columns]
        self.latency, self.energy, self.weights, self.activations, self.accuracy = split
        self.device = [[option.device for option in stage.options] for stage in scenario.stages]

    def _check_sums(self) -> None:
        """Raise UserError when the costs of a plan may add up to more than 64 bits hold."""
        tensors, stages = self.scenario.tensors, len(self.order)
        reached = [min(len(tensor.consumers), len(self.scenario.devices)) for tensor in tensors]
        for device, entry in zip(self.scenario.devices, self.entry, strict=True):
            if (drawn := self.draw_idly([entry]) / UNIT) >= LARGEST:
                where = f"device {device.name!r}: the energy drawn by all while it wakes up (entry_ms)"
                raise UserError(describe_excess(where, drawn, "state a shorter time or less idle_mw"))
        crossings = [
            sum(count * worst for count, worst in zip(reached, costs.max(axis=(1, 2)).tolist(), strict=True))
            for costs in (self.cross_latency_array, self.cross_energy_array)
        ]
        held = 2 * sum(size * (1 + count) for size, count in zip(self.sizes, reached, strict=True))
        sums = {
            "latency in ms": (self.latency, crossings[0] + stages * max(self.entry)),
            "energy in mJ": (self.energy, crossings[1] + stages * self.draw_idly([max(self.entry)])),
            "accuracy_drop": (self.accuracy, 0),
            "memory in MB": ([*self.weights, *self.activations], held),
        }
        for name, (rows, more) in sums.items():
            total = (sum(map(max, rows)) + more) / UNIT
            if total >= LARGEST_SUM:
                raise UserError(
                    f"a plan's {name} may reach {total:g}; plans count up to {LARGEST_SUM:g} in all,"
                    " leave out what must not be used, or split the pipeline"
                )

    def _compile_crossings(self) -> None:
        """Fill `cross_latency[tensor][source][target]` and `cross_energy`; FORBIDDEN where there is no link."""
        scenario, count = self.scenario, len(self.scenario.devices)
        rates = np.full((4, count, count), np.nan)
        self.channel = {}
        for index, link in enumerate(scenario.links):
            values = (link.latency_ms_per_mb, link.setup_ms, link.energy_mj_per_mb, link.setup_mj)
            for pair in [(link.source, link.target)] + [(link.target, link.source)] * link.bidirectional:
                rates[:, pair[0], pair[1]] = values
                self.channel[pair] = index
        sizes = np.array([tensor.size_mb for tensor in scenario.tensors], float)[:, None, None]
        tables, idle = [], scenario.idle_mj_per_ms
        # All devices draw idle power for as long as a stage or a crossing takes.
        for rate, setup in ((rates[0], rates[1]), (rates[2] + idle * rates[0], rates[3] + idle * rates[1])):
            with np.errstate(over="ignore"):  # infinity is refused below
                units = np.rint((sizes * rate + setup) * UNIT)
            if not scenario.charges_empty_crossings:
                units = np.where(sizes == 0, 0, units)
            for _, source, target in np.argwhere(np.abs(units) >= LARGEST * UNIT)[
                :1
            ]:  # NaN (no link) compares as false
                where = " → ".join(scenario.devices[device].name for device in (source, target))
                worst = np.nanmax(np.abs(units[:, source, target])) / UNIT
                raise UserError(
                    describe_excess(f"link {where}: a crossing", worst, "leave out a link that must not be used")
                )
            units = np.where(np.isnan(units), FORBIDDEN, units)
            units[:, range(count), range(count)] = 0
            tables.append(units.astype(np.int64))
        self.cross_latency_array, self.cross_energy_array = tables
        self.cross_latency, self.cross_energy = tables[0].tolist(), tables[1].tolist()

    def list_entries(self, devices: list[int]) -> list[int]:
        """Return per stage what waking up its device takes: 0 where the stage before it ran there."""
        entries, last = [0] * len(devices), None
        for stage in self.order:
            if devices[stage] != last:
                last = devices[stage]
                entries[stage] = self.entry[last]
        return entries

    def devices_of(self, placement: Placement) -> list[int]:
        """Return the device (index) of every stage."""
        return [self.device[i][option] for i, option in enumerate(placement)]

    def list_crossings(self, placement: Placement) -> list[Crossing] | None:
        """Return the crossings of a placement in the order they happen.

        None when one has no link, or a device would be in two power modes.
        """
        if self.has_modes and self.scenario.mixes_modes(placement):
            return None
        devices = self.devices_of(placement)
        crossings = []
        for index, tensor in enumerate(self.scenario.tensors):
            source = self.ingest if tensor.producer is None else devices[tensor.producer]
            reached = {source}
            for reader in sorted(tensor.consumers, key=self._reading_position):
                target = self.egress if reader == -1 else devices[reader]
                if target in reached:
                    continue
                reached.add(target)
                latency = self.cross_latency[index][source][target]
                if latency == FORBIDDEN:
                    return None
                crossings.append(
                    Crossing(index, source, target, reader, latency, self.cross_energy[index][source][target])
                )
        return sorted(crossings, key=lambda crossing: (self._reading_position(crossing.reader), crossing.tensor))

    def _reading_position(self, stage):
        return math.inf if stage == -1 else self.position[stage]

    def require_crossings(self, placement: Placement) -> list[Crossing]:
        """Return the crossings of a placement that has a link for each of them; ValueError for another one."""
        crossings = self.list_crossings(placement)
        if crossings is None:
            raise ValueError(f"the placement {placement} crosses where there is no link")
        return crossings

    def require_totals(self, placement: Placement) -> Totals:
        """Return the `Totals` of a placement that has a link for every crossing; ValueError for another one."""
        totals = self.evaluate(placement)
        if totals is None:
            raise ValueError(f"the placement {placement} crosses where there is no link")
        return totals

    def evaluate(self, placement: Placement) -> Totals | None:
        """Return the `Totals` of a placement executed serially; None when a crossing has no link."""
        crossings = self.list_crossings(placement)
        if crossings is None:
            return None
        devices = self.devices_of(placement)
        pick = list(enumerate(placement))
        busy = [0] * len(self.scenario.devices)
        for i, option in pick:
            busy[devices[i]] += self.latency[i][option]
        channels = {}
        for crossing in crossings:
            channel = self.channel.get((crossing.source, crossing.target))
            channels[channel] = channels.get(channel, 0) + crossing.latency
        entries = self.list_entries(devices) if self.has_entries else [0]
        return Totals(
            latency=sum(self.latency[i][o] for i, o in pick) + sum(c.latency for c in crossings) + sum(entries),
            energy=sum(self.energy[i][o] for i, o in pick) + sum(c.energy for c in crossings) + self.draw_idly(entries),
            switches=self.count_switches(crossings),
            accuracy=sum(self.accuracy[i][o] for i, o in pick),
            period=max([*busy, *channels.values()]),
            memory=self.measure_memory(placement, devices, crossings),
        )

    def draw_idly(self, entries: list[int]) -> int:
        """Return the energy that all devices draw while devices wake up, in units, rounded per stage."""
        return sum(round(entry * self.scenario.idle_mj_per_ms) for entry in entries)

    def count_switches(self, crossings: list[Crossing]) -> int:
        """Return the number of copies between stages; those from ingest and to egress do not count."""
        tensors = self.scenario.tensors
        return sum(1 for c in crossings if c.reader != -1 and tensors[c.tensor].producer is not None)

    def measure_memory(self, placement: Placement, devices: list[int], crossings: list[Crossing]) -> tuple[int, ...]:
        """Return the memory of each device in units: resident weights, and tensors and activations by `memory_rule`."""
        memory = self.resident_memory(placement, devices)
        if self.scenario.version == 1:
            return tuple(memory)
        if self.memory_rule == "pipelined":
            transient = self._sum_transient(placement, devices, crossings)
        else:
            transient = self._peak_transient(placement, devices)
        return tuple(a + b for a, b in zip(memory, transient, strict=True))

    def resident_memory(self, placement: Placement, devices: list[int]) -> list[int]:
        """Return the weights on each device in units; a group of shared weights counts once."""
        memory = [0] * len(self.scenario.devices)
        counted = set()
        for i, option in enumerate(placement):
            group = self.scenario.stages[i].options[option].shared_weights
            if group is not None and (devices[i], group) in counted:
                continue
            counted.add((devices[i], group))
            memory[devices[i]] += self.weights[i][option]
        return memory

    def _sum_transient(self, placement, devices, crossings):
        transient = [0] * len(self.scenario.devices)
        for i, option in enumerate(placement):
            transient[devices[i]] += self.activations[i][option]
        for size, tensor in zip(self.sizes, self.scenario.tensors, strict=True):
            if tensor.producer is not None:
                transient[devices[tensor.producer]] += 2 * size
        for crossing in crossings:
            if crossing.reader != -1 and self.scenario.tensors[crossing.tensor].producer is not None:
                transient[crossing.target] += 2 * self.sizes[crossing.tensor]
        return transient

    def _peak_transient(self, placement, devices):
        peaks = [0] * len(self.scenario.devices)
        spans = self.list_spans(devices)
        for step, stage in enumerate(self.order):
            live = [0] * len(peaks)
            live[devices[stage]] = self.activations[stage][placement[stage]]
            for device, size, first, last in spans:
                if first <= step <= last:
                    live[device] += size
            peaks = [max(pair) for pair in zip(peaks, live, strict=True)]
        return peaks

    def list_spans(self, devices: list[int]) -> list[tuple[int, int, int, int]]:
        """Return `(device, size, first step, last step)` of every tensor and copy that is alive in serial execution.

        A tensor stays where it was made until its last reader on any device has run; a copy lives from the first to the
        last reader on its device. The pipeline's own input and output are the caller's and do not count.
        """
        spans = []
        for size, tensor in zip(self.sizes, self.scenario.tensors, strict=True):
            readers = [self.position[c] for c in tensor.consumers if c != -1]
            home = None
            if tensor.producer is not None:
                home, start = devices[tensor.producer], self.position[tensor.producer]
                spans.append((home, size, start, max([start, *readers])))
            for device in sorted({devices[self.order[p]] for p in readers} - {home}):
                if tensor.producer is None:
                    continue
                steps = [p for p in readers if devices[self.order[p]] == device]
                spans.append((device, size, min(steps), max(steps)))
        return spans

    def stage_ends(self, placement: Placement) -> list[int]:
        """Return the end of every stage in units, executed serially; ValueError when a crossing has no link."""
        waits = {}
        for crossing in self.require_crossings(placement):
            waits[crossing.reader] = waits.get(crossing.reader, 0) + crossing.latency
        ends, clock, entries = [0] * len(placement), 0, self.list_entries(self.devices_of(placement))
        for stage in self.order:
            clock += waits.get(stage, 0) + entries[stage] + self.latency[stage][placement[stage]]
            ends[stage] = clock
        return ends

    def is_feasible(self, placement: Placement, caps: Caps | None = None) -> bool:
        """Return whether a placement, executed serially, keeps links, limits and deadlines (default: the problem's
        own).
        """
        caps = caps or self.caps
        totals = self.evaluate(placement)
        if totals is None or not caps.allow(totals):
            return False
        if not any(caps.deadlines):
            return True
        ends = self.stage_ends(placement)
        return all(cap is None or end <= cap for end, cap in zip(ends, caps.deadlines, strict=True))


def _units(value):
    return round(value * UNIT)


def _cap(limit):
    """Return a limit in units, plus one for rounding. A limit beyond all sums allows everything."""
    return round(min(limit, LARGEST_SUM) * UNIT) + 1
