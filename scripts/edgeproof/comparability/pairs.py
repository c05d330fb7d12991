"""Paired measurement: both arms interleaved in one session, in random order within each pair.

Pairs are never thrown away: a session's pairs stay under `attempts/`, and a later run with a larger budget measures
only the missing ones, as long as arms, protocol, agent and machine state are the same.
"""

import json
import random
from pathlib import Path

import numpy as np
import pandas as pd

from ..core.documents import digest_json, read_json, write_json
from ..core.errors import UserError
from ..core.files import atomic_write, sha256_file
from ..core.layout import relative_to_repository
from ..runs.conditions import judge_environment
from ..runs.sessions import digest_agent, process_folder, run_session

COLUMNS = ("session", "pair", "position", "arm", "calls_per_sample", "samples", "median_ns", "file", "sha256")
_RECORD = "pairs-of-session.json"


def measure_pairs(
    comparison, verdict_path, arms, artifacts, inputs, device, protocol, pairs, interpreter, table, record
):
    """Measure a comparison's pairs up to the budget `pairs`; write `pairs.csv` and `pairs.json`.

    A pair that may not be compared is not measured: the table is then empty and the record says why. `arms`,
    `artifacts`: {left, right}: the agent's arm and the artifact's path.
    """
    verdict = read_json(verdict_path, "verdict")
    document = {"schema": "edgeproof.pairs.v1", "comparison": comparison, "status": "measured", "reason": None}
    skip = why_not(verdict)
    if skip:
        sessions = []
        document |= {"status": "skipped", "reason": skip}
    else:
        key = _key_of(verdict, arms, inputs, device, protocol)
        folder = Path(table).parent
        sessions = find_sessions(folder, key)
        missing = pairs - sum(session["pairs"] for session in sessions)
        if missing > 0:
            specs = {side: {**arms[side], "artifact": str(artifacts[side])} for side in ("left", "right")}
            order = interleave(missing, f"{comparison}/{len(sessions)}")
            session = run_session(folder, comparison, specs, order, inputs, device, protocol, interpreter)
            sessions.append(_keep_session(session, key, missing))
        failed = next((session["failure"] for session in sessions if session["failure"]), None)
        if failed:
            document |= {"status": "failed", "reason": failed}
    rows = [{"session": number, **row} for number, session in enumerate(sessions, 1) for row in session.pop("rows")]
    lines = [",".join(COLUMNS), *(",".join(str(row[name]) for name in COLUMNS) for row in rows)]
    atomic_write(table, "\n".join(lines) + "\n")
    document |= {"budget": pairs, "sessions": sessions, "table_sha256": sha256_file(table)}
    write_json(record, document, "pairs")


def why_not(verdict):
    """Return why a pair is not measured, in one line; None when it may be."""
    if verdict["verdict"] == "no":
        fields = ", ".join(reason["field"] for reason in verdict["reasons"])
        return {"kind": "not-comparable", "message": f"the two results differ in {fields}"}
    if verdict["blocked"]:
        return verdict["blocked"]
    if verdict["left"]["cell"]["device"] != verdict["right"]["cell"]["device"]:
        return {
            "kind": "two-devices",
            "message": "the arms are on two devices, which cannot be interleaved in one session",
        }
    return None


def interleave(pairs, seed):
    """Return 2 × `pairs` arm names: each pair holds both arms, in random order. Equal seeds give equal orders."""
    generator = random.Random(seed)
    return [arm for _ in range(pairs) for arm in generator.sample(("left", "right"), 2)]


def find_sessions(folder, key):
    """Return the records of earlier sessions of this comparison that measured the same thing, oldest first."""
    paths = sorted((Path(folder) / "attempts").glob(f"[0-9]*/{_RECORD}"))
    records = [json.loads(path.read_text()) for path in paths]
    return [record for record in records if record.pop("key") == key and not record["failure"]]


def read_pairs(table, record):
    """Return (document, {arm: medians in ns}) with the two arms' medians in order of pairs, recomputed from the raw
    samples.

    UserError when the table is not the one recorded, when raw samples are missing or changed, or when a median does
    not follow.
    """
    document = read_json(record, "pairs")
    if sha256_file(table) != document["table_sha256"]:
        raise UserError(f"{table}: its sha256 is not table_sha256 of {record}; these are not the pairs measured")
    rows = pd.read_csv(table)
    medians = {"left": [], "right": []}
    for row in rows.to_dict("records"):
        if sha256_file(row["file"]) != row["sha256"]:
            raise UserError(f"{row['file']}: its sha256 is not the one in {table}; these are not the samples measured")
        median = _median(np.load(row["file"], allow_pickle=False), row["calls_per_sample"])
        if abs(median - row["median_ns"]) > 1e-6 * median:
            raise UserError(
                f"{table}: median_ns of pair {row['pair']} {row['arm']} is {row['median_ns']}, not {median}"
            )
        medians[row["arm"]].append(median)
    return document, {arm: np.array(values) for arm, values in medians.items()}


def _keep_session(session, key, pairs):
    """Write what a session measured beside its attempt, and return it."""
    failed = next((process["reason"] for process in session.record["processes"] if process["status"] != "ok"), None)
    rows = []
    for process in [] if failed else session.record["processes"]:
        slot, samples = process["slot"], session.samples[process["slot"]]
        path = process_folder(session.folder, slot) / "samples.npy"
        rows.append(
            {
                "pair": slot // 2 + 1,
                "position": slot % 2 + 1,
                "arm": process["arm"],
                "calls_per_sample": process["calls_per_sample"],
                "samples": len(samples),
                "median_ns": _median(samples, process["calls_per_sample"]),
                "file": relative_to_repository(path),
                "sha256": sha256_file(path),
            }
        )
    provenance = next((p["provenance"] for p in session.record["processes"] if p["status"] == "ok"), "measured")
    environment = session.record["environment"]
    record = {
        "attempt": relative_to_repository(session.attempt),
        "started_at_unix_s": session.record["started_at_unix_s"],
        "pairs": pairs,
        "provenance": provenance,
        "disturbances": judge_environment(environment) if provenance == "measured" else [],
        "steal_share": environment["steal_share"],
        "failure": failed,
        "rows": rows,
    }
    atomic_write(session.attempt / _RECORD, json.dumps({"key": key, **record}, indent=1) + "\n")
    return record


def _key_of(verdict, arms, inputs, device, protocol):
    """Return the digest of everything that two sessions must share for their pairs to be put together."""
    sides = {side: [arms[side], verdict[side]["artifact_sha256"], verdict[side]["state"]] for side in ("left", "right")}
    timing = {name: value for name, value in protocol.items() if name not in ("name", "processes")}
    return digest_json([sides, sha256_file(inputs), device, timing, digest_agent()])


def _median(samples, calls_per_sample):
    return float(np.median(samples)) / calls_per_sample
