"""Lagrangian bounds of chains, against all placements: never above the best feasible objective."""

import itertools
import math

import numpy as np
import pytest
from edgeproof.plans.solver.chain_bounds import Multipliers, bound_completions, tighten_bounds, trace_completions

INFINITE = math.inf


class Chain:
    """Random costs of a chain with two limits, as `PricedChain` asks for; a `share` of its paths keeps both."""

    def __init__(self, seed, share):
        random = np.random.default_rng(seed)
        shape, moves = (5, 3), (5, 3, 3)
        self.objective = random.uniform(1, 5, shape), random.uniform(0, 1, moves)
        self.resources = [(random.uniform(0.0, 0.5, shape), random.uniform(0, 0.1, moves), 0.0) for _ in range(2)]
        worst = [max(uses) for _, uses in self.paths()]
        limit = float(np.quantile(worst, share)) if share else 0.3 * min(worst)
        self.resources = [(use, move, limit) for use, move, _ in self.resources]

    def paths(self):
        """Yield (objective, uses of both limits) of every path."""
        for path in itertools.product(range(3), repeat=5):
            yield self.add(self.objective, path), [self.add(resource, path) for resource in self.resources]

    def add(self, costs, path):
        use, move = costs[:2]
        return sum(use[range(5), path]) + sum(move[i, path[i - 1], path[i]] for i in range(1, 5))

    def best(self):
        return min((value for value, uses in self.paths() if max(uses) <= self.resources[0][2]), default=INFINITE)


def read_bounds(chain, multipliers):
    """Return (best bound on the objective, largest proof) at the start of the chain."""
    tables = multipliers.tabulate(chain)
    start = (tables.use[0] + tables.ahead[0]).min(axis=0)
    return start[tables.blends].max(), start[tables.proofs].max()


def test_the_cost_ahead_is_that_of_the_best_path():
    chain = Chain(0, 0.1)
    ahead, following = trace_completions(*chain.objective)
    assert np.array_equal(ahead, bound_completions(*chain.objective))
    assert (chain.objective[0][0] + ahead[0]).min() == pytest.approx(min(value for value, _ in chain.paths()))
    path = [int((chain.objective[0][0] + ahead[0]).argmin())]
    for table in following:
        path.append(int(table[path[-1]]))
    assert chain.add(chain.objective, path) == pytest.approx(min(value for value, _ in chain.paths()))


@pytest.mark.parametrize("seed", range(12))
def test_a_bound_never_exceeds_the_best_feasible_objective(seed):
    chain = Chain(seed, 0.1)
    best = chain.best()
    assert math.isfinite(best)
    plain = Multipliers.plain(2)
    first, _ = read_bounds(chain, plain)
    better, proof = read_bounds(chain, tighten_bounds(chain, plain, best, 60))
    assert first - 1e-9 <= better <= best + 1e-9
    assert proof <= 1e-9  # something is feasible


def test_prices_lift_the_bound_where_a_limit_binds():
    gains = []
    for seed in range(12):
        chain = Chain(seed, 0.1)
        plain = Multipliers.plain(2)
        found = tighten_bounds(chain, plain, chain.best(), 60)
        gains.append(read_bounds(chain, found)[0] - read_bounds(chain, plain)[0])
    assert max(gains) > 0.1 and min(gains) >= -1e-9


@pytest.mark.parametrize("seed", range(4))
def test_prices_prove_that_limits_cannot_be_kept(seed):
    chain = Chain(seed, 0.0)
    assert chain.best() == INFINITE
    assert read_bounds(chain, tighten_bounds(chain, Multipliers.plain(2), INFINITE, 60))[1] > 1e-9


def test_plain_rows_are_the_objective_and_every_limit_alone():
    rows = Multipliers.plain(2)
    assert rows.weight.tolist() == [1, 0, 0]
    assert rows.prices.tolist() == [[0, 0], [1, 0], [0, 1]]
