"""Pairs by blocks and pairs by whole processes, side by side in one run: how much a pair varies, and what it costs.

Both arms are the same artifact, so that what a pair shows is noise. Short sessions of either way take turns, with
nothing else running and beside two neighbours, so that both meet the same minutes.
"""

import contextlib
import itertools
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np

from edgeproof.core.configuration import Json
from edgeproof.core.files import sha256_file
from edgeproof.core.keys import compose_key
from edgeproof.core.statistics import Interval
from edgeproof.runs.pair_records import Pair
from edgeproof.runs.paired_sessions import PairPlace, measure_session
from edgeproof.runs.sessions import digest_agent
from edgeproof.runs.timing_keys import timing_of

from .neighbours import start_neighbours
from .spreads import compare_sds, estimate_sd
from .trial_arms import TrialSetting

STATES = {"quiet": 0, "neighbours": 2}  # neighbours beside the pairs
MODES = ("blocks", "processes")
FEWEST_PAIRS = 4  # below that no interval of a standard deviation
# What is asked of pairs beside neighbours: upper limits of the intervals.
LARGEST_SHARE, LARGEST_SD = 0.25, {"digits-cnn": 0.025}


@dataclass(frozen=True)
class Case:
    """A model in a state of the machine."""

    model: str
    state: str

    def __str__(self) -> str:
        return f"{self.state}: {self.model}"


def run_trials(setting: TrialSetting, show: Callable[[str], object]) -> Json:
    """Run the trials of interleaving by blocks and by processes and return the `bench-interleaving` document.

    `show` gets a line for each session. The plan is {pairs, pairs_per_session, minutes}: so many pairs of either way
    per case, fewer when the minutes are over; each case has one session of either way whatever the time.
    """
    plan = setting.plan
    until = time.monotonic() + 60 * plan["minutes"]
    cases = [Case(model, state) for state, model in itertools.product(STATES, setting.arms)]
    found: dict[Case, dict[str, list[Pair]]] = {case: {mode: [] for mode in MODES} for case in cases}
    for turn in itertools.count():
        left = [case for case in cases if any(len(pairs) < plan["pairs"] for pairs in found[case].values())]
        if not left:
            break
        for case in left:
            if turn and time.monotonic() >= until:
                return summarise_cases(setting, found)
            for mode in MODES if turn % 2 == 0 else MODES[::-1]:
                pairs = _measure(setting, case, mode, turn, min(plan["pairs_per_session"], plan["pairs"]))
                found[case][mode] += pairs
                middle = np.median([pair.seconds for pair in pairs])
                show(f"{case}, {mode}: {len(found[case][mode])} pairs, {middle:.1f} s each")
    return summarise_cases(setting, found)


def summarise_cases(setting: TrialSetting, found: dict[Case, dict[str, list[Pair]]]) -> Json:
    """Return the `bench-interleaving` document of the trials' pairs, by case and mode; at least four pairs each."""
    cases = [_summarise(case, pairs) for case, pairs in found.items()]
    return {
        "schema": "edgeproof.bench-interleaving.v1",
        "minutes": setting.plan["minutes"],
        "cases": cases,
        "bars": [bar for case in cases if case["state"] == "neighbours" for bar in _judge(case)],
    }


def _summarise(case: Case, pairs: dict[str, list[Pair]]) -> Json:
    logs = {mode: [pair.log_ratio for pair in pairs[mode]] for mode in MODES}
    sds = {mode: estimate_sd(logs[mode]) for mode in MODES}
    share = compare_sds(logs["blocks"], logs["processes"])
    return {
        "model": case.model,
        "state": case.state,
        **{f"{mode}_pairs": len(pairs[mode]) for mode in MODES},
        **{f"{mode}_sd": sds[mode].estimate for mode in MODES},
        **{f"{mode}_s": float(np.median([pair.seconds for pair in pairs[mode]])) for mode in MODES},
        "share": share.estimate,
        "confidence": share.confidence,
        "intervals": {
            **{f"{mode}_sd": _bounds(sds[mode]) for mode in MODES},
            "share": _bounds(share),
        },
    }


def _judge(case: Json) -> list[Json]:
    """Return what is asked of a case beside neighbours, and whether it was met."""
    bars = [("share", case["intervals"]["share"]["high"], LARGEST_SHARE)]
    if case["model"] in LARGEST_SD:
        bars.append(("blocks_sd", case["blocks_sd"], LARGEST_SD[case["model"]]))
    return [
        {"model": case["model"], "quantity": quantity, "value": value, "at_most": limit, "met": value <= limit}
        for quantity, value, limit in bars
    ]


def _bounds(interval: Interval) -> Json:
    return {side: asdict(interval)[side] for side in ("low", "high")}


def _measure(setting: TrialSetting, case: Case, mode: str, turn: int, count: int) -> list[Pair]:
    """Measure a session of so many pairs and return them; each is an attempt of its own, measured in any case."""
    chosen = setting.arms[case.model]
    key = compose_key(
        {
            "trial": [case.state, case.model, mode, turn],
            "arm": chosen.arm,
            "artifact": sha256_file(chosen.artifact),
            "inputs": sha256_file(chosen.inputs),
            "timing": timing_of(setting.protocol),
            "agent": digest_agent(),
        }
    )
    place = PairPlace(chosen.inputs, setting.device, setting.protocol, setting.interpreter)
    label = f"{case}, {mode}"
    plan: Json = {"budget": {"pairs": count, "seconds": None}, "first_pair": turn * count, "interleaving": mode}
    arms = {"left": chosen.located, "right": chosen.located}
    neighbours = STATES[case.state]
    with start_neighbours(neighbours) if neighbours else contextlib.nullcontext():
        session = measure_session(
            setting.folder / case.state / f"{case.model}-{mode}", label, key, arms, place, plan, lambda pairs: True
        )
    if failure := session.attempt.record["facts"]["failure"]:
        raise RuntimeError(f"{label}: {failure['kind']}: {failure['message']}")
    return list(session.pairs)
