"""The pairs of a comparison: measured only if the verdict allows it, up to a budget that may grow later."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeproof.core.configuration import Arm, Json
from edgeproof.core.documents import digest_json, read_json, require_sealed, write_sealed
from edgeproof.core.errors import UserError
from edgeproof.core.files import FilePath, sha256_file
from edgeproof.core.reader import read_once
from edgeproof.runs import pairing
from edgeproof.runs.sessions import Reason, SessionSetup, digest_agent


@dataclass(frozen=True)
class PairsPaths:
    """The files of a comparison's pairs: verdict and artifacts are read, table (CSV) and record (JSON) are written."""

    verdict: FilePath
    left: FilePath
    right: FilePath
    table: FilePath
    record: FilePath


def measure_pairs(comparison: str, arms: Mapping[str, Arm], setup: SessionSetup, pairs: int, paths: PairsPaths) -> None:
    """Measure a comparison's pairs up to the budget `pairs`; write `pairs.csv` and `pairs.json`.

    If the two sides may not be compared, nothing is measured: the table is empty and the record holds the reason.
    `arms`: {left, right}, without the artifacts.
    """
    verdict = read_json(paths.verdict, "verdict")
    document: Json = {"schema": "edgeproof.pairs.v1", "comparison": comparison, "status": "measured", "reason": None}
    sessions: list[pairing.MeasuredPairs] = []
    skip = why_not(verdict)
    if skip:
        document |= {"status": "skipped", "reason": skip}
    else:
        sessions = _measure_missing(comparison, verdict, arms, setup, pairs, paths)
        failed = next((session["failure"] for session in sessions if session["failure"]), None)
        if failed:
            document |= {"status": "failed", "reason": failed}
    records = pairing.write_pairs(paths.table, sessions)
    document |= {"budget": pairs, "sessions": records, "table_sha256": sha256_file(paths.table)}
    write_sealed(paths.record, document, "pairs")


def why_not(verdict: Json) -> Reason | None:
    """Return why a pair is not measured, None if it may be."""
    if verdict["verdict"] == "no":
        fields = ", ".join(reason["field"] for reason in verdict["reasons"])
        return {"kind": "not-comparable", "message": f"the two results differ in {fields}"}
    if verdict["blocked"]:
        return verdict["blocked"]
    if verdict["left"]["cell"]["device"] != verdict["right"]["cell"]["device"]:
        return {"kind": "two-devices", "message": "the arms are on two devices, which no session can interleave"}
    return None


def require_state(session: pairing.PairsOfSession, verdict: Json, where: FilePath) -> None:
    """Raise UserError if the machine was in another state during a session than when the two cells were measured."""
    if not session["failure"] and (other := find_other_state(session, verdict)):
        side, field, found, wanted = other
        raise UserError(
            f"{where}: {field} of {side} is {found!r}, and was {wanted!r} when its result was measured; measure both "
            "cells again (delete their result.json), or set it back"
        )


def find_other_state(session: pairing.PairsOfSession, verdict: Json) -> tuple[str, str, Any, Any] | None:
    """Return (side, field, value in the session, value in the verdict) of the first field that differs, else None.

    A policy may allow two cells that were measured in two states of the machine, but a session is in only one of them;
    fields in which the two cells differ are therefore not compared.
    """
    both = [verdict[side]["state"] for side in ("left", "right")]
    for side, found in session["state"].items():
        for field, wanted in verdict[side]["state"].items():
            if field != "runtime_version" and both[0].get(field) != both[1].get(field):
                continue
            if found.get(field) != wanted:
                return side, field, found.get(field), wanted
    return None


@read_once
def read_pairs(table: FilePath, record: FilePath) -> tuple[Json, dict[str, npt.NDArray[np.float64]]]:
    """Return (document, {arm: medians in ns, in order of pairs}), after recomputing them from the raw samples."""
    document = read_json(record, "pairs")
    require_sealed(document, record, "measure the pairs again")
    return document, pairing.medians_of(pairing.read_pairs(table, document["table_sha256"]))


def _measure_missing(
    comparison: str, verdict: Json, arms: Mapping[str, Arm], setup: SessionSetup, pairs: int, paths: PairsPaths
) -> list[pairing.MeasuredPairs]:
    """Return all sessions of a comparison, those measured earlier first."""
    key, folder = _key_of(verdict, arms, setup), Path(paths.table).parent
    sessions = [item for item in pairing.find_sessions(folder, key) if not find_other_state(item, verdict)]
    sessions = [item for item in sessions if item["state"] == sessions[-1]["state"]]
    missing = pairs - sum(session["pairs"] for session in sessions)
    if missing <= 0:
        return sessions
    artifacts = {"left": paths.left, "right": paths.right}
    full_arms = {side: {**arms[side], "artifact": str(path)} for side, path in artifacts.items()}
    repeats = setup.protocol.get("repeats_when_unstable", 0)
    for repeat in range(repeats + 1):
        seed = f"{comparison}/{len(sessions)}/{repeat}"
        session = pairing.measure_session_of_pairs(folder, comparison, full_arms, missing, setup, key, seed)
        require_state(session, verdict, comparison)
        if not session["disturbances"] or repeat == repeats:
            return [*(item for item in sessions if item["state"] == session["state"]), session]
    raise AssertionError("at least one session is measured")


def _key_of(verdict: Json, arms: Mapping[str, Arm], setup: SessionSetup) -> str:
    """Return the digest of everything, besides their state, that sessions must share to be put together."""
    sides = {side: [arms[side], verdict[side]["artifact_sha256"], verdict[side]["state"]] for side in pairing.SIDES}
    timing = pairing.timing_of(setup.protocol)
    return digest_json([sides, sha256_file(setup.inputs), setup.device, timing, digest_agent()])
