"""The best prices of a Lagrangian bound by cutting planes in a box (Marsten, Hogan and Blankenship 1975, "Boxstep").

Every evaluation gives a plane above the bound. The next prices are where the lowest of all planes is highest, near the
best prices known. For the few prices of a placement this needs tens of evaluations; subgradient steps zigzag.
"""

import math
from collections.abc import Callable

import numpy as np
from ortools.linear_solver import pywraplp

_CONVERGED = 1e-7  # gain that the planes still promise, relative to the bound
_SMALLEST = 1e-9  # size of the box, relative to the first one


def ascend_by_cuts(
    dual: Callable[[np.ndarray], tuple[float, np.ndarray]], prices: np.ndarray, box: float, rounds: int
) -> tuple[np.ndarray, float]:
    """Return `(prices, value)`, the best of at most `rounds` evaluations of a bound by cutting planes.

    `dual(prices)` returns the bound and a subgradient. `box`: how far prices may move at first.
    """
    center, size = np.array(prices, float), float(box)
    best, slope = dual(center)
    planes = [(float(best - slope @ center), slope)]
    for _ in range(rounds - 1):
        promised, point = _maximize(planes, center, size)
        if promised - best <= _CONVERGED * abs(best):
            if size >= box or not _is_cramped(point, center, size):
                break
            size *= 4
            continue
        value, slope = dual(point)
        planes.append((float(value - slope @ point), slope))
        if value > best:
            if value - best > 0.5 * (promised - best):
                size *= 2
            center, best = point, value
        else:
            size /= 2
            if size < _SMALLEST * box:
                break
    return center, best


def _maximize(planes: list[tuple[float, np.ndarray]], center: np.ndarray, size: float) -> tuple[float, np.ndarray]:
    """Return the highest value below all planes within the box around `center`, and the prices there (none
    negative); −∞ and `center` where planes are infinite or too far apart for the numbers.
    """
    solver = pywraplp.Solver.CreateSolver("GLOP")
    prices = [solver.NumVar(max(0.0, c - size), c + size, "") for c in center]
    top = solver.NumVar(-solver.infinity(), solver.infinity(), "")
    for base, slope in planes:
        solver.Add(top <= base + sum(float(s) * p for s, p in zip(slope, prices, strict=True)))
    solver.Maximize(top)
    if not all(math.isfinite(base) for base, _ in planes) or solver.Solve() != pywraplp.Solver.OPTIMAL:
        return -math.inf, center
    return top.solution_value(), np.array([max(0.0, p.solution_value()) for p in prices])


def _is_cramped(point, center, size):
    return bool((np.abs(point - center) >= size * (1 - 1e-6)).any())
