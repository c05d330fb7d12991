"""A/A calibration of a cell: both arms are the same artifact, so what its pairs show is the noise of cell and machine.

It tells how long a comparison will take, and how much neighbouring pairs depend on each other. It never changes a
margin.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from edgeproof.agent.messages import tell
from edgeproof.artifacts.records.manifests import read_manifest
from edgeproof.core.attempts import require_kept
from edgeproof.core.configuration import Arm, Json
from edgeproof.core.dependence import Dependence, estimate_dependence
from edgeproof.core.documents import read_sealed, read_text, write_sealed
from edgeproof.core.errors import UserError
from edgeproof.core.files import FilePath, sha256_file
from edgeproof.core.keys import compose_key
from edgeproof.core.layout import Cell, relative_to_repository
from edgeproof.core.reader import read_once
from edgeproof.core.recomputing import must_follow
from edgeproof.core.seals import SEAL
from edgeproof.core.sequential import Design, find_stops, look_at_sequences, predict_pairs
from edgeproof.core.turns import take_turn
from edgeproof.remote.boards import identify_device
from edgeproof.runs.pair_sequences import require_each_once
from edgeproof.runs.pair_tables import describe_session, read_session_at, render_table, write_table
from edgeproof.runs.paired_sessions import (
    PairPlace,
    PairsSession,
    group_by_machine,
    list_sessions,
    measure_session,
    want_another_pair,
)
from edgeproof.runs.timing_keys import list_unrelated, timing_of

EFFECTS = (0.01, 0.02, 0.05, 0.10)  # differences whose cost is told
_RESAMPLES = 2_000


@dataclass(frozen=True)
class CalibrationJob:
    """What is measured. `plan`: {pairs per session, sessions, margin asked about}; `agent`: digest of the agent's
    code.
    """

    cell: Cell
    arm: Arm
    artifact: Path
    manifest: Path
    place: PairPlace
    plan: Json
    agent: str
    noise: Path
    table: Path


def calibrate_cell(job: CalibrationJob) -> None:
    """Calibrate the noise of a cell: measure the A/A sessions that are missing; write `noise.json` and `pairs.csv`.

    Raising `sessions` or `pairs` later adds to what is there. An artifact that was not built or fails is the document's
    `failure`, so that the rest of the campaign goes on.
    """
    manifest = read_manifest(job.manifest)
    label = f"calibration of {job.cell}"
    failure: Json | None = manifest["reason"] if manifest["status"] != "ok" else None
    key = compose_calibration_key(job.arm, manifest, job.place, job.agent)
    folder = job.noise.parent
    with take_turn(folder, key):
        sessions, failure = _collect(job, label, key, failure)
    require_kept(session.attempt.folder for session in sessions)
    write_table(job.table, sessions)
    if failure:
        failure = {"kind": failure["kind"], "message": failure["message"]}
        tell(f"{label}: failed: {failure['message']}")
    provenance = "simulated" if job.arm["backend"] == "fake" else "measured"
    known = {"provenance": provenance, "key": key, "margin": job.plan["margin"], "failure": failure}
    write_sealed(job.noise, build_noise(job.cell, sessions, known, job.table), "noise")


def _collect(
    job: CalibrationJob, label: str, key: Json, failure: Json | None
) -> tuple[list[PairsSession], Json | None]:
    """Return the sessions of the calibration, after measuring those that are missing, and the artifact's failure."""
    folder = job.noise.parent
    by_machine = group_by_machine(list_sessions([folder], key))
    sessions = by_machine.pop(identify_device(job.place.device, ask=True), [])
    if not sessions:  # calibrated elsewhere, and whole: nothing is measured again
        sessions = next((item for item in by_machine.values() if not _find_missing(item, job.plan)), [])
    both: Arm = {**job.arm, "artifact": str(job.artifact)}
    while failure is None and (missing := _find_missing(sessions, job.plan)) > 0:
        plan: Json = {"budget": {"pairs": missing, "seconds": None}, "first_pair": 0}
        arms = {"left": both, "right": both}
        session = measure_session(folder, label, key, arms, job.place, plan, want_another_pair)
        if failure := session.attempt.record["facts"]["failure"]:
            sessions = []
            break
        if len(session.pairs) < missing:
            raise UserError(f"{label}: ended after {len(session.pairs)} of {missing} pairs; calibrate again")
        sessions.append(session)
    return sessions, failure


def compose_calibration_key(arm: Arm, manifest: Json, place: PairPlace, agent: str) -> Json:
    """Return the key of attempts that measure noise. `manifest`: of the artifact. `agent`: digest of its code."""
    apart = list_unrelated(place.protocol)
    return compose_key(
        {
            "arm": arm,
            "artifact": manifest["artifact"]["sha256"],
            "inputs": sha256_file(place.inputs),
            "device": {k: v for k, v in place.device.items() if k not in apart},
            "timing": timing_of(place.protocol),
            "agent": agent,
        }
    )


