"""Trials of the method on this machine, measured as comparisons are: an artifact against itself, and against itself
with a known slow-down, with nothing else running and beside two neighbours. Naive protocols are judged on the same
minutes.

Every trial is a sequence of pairs in the store, found by its key: a run that was interrupted goes on where it was.
There are eight kinds of trials: two states, two models, alike and slowed. Each is tried once, then the kind on which
the least time was spent is next, so that a complete table is there early and every minute more refines it.
"""

import contextlib
import itertools
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgeproof.comparability.sequences import judge, make_design
from edgeproof.core.campaign import DEFAULT_MARGIN
from edgeproof.core.configuration import Arm, Json
from edgeproof.core.dependence import estimate_dependence
from edgeproof.core.files import sha256_file
from edgeproof.core.keys import compose_key
from edgeproof.core.sequential import Design, SequenceVerdict
from edgeproof.runs.pair_records import Pair
from edgeproof.runs.paired_sessions import PairPlace, PairsSession, list_sessions, measure_session
from edgeproof.runs.sessions import SessionSetup, digest_agent, run_session
from edgeproof.runs.timing_keys import timing_of

from .naive_protocols import find_p_by_iterations, judge_naively
from .neighbours import start_neighbours
from .noise_summary import summarise_noise_trials
from .trial_arms import TrialSetting

MARGIN = DEFAULT_MARGIN
STATES = {"quiet": 0, "neighbours": 2}  # neighbours beside the comparisons
_NAIVE_SECONDS = 0.5


@dataclass(frozen=True)
class Kind:
    """What a trial tries: the state of the machine, the model, and the injected slow-down (0: both arms alike)."""

    state: str
    model: str
    slowdown: float

    def __str__(self) -> str:
        return f"{self.state}: {self.model} {f'{self.slowdown:.0%} slower' if self.slowdown else 'A/A'}"


@dataclass(frozen=True)
class Trial:
    """One comparison: its kind and number, and so its place in the store."""

    kind: Kind
    number: int

    def __str__(self) -> str:
        return f"{self.kind} {self.number + 1}"


def run_trials(setting: TrialSetting, show: Callable[[str], object], save: Callable[[Json], object]) -> Json:
    """Run the noise trials that are missing, as long as there is time, and return the `bench-noise` document.

    The plan is {comparisons, slowdown, minutes, budget {pairs, seconds, slowed_seconds}}: at most so many comparisons
    of either kind per model and state; after so many minutes no further one begins (None: no limit), though each kind
    is tried once. `show` gets a line for each trial; `save` gets the document as it grows, from when each kind has
    been tried.
    """
    plan = setting.plan
    slowdowns = (0.0, plan["slowdown"])
    kinds = [Kind(*parts) for parts in itertools.product(STATES, setting.arms, slowdowns)]
    found: dict[Kind, list[Json]] = {kind: [] for kind in kinds}
    until = math.inf if plan["minutes"] is None else time.monotonic() + 60 * plan["minutes"]
    document: Json = {}
    while kind := _choose_kind(setting, found, time.monotonic() < until):
        trial = Trial(kind, len(found[kind]))
        told = run_trial(setting, trial)
        found[kind].append(told)
        show(f"{trial}: {told['verdict']}, ratio {told['ratio']:.4f}, {told['seconds']:.1f} s")
        if all(found.values()):
            by_state: dict[str, dict[tuple[str, float], list[Json]]] = {state: {} for state in STATES}
            for each, trials in found.items():
                by_state[each.state][each.model, each.slowdown] = trials
            document = summarise_noise_trials(plan, list(setting.arms), by_state, make_trial_design())
            save(document)
    return document


def _choose_kind(setting: TrialSetting, found: dict[Kind, list[Json]], in_time: bool) -> Kind | None:
    """Return the kind to try next: one never tried, one whose next trial is in the store, or, if there is time, the one
    on which the least time was spent; None when there is nothing more to do.
    """
    open_kinds = [kind for kind, told in found.items() if len(told) < setting.plan["comparisons"]]
    for kind in open_kinds:
        if not found[kind] or _folder_of(setting, Trial(kind, len(found[kind]))).is_dir():
            return kind
    if not in_time:
        return None
    return min(open_kinds, key=lambda kind: sum(told["seconds"] for told in found[kind]), default=None)


def run_trial(setting: TrialSetting, trial: Trial) -> Json:
    """Run one noise trial: compare an artifact with itself until it is decided or the budget ends.

    Returns what was found. `naive`, `welch_p`: what other ways would have said of one pair of fresh processes, right
    after; A/A trials only.
    """
    count = STATES[trial.kind.state]
    with start_neighbours(count) if count else contextlib.nullcontext():
        return _run_trial(setting, trial)


