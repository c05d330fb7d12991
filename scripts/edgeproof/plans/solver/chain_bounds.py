"""Lagrangian bounds of a chain: limits become prices, and one backward pass gives the best completion of every label.

For prices λ ≥ 0 per limit, min over paths of objective + Σ λ (use − limit) never exceeds the best feasible objective.
Rows with weight 1 on the objective are *blends* and bound it; rows with weight 0 are *proofs*: a positive value means
that no completion keeps the limits. Uses and limits are scaled so that each limit is 1.
"""

import math
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np

from .cutting_planes import ascend_by_cuts

_CUTS = 80  # evaluations of a bound at most
_SMALLEST_BOX = 1e-9  # of prices, where the bound without limits is 0


class PricedChain(Protocol):
    """What a search must have: costs per option and move, and (use, move, limit, …) of every limit that can bind."""

    objective: tuple[np.ndarray, np.ndarray]
    resources: list[tuple[Any, ...]]


@dataclass
class Bounds:
    """Tables of several price rows: costs per option and per move, and the least cost ahead (−Σ λ · limit included)."""

    use: np.ndarray
    move: np.ndarray
    ahead: np.ndarray
    blends: np.ndarray
    proofs: np.ndarray


@dataclass
class Multipliers:
    """Price rows: `weight` on the objective (1 or 0) and `prices` per limit."""

    weight: np.ndarray
    prices: np.ndarray

    @classmethod
    def plain(cls, limits: int) -> Self:
        """Return the first rows to try: the objective alone, and every limit alone."""
        prices = np.concatenate([np.zeros((1, limits)), np.eye(limits)])
        return cls(np.array([1.0] + [0.0] * limits), prices)

    def tabulate(self, search: PricedChain) -> Bounds:
        """Return the `Bounds` of these rows for a search."""
        rows = [_price(search, w, p) for w, p in zip(self.weight, self.prices, strict=True)]
        ahead = [bound_completions(use, move) for use, move in rows]
        fixed = [
            sum(price * resource[2] for price, resource in zip(prices, search.resources, strict=True))
            for prices in self.prices
        ]
        return Bounds(
            use=np.stack([use for use, _ in rows], axis=-1),
            move=np.stack([move for _, move in rows], axis=-1),
            ahead=np.stack(ahead, axis=-1) - np.array(fixed),
            blends=np.flatnonzero(self.weight > 0),
            proofs=np.flatnonzero(self.weight == 0),
        )


def tighten_bounds(search: PricedChain, start: Multipliers, best_value: float, rounds: int) -> Multipliers:
    """Return `start` with rows of prices that give a chain tighter bounds: the best ones, found by cutting planes.

    Without a known plan (`best_value` infinite), `rounds` of subgradient steps also look for prices that prove the
    limits unattainable.
    """
    count = len(search.resources)
    proofs = [p for w, p in zip(start.weight, start.prices, strict=True) if w == 0]
    if math.isinf(best_value):
        proofs += _prove_hopeless(search, np.full(count, 1.0 / count), rounds)
    blends = [p for w, p in zip(start.weight, start.prices, strict=True) if w > 0]
    if len(blends) == 1:
        box = max(abs(bound_at(search, np.zeros(count))), _SMALLEST_BOX)
        prices, _ = ascend_by_cuts(lambda at: _dual(search, 1.0, at), np.zeros(count), box, _CUTS)
        blends = [prices, np.zeros(count)]
    proofs = [*np.eye(count), *proofs[count:][-2:]]
    return Multipliers(np.array([1.0] * len(blends) + [0.0] * len(proofs)), np.array(blends + proofs))


def bound_at(search: PricedChain, prices: np.ndarray) -> float:
    """Return the (Lagrangian) bound of a chain, which its search prunes by, at prices per limit."""
    return _dual(search, 1.0, prices)[0]


def _prove_hopeless(search: PricedChain, prices: np.ndarray, rounds: int) -> list[np.ndarray]:
    """Return the best few prices of subgradient ascent with Polyak steps, worst first: proofs that no path fits."""
    factor, best, idle, trail = 1.0, -math.inf, 0, []
    for _ in range(rounds):
        value, excess = _dual(search, 0.0, prices)
        if value > best + 1e-12:
            best, idle = value, 0
            trail.append(prices)
        else:
            idle += 1
            if idle >= 4:
                factor, idle = factor / 2, 0
                prices = trail[-1]
                value, excess = _dual(search, 0.0, prices)
        norm = float(excess @ excess)
        if norm < 1e-18 or best > 1e-6:
            break
        prices = np.maximum(0.0, prices + factor * max(-value, 1e-3) / norm * excess)
        prices = prices / max(prices.sum(), 1e-12)
    return trail[-3:]


def _dual(search: PricedChain, weight: float, prices: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the Lagrangian value and its subgradient: by how much the path that attains it exceeds each limit."""
    use, move = _price(search, weight, prices)
    ahead, following = trace_completions(use, move)
    first = use[0] + ahead[0]
    option = int(first.argmin())
    value = float(first[option])
    path = [option]
    for table in following:
        option = int(table[option])
        path.append(option)
    rows = np.arange(len(path))
    excess = []
    for resource_use, resource_move, limit, *_ in search.resources:
        total = resource_use[rows, path].sum()
        if not np.isscalar(resource_move):
            total += resource_move[rows[1:], path[:-1], path[1:]].sum()
        excess.append(total - limit)
        value -= prices[len(excess) - 1] * limit
    return value, np.array(excess)


def _price(search: PricedChain, weight: float, prices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return option and move costs with the limits priced in; forbidden ones stay infinite."""
    use, move = search.objective
    if weight == 0:
        use, move = np.where(np.isinf(use), np.inf, 0.0), np.where(np.isinf(move), np.inf, 0.0)
    for price, (resource_use, resource_move, *_) in zip(prices, search.resources, strict=True):
        if price:
            use = use + price * resource_use
            move = move + price * resource_move
    return use, move


def bound_completions(use: np.ndarray, move: np.ndarray) -> np.ndarray:
    """Return the bound on completing a chain after each option (stages × options): the least cost ahead."""
    ahead = np.zeros(use.shape)
    for i in range(len(use) - 1, 0, -1):
        (move[i] + (use[i] + ahead[i])).min(axis=1, out=ahead[i - 1])
    return ahead


def trace_completions(use: np.ndarray, move: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return the chain's `bound_completions`, and per stage but the last the best option after each option."""
    ahead, following = np.zeros(use.shape), []
    for i in range(len(use) - 1, 0, -1):
        table = move[i] + (use[i] + ahead[i])
        following.append(table.argmin(axis=1))
        ahead[i - 1] = table[np.arange(use.shape[1]), following[-1]]
    return ahead, following[::-1]
