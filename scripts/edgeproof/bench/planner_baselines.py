"""What the planner is compared with: branch and bound and a beam that both ignore later crossings.

Both follow the rules of version 1, in plain Python: their bounds add the smallest execution costs of the stages to
come, and limits are checked on running totals only. Only the benchmark uses them.
"""

from typing import Any

from edgeproof.plans.scenario.costs import Problem
from edgeproof.plans.scenario.goals import Goal


class PlainChain:
    """A version 1 chain as nested lists: options of each stage, crossing costs, suffix minima of the score."""

    def __init__(self, problem: Problem, goal: Goal) -> None:
        weights = goal.levels[0].weights
        self.latency_rate, self.energy_rate = float(weights["latency"]), float(weights["energy"])
        self.switch_rate = float(weights["switches"])
        self.caps = problem.caps
        self.stages = [
            list(zip(problem.device[i], problem.latency[i], problem.energy[i], problem.weights[i], strict=True))
            for i in problem.order
        ]
        self.crossings = list(zip(problem.cross_latency, problem.cross_energy, strict=True))
        self.devices = len(problem.caps.memory)
        self.ahead = [0.0]
        for options in reversed(self.stages):
            least = [min(column) for column in zip(*((o[1], o[2]) for o in options), strict=True)]
            self.ahead.append(self.ahead[-1] + self.latency_rate * least[0] + self.energy_rate * least[1])
        self.ahead.reverse()
        self.latency_cap = float("inf") if self.caps.latency is None else self.caps.latency
        self.energy_cap = float("inf") if self.caps.energy is None else self.caps.energy

    def extend(self, stage: int, state: tuple[Any, ...], option: tuple[Any, ...]) -> tuple[Any, ...] | None:
        """Return the state after one more stage, or None; a state is (score, latency, energy, device, memory)."""
        score, latency, energy, last, memory = state
        device, run_ms, run_mj, need = option
        added_ms, added_mj, switch = run_ms, run_mj, 0.0
        if stage and device != last:
            crossing = self.crossings[stage - 1][0][last][device]
            if crossing < 0:
                return None
            added_ms += crossing
            added_mj += self.crossings[stage - 1][1][last][device]
            switch = self.switch_rate
        latency, energy = latency + added_ms, energy + added_mj
        if latency > self.latency_cap or energy > self.energy_cap:
            return None
        used = memory[device] + need
        if used > self.caps.memory[device]:
            return None
        score += self.latency_rate * added_ms + self.energy_rate * added_mj + switch
        return score, latency, energy, device, (*memory[:device], used, *memory[device + 1 :])


def branch_and_bound(problem: Problem, goal: Goal) -> float | None:
    """Return the best score by depth-first search with bounds that ignore crossings; None when nothing is feasible."""
    chain = PlainChain(problem, goal)
    best = [float("inf")]

    def descend(stage, state):
        if state[0] + chain.ahead[stage] >= best[0]:
            return
        if stage == len(chain.stages):
            best[0] = state[0]
            return
        for option in chain.stages[stage]:
            following = chain.extend(stage, state, option)
            if following is not None:
                descend(stage + 1, following)

    descend(0, (0.0, 0, 0, -1, (0,) * chain.devices))
    return None if best[0] == float("inf") else best[0]


def search_beam(problem: Problem, goal: Goal, width: int = 128) -> float | None:
    """Return the best score that a beam of `width` finds; None: nothing found, which proves nothing."""
    chain = PlainChain(problem, goal)
    states = [(0.0, 0, 0, -1, (0,) * chain.devices)]
    for stage, options in enumerate(chain.stages):
        grown = [chain.extend(stage, state, option) for state in states for option in options]
        states = sorted(state for state in grown if state is not None)[:width]
    return states[0][0] if states else None
