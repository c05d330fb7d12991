"""A/A calibration: how small a difference a device can show, from sessions in which both arms are the same artifact."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgeproof.artifacts.records.manifests import read_manifest
from edgeproof.core.configuration import Arm, Json
from edgeproof.core.documents import digest_json, read_json, require_sealed, write_sealed
from edgeproof.core.errors import UserError
from edgeproof.core.files import FilePath, sha256_file
from edgeproof.core.layout import Cell
from edgeproof.core.paired_test import judge_pairs
from edgeproof.core.reader import read_once
from edgeproof.core.recomputing import must_follow
from edgeproof.core.statistical_power import detectable_effect
from edgeproof.runs import pairing
from edgeproof.runs.sessions import SessionSetup, digest_agent

# A device that cannot detect a difference of 10 % is not fit for measuring.
UNFIT_EFFECT = 1.10
FALSE_RATE_LIMIT = 0.05
_RESAMPLES = 2000


@dataclass(frozen=True)
class CalibrationPlan:
    """How much a calibration measures and what it is asked.

    `pairs`: of each session. `sessions`: in all. `margin`: the equivalence margin that is asked of the device.
    `runtime`: version of the runtime if it has no record of its own, else empty.
    """

    pairs: int
    sessions: int
    margin: float
    runtime: str


@dataclass(frozen=True)
class CalibrationPaths:
    """The files of a calibration: `artifact` and `manifest` are read, `noise` and `table` are written."""

    artifact: Path
    manifest: Path
    noise: Path
    table: Path


def calibrate_device(cell: Cell, arm: Arm, setup: SessionSetup, plan: CalibrationPlan, paths: CalibrationPaths) -> None:
    """Measure the A/A sessions that are missing and write `noise.json` and `pairs.csv`.

    `cell`: the calibrating cell. If you raise `sessions` later, new sessions are added to the earlier ones, unless
    those met another state of the machine.
    """
    label = f"calibration of {setup.device['name']} with {cell}"
    manifest = read_manifest(paths.manifest)
    if manifest["status"] != "ok":
        raise UserError(
            f"{paths.manifest}: the artifact was not built ({manifest['reason']['message']}); choose another cell"
        )
    sessions = _measure_missing(label, manifest["artifact"]["sha256"], arm, setup, plan, paths)
    records = pairing.write_pairs(paths.table, sessions)
    digest = sha256_file(paths.table)
    document = {
        "schema": "edgeproof.noise.v1",
        "device": setup.device["name"],
        "cell": cell._asdict(),
        "provenance": sessions[0]["provenance"],
        "sessions": records,
        "table_sha256": digest,
        **describe_noise(pairing.read_pairs(paths.table, digest), plan.margin, records),
    }
    write_sealed(paths.noise, document, "noise")


def _measure_missing(
    label: str, artifact_sha256: str, arm: Arm, setup: SessionSetup, plan: CalibrationPlan, paths: CalibrationPaths
) -> list[pairing.MeasuredPairs]:
    """Return all sessions of a calibration, those measured earlier first."""
    timing = pairing.timing_of(setup.protocol)
    decisive = [artifact_sha256, arm, setup.device, timing, plan.pairs, plan.runtime]
    key = digest_json([*decisive, sha256_file(setup.inputs), digest_agent()])
    folder = paths.noise.parent
    sessions = pairing.find_sessions(folder, key)
    sessions = [item for item in sessions if item["state"] == sessions[-1]["state"]]
    both = {**arm, "artifact": str(paths.artifact)}
    while len(sessions) < plan.sessions:
        seed = f"{setup.device['name']}/{len(sessions)}"
        arms = {"left": both, "right": both}
        session = pairing.measure_session_of_pairs(folder, label, arms, plan.pairs, setup, key, seed)
        if failure := session["failure"]:
            raise UserError(f"{label}: {failure['kind']}: {failure['message']}; choose another cell")
        sessions = [*(item for item in sessions if item["state"] == session["state"]), session]
    return sessions


def describe_noise(table: Sequence[pairing.PairRow], margin: float, sessions: Sequence[pairing.PairsOfSession]) -> Json:
    """Return what A/A pairs show about a device.

    `table`: the pairs of all sessions. `margin`: the equivalence margin that is asked of the device.
    - `pairs_per_comparison`: pairs of one session, for which the figures below hold,
    - `log_sd`: standard deviation of the log-ratio of a pair, within sessions,
    - `detectable_effect`: smallest true ratio that this number of pairs detects with power 0.8 at confidence 0.95 and
      no margin,
    - `false_rate`: share of comparisons of the device with itself that give faster or slower at the margin,
    - `between_session_sd`: standard deviation of the sessions' log medians, null for one session,
    - `fitness`: `fit`, `limited` (the margin is smaller than the detectable effect) or `unfit`, with reasons.
    """
    ratios, levels = _split_sessions(table)
    pairs = min(len(logs) for logs in ratios)
    spread = pooled_sd(ratios)
    effect = detectable_effect(spread, pairs) if spread > 0 else 1.0
    false_rate = estimate_false_rate(np.concatenate([logs - logs.mean() for logs in ratios]), pairs, margin)
    disturbances = list(dict.fromkeys(text for session in sessions for text in session["disturbances"]))
    fitness, reasons = judge_fitness(effect, false_rate, margin, disturbances)
    return {
        "margin": margin,
        "pairs_per_comparison": pairs,
        "log_sd": spread,
        "detectable_effect": effect,
        "false_rate": false_rate,
        "false_rate_resamples": _RESAMPLES,
        "between_session_sd": float(np.std(levels, ddof=1)) if len(levels) > 1 else None,
        "fitness": fitness,
        "reasons": reasons,
    }


def pooled_sd(samples: Sequence[npt.NDArray[np.float64]]) -> float:
    """Return the standard deviation within groups, pooled over groups by their degrees of freedom (0.0 without any)."""
    freedom = sum(len(sample) - 1 for sample in samples)
    return math.sqrt(sum(float(((s - s.mean()) ** 2).sum()) for s in samples) / freedom) if freedom else 0.0


def estimate_false_rate(
    centred_logs: npt.NDArray[np.float64], pairs: int, margin: float, resamples: int = _RESAMPLES, seed: int = 0
) -> float:
    """Return the share of resampled comparisons of a device with itself that are called faster or slower.

    `centred_logs`: log-ratios of A/A pairs, shape (n,), minus the mean of their session. In A/A pairs it is arbitrary
    which arm is left, so each resample draws `pairs` of them with replacement and random signs, and is judged like any
    comparison.
    """
    generator = np.random.default_rng(seed)
    draws = generator.choice(centred_logs, (resamples, pairs)) * generator.choice((-1.0, 1.0), (resamples, pairs))
    ones = np.ones(pairs)
    verdicts = [judge_pairs(ones, np.exp(row), margin, look=1, pair_limit=0).verdict for row in draws]
    return sum(verdict in ("faster", "slower") for verdict in verdicts) / resamples


def judge_fitness(effect: float, false_rate: float, margin: float, disturbances: list[str]) -> tuple[str, list[str]]:
    """Return (fitness, reasons): `unfit`, `limited` or `fit`."""
    unfit: list[str] = []
    if effect > UNFIT_EFFECT:
        unfit.append(
            f"a true difference below {effect - 1:.1%} would usually be missed; {UNFIT_EFFECT - 1:.0%} is the limit"
        )
    if false_rate > FALSE_RATE_LIMIT:
        unfit.append(
            f"{false_rate:.1%} of comparisons with itself come out different; {FALSE_RATE_LIMIT:.0%} is the limit"
        )
    if unfit:
        return "unfit", unfit + disturbances
    if effect > 1 + margin:
        return "limited", [f"it sees differences from {effect - 1:.1%} on; the margin is {margin:.1%}", *disturbances]
    return ("limited", disturbances) if disturbances else ("fit", [])


@read_once
def read_noise(path: FilePath) -> Json:
    """Return the noise document at `path`, recomputed from its pairs; UserError names a value that does not follow."""
    document = read_json(path, "noise")
    require_sealed(document, path, "calibrate the device again")
    table = pairing.read_pairs(Path(path).with_name("pairs.csv"), document["table_sha256"])
    again = describe_noise(table, document["margin"], document["sessions"])
    must_follow({name: document[name] for name in again}, again, "", path, "the pairs")
    return document


def read_ratios(path: FilePath, document: Json) -> list[npt.NDArray[np.float64]]:
    """Return the ratios right / left of a noise document's pairs, one array per session in order."""
    table = pairing.read_pairs(Path(path).with_name("pairs.csv"), document["table_sha256"])
    return [np.exp(logs) for logs in _split_sessions(table)[0]]


def _split_sessions(table: Sequence[pairing.PairRow]) -> tuple[list[npt.NDArray[np.float64]], list[float]]:
    """Return per session the log-ratios of its pairs, and the mean log median of all its processes."""
    ratios: list[npt.NDArray[np.float64]] = []
    levels: list[float] = []
    for number in sorted({row["session"] for row in table}):
        rows = [row for row in table if row["session"] == number]
        medians = pairing.medians_of(rows)
        ratios.append(np.log(medians["right"] / medians["left"]))
        levels.append(float(np.log([row["median_ns"] for row in rows]).mean()))
    return ratios, levels
