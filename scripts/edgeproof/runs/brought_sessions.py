"""What an archive of a kit must hold before it becomes an attempt: everything that a result of it will need.

The workflow reads a session long after somebody brought it, and one that it cannot read would stop the cell. So the
result is made here once, of this session alone, and read back.
"""

import json
import zipfile
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np

from edgeproof.core.configuration import Json, NamedDevice
from edgeproof.core.documents import write_sealed
from edgeproof.core.errors import UserError
from edgeproof.core.files import FilePath, atomic_write, sha256_bytes, sha256_file
from edgeproof.core.layout import Cell
from edgeproof.core.tensors import read_tensors

from .process_outputs import require_turns
from .raw_samples import path_beside, render_samples
from .result_parts import CellFacts, MeasuredSession
from .results import build_result, read_result
from .run_power import WatchedSession, describe_windows, find_sampler_fault
from .sessions import SESSION, Session, process_folder, read_session_files
from .telemetry_files import path_in_attempt

_UNKNOWN = "0" * 64  # for digests that the trial does not look at
# What documents and arrays that anybody may have written make the code that reads them raise.
_BROKEN = (
    LookupError, TypeError, ValueError, AttributeError, ArithmeticError, AssertionError, StopIteration, MemoryError,
    OSError, EOFError, zipfile.BadZipFile,
)  # fmt: skip


class BroughtSession(NamedTuple):
    """A session that was found whole: the facts of its attempt, and what the agent measured."""

    facts: Json
    session: Session


def examine_session(place: Path, spec: Json, key: Json, machine: Json, archive: FilePath) -> BroughtSession:
    """Return the session that was brought in an unpacked archive; UserError, about the archive, if it makes no result.

    `spec`, `key`: of the kit. `machine`: who measured, as the archive says.
    """
    try:
        return _examine(place, spec, key, machine)
    except UserError as error:
        said = str(error).replace(f"{place}/", "")
        raise UserError(f"{archive}: {said}") from error
    except _BROKEN as error:
        said = str(error).replace(f"{place}/", "")
        raise UserError(f"{archive}: holds no session of the agent ({type(error).__name__}: {said})") from error


def is_same_session(one: Session, other: Session) -> bool:
    """Tell whether two brought sessions are one, however it was packed: the same record, or equal times of a process.

    Simulated times follow from a seed, so those may well be equal.
    """
    if one.record == other.record:
        return True
    if any(process.get("provenance") == "simulated" for process in one.record["processes"]):
        return False
    known = {samples.tobytes() for samples in other.samples.values()}
    return any(samples.tobytes() in known for samples in one.samples.values())


def _examine(place: Path, spec: Json, key: Json, machine: Json) -> BroughtSession:
    out = place / SESSION
    record: Json = json.loads((out / "session.json").read_bytes())
    _require_processes(out, record, spec)
    facts = _describe_files(place, record)
    session = read_session_files(place, facts, machine)
    require_turns(session)
    for slot in session.samples:
        read_tensors(process_folder(out, slot) / "outputs.npz")
    if told := record.get("telemetry"):
        assert session.telemetry is not None
        watched = WatchedSession({**told, "windows": describe_windows(record["processes"])}, session.telemetry[0])
        if fault := find_sampler_fault(watched):
            raise UserError(f"a sampler that the device requires failed: {fault}; measure again")
    if drift := record.get("drift"):
        np.load(out / drift["file"], allow_pickle=False)
    _make_result(place, spec, key, session)
    return BroughtSession(facts, session)


def _require_processes(out: Path, record: Json, spec: Json) -> None:
    """Raise UserError unless the session has the processes that its kit asked for, as each of them told."""
    order: list[str] = spec["order"]
    processes: list[Json] = record["processes"]
    if [(process["slot"], process["arm"]) for process in processes] != list(enumerate(order)):
        raise UserError(f"has {len(processes)} processes, the kit asks for {len(order)}: {', '.join(order)}")
    for slot, process in enumerate(processes):
        if process["status"] != "ok":
            continue
        folder = process_folder(out, slot)
        told = json.loads((folder / "process.json").read_bytes()) | {"slot": slot, "arm": order[slot]}
        if told != process:
            raise UserError(f"session.json says other things of process {slot} than {folder / 'process.json'}")
        asked = {"arm": spec["arms"][order[slot]], "inputs": spec["inputs"], "protocol": spec["protocol"], "slot": slot}
        if json.loads((folder / "spec.json").read_bytes()) != asked:
            raise UserError(f"{folder / 'spec.json'}: is not what the kit asks of process {slot}")


def _describe_files(place: Path, record: Json) -> Json:
    """Return the facts of a session's attempt: the digests of its record, samples and telemetry."""
    out = place / SESSION
    good = [process["slot"] for process in record["processes"] if process["status"] == "ok"]
    paths = {str(slot): process_folder(out, slot) / "samples.npy" for slot in good}
    for path in paths.values():
        samples = np.load(path, allow_pickle=False)
        if samples.ndim != 1 or samples.dtype != np.int64 or not len(samples) or samples.min() <= 0:
            raise UserError(f"{path}: has no times")
    facts: Json = {"session": sha256_file(out / "session.json")}
    facts["samples"] = {slot: sha256_file(path) for slot, path in paths.items()}
    if record.get("telemetry"):
        facts["telemetry"] = sha256_file(path_in_attempt(place))
    return facts


def _make_result(place: Path, spec: Json, key: Json, session: Session) -> None:
    """Make the result of a session as a run does, and read it; it is not kept. UserError where that fails.

    The parts that the session does not decide, such as the model, are made up. The outputs count as right: wrong ones
    are a verdict about the artifact, and no reason to refuse a session.
    """
    trial = place / "trial"
    (trial / "attempts").mkdir(parents=True)
    (trial / "attempts" / place.name).symlink_to(place.resolve())
    measured = MeasuredSession(
        record=session.record,
        samples=[session.samples[slot] for slot in sorted(session.samples)],
        attempt=f"attempts/{place.name}",
        machine=session.machine,
        elsewhere=False,
        telemetry=session.telemetry,
    )
    text = render_samples([measured.samples])
    digests = dict.fromkeys(("model", "artifact", "manifest", "inputs", "agent"), _UNKNOWN)
    names = dict(zip(Cell._fields, spec["label"].split("/"), strict=True))
    facts: CellFacts = {
        "cell": {**names, "builder": "host"},
        "task": "classification",
        "arm": spec["arms"][spec["order"][0]],
        "device": cast(NamedDevice, {**key["parts"]["device"], "transport": "manual"}),
        "protocol": spec["protocol"],
        "identity": {"inputs": []},
        "artifact_bytes": 1,
        "digests": {**digests, "samples": sha256_bytes(text.encode())},
        "samples_kind": None,
        "output_difference": 0.0,
    }
    result = build_result(facts, {"status": "ok"}, [measured])
    atomic_write(path_beside(trial / "result.json"), text)
    write_sealed(trial / "result.json", result, "result")
    read_result(trial / "result.json")
