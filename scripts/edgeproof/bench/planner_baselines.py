"""The beam of the first planner, which ignores later crossings: it finds a plan fast, and proves nothing.

It follows the rules of version 1 in plain Python, and counts activations as version 2 does. Only the benchmark uses it.
"""

import json
import sys
from typing import Any

from edgeproof.plans.scenario.costs import Problem
from edgeproof.plans.scenario.goals import Goal, compile_goal
from edgeproof.plans.scenario.loading import load_scenario

_WIDTH = 128


def search_beam(problem: Problem, goal: Goal, width: int = _WIDTH) -> float | None:
    """Return the best score that a baseline of the planner finds, a beam of `width`; None: nothing found.

    That proves nothing. Stages are placed in execution order; a state is cut when its running totals break a limit.
    """
    weights = {metric: float(weight) for metric, weight in goal.levels[0].weights.items()}
    caps, scenario = problem.caps, problem.scenario
    states: list[tuple[Any, ...]] = [(0.0, 0, 0, (), tuple((0, 0) for _ in caps.memory))]
    for stage in problem.order:
        grown = []
        reads = [k for k, tensor in enumerate(scenario.tensors) if stage in tensor.consumers]
        held = sum(problem.sizes[k] for k in reads)
        held += sum(
            size for size, tensor in zip(problem.sizes, scenario.tensors, strict=True) if tensor.producer == stage
        )
        for score, latency, energy, placed, memory in states:
            where = dict(placed)
            for o, device in enumerate(problem.device[stage]):
                moves = [(k, where[scenario.tensors[k].producer]) for k in reads]
                moves = [(k, source) for k, source in moves if source != device]
                costs = [(problem.cross_latency[k][a][device], problem.cross_energy[k][a][device]) for k, a in moves]
                if any(cost[0] < 0 for cost in costs):
                    continue
                ms = problem.latency[stage][o] + sum(cost[0] for cost in costs)
                mj = problem.energy[stage][o] + sum(cost[1] for cost in costs)
                sums, need = memory[device]
                sums, need = sums + problem.weights[stage][o], max(need, problem.activations[stage][o] + held)
                cap = caps.memory[device]
                if cap is not None and sums + need > cap:
                    continue
                if (caps.latency or latency + ms) < latency + ms or (caps.energy or energy + mj) < energy + mj:
                    continue
                added = weights["latency"] * ms + weights["energy"] * mj + weights["switches"] * len(moves)
                after = (*memory[:device], (sums, need), *memory[device + 1 :])
                grown.append((score + added, latency + ms, energy + mj, (*placed, (stage, device)), after))
        states = sorted(grown)[:width]
    return states[0][0] if states else None


def main(argv: list[str]) -> None:
    """Print the score that a baseline of the planner finds for a scenario file as JSON; null where it finds none."""
    problem = Problem(load_scenario(argv[0]))
    print(json.dumps({"score": search_beam(problem, compile_goal("balanced", problem))}))


if __name__ == "__main__":
    main(sys.argv[1:])
