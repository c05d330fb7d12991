"""Boundaries of the sequential t-test: the critical values of every look, exact for independent normal pairs.

**The test.** After pair n = first, first + 1, … up to the horizon H, the statistic t_n = (mean - bound) / (sd / √n) is
compared with c_n. The c_n are such that, at the bound, the probability of having crossed by pair n is what may be
spent by then: level · ln(1 + (e - 1) n / H), all of `level` at H (K. Lan, D. DeMets, Biometrika 70 (1983)). A
sequence that stops early for any reason, or does not look each time, errs less.

**The computation.** Let X be n standard normal values and U_n = Σx / √(n Σx²), the cosine of the angle between X and
the diagonal; t_n = √(n - 1) U_n / √(1 - U_n²). Directions of X do not depend on its length, so that U_n is a Markov
chain in one dimension (the t statistics are an invariantly sufficient and transitive sequence: W. Hall, R. Wijsman,
J. Ghosh, Ann. Math. Statist. 36 (1965)). Backwards it has a simple form: given U_{n+1} = v, the last value's share of
the length is y = v / √(n+1) + √((1 - v²) n / (n+1)) · w, where w has the density ∝ (1 - w²)^((n-3)/2) whatever v is,
and U_n = (√(n+1) v - y) / √(n (1 - y²)). With R_n(u) the probability of no crossing before n given U_n = u,

    R_{n+1}(v) = E[R_n(U_n); U_n <= u_n | U_{n+1} = v],
    P(first crossing at n + 1) = ∫ f_{n+1}(v) R_{n+1}(v) dv over v > u_{n+1},  f_n(u) ∝ (1 - u²)^((n-3)/2),

where u_n is c_n on the scale of U. Angles (u = sin θ, w = sin ω) make all integrands smooth; the limits of the
integrals are known in closed form. Gauss-Legendre quadrature and six-point interpolation on a uniform grid of θ give
critical values that change by less than 1e-6 when nodes and grid are doubled; the probability of ever crossing is then
within 1e-6 of the level, in relative terms.
"""

import functools
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .distributions import student_t_quantile

FIRST_LOOK = 4
EQUIVALENT_FROM = 10
HORIZON = 60
ALPHA = 0.05
MOST_COMPARISONS_STORED = 20
FIRST_SESSION = 3
SESSIONS_HORIZON = 12
TABLE = Path(__file__).with_name("boundaries.json")

_GRID = 401
_NODES = 64
_DECIMALS = 6

Floats: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True)
class Boundary:
    """Critical values of one one-sided test: `values[k]` after pair `first` + k, the last one after pair `horizon`."""

    level: float
    first: int
    horizon: int
    values: tuple[float, ...]

    def at(self, count: int) -> float | None:
        """Return the critical value after `count` pairs, None before the first look and beyond the horizon."""
        return self.values[count - self.first] if self.first <= count <= self.horizon else None

    def spread(self) -> Floats:
        """Return the critical values after 1, 2, …, `horizon` pairs, shape (horizon,); infinite where none is."""
        return np.concatenate((np.full(self.first - 1, np.inf), self.values))


def find_boundary(level: float, first: int = FIRST_LOOK, horizon: int = HORIZON) -> Boundary:
    """Return the Boundary of a one-sided test at `level`: from the stored table, else computed (below a second).

    Stored are the levels of 1 to 20 comparisons at 95 %, for 60 pairs and for 12 sessions. ValueError for what has
    none.
    """
    stored = read_table().get((_key_of(level), first, horizon))
    return stored or compute_boundary(level, first, horizon)


def list_stored() -> list[tuple[float, int, int]]:
    """Return (level, first look, horizon) of each boundary in the stored table.

    Differences at 2.5 % / m and equivalences at 5 % / m for m = 1 … 20 comparisons, over pairs and over sessions.
    """
    kinds = (
        (ALPHA / 2, FIRST_LOOK, HORIZON),
        (ALPHA, EQUIVALENT_FROM, HORIZON),
        (ALPHA / 2, FIRST_SESSION, SESSIONS_HORIZON),
        (ALPHA, FIRST_SESSION, SESSIONS_HORIZON),
    )
    counts = range(1, MOST_COMPARISONS_STORED + 1)
    wanted = {(_key_of(level / m), *looks): (level / m, *looks) for level, *looks in kinds for m in counts}
    return [(level, first, horizon) for level, first, horizon in wanted.values()]


