"""Power modes as a choice: one search for each combination, in which every device has one mode, and then the best."""

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import replace

from edgeproof.plans.scenario.costs import Caps, Problem
from edgeproof.plans.scenario.goals import Level
from edgeproof.plans.scenario.model import Placement, Scenario
from edgeproof.plans.scenario.timeline import measure_totals

from .chain_search import SearchResult


def search_modes(
    problem: Problem, levels: tuple[Level, ...], caps: Caps, top_k: int, search: Callable[[Problem], SearchResult]
) -> SearchResult:
    """Return the `SearchResult` over all combinations of power modes of the devices; `search` handles one of them."""
    found, bound, proven, nodes, engines = {}, math.inf, True, 0, []
    for scenario, kept in _fix_modes(problem.scenario):
        fixed = Problem(scenario, problem.memory_rule, (problem.latency_ref, problem.energy_ref))
        fixed.has_modes = False
        result = search(fixed)
        nodes, proven = nodes + result.nodes, proven and result.proven
        bound = min(bound, result.bound)
        engines += [result.engine] * (result.engine not in engines)
        schedules = result.schedules or (None,) * len(result.placements)
        for inner, schedule in zip(result.placements, schedules, strict=True):
            placement: Placement = tuple(kept[stage][option] for stage, option in enumerate(inner))
            totals = measure_totals(problem, placement, schedule)
            path = tuple(placement[stage] for stage in problem.order)
            found[placement] = ((*(level.value(totals) for level in levels), *totals[:3], path), schedule)
    ranked = sorted(found, key=lambda placement: found[placement][0])[:top_k]
    return SearchResult(
        ranked,
        bound,
        proven,
        nodes,
        " + ".join(engines) or "modes",
        tuple(found[placement][1] for placement in ranked),
    )


def _fix_modes(scenario: Scenario) -> Iterator[tuple[Scenario, list[list[int]]]]:
    """Yield (scenario with the options of one combination, indices of these options per stage)."""
    for chosen in itertools.product(*(device.modes or (None,) for device in scenario.devices)):
        kept = [
            [o for o, option in enumerate(stage.options) if option.mode in (None, chosen[option.device])]
            for stage in scenario.stages
        ]
        if all(kept):
            stages = [
                replace(stage, options=tuple(stage.options[o] for o in own))
                for stage, own in zip(scenario.stages, kept, strict=True)
            ]
            yield replace(scenario, stages=tuple(stages), quantities={}), kept
