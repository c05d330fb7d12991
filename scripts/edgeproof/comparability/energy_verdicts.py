"""The verdict of a comparison on energy per inference, from the same pairs as the one on latency, by the same rules.

What energy adds is a bound on the error of every pair, the budgets of both sides: it widens the intervals. Each of the
two verdicts has its own probability of being false.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edgeproof.core.configuration import Json
from edgeproof.core.modes import ProcessLevels
from edgeproof.core.sequential import Design, judge_sequence
from edgeproof.runs.pair_energy import PairEnergy, SessionEnergy, read_energy_at
from edgeproof.runs.paired_sessions import PairsSession

from .pair_verdicts import Judged, describe_effect, find_interference

_WORDS = {"faster": "lower", "slower": "higher", "equivalent": "equivalent", "undecided": "undecided"}
_WORST_IN_SIGMAS = 3.1  # of what a budget says


@dataclass(frozen=True)
class _Sequence:
    """The pairs of a comparison whose energy is known, and what their power is of."""

    sessions: list[PairsSession]
    pairs: list[PairEnergy]
    sampler: str
    power: Json


def judge_energy(sessions: Sequence[PairsSession], items: Mapping[str, int], design: Design) -> Json:
    """Return the verdict of the pairs on energy per inference (`energy` of a comparison's report).

    `items`: {left, right}, items of one call, by which energies are divided where they differ. `verdict`: `lower` or
    `higher` (the right side), `equivalent`, `undecided` with its reason, or `unknown` with an explanation.
    """
    sequence = _collect(sessions)
    if isinstance(sequence, str):
        return _describe_unknown(sequence)
    judged = _judge(sequence, items, design)
    found = judged.verdict
    divided = items if items["left"] != items["right"] else {"left": 1, "right": 1}
    used = sequence.pairs[: found.pairs]
    sides: Json = {}
    for side in ("left", "right"):
        arms = [getattr(pair, side) for pair in used]
        joules = math.exp(math.fsum(math.log(arm.joules / divided[side]) for arm in arms) / len(arms))
        sides[f"{side}_j"] = joules
        sides[f"{side}_error"] = math.fsum(arm.error for arm in arms) / len(arms)
    return {
        "verdict": _WORDS[found.verdict],
        "reason": found.reason,
        "explanation": None,
        "effect": {**describe_effect(judged), "slack": found.slack},
        **sides,
        "sampler": sequence.sampler,
        **sequence.power,
        "interleaving": list(dict.fromkeys(session.record["interleaving"]["mode"] for session in sequence.sessions)),
        "left_out": sum(len(session.pairs) for session in sessions) - len(sequence.pairs),
        "can_continue": found.can_continue,
        "further_pairs": found.further_pairs,
    }


def _collect(sessions: Sequence[PairsSession]) -> _Sequence | str:
    """Return the pairs of all sessions that were watched to their end, or why there is no energy."""
    kept: list[PairsSession] = []
    found: list[SessionEnergy] = []
    for session in sessions:
        energy = read_energy_at(str(session.attempt.folder))
        if isinstance(energy, str):
            return energy
        if energy is not None and energy.pairs:
            kept.append(session)
            found.append(energy)
    if not found:
        simulated = any(session.provenance == "simulated" for session in sessions)
        return "a simulated run uses no power" if simulated else "no sampler watched the pairs to their end"
    if any((each.sampler, each.power) != (found[0].sampler, found[0].power) for each in found):
        return "its sessions differ in what they measured"
    pairs = [pair for each in found for pair in each.pairs]
    return _Sequence(kept, pairs, found[0].sampler, found[0].power)


def _judge(sequence: _Sequence, items: Mapping[str, int], design: Design) -> Judged:
    per_item = math.log(items["left"] / items["right"])
    logs = np.array([pair.log_ratio for pair in sequence.pairs]) + per_item
    levels = [_levels([getattr(pair, side) for pair in sequence.pairs]) for side in ("left", "right")]
    # What taking turns does to the times, it does to the energy that they take.
    interference = find_interference([pair for session in sequence.sessions for pair in session.pairs])
    verdict = judge_sequence(
        logs,
        design,
        processes=(levels[0], levels[1]),
        interference=interference,
        bounds=[pair.bound for pair in sequence.pairs],
    )
    return Judged(verdict, interference, design, None)


def _levels(arms: Sequence[tuple[float, float]]) -> ProcessLevels:
    joules, errors = (np.array(values) for values in zip(*arms, strict=True))
    return ProcessLevels(np.log(joules), errors / _WORST_IN_SIGMAS)


def _describe_unknown(explanation: str) -> Json:
    empty = dict.fromkeys(("effect", "left_j", "right_j", "left_error", "right_error", "sampler", "boundary", "rails"))
    return {
        "verdict": "unknown",
        "reason": None,
        "explanation": explanation,
        **empty,
        "kind": None,
        "interleaving": [],
        "left_out": 0,
        "can_continue": False,
        "further_pairs": None,
    }