@functools.cache
def read_table() -> dict[tuple[str, int, int], Boundary]:
    """Return the stored table of boundaries, by level (12 digits), first look and horizon."""
    stored: list[Any] = json.loads(TABLE.read_text())["boundaries"]
    rows = [Boundary(**(row | {"values": tuple(row["values"])})) for row in stored]
    return {(_key_of(row.level), row.first, row.horizon): row for row in rows}


def render_table(boundaries: list[Boundary]) -> str:
    """Return the text of the stored table of boundaries: JSON, one boundary per line."""
    rows = [
        json.dumps({"level": b.level, "first": b.first, "horizon": b.horizon, "values": list(b.values)})
        for b in boundaries
    ]
    return '{"boundaries": [\n' + ",\n".join(rows) + "\n]}\n"


def spend(level: float, count: int, horizon: int = HORIZON) -> float:
    """Return how much of `level` the boundaries of a sequential test may spend by pair `count` of `horizon`."""
    return level * math.log1p((math.e - 1) * min(count, horizon) / horizon)


@functools.lru_cache(maxsize=256)
def compute_boundary(
    level: float, first: int = FIRST_LOOK, horizon: int = HORIZON, grid: int = _GRID, nodes: int = _NODES
) -> Boundary:
    """Return the Boundary of a one-sided t-test at `level`, looked at after pairs `first` … `horizon`.

    `grid` and `nodes` set the precision. ValueError unless 0 < level <= 0.1 and 3 <= first <= horizon.
    """
    if not (0 < level <= 0.1 and 3 <= first <= horizon):
        raise ValueError(f"no boundary has level {level}, first look {first} and horizon {horizon}")
    value = student_t_quantile(1 - spend(level, first, horizon), first - 1)
    values, chain = [value], None
    for count in range(first, horizon):
        chain = _Chain.extend(chain, count, value, grid, nodes)
        increment = spend(level, count + 1, horizon) - spend(level, count, horizon)
        value = chain.solve(increment, value)
        values.append(value)
    return Boundary(level, first, horizon, tuple(round(value, _DECIMALS) for value in values))


def crossing_probabilities(boundary: Boundary, grid: int = _GRID, nodes: int = _NODES) -> Floats:
    """Return P(first crossing after pair `first`, `first` + 1, …) of a Boundary at the bound it tests, shape (looks,).

    The first one is exact and left to the caller's t distribution: it is what the level allows by then.
    """
    chances, chain = [spend(boundary.level, boundary.first, boundary.horizon)], None
    for index, count in enumerate(range(boundary.first, boundary.horizon)):
        chain = _Chain.extend(chain, count, boundary.values[index], grid, nodes)
        chances.append(chain.tail(_cosine(boundary.values[index + 1], count + 1)))
    return np.array(chances)