def _run_trial(setting: TrialSetting, trial: Trial) -> Json:
    chosen, budget, slowdown = setting.arms[trial.kind.model], setting.plan["budget"], trial.kind.slowdown
    folder = _folder_of(setting, trial)
    left = chosen.located
    right: Any = {**left, "injected_slowdown": slowdown} if slowdown else left
    seconds = budget["slowed_seconds" if slowdown else "seconds"]
    place = PairPlace(chosen.inputs, setting.device, setting.protocol, setting.interpreter)
    key = _compose_key(setting, trial)
    sessions = list_sessions([folder], key)
    while _goes_on(_pairs_of(sessions), budget["pairs"]) and _spent(sessions) < seconds:
        before = _pairs_of(sessions)
        left_over = {"pairs": budget["pairs"] - len(before), "seconds": seconds - _spent(sessions)}
        session = measure_session(
            folder,
            str(trial),
            key,
            {"left": left, "right": right},
            place,
            {"budget": left_over, "first_pair": len(before)},
            lambda pairs, before=before: _goes_on([*before, *pairs], budget["pairs"]),
        )
        if failure := session.attempt.record["facts"]["failure"]:
            raise RuntimeError(f"{trial}: {failure['kind']}: {failure['message']}")
        sessions.append(session)
    verdict = _judge(_pairs_of(sessions))
    told = _describe(verdict, sessions)
    return told if slowdown else told | _measure_naively(setting, trial, folder, left)


def _measure_naively(setting: TrialSetting, trial: Trial, folder: Path, arm: Arm) -> Json:
    """Time two fresh processes of an arm from their second inference on, and judge them as common tools do."""
    protocol: Any = {"warmup_runs": 1, "warmup_seconds": 0, "min_samples": 120, "min_seconds": _NAIVE_SECONDS}
    setup = SessionSetup(setting.arms[trial.kind.model].inputs, setting.device, protocol | {"max_timer_share": 0.01},
                         setting.interpreter)  # fmt: skip
    session = run_session(folder, str(trial), {"left": arm, "right": arm}, ["left", "right"], setup)
    left, right = session.samples[0], session.samples[1]
    return {"naive": judge_naively(left, right), "welch_p": find_p_by_iterations(left, right)}


def make_trial_design() -> Design:
    """Return the design of every noise trial: that of a single comparison on a device that is not calibrated."""
    return make_design(MARGIN, 1, estimate_dependence([]))


def _judge(pairs: list[Pair]) -> SequenceVerdict:
    return judge(pairs, make_trial_design()).verdict


def _goes_on(pairs: list[Pair], most: int) -> bool:
    if not pairs:
        return True
    verdict = _judge(pairs)
    return len(pairs) < most and verdict.verdict == "undecided" and verdict.can_continue


def _describe(verdict: SequenceVerdict, sessions: list[PairsSession]) -> Json:
    pairs = _pairs_of(sessions)
    shares = [session.record["environment"]["steal_share"] for session in sessions if session.record["ended_by"]]
    return {
        "verdict": verdict.verdict,
        "reason": verdict.reason,
        "ratio": verdict.ratio.estimate,
        "pairs": len(pairs),
        "logs": np.array([pair.log_ratio for pair in pairs]),
        "seconds": _spent(sessions),
        "steal_share": max((share for share in shares if share is not None), default=None),
    }


def _folder_of(setting: TrialSetting, trial: Trial) -> Path:
    kind = trial.kind
    return setting.folder / kind.state / f"{kind.model}-{kind.slowdown:g}-{trial.number:03d}"


def _compose_key(setting: TrialSetting, trial: Trial) -> Json:
    """Return the key of a trial: its number is in it, so that each is a sequence of its own; its budget is not."""
    chosen, kind = setting.arms[trial.kind.model], trial.kind
    return compose_key(
        {
            "trial": [kind.state, kind.model, kind.slowdown, trial.number],
            "arm": chosen.arm,
            "artifact": sha256_file(chosen.artifact),
            "inputs": sha256_file(chosen.inputs),
            "timing": timing_of(setting.protocol),
            "agent": digest_agent(),
        }
    )


def _pairs_of(sessions: list[PairsSession]) -> list[Pair]:
    return [pair for session in sessions for pair in session.pairs]


def _spent(sessions: list[PairsSession]) -> float:
    return sum(session.record["seconds"] for session in sessions)
