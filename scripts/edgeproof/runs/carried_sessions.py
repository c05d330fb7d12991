"""Sessions on devices that no job reaches: somebody carries a kit there, runs it, and brings an archive back.

The kit (`kit.zip` beside the pending result) has the agent, the artifact, the inputs and the session's specification.
What comes back becomes an attempt of the cell with the same key, as if the session had been measured from here, and
its record says who brought it.
"""

import json
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from edgeproof.agent.archive_limits import BUNDLE, ArchiveRefused, extract_archive
from edgeproof.core.attempts import Attempt, list_attempts, open_attempt
from edgeproof.core.configuration import Device, Json
from edgeproof.core.errors import UserError
from edgeproof.core.files import FilePath, atomic_write, sha256_file
from edgeproof.remote.boards import list_agent_files

from .sessions import SCRIPTS, SessionSetup, compose_session_key, compose_spec, process_folder, read_session
from .telemetry_files import path_in_attempt, read_telemetry

KIT = "kit.zip"
_KEY, _MACHINE, _SESSION = "key.json", "machine.json", "session"
_PROGRAM = "measure.py"
_HOUR = (1980, 1, 1, 0, 0, 0)  # equal kits are equal files


class Carrier(NamedTuple):
    """Who brought evidence back. `instrument`: what measured, such as the device's own clock. `date`: of the measuring,
    None for what the device's clock says.
    """

    operator: str
    instrument: str
    date: str | None


def is_carried(device: Device) -> bool:
    """Tell whether no job reaches a device, so that somebody carries kits there."""
    return device.get("transport") == "manual"


def write_kit(
    folder: FilePath, label: str, arms: Mapping[str, Mapping[str, Any]], order: Sequence[str], setup: SessionSetup
) -> Path:
    """Write the kit of a session into a run's folder, and return its path."""
    files = {path.relative_to(SCRIPTS).as_posix(): path for path in list_agent_files()}
    files[_PROGRAM] = SCRIPTS / "edgeproof" / "board_end" / "measure_kit.py"
    files["inputs.npz"] = Path(setup.inputs)
    carried: dict[str, Any] = {}
    for name, arm in arms.items():
        artifact = Path(arm["artifact"])
        carried[name] = {**arm, "artifact": f"{name}{artifact.suffix}"}
        files[f"{name}{artifact.suffix}"] = artifact
    spec = compose_spec(label, carried, order, setup) | {"inputs": "inputs.npz"}
    texts = {_KEY: compose_session_key(arms, order, setup), "spec.json": spec}
    path = Path(folder) / KIT
    with tempfile.TemporaryDirectory() as place:
        part = Path(place, KIT)
        with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, document in texts.items():
                _add(archive, name, json.dumps(document, indent=1, sort_keys=True).encode())
            for name, source in sorted(files.items()):
                _add(archive, name, source.read_bytes())
        atomic_write(path, part.read_bytes())
    return path


def take_session(folder: FilePath, archive: FilePath, carrier: Carrier) -> Attempt:
    """Take an archive that a kit has packed into a run's folder and return its attempt.

    UserError, with nothing kept, for an archive that is refused, that another kit than the one there has made, or that
    was taken before.
    """
    folder, sha256 = Path(folder), sha256_file(archive)
    key = _read_key_of_kit(folder)
    for known in list_attempts(folder):
        if known.record["facts"].get("brought", {}).get("sha256") == sha256:
            raise UserError(f"{archive}: is in the store already, as {known.folder}")
    with tempfile.TemporaryDirectory(dir=folder) as place:
        try:
            extract_archive(str(archive), place, BUNDLE)
        except ArchiveRefused as error:
            raise UserError(f"{archive}: {error}") from error
        except OSError as error:
            raise UserError(f"{archive}: cannot be read ({error.strerror})") from error
        found = _read_object(Path(place, _KEY), archive)
        if found != key:
            raise UserError(f"{archive}: is of another kit than {folder / KIT}; carry this one to the device")
        machine = _read_object(Path(place, _MACHINE), archive)
        facts, day = _examine(Path(place), key, archive)
        brought = {"sha256": sha256, **carrier._asdict(), "date": carrier.date or day}
        with open_attempt(folder, "session", key, machine) as attempt:
            Path(place, _SESSION).rename(attempt.folder / _SESSION)
            closed = attempt.complete(**facts, brought=brought)
    read_session(closed)
    return closed


def list_brought(folder: FilePath) -> list[Json]:
    """Return {attempt, sha256, operator, instrument, date} of every session that was brought back to a run."""
    attempts = [attempt for attempt in list_attempts(folder) if attempt.record["facts"].get("brought")]
    return [{"attempt": attempt.folder.name, **attempt.record["facts"]["brought"]} for attempt in attempts]


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    archive.writestr(zipfile.ZipInfo(name, _HOUR), content, zipfile.ZIP_DEFLATED)


def _read_key_of_kit(folder: Path) -> Json:
    try:
        with zipfile.ZipFile(folder / KIT) as kit:
            return json.loads(kit.read(_KEY))
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise UserError(f"{folder / KIT}: is no kit; the workflow writes it: snakemake {folder}/result.json") from error


def _read_object(path: Path, archive: FilePath) -> Json:
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise UserError(f"{archive}: has no readable {path.name}; a kit packs it") from error
    if not isinstance(document, dict):
        raise UserError(f"{archive}: {path.name} is no JSON object")
    return document  # pyright: ignore[reportUnknownVariableType]


def _examine(place: Path, key: Json, archive: FilePath) -> tuple[Json, str]:
    """Return the facts of a session's attempt, which are the digests of its record, samples and telemetry, and its
    day by the device's clock.
    """
    out = place / _SESSION
    record = _read_object(out / "session.json", archive)
    try:
        processes = record["processes"]
        if [process["arm"] for process in processes] != key["parts"]["order"]:
            raise UserError(f"{archive}: has {len(processes)} processes, the kit asks for {len(key['parts']['order'])}")
        good = [process["slot"] for process in processes if process["status"] == "ok"]
        paths = {str(slot): process_folder(out, slot) / "samples.npy" for slot in good}
        for path in paths.values():
            samples = np.load(path, allow_pickle=False)
            if samples.ndim != 1 or samples.dtype != np.int64 or not len(samples) or samples.min() <= 0:
                raise UserError(f"{archive}: {path.relative_to(place)} has no times")
        facts: Json = {"session": sha256_file(out / "session.json")}
        facts["samples"] = {slot: sha256_file(path) for slot, path in paths.items()}
        if record.get("telemetry"):
            read_telemetry(path_in_attempt(place))
            facts["telemetry"] = sha256_file(path_in_attempt(place))
        day = datetime.fromtimestamp(record["started_at_unix_s"], UTC).date().isoformat()
    except (KeyError, TypeError, ValueError, OverflowError, OSError) as error:
        raise UserError(f"{archive}: holds no session of the agent ({type(error).__name__}: {error})") from error
    return facts, day
