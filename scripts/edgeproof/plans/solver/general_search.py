"""Exact search for the general problem with OR-Tools CP-SAT: level after level, plan after plan.

The first plan minimises the first level, then the second at the best value of the first, and so on; remaining ties go
to latency, energy, switches and path in the same way. The next plan excludes the placements already found. One worker,
a fixed seed and a limit in deterministic time give the same answer on every run.
"""

import math
import threading
from fractions import Fraction
from typing import Any

from ortools.sat.python import cp_model

from edgeproof.plans.scenario.costs import TOLERANCE, Caps, Problem
from edgeproof.plans.scenario.goals import Level
from edgeproof.plans.scenario.model import Placement, Schedule

from .chain_search import SearchResult
from .general_model import PlacementModel, weighted_sum
from .watch import Effort

_PATH_DIGITS = 2**50
_LOOK_S = 0.05  # between two looks at whether the search has to end


class GeneralSearch:
    """One model, solved repeatedly; what one solution proves constrains the next."""

    def __init__(
        self,
        problem: Problem,
        levels: tuple[Level, ...],
        caps: Caps,
        effort: Effort | None = None,
        hint: Placement | None = None,
    ) -> None:
        """Build the model. `effort`: its seconds are CP-SAT's deterministic ones, for the whole search; `hint`: a
        placement to start from.
        """
        effort = effort or Effort()
        self.problem, self.levels, self.effort = problem, levels, effort.seconds
        self.watch, self.gap = effort.watch, effort.gap
        wanted = [metric for level in levels for metric in level.weights]
        self.placement = PlacementModel(problem, caps, wanted)
        self.model = self.placement.model
        self.branches, self.spent = 0, 0.0
        self.hint = hint

    def search(self, top_k: int) -> SearchResult:
        """Return the `SearchResult` of the `top_k` best placements."""
        if len(self.levels) == 1 and not self.placement.scheduled:
            found = self._rank_apart(top_k)
            if found is not None:
                return found
        placements, schedules, bound, proven = [], [], math.inf, True
        for rank in range(top_k):
            found = self._solve_rank()
            if found is None:
                break
            placement, schedule, least, exact = found
            if rank == 0:
                bound = least
            proven = proven and exact
            if placement is None:
                break
            placements.append(placement)
            schedules.append(schedule)
            if not exact and not self.gap:
                break
            self._exclude(placement)
        return SearchResult(placements, bound, proven, self.branches, "cp-sat", schedules=tuple(schedules))

    def _rank_apart(self, top_k: int) -> SearchResult | None:
        """Return the result where all values of the first level differ, so that no tie has to be broken; else None.

        That the next best placement is worse proves that the one before is the only one at its value. So there is one
        search per rank, and one more for the last.
        """
        fixed, level = len(self.model.proto.constraints), self.levels[0]
        terms, scale, rounding = self.placement.blend(level)
        if not terms or rounding:
            return None
        placements, values, bound, proven = [], [], math.inf, True
        for rank in range(top_k):
            status, value, least = self._minimize_first(terms)
            if rank == 0:
                bound = float(least / scale * level.scale)
            if value is None:
                proven = proven and status == cp_model.INFEASIBLE
                break
            proven = proven and status == cp_model.OPTIMAL and value <= least
            if not proven and not self.gap:
                placements += [self._read()[0]] if not placements else []
                break
            placements.append(self._read()[0])
            values.append(value)
            self.watch.note(float(values[0] / scale * level.scale), bound)
            self._exclude(placements[-1])
        if proven and len(placements) == top_k:
            status, _, least = self._minimize(terms)
            proven = status == cp_model.INFEASIBLE or least > values[-1]
        self._forget(fixed)
        if not proven and not self.gap and len(placements) == top_k and not self.watch.expired:
            return None  # perhaps a tie beyond the last rank
        if proven and len(set(values)) < len(values):
            return None
        return SearchResult(placements, bound, proven, self.branches, "cp-sat")

    def _solve_rank(self):
        """Return `(placement, schedule, bound of the first level, exact)` of the best plan left, or None."""
        fixed = len(self.model.proto.constraints)
        best, bound, exact = None, math.inf, True
        ties = [Level(name, {name: Fraction(1)}) for name in ("latency", "energy", "switches")]
        for number, level in enumerate([*self.levels, *ties]):
            terms, scale, rounding = self.placement.blend(level)
            if not terms and number:
                continue
            status, value, least = self._minimize_first(terms) if number == 0 else self._minimize(terms)
            if number == 0:
                bound = float(least / scale * level.scale) - rounding
                if value is not None:
                    self.watch.note(float(value / scale * level.scale), bound)
                if status == cp_model.INFEASIBLE:
                    return None
                exact = status == cp_model.OPTIMAL and rounding <= TOLERANCE
            if status in (cp_model.OPTIMAL, cp_model.FEASIBLE):
                best = self._read()
            if status != cp_model.OPTIMAL or (number == 0 and value > least):
                exact = False
                break
            if terms:
                self.model.add(weighted_sum(terms) <= value)
            if number == 0 and best is not None and self._is_only(best[0]):
                break
        else:
            best, exact = self._settle_path(best, exact)
        schedule = None
        if best is not None and self.placement.scheduled:
            schedule = self._tighten_schedule(best[0]) or best[1]
        self._forget(fixed)
        return (None, None, bound, False) if best is None else (best[0], schedule, bound, exact)

    def _is_only(self, placement):
        """Return whether no other placement attains the first level's value (so no tie has to be broken)."""
        if self.placement.scheduled:
            return False
        count = len(self.model.proto.constraints)
        self._exclude(placement)
        status, _, _ = self._minimize([])
        self._forget(count)
        return status == cp_model.INFEASIBLE

    def _settle_path(self, best: Any, exact: bool) -> tuple[Any, bool]:
        """Break the last ties by path: minimise the options' indices in execution order, some stages at a time."""
        terms, weight, digits = [], 1, []
        for stage in self.problem.order:
            options = len(self.problem.device[stage])
            if options == 1:
                continue
            digits.append((stage, options))
        while digits:
            chunk, weight = [], 1
            while digits and weight * digits[0][1] < _PATH_DIGITS:
                chunk.append(digits.pop(0))
                weight *= chunk[-1][1]
            terms = []
            for stage, options in chunk:
                weight //= options
                terms += [(self.placement.option[stage][o], o * weight) for o in range(1, options)]
            status, value, _ = self._minimize(terms)
            if status != cp_model.OPTIMAL:
                return best, False
            best = self._read()
            self.model.add(weighted_sum(terms) <= value)
        return best, exact

    def _tighten_schedule(self, placement: Placement) -> Schedule | None:
        """Return a placement's schedule in which everything starts as early as the makespan allows; None when the
        effort ended.
        """
        for i, option in enumerate(placement):
            self.model.add(self.placement.option[i][option] == 1)
        status, value, _ = self._minimize([(self.placement.makespan, 1)])
        if status != cp_model.OPTIMAL:
            return None
        self.model.add(self.placement.makespan <= value)
        terms = [(end, 1) for end in (*self.placement.end, *self.placement.copy_start.values())]
        status, _, _ = self._minimize(terms)
        return self._read()[1] if status in (cp_model.OPTIMAL, cp_model.FEASIBLE) else None

    def _minimize_first(self, terms: list[Any]) -> tuple[Any, Any, Any]:
        """Minimise the first level: a short full search, then large neighbourhoods of what is known, then a full
        search.

        A full search alone can leave a large graph with a poor plan; large neighbourhoods find a good plan but no
        bound.
        """
        left = self.effort - self.spent
        status, value, least = self._minimize(terms, 0.15 * left)
        for share, neighbourhoods in ((0.4, True), (1.0, False)):
            if status not in (cp_model.FEASIBLE, cp_model.UNKNOWN) or not terms or self.watch.expired:
                break
            kept = self.solver
            if value is not None:
                self._read()
                if self.gap and value - least <= self.gap * abs(value):
                    break
            status, found, bound = self._minimize(terms, share * left, neighbourhoods)
            least = max(least, bound)
            if found is None or (value is not None and found > value):
                self.solver = kept
                status = cp_model.FEASIBLE if value is not None else status
            else:
                value = found
        return status, value, least

    def _minimize(
        self, terms: list[Any], effort: float = math.inf, neighbourhoods: bool = False
    ) -> tuple[Any, Any, Any]:
        """Solve for `terms` within `effort` and what is left of the whole; return (status, value or None,
        lower bound).
        """
        self.model.clear_objective()
        if terms:
            self.model.minimize(weighted_sum(terms))
        self.model.clear_hints()
        if self.hint:
            for i, option in enumerate(self.hint):
                for o, variable in enumerate(self.placement.option[i]):
                    self.model.add_hint(variable, int(o == option))
        self.solver = cp_model.CpSolver()
        parameters = self.solver.parameters
        parameters.num_workers = 1
        parameters.random_seed = 0
        parameters.linearization_level = 2
        parameters.relative_gap_limit = self.gap
        parameters.max_deterministic_time = max(min(effort, self.effort - self.spent), 0.01)
        parameters.use_lns_only = neighbourhoods
        parameters.catch_sigint_signal = False
        status = self._run(self.solver)
        if status == cp_model.MODEL_INVALID:
            raise AssertionError(f"the model is invalid: {self.model.validate()}")
        self.branches += int(self.solver.num_branches)
        self.spent += self.solver.response_proto.deterministic_time
        if not terms:
            return status, 0, 0
        if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
            least = math.inf if status == cp_model.INFEASIBLE else self.solver.best_objective_bound
            return status, None, Fraction(least) if math.isfinite(least) else least
        value = sum(coefficient * self.solver.value(variable) for variable, coefficient in terms)
        if status == cp_model.OPTIMAL and not self.gap:
            return status, value, Fraction(value)
        return status, value, min(Fraction(value), Fraction(self.solver.best_objective_bound))

    def _run(self, solver: cp_model.CpSolver) -> Any:
        """Solve the model and return the status.

        It runs in a thread, so that this one can handle signals, and end the search, at once.
        """
        found = []
        if math.isfinite(self.watch.end) or self.watch.stopped:
            solver.parameters.max_time_in_seconds = self.watch.left

        def work():
            try:
                found.append(solver.solve(self.model))
            except BaseException as error:
                found.append(error)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        try:
            while thread.is_alive():
                thread.join(_LOOK_S)
                if self.watch.stopped:
                    solver.stop_search()
        except BaseException:
            while thread.is_alive():
                solver.stop_search()
                thread.join(_LOOK_S)
            raise
        if isinstance(found[0], BaseException):
            raise found[0]
        return found[0]

    def _read(self):
        """Return `(placement, schedule)`, the schedule as `timeline.trace_schedule` takes it, or None."""
        placed = tuple(
            next(o for o, variable in enumerate(row) if self.solver.boolean_value(variable))
            for row in self.placement.option
        )
        self.hint = placed
        if not self.placement.scheduled:
            return placed, None
        grain = self.placement.grain["latency"]
        starts = tuple(self.solver.value(start) * grain for start in self.placement.start)
        copies = {
            key: self.solver.value(self.placement.copy_start[key]) * grain
            for key, copy in self.placement.copies.items()
            if self.solver.boolean_value(copy)
        }
        return placed, (starts, copies)

    def _exclude(self, placement):
        chosen = [self.placement.option[i][option] for i, option in enumerate(placement)]
        self.model.add_bool_or([literal.negated() for literal in chosen])

    def _forget(self, count: int) -> None:
        """Empty the constraints added since there were `count` of them; CP-SAT cannot remove them."""
        constraints = self.model.proto.constraints
        for index in range(count, len(constraints)):
            constraints[index].clear_linear()
            constraints[index].clear_bool_or()


def search_general(
    problem: Problem,
    levels: tuple[Level, ...],
    caps: Caps | None = None,
    top_k: int = 1,
    effort: Effort | None = None,
    hint: Placement | None = None,
) -> SearchResult:
    """Search for the `top_k` best placements of a general problem by `levels` and the tie-breakers, under `caps`.

    Returns a `SearchResult`.
    """
    return GeneralSearch(problem, levels, caps or problem.caps, effort, hint).search(top_k)
