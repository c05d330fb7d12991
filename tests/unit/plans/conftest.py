"""What the tests of the plans room share: the golden data, small scenarios, and a brute-force oracle."""

import json
from pathlib import Path

import pytest
from edgeproof.plans.scenario.costs import Problem
from edgeproof.plans.scenario.goals import compile_goal, needs_pipelining
from edgeproof.plans.solver.search import find_plans
from edgeproof.plans.verifier.ledger import Ledger

DATA = Path(__file__).resolve().parents[2] / "data" / "planner"


class Oracle:
    """Every placement of a scenario, by the verifier's ledger in floats.

    Keys are rounded to 9 decimals so that ties tie.
    """

    def __init__(self, scenario, goal, limits=None):
        caps = scenario.limits
        own = {
            "latency": caps.latency_ms,
            "energy": caps.energy_mj,
            "accuracy": caps.accuracy_drop,
            "period": caps.period_ms,
        }
        rule = "pipelined" if needs_pipelining(goal, caps) else scenario.execution
        self.ledger = Ledger(scenario, rule, float)
        self.rows = []
        for placement, totals, broken in self.ledger.enumerate(limits or own):
            *values, path = self.ledger.key(goal, placement, totals)
            key = (*(round(value, 9) for value in values), path)
            self.rows.append((key, placement, totals, broken))

    def best(self, count):
        """Return the first `count` feasible placements in order of rank."""
        return [row[1] for row in sorted(row for row in self.rows if not row[3])[:count]]


def solve(scenario, goal="balanced", top_k=3):
    """Return `(problem, goal, answer)` of a scenario."""
    pipelined = needs_pipelining(goal, scenario.limits)
    problem = Problem(scenario, "pipelined" if pipelined else None)
    compiled = compile_goal(goal, problem)
    return problem, compiled, find_plans(problem, compiled, top_k=top_k)


@pytest.fixture(scope="session")
def golden():
    """The exhaustive results of the nine scenarios, by name."""
    return json.loads((DATA / "golden.json").read_text())["scenarios"]


@pytest.fixture(scope="session")
def planner_data():
    """The folder of the planner's scenarios."""
    return DATA


@pytest.fixture(scope="session")
def oracle():
    """The brute-force oracle's class."""
    return Oracle


@pytest.fixture(scope="session")
def solver():
    """`solve(scenario, goal, top_k)`."""
    return solve


@pytest.fixture
def two_stages():
    """A version 2 document that every test may change."""
    return {
        "schema": "edgeproof.scenario.v2",
        "name": "pair",
        "devices": [{"name": "cpu", "memory_mb": 1000}, {"name": "npu", "memory_mb": 500}],
        "links": [
            {"source": "cpu", "target": "npu", "latency_ms_per_mb": 0.1, "energy_mj_per_mb": 0.1, "setup_ms": 0.5}
        ],
        "stages": [
            {
                "name": "first",
                "output_mb": 10,
                "profiles": {
                    "cpu": {"latency_ms": 4, "energy_mj": 4, "weights_mb": 100},
                    "npu": {"latency_ms": 2, "energy_mj": 1, "weights_mb": 300},
                },
            },
            {
                "name": "second",
                "profiles": {
                    "cpu": {"latency_ms": 6, "energy_mj": 5, "weights_mb": 200},
                    "npu": {"latency_ms": 3, "energy_mj": 2, "weights_mb": 300},
                },
            },
        ],
    }
