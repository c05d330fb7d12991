"""The k best placements of a chain that no limit couples: dynamic programming over stages, exact to the last tie.

Bounds from both ends drop every move that no plan among the k best can use; the rest is walked with exact integers.
"""

import math
from typing import Any

import numpy as np

from edgeproof.plans.scenario.costs import TOLERANCE
from edgeproof.plans.scenario.model import Placement

from .chain_bounds import bound_completions


def search_by_viterbi(search: Any) -> list[Placement]:
    """Return the `search.top_k` best placements of a chain without coupling limits, by dynamic programming.

    `search`: of `chain_search`. [] when every placement needs a missing link.
    """
    chain, top_k = search.chain, search.top_k
    use, move = search.objective
    ahead = bound_completions(use, move)
    behind = _look_behind(use, move)
    through = behind + ahead
    best = float(through[-1].min())
    if math.isinf(best):
        return []
    # Plans through different options of one stage differ, so the k-th smallest bounds the k-th best plan from above.
    kth = float(np.sort(through, axis=1)[:, top_k - 1].min()) if top_k <= chain.width else math.inf
    cutoff = kth + TOLERANCE * max(1.0, abs(kth))
    along = behind[:-1, :, None] + move[1:] + use[1:, None, :] + ahead[1:, None, :]
    arcs = np.isfinite(along) & (along <= cutoff)  # the cutoff is infinite where fewer plans are bounded than asked for
    metrics = ["latency", "energy", "switches", *(m for m in search.level.weights if m not in search.tracked[:3])]
    tables = [_select(chain.resource(metric), arcs) for metric in metrics]
    rates = _whole_rates(search.level, metrics)
    first = [
        (*_weigh(rates, [int(chain.resource(m)[0][0, o]) for m in metrics]), 0, int(o), None)
        for o in np.flatnonzero(np.isfinite(through[0]) & (through[0] <= cutoff))
    ]
    labels = _rank({label[-2]: [label] for label in sorted(first)})
    stage, source, target = (column.tolist() for column in np.nonzero(arcs))
    amounts = list(zip(*tables, strict=True))
    position = 0
    history = [labels]
    for i in range(1, chain.length):
        found = {}
        while position < len(stage) and stage[position] == i - 1:
            step = _weigh(rates, amounts[position])
            o = target[position]
            for rank, label in labels.get(source[position], ()):
                total = tuple(a + b for a, b in zip(label, step, strict=False))
                found.setdefault(o, []).append((*total, rank, o, (source[position], rank)))
            position += 1
        labels = _rank({o: sorted(rows)[:top_k] for o, rows in found.items()})
        history.append(labels)
    search.nodes += len(stage)
    last = sorted((label[:-1], o, rank) for o, rows in labels.items() for rank, label in rows)[:top_k]
    return [_trace(history, o, rank, search.problem) for _, o, rank in last]


def _look_behind(use, move):
    behind = np.empty_like(use)
    behind[0] = use[0]
    for i in range(1, len(use)):
        behind[i] = (behind[i - 1][:, None] + move[i]).min(axis=0) + use[i]
    return behind


def _select(resource, arcs):
    """Return what each kept arc adds to a total, the option it leads to included."""
    use, move = resource
    stage, source, target = np.nonzero(arcs)
    amount = use[stage + 1, target]
    if move is not None:
        amount = amount + move[stage + 1, source, target]
    return amount.tolist()


def _whole_rates(level, metrics):
    common = math.lcm(*(weight.denominator for weight in level.weights.values()))
    return [int(level.weights.get(metric, 0) * common) for metric in metrics]


def _weigh(rates, amounts):
    """Return (exact objective, latency, energy, switches) of one step."""
    return (sum(rate * amount for rate, amount in zip(rates, amounts, strict=True)), *amounts[:3])


def _rank(groups):
    """Return `{option: [(rank, label)]}`, ranks in the order of the labels' paths."""
    order = sorted((label[-3], label[-2], n, o) for o, rows in groups.items() for n, label in enumerate(rows))
    ranked: dict[int, list[Any]] = {o: [None] * len(rows) for o, rows in groups.items()}
    for rank, (_, _, n, o) in enumerate(order):
        ranked[o][n] = (rank, groups[o][n])
    return ranked


def _trace(history, option, rank, problem):
    path = []
    for labels in reversed(history):
        path.append(option)
        back = next(label for r, label in labels[option] if r == rank)[-1]
        if back is not None:
            option, rank = back
    path.reverse()
    return tuple(path[problem.position[stage]] for stage in range(len(path)))