@dataclass(frozen=True)
class _Chain:
    """R_n, the probability of no crossing before pair n = `count` given U_n = sin θ, on a uniform grid of θ.

    The grid reaches from -π/2 to the boundary of pair n; `limit` is that boundary on the scale of U.
    """

    count: int
    limit: float
    survival: Floats
    nodes: int

    @classmethod
    def extend(cls, before: "_Chain | None", count: int, value: float, grid: int, nodes: int) -> "_Chain":
        """Return the chain at `count`, whose critical value is `value`, from that of the pair before."""
        limit = _cosine(value, count)
        if before is None:
            return cls(count, limit, np.ones(grid), nodes)
        angles = np.linspace(-math.pi / 2, math.asin(limit), grid)
        return cls(count, limit, before.survive(np.sin(angles)), nodes)

    def survive(self, cosines: Floats) -> Floats:
        """Return R_{n+1} at `cosines`, shape (m,)."""
        n, v = self.count, cosines[:, None]
        amplitude, turn = math.sqrt(1 + n * self.limit**2), math.atan(math.sqrt(n) * self.limit)
        arc = np.arcsin(np.clip(math.sqrt(n + 1) * v / amplitude, -1, 1))
        low, high = np.maximum(arc - turn, -math.pi / 2), np.minimum(math.pi - arc - turn, math.pi / 2)
        centre = v / math.sqrt(n + 1)
        scale = np.maximum(np.sqrt((1 - v * v) * n / (n + 1)), 1e-300)
        low, high = (np.arcsin(np.clip((np.sin(edge) - centre) / scale, -1, 1)) for edge in (low, high))
        nodes, weights = _legendre(self.nodes)
        half = (high - low) / 2
        omega = (high + low) / 2 + half * nodes
        share = centre + scale * np.sin(omega)
        before = (math.sqrt(n + 1) * v - share) / np.sqrt(np.maximum(n * (1 - share * share), 1e-300))
        kept = self._interpolate(np.arcsin(np.clip(before, -1, self.limit)))
        return (half * weights * np.cos(omega) ** (n - 2) * kept).sum(axis=1) / _wallis(n - 2)

    def tail(self, cosine: float) -> float:
        """Return P(no crossing up to pair n, U_{n+1} > `cosine`)."""
        n = self.count
        farthest = math.sqrt((1 + n * self.limit**2) / (n + 1))  # what pair n + 1 can reach; R falls there as a root
        if cosine >= farthest:
            return 0.0
        nodes, weights = _legendre(self.nodes)
        z, reach = (nodes + 1) / 2, farthest - cosine
        cosines = farthest - reach * z * z
        density = (1 - cosines**2) ** ((n - 2) / 2) / _wallis(n - 1)
        return float((weights * z * reach * density * self.survive(cosines)).sum())

    def solve(self, chance: float, start: float) -> float:
        """Return the critical value of pair n + 1 that is crossed there first with probability `chance`.

        Newton's method on the logarithm of the tail, inside a bracket.
        """
        n = self.count
        low, high = 1 / math.sqrt(n + 1), math.sqrt((1 + n * self.limit**2) / (n + 1))  # t = 1, and out of reach
        cosine = min(max(_cosine(start, n + 1), low), (low + high) / 2 + (high - low) * 0.49)
        for _ in range(100):
            tail = self.tail(cosine)
            low, high = (cosine, high) if tail > chance else (low, cosine)
            slope = (1 - cosine**2) ** ((n - 2) / 2) / _wallis(n - 1) * float(self.survive(np.array([cosine]))[0])
            following = cosine + math.log(tail / chance) * tail / slope if tail > 0 and slope > 0 else high
            if not low < following < high:
                following = (low + high) / 2
            if abs(following - cosine) < 1e-13:
                break
            cosine = following
        return math.sqrt(n) * cosine / math.sqrt(1 - cosine**2)

    def _interpolate(self, angles: Floats) -> Floats:
        """Return R_n at `angles`: Lagrange's polynomial through the six nearest nodes."""
        last = len(self.survival) - 1
        place = (angles + math.pi / 2) * (last / (math.asin(self.limit) + math.pi / 2))
        start = np.clip(place.astype(np.intp) - 2, 0, last - 5)
        x = place - start
        offsets = [x - k for k in range(6)]
        result = np.zeros_like(x)
        for k in range(6):
            basis = functools.reduce(np.multiply, [offsets[j] for j in range(6) if j != k])
            result += self.survival[start + k] * basis * ((-1) ** (5 - k) / (math.factorial(k) * math.factorial(5 - k)))
        return result


def _cosine(value: float, count: int) -> float:
    return value / math.hypot(value, math.sqrt(count - 1))


def _wallis(power: int) -> float:
    """Return the integral of cos^power over (-π/2, π/2)."""
    return math.sqrt(math.pi) * math.exp(math.lgamma((power + 1) / 2) - math.lgamma(power / 2 + 1))


@functools.cache
def _legendre(count: int) -> tuple[Floats, Floats]:
    nodes, weights = np.polynomial.legendre.leggauss(count)
    return nodes, weights


def _key_of(level: float) -> str:
    return f"{level:.12g}"
