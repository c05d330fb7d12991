"""What a user would write with CP-SAT alone: a flow model with row and column sums, for serial scenarios.

One boolean per option, one per tensor and pair of devices; rows and columns of a flow sum to where its ends are. It
gives the three best placements, each by excluding those before. Schedules are intervals per option. Only the benchmark
uses it.
"""

import json
import sys
from typing import Any

from ortools.sat.python import cp_model

from edgeproof.core.configuration import Json
from edgeproof.plans.scenario.costs import FORBIDDEN, Problem
from edgeproof.plans.scenario.goals import compile_goal
from edgeproof.plans.scenario.loading import load_scenario

_SCALE = 10**12  # objective units per unit of the score
_GRAIN = 10**3  # units of costs per unit of memory or time in the model


class PlainFlow:
    """The model of one problem for the goal `balanced`: options, flows, copies, memory peaks and caps."""

    def __init__(self, problem: Problem) -> None:
        self.problem, self.model = problem, cp_model.CpModel()
        self.option = [[self.model.new_bool_var("") for _ in row] for row in problem.device]
        for row in self.option:
            self.model.add_exactly_one(row)
        self.copies = {}
        # Scenarios of the families have no ingest: every tensor has a producer.
        self.made = [tensor.producer or 0 for tensor in problem.scenario.tensors]
        self._add_flows()
        self._add_memory()
        weights = compile_goal("balanced", problem).levels[0].weights
        latency = self._sum_of(problem.latency, problem.cross_latency)
        energy = self._sum_of(problem.energy, problem.cross_energy)
        for terms, cap in ((latency, problem.caps.latency), (energy, problem.caps.energy)):
            if cap is not None:
                self.model.add(sum(amount * variable for variable, amount in terms) <= cap)
        if problem.scenario.execution == "scheduled":
            latency = [(self._add_schedule(), _GRAIN)]
        rates = (float(weights["latency"]), float(weights["energy"]), float(weights["switches"]))
        objective = [(v, round(rates[0] * a * _SCALE)) for v, a in latency]
        objective += [(v, round(rates[1] * a * _SCALE)) for v, a in energy]
        objective += [(v, round(rates[2] * _SCALE)) for v in self.copies.values()]
        self.model.minimize(sum(a * v for v, a in objective if a))

    def _on(self, stage, device):
        return [v for v, d in zip(self.option[stage], self.problem.device[stage], strict=True) if d == device]

    def _add_flows(self):
        for k, tensor in enumerate(self.problem.scenario.tensors):
            reached: dict[tuple[int, int], list[Any]] = {}
            for reader in tensor.consumers:
                flow = {}
                for a in sorted(set(self.problem.device[self.made[k]])):
                    for b in sorted(set(self.problem.device[reader])):
                        if self.problem.cross_latency[k][a][b] != FORBIDDEN:
                            flow[a, b] = self.model.new_bool_var("")
                for a in {pair[0] for pair in flow}:
                    self.model.add(sum(f for (s, _), f in flow.items() if s == a) == sum(self._on(self.made[k], a)))
                for b in {pair[1] for pair in flow}:
                    self.model.add(sum(f for (_, t), f in flow.items() if t == b) == sum(self._on(reader, b)))
                for pair, variable in flow.items():
                    if pair[0] != pair[1]:
                        reached.setdefault(pair, []).append(variable)
            for pair, group in reached.items():
                copy = group[0] if len(group) == 1 else self.model.new_bool_var("")
                for variable in group if len(group) > 1 else ():
                    self.model.add_implication(variable, copy)
                self.copies[(k, *pair)] = copy

    def _sum_of(self, table, crossings):
        terms = [(v, table[i][o]) for i, row in enumerate(self.option) for o, v in enumerate(row)]
        return terms + [(v, crossings[k][a][b]) for (k, a, b), v in self.copies.items()]

    def _add_memory(self):
        """Weights, plus at every step what is alive: the running stage, and tensors until their last reader."""
        problem = self.problem
        for device, cap in enumerate(problem.caps.memory):
            weights = [(v, problem.weights[i][o]) for i, row in enumerate(self.option)
                       for o, v in enumerate(row) if problem.device[i][o] == device]  # fmt: skip
            peak = self.model.new_int_var(0, 2**40, "")
            for step, stage in enumerate(problem.order):
                live = [(v, problem.activations[stage][o]) for o, v in enumerate(self.option[stage])
                        if problem.device[stage][o] == device]  # fmt: skip
                for k, tensor in enumerate(problem.scenario.tensors):
                    readers = sorted(problem.position[c] for c in tensor.consumers)
                    made = problem.position[self.made[k]]
                    if made <= step <= readers[-1]:
                        live += [(v, problem.sizes[k]) for v in self._on(self.made[k], device)]
                    if readers[0] <= step <= readers[-1]:
                        live += [(v, problem.sizes[k]) for (t, _, b), v in self.copies.items() if (t, b) == (k, device)]
                self.model.add(sum(a // _GRAIN * v for v, a in live) <= peak)
            self.model.add(sum(a // _GRAIN * v for v, a in weights) + peak <= (cap or 2**50) // _GRAIN)

    def _add_schedule(self) -> cp_model.IntVar:
        """Add times: one stage at a time per device, one copy at a time per link; return the makespan."""
        problem, model, lanes, ends = self.problem, self.model, {}, []
        horizon = (
            sum(max(row) for row in problem.latency) // _GRAIN
            + sum(problem.cross_latency[k][a][b] for k, a, b in self.copies) // _GRAIN
        )
        makespan = model.new_int_var(0, horizon, "")
        starts = [model.new_int_var(0, horizon, "") for _ in self.option]
        for i, row in enumerate(self.option):
            end = model.new_int_var(0, horizon, "")
            ends.append(end)
            model.add(end <= makespan)
            for o, literal in enumerate(row):
                duration = problem.latency[i][o] // _GRAIN
                begin = model.new_int_var(0, horizon, "")
                model.add(begin == starts[i]).only_enforce_if(literal)
                model.add(end == starts[i] + duration).only_enforce_if(literal)
                interval = model.new_optional_fixed_size_interval_var(begin, duration, literal, "")
                lanes.setdefault(("device", problem.device[i][o]), []).append(interval)
        for (k, a, b), copy in self.copies.items():
            duration, begin = problem.cross_latency[k][a][b] // _GRAIN, model.new_int_var(0, horizon, "")
            lanes.setdefault(("link", problem.channel[a, b]), []).append(
                model.new_optional_fixed_size_interval_var(begin, duration, copy, "")
            )
            tensor = problem.scenario.tensors[k]
            model.add(begin >= ends[self.made[k]]).only_enforce_if(copy)
            for reader in tensor.consumers:
                for literal in self._on(reader, b):
                    model.add(starts[reader] >= begin + duration).only_enforce_if(copy, literal)
        for k, tensor in enumerate(problem.scenario.tensors):
            for reader in tensor.consumers:
                model.add(starts[reader] >= ends[self.made[k]])
        for lane in lanes.values():
            model.add_no_overlap(lane)
        return makespan

    def solve(self, count: int, seconds: float, gap: float) -> tuple[list[float], bool]:
        """Return (scores of the `count` best placements, whether all are proved within `gap`)."""
        scores, proved = [], True
        for _ in range(count):
            solver = cp_model.CpSolver()
            solver.parameters.max_time_in_seconds = seconds
            solver.parameters.relative_gap_limit = gap
            status = solver.solve(self.model)
            proved = proved and status in (cp_model.OPTIMAL, cp_model.INFEASIBLE)
            if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
                break
            scores.append(solver.objective_value / _SCALE)
            chosen = [v for row in self.option for v in row if solver.boolean_value(v)]
            self.model.add_bool_or([v.negated() for v in chosen])
            seconds = max(0.1, seconds - solver.wall_time)
        return scores, proved


def main(argv: list[str]) -> None:
    """Print what the plain flow model finds for `SCENARIO SECONDS GAP` as JSON: scores, and whether they are proved."""
    path, seconds, gap = argv
    scores, proved = PlainFlow(Problem(load_scenario(path))).solve(3, float(seconds), float(gap))
    found: Json = {"scores": scores, "proved": proved}
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1:])
