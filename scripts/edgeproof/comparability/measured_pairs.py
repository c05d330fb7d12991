"""The pairs of a comparison: measured where the verdict allows it, until they decide or a budget ends.

The sessions are attempts of the store; all with one key are one sequence, whichever campaign measured them. What was
measured on another machine is used as it is and never continued: new pairs begin a sequence of their own. Where several
builds are paired, each pair of builds has a sequence, of a fixed number of pairs.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edgeproof.artifacts.records.manifests import read_manifest
from edgeproof.artifacts.records.parity_records import read_parity_record
from edgeproof.core.attempts import require_kept
from edgeproof.core.configuration import Arm, Json
from edgeproof.core.dependence import Dependence
from edgeproof.core.documents import read_json, read_sealed, read_text, write_sealed
from edgeproof.core.errors import UserError
from edgeproof.core.files import FilePath, sha256_file
from edgeproof.core.keys import compose_key
from edgeproof.core.reader import read_once
from edgeproof.core.recomputing import must_follow
from edgeproof.core.turns import take_turn
from edgeproof.remote.boards import identify_device
from edgeproof.runs.pair_records import Pair
from edgeproof.runs.pair_sequences import find_next_pair, require_each_once, require_sequence
from edgeproof.runs.pair_tables import describe_session, read_session_at, render_table, write_table
from edgeproof.runs.paired_sessions import (
    PairPlace,
    PairsSession,
    group_by_machine,
    list_sessions,
    measure_session,
)
from edgeproof.runs.timing_keys import list_unrelated, timing_of

from .energy_verdicts import judge_energy
from .pair_verdicts import Judged, describe_design, divide_by_items, judge, make_design

_PAIRS_AT_ONCE = 8  # for energy, where nobody can say how many would decide
_SIDES = ("left", "right")
_PAIRS_OF_A_BUILD = (4, 10)  # the fewest and the most: builds differ more than starts do, so more builds tell more
ESTIMATES = "estimates.jsonl"  # in an attempt: what the sequence says after each of its pairs


@dataclass(frozen=True)
class PairsJob:
    """What is to be measured for one comparison.

    `arms`, `artifacts`, `inputs` (samples files): {left, right}. `budget`: {pairs, seconds or None}: it only stops on
    the way, and continuing goes on along the same boundary. `design`: {margin, comparisons: how many the campaign
    declares}. `agent`: digest of the agent's code. `builds`: where a builder draws, the paths {left, right} of each
    pair of builds, the first `artifacts` itself.
    """

    comparison: str
    verdict: Path
    arms: dict[str, Arm]
    artifacts: dict[str, Path]
    inputs: dict[str, Path]
    place: PairPlace
    design: Json
    dependence: Dependence
    budget: Json
    agent: str
    table: Path
    record: Path
    builds: Sequence[Mapping[str, str]] = ()


def measure_pairs(job: PairsJob) -> None:
    """Take a comparison's measured pairs until they decide or the budget ends; write `pairs.csv` and `pairs.json`.

    A pair that may not be compared is not measured: the table is then empty and the record says why.
    """
    verdict = read_json(job.verdict, "verdict")
    document: Json = {
        "schema": "edgeproof.pairs.v4",
        "comparison": job.comparison,
        "status": "measured",
        "reason": None,
    }
    sessions: list[PairsSession] = []
    key = compose_pairs_key(job.arms, verdict, job.inputs, job.place, job.agent)
    builds = [_describe_build(job, build, key) for build in job.builds]
    failures = [build.pop("failed") for build in builds if "failed" in build]
    if skip := why_not(verdict) or next(iter(failures), None):
        document |= {"status": "skipped", "reason": skip}
    else:
        sessions = _collect_builds(job, builds, key, verdict) if len(builds) > 1 else _collect(job, key, verdict)
        failed = next((session for session in sessions if session.attempt.record["facts"]["failure"]), None)
        if failed is not None and not _pairs_of(sessions):
            document |= {"status": "failed", "reason": failed.attempt.record["facts"]["failure"]}
    design = make_design(job.design["margin"], job.design["comparisons"], job.dependence)
    require_kept(session.attempt.folder for session in sessions)
    write_table(job.table, sessions)
    samples = key["parts"]["inputs"]
    document |= {
        "inputs": {**samples, "same": samples["left"] == samples["right"]},
        "key": key,
        "builds": [{**build, "sessions": build.get("sessions", len(sessions))} for build in builds] or None,
        "budget": job.budget,
        "design": describe_design(design, job.dependence),
        "sessions": [describe_session(session) for session in sessions],
        "table_sha256": sha256_file(job.table),
    }
    write_sealed(job.record, document, "pairs")


def why_not(verdict: Json) -> Json | None:
    """Return why a pair is not measured, as {kind, message}; None when it may be."""
    if verdict["verdict"] == "no":
        fields = ", ".join(reason["field"] for reason in verdict["reasons"])
        return {"kind": "not-comparable", "message": f"the two results differ in {fields}"}
    if verdict["blocked"]:
        return verdict["blocked"]
    if verdict["left"]["cell"]["device"] != verdict["right"]["cell"]["device"]:
        return {"kind": "two-devices", "message": "the arms are on two devices, which no session can interleave"}
    return None


def compose_pairs_key(
    arms: Mapping[str, Arm], verdict: Json, inputs: Mapping[str, Path], place: PairPlace, agent: str
) -> Json:
    """Return the key of the attempts that hold a comparison's measured pairs: what decides the raw data, and no budget.

    `arms`: {left, right}. `verdict`: may they be compared, with the digests of their artifacts. `inputs`: {left,
    right}: samples files. `agent`: digest of its code.
    """
    apart = list_unrelated(place.protocol)
    device = {name: value for name, value in place.device.items() if name not in apart}
    return compose_key(
        {
            "arms": {side: arms[side] for side in _SIDES},
            "artifacts": {side: verdict[side]["artifact_sha256"] for side in _SIDES},
            "inputs": {side: sha256_file(inputs[side]) for side in _SIDES},
            "device": device,
            "timing": timing_of(place.protocol),
            "agent": agent,
        }
    )


@read_once
def read_sessions(record: FilePath, table: FilePath) -> tuple[Json, list[PairsSession]]:
    """Return (document, sessions) of a comparison's measured pairs, `pairs.json`, each pair computed again from raw
    times. Sessions are in order of builds, `builds[].sessions` of each.

    UserError when the record was edited, when the table is not the one that it names, or when raw times were changed.
    """
    document = read_sealed(record, "pairs", "measure the pairs again")
    if sha256_file(table) != document["table_sha256"]:
        raise UserError(
            f"{table}: its sha256 is not table_sha256 of {Path(record).name}; these are not the pairs measured"
        )
    text = read_text(table)  # while the reader still has it: it was just hashed
    sessions = [read_session_at(entry["attempt"]) for entry in document["sessions"]]
    sequences: dict[str, list[PairsSession]] = {}
    for session, key in zip(sessions, _list_keys(document), strict=True):
        if session.attempt.record["key"]["sha256"] != key:
            raise UserError(f"{record}: {session.attempt.folder} has another key; these are not its pairs")
        sequences.setdefault(key, []).append(session)
    require_each_once(sessions, record)
    for sequence in sequences.values():
        require_sequence(sequence)
    must_follow(document["sessions"], list(map(describe_session, sessions)), "sessions", record, "their attempts")
    if render_table(sessions) != text:
        raise UserError(f"{table}: does not follow from the raw times of its sessions; measure the pairs again")
    return document, sessions


def find_other_state(session: PairsSession, verdict: Json) -> tuple[str, str, object, object] | None:
    """Return the state that measured pairs met and the verdict did not: (side, field, its value, the verdict's value).

    It is the first that differs; None if none does. Where a policy lets two cells meet that were measured in two
    states of the machine, a session can be in one only.
    """
    both = [verdict[side]["state"] for side in _SIDES]
    for side, found in session.state.items():
        for field, wanted in verdict[side]["state"].items():
            if field != "runtime_version" and both[0].get(field) != both[1].get(field):
                continue
            if found.get(field) != wanted:
                return side, field, found.get(field), wanted
    return None


def _list_keys(document: Json) -> list[str]:
    """Return the digest of the key that each session of `pairs.json` must have."""
    keys: list[str] = []
    builds: list[Json] = document["builds"] or []
    for build in builds:
        key = _key_of(document["key"], {side: build[side]["sha256"] for side in _SIDES})
        keys += [key["sha256"]] * build["sessions"]
    return keys if builds else [document["key"]["sha256"]] * len(document["sessions"])


def _key_of(key: Json, digests: Mapping[str, str]) -> Json:
    """Return a comparison's key for other artifacts, whose `digests` are {left, right}."""
    return compose_key({**key["parts"], "artifacts": dict(digests)})


def _describe_build(job: PairsJob, build: Mapping[str, str], key: Json) -> Json:
    """Return what `pairs.json` says of a pair of builds; `failed`: why it cannot be measured."""
    described: Json = {}
    for side in _SIDES:
        place = Path(build[side])
        manifest = read_manifest(place.with_name("manifest.json"))
        described[side] = {
            "artifact": str(place),
            "sha256": sha256_file(place),
            "parity": read_parity_record(place.with_name("parity.json"))["status"],
        }
        if manifest["status"] != "ok" and place != job.artifacts[side]:
            message = f"{side} is {manifest['status']} as {place.parent}: {manifest['reason']['message']}"
            described["failed"] = {"kind": "failed", "message": message}
    return described


def count_pairs_per_build(pairs: int, builds: int) -> int:
    """Return how many pairs are measured of each of so many builds, where a comparison may measure `pairs` in all.

    It is fixed before the first pair: a number that depends on what pairs say would bias their mean.
    """
    fewest, most = _PAIRS_OF_A_BUILD
    return max(fewest, min(most, pairs // builds))


def _collect_builds(job: PairsJob, builds: Sequence[Json], key: Json, verdict: Json) -> list[PairsSession]:
    """Return the sessions of all builds, after measuring what each lacks; enter in `builds` how many it has."""
    pairs, seconds = count_pairs_per_build(job.budget["pairs"], len(builds)), job.budget["seconds"]
    collected: list[PairsSession] = []
    for build in builds:
        own = replace(
            job,
            artifacts={side: Path(build[side]["artifact"]) for side in _SIDES},
            budget={"pairs": pairs, "seconds": None if seconds is None else max(0.0, seconds - _spent(collected))},
        )
        sessions = _collect(own, _key_of(key, {side: build[side]["sha256"] for side in _SIDES}), verdict)
        build["sessions"] = len(sessions)
        collected += sessions
    return collected


def _collect(job: PairsJob, key: Json, verdict: Json) -> list[PairsSession]:
    """Return the sessions of the sequence, after measuring what it lacks."""
    with take_turn(job.table.parent.parent.parent, key):  # a folder that all campaigns share
        return _collect_in_turn(job, key, verdict)


def _collect_in_turn(job: PairsJob, key: Json, verdict: Json) -> list[PairsSession]:
    folder, here = job.table.parent, identify_device(job.place.device, ask=True)
    known = list_sessions(list_folders_with(folder, key), key)
    by_machine = group_by_machine(item for item in known if not item.pairs or not find_other_state(item, verdict))
    sessions = by_machine.pop(here, [])
    require_sequence(sessions)
    if not sessions:  # measured elsewhere, and over there: nothing is measured again
        over = (item for item in by_machine.values() if _pairs_of(item) and not _goes_on(job, verdict, item))
        if elsewhere := next(over, None):
            require_sequence(elsewhere)
            return elsewhere
    while _goes_on(job, verdict, sessions) and not _has_failed(sessions):
        before, more = _pairs_of(sessions), _pairs_for_energy(job, verdict, sessions)
        session = measure_session(
            folder,
            job.comparison,
            key,
            {side: _arm_of(job, side) for side in _SIDES},
            job.place,
            _plan_session(job, sessions),
            lambda pairs, before=before, more=more: _enter_and_ask(job, verdict, before, pairs, more),
        )
        _require_state(session, verdict, job.comparison)
        sessions.append(session)
    return sessions


def list_folders_with(folder: Path, key: Json) -> list[Path]:
    """Return the folders, of any campaign, whose measured pairs may have this key; `folder` among them.

    The names of attempts begin with their key, so that nothing is opened to find them.
    """
    beginning = key["sha256"][:8]
    found = folder.parent.parent.glob(f"*/*/attempts/*-{beginning}")
    return list(dict.fromkeys([folder, *(path.parent.parent for path in sorted(found))]))


def _goes_on(job: PairsJob, verdict: Json, sessions: Sequence[PairsSession]) -> bool:
    """Tell whether another session is to be measured: the sequence is open, and the budget is not spent."""
    seconds = job.budget["seconds"]
    if seconds is not None and _spent(sessions) >= seconds:
        return False
    return _is_open(job, verdict, _pairs_of(sessions)) or _pairs_for_energy(job, verdict, sessions) > 0


def _pairs_for_energy(job: PairsJob, verdict: Json, sessions: Sequence[PairsSession]) -> int:
    """Return how many pairs the next session is to measure for the sake of energy, 0 where it is decided or not asked.

    Samplers say what they saw when a session is over, so that energy decides between sessions.
    """
    left = job.budget["pairs"] - len(_pairs_of(sessions))
    if not job.place.protocol.get("energy") or not sessions or left <= 0:
        return 0
    design = make_design(job.design["margin"], job.design["comparisons"], job.dependence)
    found = judge_energy(sessions, items_of(verdict), design)
    if found["verdict"] != "undecided" or not found["can_continue"]:
        return 0
    return min(left, found["further_pairs"] or (0 if found["reason"] == "error_budget" else _PAIRS_AT_ONCE))


def _is_open(job: PairsJob, verdict: Json, pairs: Sequence[Pair]) -> bool:
    """Tell whether another pair is to be measured, as far as pairs can tell."""
    if len(pairs) >= job.budget["pairs"]:
        return False
    if not pairs or len(job.builds) > 1:
        return True
    found = _judge_pairs(job, verdict, pairs).verdict
    return found.verdict == "undecided" and found.can_continue


def _enter_and_ask(
    job: PairsJob, verdict: Json, before: Sequence[Pair], pairs: Sequence[Pair], for_energy: int
) -> bool:
    """Add what the pairs say to the session's estimates, for who watches; tell whether another pair is measured."""
    known = [*before, *pairs]
    line = _describe_line(_judge_pairs(job, verdict, known), known) | {"per": verdict["per"]}
    with (Path(pairs[-1].folder).parents[1] / ESTIMATES).open("a") as stream:
        stream.write(json.dumps(line) + "\n")
    return _is_open(job, verdict, known) or len(pairs) < for_energy


def _describe_line(judged: Judged, pairs: Sequence[Pair]) -> Json:
    """Return a line of `estimates.jsonl`: what so many pairs, measured in so many seconds, say."""
    found = judged.verdict
    return {
        "pairs": len(pairs),
        "seconds": round(sum(pair.seconds for pair in pairs), 3),
        "verdict": found.verdict,
        "ratio": found.ratio.estimate,
        "low": found.ratio.low,
        "high": found.ratio.high,
    }


def _judge_pairs(job: PairsJob, verdict: Json, pairs: Sequence[Pair]) -> Judged:
    """Return what the pairs so far say."""
    design = make_design(job.design["margin"], job.design["comparisons"], job.dependence)
    return judge(divide_by_items(pairs, items_of(verdict)), design)


def items_of(verdict: Json) -> dict[str, int]:
    """Return {side: items of one call}, by which measured pairs are divided. `verdict`: of the comparison."""
    return {side: verdict[side]["items"] for side in _SIDES}


def _arm_of(job: PairsJob, side: str) -> Arm:
    """Return an arm as the agent gets it: with its artifact, and with its samples where they are its own."""
    arm: Arm = {**job.arms[side], "artifact": str(job.artifacts[side])}
    return arm if job.inputs[side] == job.place.inputs else {**arm, "inputs_file": str(job.inputs[side])}


def _plan_session(job: PairsJob, sessions: Sequence[PairsSession]) -> Json:
    """Return what the agent is told of the next session: it goes on as the sequence began."""
    done, seconds = len(_pairs_of(sessions)), job.budget["seconds"]
    left = None if seconds is None else max(0.0, seconds - _spent(sessions))
    budget = {"pairs": job.budget["pairs"] - done, "seconds": left}
    begun = sessions[-1].record if sessions else {}
    mode = begun.get("interleaving", {}).get("mode")
    plan: Json = {"budget": budget, "first_pair": find_next_pair(sessions)}
    if not mode:
        return plan
    kept = {"interleaving": mode, "interleaving_reason": begun["interleaving"]["reason"]}  # as the first session chose
    return plan | kept | {"inputs_count": begun["inputs"]}


def _spent(sessions: Sequence[PairsSession]) -> float:
    """Return how many seconds the sessions have measured."""
    return sum(session.record["seconds"] for session in sessions)


def _has_failed(sessions: Sequence[PairsSession]) -> bool:
    return any(session.attempt.record["facts"]["failure"] for session in sessions)


def _pairs_of(sessions: Sequence[PairsSession]) -> list[Pair]:
    return [pair for session in sessions for pair in session.pairs]


def _require_state(session: PairsSession, verdict: Json, where: str) -> None:
    """Raise UserError where a session met another machine than the results did which say that it may be measured."""
    if session.pairs and (other := find_other_state(session, verdict)):
        side, field, found, wanted = other
        raise UserError(
            f"{where}: {field} of {side} is {found!r}, and was {wanted!r} when its result was measured; set it back"
        )
