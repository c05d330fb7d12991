import json
import math

import numpy as np
import pytest
from edgeproof.bench.simulated_verdicts import count_crossings
from edgeproof.core.boundaries import (
    TABLE,
    compute_boundary,
    crossing_probabilities,
    find_boundary,
    list_stored,
    read_table,
    render_table,
    spend,
)
from scipy import stats


def test_the_table_holds_what_its_program_computes():
    stored = list(read_table().values())
    assert [(b.level, b.first, b.horizon) for b in stored] == list_stored()
    assert render_table(stored) == TABLE.read_text()
    for index in (0, 27, 45, 69):  # a few of each kind; `scripts/make_boundaries.py` makes them all
        assert compute_boundary(*list_stored()[index]).values == pytest.approx(stored[index].values, abs=2e-6)


def test_every_stored_row_is_complete():
    rows = json.loads(TABLE.read_text())["boundaries"]
    assert rows
    for row in rows:
        assert len(row["values"]) == row["horizon"] - row["first"] + 1
        assert min(row["values"]) > 1.5


def test_spending_starts_small_and_ends_with_the_level():
    assert spend(0.05, 0) == 0
    assert spend(0.05, 60) == pytest.approx(0.05)
    assert spend(0.05, 90) == pytest.approx(0.05)
    assert spend(0.05, 30) == pytest.approx(0.05 * math.log(1 + (math.e - 1) / 2))


def test_the_first_look_is_the_t_quantile_of_scipy():
    for level, first in ((0.025, 4), (0.05, 10), (0.00125, 4)):
        boundary = find_boundary(level, first)
        assert boundary.at(first) == pytest.approx(stats.t.isf(spend(level, first), first - 1), abs=1e-6)


def test_the_second_look_is_an_integral_of_scipy():
    """P(U_4 below its boundary, U_5 above) by adaptive quadrature over U_4, with a t for the fifth value."""
    boundary = find_boundary(0.025, 4)
    limits = [value / math.hypot(value, math.sqrt(n - 1)) for value, n in zip(boundary.values, (4, 5), strict=False)]

    def exceed(u):
        """P(U_5 > limit | U_4 = u): U_5 = (√4 u + r) / √(5 (1 + r²)), where √4 r is Student's t of 4 degrees."""
        grid = np.roots([5 * limits[1] ** 2 - 1, -4 * u, 5 * limits[1] ** 2 - 4 * u * u])
        roots = np.sort(grid[np.isreal(grid)].real)
        return stats.t.cdf(2 * roots[1], 4) - stats.t.cdf(2 * roots[0], 4) if len(roots) == 2 else 0.0

    lowest = math.sqrt((5 * limits[1] ** 2 - 1) / 4)
    nodes, weights = np.polynomial.legendre.leggauss(200)
    z = (nodes + 1) / 2
    u = lowest + (limits[0] - lowest) * z * z
    density = 2 / math.pi * np.sqrt(1 - u * u)
    chance = (weights * z * (limits[0] - lowest) * density * np.array([exceed(each) for each in u])).sum()
    assert chance == pytest.approx(spend(0.025, 5) - spend(0.025, 4), rel=1e-4)


@pytest.mark.parametrize(("level", "first", "horizon"), [(0.025, 4, 60), (0.05, 3, 12)])
def test_finer_nodes_give_the_same_probabilities(level, first, horizon):
    fine = crossing_probabilities(find_boundary(level, first, horizon), grid=801, nodes=128)
    wanted = np.diff([0] + [spend(level, n, horizon) for n in range(first, horizon + 1)])
    assert fine == pytest.approx(wanted, rel=1e-5)
    assert fine.sum() == pytest.approx(level, rel=2e-6)


@pytest.mark.parametrize(("level", "first", "horizon"), [(0.025, 4, 60), (0.05, 10, 60), (0.05, 3, 12)])
def test_simulated_sequences_cross_as_often_as_promised(level, first, horizon):
    share, error = count_crossings(find_boundary(level, first, horizon), 60_000)
    assert abs(share - level) < 2.8 * error


def test_what_is_not_stored_is_computed():
    boundary = find_boundary(0.01, 4, 20)
    assert len(boundary.values) == 17
    assert boundary.at(3) is None and boundary.at(21) is None
    assert boundary.spread()[:3].tolist() == [math.inf] * 3
    assert crossing_probabilities(boundary).sum() == pytest.approx(0.01, rel=1e-5)


def test_more_comparisons_need_more():
    for first, level in ((4, 0.025), (10, 0.05)):
        rows = np.array([find_boundary(level / m, first).values for m in (1, 5, 20, 25)])
        assert np.diff(rows, axis=0).min() > 0


@pytest.mark.parametrize("wrong", [(0.0, 4, 60), (0.2, 4, 60), (0.025, 2, 60), (0.025, 30, 20)])
def test_no_boundary(wrong):
    with pytest.raises(ValueError, match="no boundary"):
        compute_boundary(*wrong)
