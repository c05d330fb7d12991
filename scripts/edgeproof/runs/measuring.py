"""Measure one cell: a session of fresh processes on its device, and the result that follows from it."""

from dataclasses import dataclass
from pathlib import Path

from edgeproof.agent.messages import tell
from edgeproof.artifacts.records.manifests import read_manifest
from edgeproof.core.attempts import FOLDER as ATTEMPTS
from edgeproof.core.attempts import await_others, find_attempts, require_kept
from edgeproof.core.configuration import Arm, Json
from edgeproof.core.documents import read_json, write_sealed
from edgeproof.core.errors import UserError
from edgeproof.core.files import atomic_write, sha256_bytes, sha256_file
from edgeproof.core.layout import Cell, relative_to_repository
from edgeproof.core.tensors import read_tensors
from edgeproof.core.turns import take_turn
from edgeproof.remote.boards import identify_device
from edgeproof.sources.input_faults import find_samples_fault
from edgeproof.sources.samples_record import read_samples_kind, read_samples_record

from .carried_sessions import is_carried, write_kit
from .process_outputs import require_turns, worst_output_difference
from .raw_samples import path_beside, render_samples
from .result_parts import CellFacts, MeasuredSession
from .results import build_result
from .sessions import (
    SessionSetup,
    adopt_session,
    compose_session_key,
    digest_agent,
    run_session,
)
from .wanted_sessions import count_asked, count_missing, find_sessions


@dataclass(frozen=True)
class RunPaths:
    """The files of a run: everything up to `identity` is read, `result` and `samples` are written beside each other."""

    artifact: Path
    manifest: Path
    reference: Path
    identity: Path
    result: Path
    samples: Path


def measure_run(cell: Cell, task: str, arm: Arm, setup: SessionSetup, paths: RunPaths) -> None:
    """Measure one cell and write `result.json` and `samples.csv`.

    `task`: the model's. `arm`: backend, precision, runtime options. A verdict about the artifact (it does not load, its
    output is wrong, …) is a result with a status. UserError if no verdict was reached; then neither file is written.

    The result rests on all complete sessions of its key, in order of start. Sessions are measured until the protocol's
    number and that of `edgeproof runs again` are there; none is repeated or left out for its spread.
    """
    manifest: Json = read_manifest(paths.manifest)
    if manifest["status"] == "ok" and (fault := find_samples_fault(setup.inputs)):
        manifest = {**manifest, "status": "failed", "reason": fault}  # an artifact that there is nothing to run with
    if path_beside(paths.result) != path_beside(paths.samples):
        raise UserError(f"{paths.samples}: must be samples.csv beside the result")
    facts = _collect_facts(cell, task, arm, manifest, setup, paths)
    if manifest["status"] != "ok":
        samples = render_samples([])
        facts["digests"]["samples"] = sha256_bytes(samples.encode())
        result = build_result(facts, manifest, [])
    else:
        if sha256_file(paths.artifact) != manifest["artifact"]["sha256"]:
            raise UserError(
                f"{paths.artifact}: its sha256 is not the one in {paths.manifest}; remove its folder and run again"
            )
        result, samples = _measure_sessions(facts, manifest, setup, paths)
    require_kept(paths.result.parent / ATTEMPTS / Path(entry["attempt"]).name for entry in result["sessions"])
    atomic_write(paths.samples, samples)
    write_sealed(paths.result, result, "result")


def _collect_facts(cell: Cell, task: str, arm: Arm, manifest: Json, setup: SessionSetup, paths: RunPaths) -> CellFacts:
    identity = read_json(paths.identity, "identity")
    return {
        "cell": {**cell._asdict(), "builder": manifest["cell"]["builder"]},
        "task": task,
        "arm": arm,
        "device": setup.device,
        "protocol": setup.protocol,
        "identity": identity,
        "artifact_bytes": manifest["artifact"]["bytes"],
        "digests": {
            "model": identity["sha256"],
            "artifact": manifest["artifact"]["sha256"],
            "manifest": sha256_file(paths.manifest),
            "inputs": sha256_file(setup.inputs),
            "agent": digest_agent(),
        },
        "samples_kind": read_samples_kind(setup.inputs),
        "call_shapes": read_samples_record(setup.inputs).get("call_shapes", {}),
    }


def _measure_sessions(facts: CellFacts, manifest: Json, setup: SessionSetup, paths: RunPaths) -> tuple[Json, str]:
    """Return the result of all sessions and the text of their samples; `facts` gets what the sessions add."""
    label = "/".join(facts["cell"][field] for field in Cell._fields)
    arms = {"candidate": {**facts["arm"], "artifact": str(paths.artifact)}}
    order = ["candidate"] * setup.protocol["processes"]
    folder, key = paths.result.parent, compose_session_key(arms, order, setup)
    carried = is_carried(setup.device)
    brought = find_attempts(folder, key) if carried else []
    if carried and not brought:
        kit = write_kit(folder, label, arms, order, setup)
        tell(f"{label}  no job reaches the device; carry {kit} there")
        facts["digests"]["samples"] = sha256_bytes((text := render_samples([])).encode())
        return build_result(facts, manifest, []), text
    here = brought[0].record["machine"]["id"] if brought else identify_device(setup.device, ask=True)
    with take_turn(folder, key):
        await_others(folder, key)
        missing = 0 if carried else count_missing(folder, key, setup.protocol, here)
        for number in range(missing):
            if missing > 1:
                tell(f"{label}  session {number + 1} of {missing}")
            session = run_session(folder, label, arms, order, setup, None)
            broken = any(process["status"] != "ok" for process in session.record["processes"])
            if broken and not count_asked(folder, key, here):
                break  # a verdict about the artifact will not change by trying again
    reference = read_tensors(paths.reference)
    sessions = [adopt_session(attempt) for attempt in find_sessions(folder, key, here)]
    measured = [
        MeasuredSession(
            record=session.record,
            samples=[session.samples[slot] for slot in sorted(session.samples)],
            attempt=relative_to_repository(session.attempt),
            machine=session.machine,
            elsewhere=session.machine["id"] != here,
            telemetry=session.telemetry,
        )
        for session in sessions
    ]
    for session in sessions:
        require_turns(session)
    text = render_samples(session.samples for session in measured)
    facts["digests"]["samples"] = sha256_bytes(text.encode())
    differences = [worst_output_difference(session, reference) for session in sessions]
    facts["output_difference"] = max((each for each in differences if each is not None), default=None)
    return build_result(facts, manifest, measured), text
