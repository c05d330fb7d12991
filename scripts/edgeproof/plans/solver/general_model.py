"""The general placement problem as a CP-SAT model: graphs, variants, schedules, memory over time, periods.

Costs stay in the integer units of `costs.py`, divided by their greatest common divisor. A tensor flows from the device
of its producer to the device of each reader. A copy exists when some flow between two devices does, once per target
device.
"""

import math
from collections.abc import Iterable
from fractions import Fraction
from typing import Any

from ortools.sat.python import cp_model

from edgeproof.plans.scenario.costs import FORBIDDEN, Caps, Problem
from edgeproof.plans.scenario.goals import Level, Metric

from .chain_model import memory_never_binds
from .schedule_model import add_schedule, add_scheduled_memory, choose_grain

_LARGEST = 2**58


class PlacementModel:
    """Variables and totals of one problem.

    `option[i][o]`: stage i uses option o. `on[i][d]`: stage i runs on device d. `copies[tensor, from, to]`: that copy
    is made. `terms[metric]`: (literal, units) whose sum is the metric. `grain[metric]`: the greatest common divisor of
    its units. For scheduled execution `add_schedule` adds times.
    """

    # Set by `add_schedule`.
    horizon: int
    start: list[cp_model.IntVar]
    end: list[cp_model.IntVar]
    makespan: cp_model.IntVar
    lost: list[cp_model.IntVar] | None
    copy_start: dict[tuple[int, int, int], cp_model.IntVar]
    copy_end: dict[tuple[int, int, int], cp_model.IntVar]

    def __init__(self, problem: Problem, caps: Caps, metrics: Iterable[Metric]) -> None:
        """Build the model for `caps` and for every metric in `metrics` (names or `("memory", device)`) that a level may
        use.
        """
        self.problem, self.caps, self.scenario = problem, caps, problem.scenario
        self.model = cp_model.CpModel()
        self.scheduled = self.scenario.execution == "scheduled"
        self.terms = {"energy": [], "switches": [], "accuracy": [], "latency": []}
        self.busy, self.channels = {}, {}
        self.copies = {}
        self._add_options()
        self._add_flows()
        if problem.has_entries:
            self._add_entries()
        self.grain = {metric: self._find_common_divisor(metric) for metric in self.terms}
        if problem.losses is not None:
            self.grain["latency"] = choose_grain(problem)
        if self.scheduled:
            add_schedule(self)
        self.memory = {}
        asked = {metric[1] for metric in metrics if isinstance(metric, tuple)}
        if asked or not memory_never_binds(problem, caps):
            self._add_memory(asked)
        if caps.period is not None or "period" in metrics:
            self._add_period()
        self._add_caps()

    def _add_options(self):
        problem, model = self.problem, self.model
        self.option, self.on = [], []
        for i, devices in enumerate(problem.device):
            row = [model.new_bool_var(f"x{i}_{o}") for o in range(len(devices))]
            model.add_exactly_one(row)
            self.option.append(row)
            here = {}
            for device in sorted(set(devices)):
                group = [row[o] for o, d in enumerate(devices) if d == device]
                here[device] = group[0]
                if len(group) > 1:
                    here[device] = model.new_bool_var(f"on{i}_{device}")
                    model.add(sum(group) == here[device])
            self.on.append(here)
            for o, device in enumerate(devices):
                latency = problem.latency[i][o]
                self.terms["latency"].append((row[o], latency))
                self.terms["energy"].append((row[o], problem.energy[i][o]))
                self.terms["accuracy"].append((row[o], problem.accuracy[i][o]))
                self.busy.setdefault(device, []).append((row[o], latency))

    def _add_flows(self):
        model = self.model
        for k, tensor in enumerate(self.scenario.tensors):
            source = None if tensor.producer is None else self.on[tensor.producer]
            flows = {}
            for reader in tensor.consumers:
                target = None if reader == -1 else self.on[reader]
                for pair, flow in self._add_flow(k, source, target).items():
                    flows.setdefault(pair, []).append(flow)
            for (a, b), group in flows.items():
                if a == b:
                    continue
                copy = group[0]
                if len(group) > 1:
                    copy = model.new_bool_var(f"y{k}_{a}_{b}")
                    for flow in group:
                        model.add_implication(flow, copy)
                    model.add(sum(group) >= copy)
                self.copies[k, a, b] = copy
                latency = self.problem.cross_latency[k][a][b]
                self.terms["latency"].append((copy, latency))
                self.terms["energy"].append((copy, self.problem.cross_energy[k][a][b]))
                self.channels.setdefault(self.problem.channel.get((a, b)), []).append((copy, latency))
                if tensor.producer is not None and tensor.consumers != (-1,):
                    self.terms["switches"].append((copy, 1))

    def _add_entries(self):
        """Add what devices take to wake up: a literal that is true where the stage before ran elsewhere."""
        self.entered, last = {}, {}
        for stage in self.problem.order:
            for device, here in self.on[stage].items():
                enters = self.model.new_bool_var("")
                before = [last[device]] if device in last else []
                self.model.add_bool_or([enters, here.negated(), *before])
                self.entered[stage, device] = enters
                entry = self.problem.entry[device]
                self.terms["latency"].append((enters, entry))
                self.terms["energy"].append((enters, self.problem.draw_idly([entry])))
            last = self.on[stage]

    def _add_flow(
        self, k: int, source: dict[int, Any] | None, target: dict[int, Any] | None
    ) -> dict[tuple[int, int], Any]:
        """Return `{(from, to): literal}` of a tensor's way to one reader, by where both ends are.

        `source`, `target`: {device: literal} of producer and reader; None: ingest or egress.
        """
        model, table = self.model, self.problem.cross_latency[k]
        if source is None or target is None:
            fixed = self.scenario.ingest if source is None else self.scenario.egress
            flow = {}
            for device, literal in ((target if source is None else source) or {}).items():
                a, b = (fixed, device) if source is None else (device, fixed)
                if table[a][b] == FORBIDDEN:
                    model.add(literal == 0)
                else:
                    flow[a, b] = literal
            return flow
        flow = {(a, b): model.new_bool_var(f"f{k}_{a}_{b}") for a in source for b in target if table[a][b] != FORBIDDEN}
        for a, literal in source.items():
            model.add(sum(f for (s, _), f in flow.items() if s == a) == literal)
        for b, literal in target.items():
            model.add(sum(f for (_, t), f in flow.items() if t == b) == literal)
        return flow

    def _find_common_divisor(self, metric: str) -> int:
        """Return the greatest common divisor of a metric's units, 1 where all are 0."""
        return math.gcd(*(coefficient for _, coefficient in self.terms[metric])) or 1

    def total(self, metric: Metric) -> tuple[list[Any], int]:
        """Return `(terms, grain)` of a metric: its value in units is grain · Σ coefficient · variable."""
        if isinstance(metric, tuple):
            return self.memory[metric[1]], self.memory_grain
        if metric == "period":
            return [(self.period, 1)], self.grain["latency"]
        if metric == "latency" and self.scheduled:
            return [(self.makespan, 1)], self.grain["latency"]
        grain = self.grain[metric]
        return [(variable, coefficient // grain) for variable, coefficient in self.terms[metric]], grain

    def cap(self, metric: Metric, units: int) -> None:
        """Keep a metric at or below `units`."""
        terms, grain = self.total(metric)
        self.model.add(weighted_sum(terms) <= units // grain)

    def blend(self, level: Level) -> tuple[list[Any], Fraction, float]:
        """Return `(terms, scale, rounding)` of a level.

        The terms have integer coefficients; their sum / scale is the level's exact value ± rounding.
        """
        exact = {}
        for metric, weight in level.weights.items():
            terms, grain = self.total(metric)
            for variable, coefficient in terms:
                entry = exact.setdefault(variable.index, [variable, Fraction(0)])
                entry[1] += weight * grain * coefficient
        entries = [(variable, value) for variable, value in exact.values() if value]
        if not entries:
            return [], Fraction(1), 0.0
        common = math.lcm(*(value.denominator for _, value in entries))
        numbers = [int(value * common) for _, value in entries]
        shrink = math.gcd(*numbers)
        tops = [self._top(variable) for variable, _ in entries]
        reach = sum(abs(n) // shrink * top for n, top in zip(numbers, tops, strict=True))
        if reach <= _LARGEST:
            return [(v, n // shrink) for (v, _), n in zip(entries, numbers, strict=True)], Fraction(common, shrink), 0.0
        largest = sum(abs(value) * top for (_, value), top in zip(entries, tops, strict=True))
        scale = Fraction(2 ** int(math.log2(_LARGEST / largest)))
        rounded = [(variable, round(value * scale)) for variable, value in entries]
        lost = [
            abs(Fraction(n) - value * scale) * top
            for (_, n), (_, value), top in zip(rounded, entries, tops, strict=True)
        ]
        return rounded, scale, float(sum(lost) / scale * level.scale)

    def _top(self, variable):
        domain = variable.proto.domain
        return max(abs(domain[0]), abs(domain[-1]))

    def _add_period(self):
        grain = self.grain["latency"]
        groups = [*self.busy.values(), *self.channels.values()]
        top = max(sum(coefficient for _, coefficient in group) for group in groups) // grain
        self.period = self.model.new_int_var(0, top, "period")
        for group in groups:
            self.model.add(weighted_sum([(v, c // grain) for v, c in group]) <= self.period)

    def _add_caps(self):
        caps = self.caps
        for metric in ("latency", "energy", "accuracy", "period"):
            value = getattr(caps, metric)
            if value is not None:
                self.cap(metric, value)
        if any(cap is not None for cap in caps.deadlines) and not self.scheduled:
            self._add_deadlines()

    def _add_deadlines(self) -> None:
        """Serial execution: what has run and crossed by the end of a stage must fit before the stage's deadline."""
        problem, grain = self.problem, self.grain["latency"]
        for stage, cap in enumerate(self.caps.deadlines):
            if cap is None:
                continue
            done = set(problem.order[: problem.position[stage] + 1])
            terms = [(v, problem.latency[i][o] // grain) for i in done for o, v in enumerate(self.option[i])]
            if problem.has_entries:
                terms += [(v, problem.entry[d] // grain) for (i, d), v in self.entered.items() if i in done]
            for (k, a, b), copy in self.copies.items():
                tensor = self.scenario.tensors[k]
                early = [c for c in tensor.consumers if c in done and b in self.on[c]]
                if not early:
                    continue
                moved = copy
                if len(early) < len(tensor.consumers):
                    moved = self.model.new_bool_var("")
                    for reader in early:
                        source = [] if tensor.producer is None else [self.on[tensor.producer][a].negated()]
                        self.model.add_bool_or([moved, self.on[reader][b].negated(), *source])
                terms.append((moved, problem.cross_latency[k][a][b] // grain))
            self.model.add(weighted_sum(terms) <= cap // grain)

    def _add_memory(self, asked):
        problem = self.problem
        amounts = [*problem.sizes, *(w for row in (*problem.weights, *problem.activations) for w in row)]
        self.memory_grain = math.gcd(*amounts) or 1
        for device in range(len(self.scenario.devices)):
            cap = self.caps.memory[device]
            if cap is None and device not in asked:
                continue
            terms = self._resident_terms(device)
            if self.scenario.version > 1:
                if problem.memory_rule == "pipelined":
                    terms += self._pipelined_terms(device)
                elif self.scheduled:
                    terms = add_scheduled_memory(self, device, terms)
                else:
                    terms = self._add_peak(device, terms)
            self.memory[device] = terms
            if cap is not None:
                self.model.add(weighted_sum(terms) <= cap // self.memory_grain)

    def _resident_terms(self, device):
        terms, groups = [], {}
        for i, options in enumerate(self.problem.device):
            for o, d in enumerate(options):
                if d != device:
                    continue
                size = self.problem.weights[i][o] // self.memory_grain
                group = self.scenario.stages[i].options[o].shared_weights
                if group is None:
                    terms.append((self.option[i][o], size))
                else:
                    groups.setdefault((group, size), []).append(self.option[i][o])
        for (_, size), members in groups.items():
            held = self.model.new_bool_var("")
            for member in members:
                self.model.add_implication(member, held)
            self.model.add(sum(members) >= held)
            terms.append((held, size))
        return terms

    def _pipelined_terms(self, device):
        grain, terms = self.memory_grain, []
        for i, options in enumerate(self.problem.device):
            for o, d in enumerate(options):
                if d == device:
                    terms.append((self.option[i][o], self.problem.activations[i][o] // grain))
        for k, tensor in enumerate(self.scenario.tensors):
            if tensor.producer is not None and device in self.on[tensor.producer]:
                terms.append((self.on[tensor.producer][device], 2 * self.problem.sizes[k] // grain))
        for (k, _, b), copy in self.copies.items():
            tensor = self.scenario.tensors[k]
            if b == device and tensor.producer is not None and tensor.consumers != (-1,):
                terms.append((copy, 2 * self.problem.sizes[k] // grain))
        return terms

    def _add_peak(self, device: int, resident: list[Any]) -> list[Any]:
        """Serial execution: return a variable that is at least what is alive on the device at any step."""
        problem, model, grain = self.problem, self.model, self.memory_grain
        live = [[] for _ in problem.order]
        for step, stage in enumerate(problem.order):
            for o, d in enumerate(problem.device[stage]):
                if d == device and problem.activations[stage][o]:
                    live[step].append((self.option[stage][o], problem.activations[stage][o] // grain))
        for k, tensor in enumerate(self.scenario.tensors):
            size = problem.sizes[k] // grain
            readers = sorted((problem.position[c], c) for c in tensor.consumers if c != -1)
            if not size or tensor.producer is None:
                continue
            first = problem.position[tensor.producer]
            home = self.on[tensor.producer].get(device)
            if home is not None:
                for step in range(first, max([first, *(p for p, _ in readers)]) + 1):
                    live[step].append((home, size))
            here = [(p, self.on[c][device]) for p, c in readers if device in self.on[c]]
            away = [] if home is None else [home]
            for step in range(here[0][0], here[-1][0] + 1) if here else ():
                held = model.new_bool_var("")
                for early in (literal for p, literal in here if p <= step):
                    for late in (literal for p, literal in here if p >= step):
                        model.add_bool_or([held, early.negated(), late.negated(), *away])
                live[step].append((held, size))
        top = sum(c for _, c in resident) + max((sum(c for _, c in row) for row in live), default=0)
        peak = model.new_int_var(0, top, f"peak{device}")
        for row in live:
            model.add(weighted_sum([*resident, *row]) <= peak)
        return [(peak, 1)]


def weighted_sum(terms: list[Any]) -> Any:
    """Return Σ coefficient · variable as a linear expression of the general model in CP-SAT."""
    variables = [variable for variable, coefficient in terms if coefficient]
    coefficients = [coefficient for _, coefficient in terms if coefficient]
    return cp_model.LinearExpr.weighted_sum(variables, coefficients)