def build_noise(cell: Cell, sessions: Sequence[PairsSession], known: Json, table: Path) -> Json:
    """Return the noise document of a cell: what its A/A pairs show.

    `known`: {provenance, key, margin of the verdicts it predicts, failure: why there are no sessions, or None}.
    """
    return {
        "schema": "edgeproof.noise.v4",
        "cell": cell._asdict(),
        "provenance": sessions[0].provenance if sessions else known["provenance"],
        **{name: known[name] for name in ("key", "margin", "failure")},
        "sessions": [describe_session(session) for session in sessions],
        "table_sha256": sha256_file(table),
        **describe_noise(sessions, known["margin"]),
    }


def describe_noise(sessions: Sequence[PairsSession], margin: float) -> Json:
    """Return the noise that A/A sessions show: spread of a pair, bias, correlation, false verdicts, a verdict's cost.

    `log_sd`: of a pair, within sessions; `ratio`: geometric mean over all pairs, which is 1 but for chance; `seconds`:
    per pair; `expected`: for each true difference the pairs and seconds that half of all comparisons need at most;
    `false_rate`: share of resampled A/A comparisons that are called different.
    """
    sequences = [np.array([pair.log_ratio for pair in session.pairs]) for session in sessions]
    pairs = [pair for session in sessions for pair in session.pairs]
    if not pairs:
        nothing = dict.fromkeys(("log_sd", "floor_sd", "ratio", "seconds_per_pair", "false_rate"))
        return {"pairs": 0, **nothing, "dependence": asdict(estimate_dependence([])), "expected": []}
    logs = np.concatenate(sequences)
    freedom = sum(len(sequence) - 1 for sequence in sequences)
    squares = sum(float(((sequence - sequence.mean()) ** 2).sum()) for sequence in sequences)
    log_sd = math.sqrt(squares / freedom) if freedom else None
    floor = max(pair.floor_sd for pair in pairs)
    dependence = estimate_dependence(sequences)
    design = Design(margin=margin, correlation=dependence.correlation)
    seconds = float(np.median([pair.seconds for pair in pairs]))
    return {
        "pairs": len(pairs),
        "log_sd": log_sd,
        "floor_sd": floor,
        "ratio": math.exp(float(logs.mean())),
        "dependence": asdict(dependence),
        "seconds_per_pair": seconds,
        "expected": [] if log_sd is None else [_expect(effect, log_sd, design, floor, seconds) for effect in EFFECTS],
        "false_rate": None if log_sd is None else _resample(logs, design, floor),
    }


def pool_dependence(paths: Sequence[FilePath]) -> Dependence:
    """Return the dependence of a device, pooled over the A/A pairs of all cells whose noise was calibrated there."""
    sessions = [session for path in paths for session in read_noise(path)[1]]
    return estimate_dependence([[pair.log_ratio for pair in session.pairs] for session in sessions])


@read_once
def read_noise(path: FilePath) -> tuple[Json, list[PairsSession]]:
    """Return (document, sessions) of a cell's noise, computed again from raw times; UserError names what differs."""
    path = Path(path)
    document = read_sealed(path, "noise", "calibrate again")
    table = path.with_name("pairs.csv")
    if not table.is_file() or sha256_file(table) != document["table_sha256"]:
        raise UserError(f"{path}: {table} beside it is not the table that it names; calibrate again")
    text = read_text(table)  # while the reader still has it: it was just hashed
    sessions = [read_session_at(entry["attempt"]) for entry in document["sessions"]]
    require_each_once(sessions, path)
    if render_table(sessions) != text:
        raise UserError(f"{table}: does not follow from the raw times of its sessions; calibrate again")
    cell = Cell(**document["cell"])
    again = build_noise(cell, sessions, document, table)
    claimed = {name: value for name, value in document.items() if name != SEAL}
    must_follow(claimed, again, "", relative_to_repository(path), "its pairs")
    return document, sessions


def _find_missing(sessions: Sequence[PairsSession], plan: Json) -> int:
    """Return how many pairs the next session has to measure; 0 when all sessions are whole."""
    whole = sum(len(session.pairs) >= plan["pairs"] for session in sessions)
    return plan["pairs"] if whole < plan["sessions"] else 0


def _expect(effect: float, log_sd: float, design: Design, floor: float, seconds: float) -> Json:
    """Return {effect, pairs, seconds, decided}: what half of the comparisons with this true difference need at most."""
    needed = predict_pairs(math.log1p(effect), log_sd, design, floor)
    cost = None if needed.median is None else needed.median * seconds
    return {"effect": effect, "pairs": needed.median, "seconds": cost, "decided": needed.decided}


def _resample(logs: np.ndarray, design: Design, floor: float) -> float:
    """Return the share of comparisons, resampled from A/A pairs about 0, that are called faster or slower."""
    generator = np.random.default_rng(7)
    drawn = generator.choice(logs - logs.mean(), (_RESAMPLES, design.horizon))
    claims = look_at_sequences(drawn, design, floor).claims
    stops = find_stops(claims)
    ended = stops <= design.horizon
    last = claims[np.arange(len(claims)), np.minimum(stops, design.horizon) - 1]
    return float((ended & (np.abs(last) == 1)).mean())
