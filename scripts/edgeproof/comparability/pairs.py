"""The pairs of a comparison: measured only where the verdict allows it, and up to a budget that may grow later."""

from pathlib import Path

from edgeproof.core.documents import digest_json, read_json, require_sealed, write_sealed
from edgeproof.core.errors import UserError
from edgeproof.core.files import sha256_file
from edgeproof.core.reader import read_once
from edgeproof.runs import pairing
from edgeproof.runs.sessions import digest_agent


def measure_pairs(
    comparison, verdict_path, arms, artifacts, inputs, device, protocol, pairs, interpreter, table, record
):
    """Measure a comparison's pairs up to the budget `pairs`; write `pairs.csv` and `pairs.json`.

    A pair that may not be compared is not measured: the table is then empty and the record says why. `arms`,
    `artifacts`: {left, right}: the agent's arm and the artifact's path.
    """
    verdict = read_json(verdict_path, "verdict")
    document = {"schema": "edgeproof.pairs.v1", "comparison": comparison, "status": "measured", "reason": None}
    sessions = []
    skip = why_not(verdict)
    if skip:
        document |= {"status": "skipped", "reason": skip}
    else:
        key = _key_of(verdict, arms, inputs, device, protocol)
        folder = Path(table).parent
        sessions = [item for item in pairing.find_sessions(folder, key) if not find_other_state(item, verdict)]
        sessions = [item for item in sessions if item["state"] == sessions[-1]["state"]]
        missing = pairs - sum(session["pairs"] for session in sessions)
        if missing > 0:
            place = (inputs, device, protocol, interpreter)
            full_arms = {side: {**arms[side], "artifact": str(artifacts[side])} for side in ("left", "right")}
            for repeat in range(1 + protocol.get("repeats_when_unstable", 0)):
                seed = f"{comparison}/{len(sessions)}/{repeat}"
                session = pairing.measure_session_of_pairs(folder, comparison, full_arms, missing, *place, key, seed)
                require_state(session, verdict, comparison)
                if not session["disturbances"]:
                    break
            sessions = [*(item for item in sessions if item["state"] == session["state"]), session]
        failed = next((session["failure"] for session in sessions if session["failure"]), None)
        if failed:
            document |= {"status": "failed", "reason": failed}
    records = pairing.write_pairs(table, sessions)
    document |= {"budget": pairs, "sessions": records, "table_sha256": sha256_file(table)}
    write_sealed(record, document, "pairs")


def why_not(verdict):
    """Return why a pair is not measured, as {kind, message}; None when it may be."""
    if verdict["verdict"] == "no":
        fields = ", ".join(reason["field"] for reason in verdict["reasons"])
        return {"kind": "not-comparable", "message": f"the two results differ in {fields}"}
    if verdict["blocked"]:
        return verdict["blocked"]
    if verdict["left"]["cell"]["device"] != verdict["right"]["cell"]["device"]:
        return {"kind": "two-devices", "message": "the arms are on two devices, which no session can interleave"}
    return None


def require_state(session, verdict, where):
    """Raise UserError where a session met another machine than the results did which say that it may be measured."""
    if not session["failure"] and (other := find_other_state(session, verdict)):
        side, field, found, wanted = other
        raise UserError(
            f"{where}: {field} of {side} is {found!r}, and was {wanted!r} when its result was measured; measure both "
            "cells again (delete their result.json), or set it back"
        )


def find_other_state(session, verdict):
    """Return (side, field, value in the session, value in the verdict) of the first that differs, else None.

    Where a policy lets two cells meet that were measured in two states of the machine, a session can be in one only.
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
def read_pairs(table, record):
    """Return (document, {arm: medians in ns}) in order of pairs, recomputed from the raw samples (see
    `runs.pairing`).
    """
    document = read_json(record, "pairs")
    require_sealed(document, record, "measure the pairs again")
    return document, pairing.medians_of(pairing.read_pairs(table, document["table_sha256"]))


def _key_of(verdict, arms, inputs, device, protocol):
    """Return the digest of what two sessions must share for their pairs to be put together, besides their state."""
    sides = {side: [arms[side], verdict[side]["artifact_sha256"], verdict[side]["state"]] for side in ("left", "right")}
    return digest_json([sides, sha256_file(inputs), device, pairing.timing_of(protocol), digest_agent()])
