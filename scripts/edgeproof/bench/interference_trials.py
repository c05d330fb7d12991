"""Does taking turns change a latency, and is it seen? Interference of an artifact with itself, with nothing planted and
with a planted share: the right arm spins for so much of each call only while the left one takes turns.

What is planted is what comes back beyond chance. Sessions of all cases take turns; the case on which the least time was
spent is next.
"""

import itertools
import json
import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from edgeproof.comparability.sequences import find_interference
from edgeproof.core.catalogues import CATALOGUES, read_catalogue
from edgeproof.core.cells import Cells
from edgeproof.core.configuration import Arm, Json, MeasuringProtocol, NamedDevice
from edgeproof.core.files import sha256_file
from edgeproof.core.keys import compose_key
from edgeproof.core.layout import Cell
from edgeproof.runs.pair_records import Pair
from edgeproof.runs.paired_sessions import PairPlace, PairsSession, measure_session

MODELS = ("digits-cnn", "squeezenet", "resnet50")
PRESETS = ("ort-cpu", "litert-cpu", "openvino-cpu", "torchscript-cpu")
PLANTED = (0.0, 0.03)
TOLERANCE = 0.005


@dataclass(frozen=True)
class Candidate:
    """An artifact of a preset whose interference is measured. `arm`: without the artifact's path."""

    model: str
    preset: str
    arm: Arm
    artifact: Path
    inputs: Path


@dataclass(frozen=True)
class Setting:
    """What is measured: at most so many pairs per candidate and planted share, in sessions of `pairs_per_session`; no
    further session after so many minutes, though each case has one. `folder`: of the attempts.
    """

    candidates: list[Candidate]
    pairs: int
    pairs_per_session: int
    minutes: float
    protocol: MeasuringProtocol
    device: NamedDevice
    folder: Path


@dataclass(frozen=True)
class Case:
    """A candidate, by its number, with a planted share."""

    candidate: int
    planted: float


def list_candidates(show: Callable[[str], object]) -> list[Candidate]:
    """Return the artifacts for trials of interference: of all CPU runtimes, built here; `show` is told what is not."""
    cells = Cells({kind: read_catalogue(kind) for kind in CATALOGUES})
    found: list[Candidate] = []
    for model in MODELS:
        for preset in PRESETS:
            cell = Cell(model, preset, "local", "fp32")
            artifact, inputs = Path(cells.artifact_of(cell)), Path(f"results/sources/{model}/samples/evaluation.npz")
            if artifact.is_file() and inputs.is_file():
                found.append(Candidate(model, preset, cast(Any, cells.arm_of(cell)), artifact, inputs))
            else:
                show(f"{model} {preset}: not built, left out")
    return found


def run_trials(setting: Setting, show: Callable[[str], object]) -> Json:
    """Run the trials of interference and return the `bench-interference` document.

    `show` gets a line for each session.
    """
    until = time.monotonic() + 60 * setting.minutes
    cases = [Case(*parts) for parts in itertools.product(range(len(setting.candidates)), PLANTED)]
    found: dict[Case, list[PairsSession]] = {case: [] for case in cases}
    while case := _choose(setting, found, time.monotonic() < until):
        session = _measure(setting, case, len(found[case]))
        found[case].append(session)
        told, chosen = _summarise(setting, case, _pairs_of(found[case])), setting.candidates[case.candidate]
        known = "not known yet" if told["found"] is None else f"{told['found']:+.2%}"
        show(f"{chosen.model} {chosen.preset}, {case.planted:.0%} planted: {known} from {told['pairs']} pairs")
    return {
        "schema": "edgeproof.bench-interference.v1",
        "minutes": setting.minutes,
        "tolerance": TOLERANCE,
        "cases": [_summarise(setting, case, _pairs_of(sessions)) for case, sessions in found.items()],
        "waiting_cpu_share": max(_waiting_share(session) for sessions in found.values() for session in sessions),
    }


def _choose(setting: Setting, found: dict[Case, list[PairsSession]], in_time: bool) -> Case | None:
    for case, sessions in found.items():
        if not sessions:
            return case
    open_cases = [case for case, sessions in found.items() if len(_pairs_of(sessions)) < setting.pairs]
    if not in_time:
        return None
    return min(open_cases, key=lambda case: sum(each.record["seconds"] for each in found[case]), default=None)


def _summarise(setting: Setting, case: Case, pairs: list[Pair]) -> Json:
    """Return what the pairs of a case say; `found` and its bounds are shares, null until both arms ran alone twice."""
    chosen, interference = setting.candidates[case.candidate], find_interference(pairs)
    values = interference and (interference.difference, interference.low, interference.high)
    value, low, high = (None if each is None else math.expm1(each) for each in values or (None, None, None))
    return {
        "model": chosen.model,
        "preset": chosen.preset,
        "planted": case.planted,
        "pairs": len(pairs),
        "stretches": sum(len(pair.alone) for pair in pairs),
        "found": value,
        "low": low,
        "high": high,
        "met": value is not None and abs(value - case.planted) <= TOLERANCE,
    }


def _measure(setting: Setting, case: Case, number: int) -> PairsSession:
    chosen = setting.candidates[case.candidate]
    left: Any = {**chosen.arm, "artifact": str(chosen.artifact)}
    right: Any = {**left, "injected_interference": case.planted} if case.planted else left
    label = f"{chosen.model}/{chosen.preset}, {case.planted:.0%} planted"
    parts = {"trial": [label, number], "arm": chosen.arm, "artifact": sha256_file(chosen.artifact)}
    place = PairPlace(chosen.inputs, setting.device, setting.protocol, sys.executable)
    plan: Json = {"budget": {"pairs": setting.pairs_per_session, "seconds": None}, "first_pair": 0}
    folder = setting.folder / f"{chosen.model}-{chosen.preset}-{case.planted:g}"
    arms = {"left": left, "right": right}
    session = measure_session(folder, label, compose_key(parts), arms, place, plan, lambda pairs: True)
    if failure := session.attempt.record["facts"]["failure"]:
        raise RuntimeError(f"{label}: {failure['kind']}: {failure['message']}")
    if session.record["interleaving"]["mode"] != "blocks":
        raise RuntimeError(f"{label}: not by blocks: {session.record['interleaving']['reason']}")
    return session


def _waiting_share(session: PairsSession) -> float:
    """Return the largest share of CPU time that a stopped process used, over the pairs of a session."""
    reports = [json.loads((Path(pair.folder) / "pair.json").read_text()) for pair in session.pairs]
    arms = [arm for report in reports for arm in report["arms"].values()]
    return max((arm["stopped_cpu_ns"] or 0) / max(1, arm["stopped_ns"]) for arm in arms)


def _pairs_of(sessions: list[PairsSession]) -> list[Pair]:
    return [pair for session in sessions for pair in session.pairs]
