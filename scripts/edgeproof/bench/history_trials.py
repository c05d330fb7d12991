"""Histories of sixty sessions with a known truth: are steps of 3 % found, none invented, and none blamed on the model?

Apache Otava is the oracle for the change points: its E-divisive of Matteson and James, at the same significance, on the
same series. It has a Python of its own, since it brings clients of cloud databases that nothing here needs.
"""

import json
import subprocess
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from edgeproof.core.configuration import Json
from edgeproof.core.energy_steps import find_steps
from edgeproof.core.errors import UserError
from edgeproof.runs.history import HistoricSession, find_history_steps

_SESSIONS, _PLACE, _STEP, _NEAR = 60, 30, 1.03, 3
_SIGNIFICANCE = 0.05
_NOISES = {"normal": 0.01, "heavy tails": 0.01}  # standard deviation of a session's headline, on the log scale
_OTAVA = """
import json, sys
from importlib.metadata import version
from otava.analysis import compute_change_points_orig
found = []
for number, series in enumerate(json.load(sys.stdin)):
    points, _ = compute_change_points_orig(series, max_pvalue=0.05, seed=number)
    found.append(sorted(int(point.index) for point in points))
json.dump({"version": version("apache-otava"), "found": found}, sys.stdout)
"""


def run_trials(otava: str, histories: int, tell: Callable[[str], None]) -> Json:
    """Run the trials of histories and return their document (schema `bench-history`). `otava`: a Python that has it."""
    cases: list[Json] = []
    version = ""
    for noise, sd in _NOISES.items():
        for step in (False, True):
            series = _draw(noise, sd, step, histories)
            own = [find_steps(each) for each in series]
            theirs, version = _ask_otava(otava, series)
            cases.append(
                {
                    "noise": noise,
                    "step": _STEP if step else 1.0,
                    "histories": histories,
                    "found": _share(own, step),
                    "found_by_otava": _share(theirs, step),
                    "same": float(np.mean([_agree(a, b) for a, b in zip(own, theirs, strict=True)])),
                    "blamed_on_model": _blame(series) if step else None,
                }
            )
            tell(json.dumps(cases[-1]))
    return {
        "schema": "edgeproof.bench-history.v1",
        "sessions": _SESSIONS,
        "significance": _SIGNIFICANCE,
        "otava": version,
        "cases": cases,
    }


def _draw(noise: str, sd: float, step: bool, histories: int) -> NDArray[np.float64]:
    """Return log headlines, shape (histories, sessions)."""
    random = np.random.default_rng([len(noise), int(step)])
    shape = (histories, _SESSIONS)
    drawn = random.standard_normal(shape) if noise == "normal" else random.standard_t(3, shape) / np.sqrt(3)
    series = sd * drawn
    if step:
        series[:, _PLACE:] += np.log(_STEP)
    return series


def _share(found: Sequence[Sequence[int]], step: bool) -> float:
    """Return the share of histories in which the planted step was found; without one, in which any was."""
    hits = [any(abs(place - _PLACE) <= _NEAR for place in places) if step else bool(places) for places in found]
    return float(np.mean(hits))


def _agree(own: Sequence[int], theirs: Sequence[int]) -> bool:
    """Tell whether both found the same steps, each within a session."""
    return len(own) == len(theirs) and all(abs(a - b) <= 1 for a, b in zip(own, theirs, strict=True))


def _blame(series: NDArray[np.float64]) -> float:
    """Return the share of histories in which the planted step is not the machine's although the kernel shares it."""
    random = np.random.default_rng(9)
    blamed = 0
    for logs in series:
        kernel = 0.003 * random.standard_normal(_SESSIONS)
        kernel[_PLACE:] += np.log(_STEP)
        sessions = [
            HistoricSession(str(number), float(number), float(np.exp(value)), float(np.exp(times)), "here", {})
            for number, (value, times) in enumerate(zip(logs, kernel, strict=True))
        ]
        near = [step for step in find_history_steps(sessions) if abs(step.place - _PLACE) <= _NEAR]
        blamed += any(step.cause != "machine" for step in near)
    return blamed / len(series)


def _ask_otava(python: str, series: NDArray[np.float64]) -> tuple[list[list[int]], str]:
    asked = json.dumps((np.exp(series)).tolist())
    done = subprocess.run([python, "-c", _OTAVA], input=asked, text=True, capture_output=True, check=False)
    if done.returncode != 0:
        raise UserError(f"{python}: Otava did not answer ({done.stderr.strip().splitlines()[-1:]})")
    answer = json.loads(done.stdout)
    return answer["found"], answer["version"]
