"""Sessions on devices that no job reaches: somebody carries a kit there, runs it, and brings an archive back.

The kit (`kit.zip` beside the pending result) has the agent, the artifact, the inputs and the session's specification.
What comes back becomes an attempt of the cell with the same key, as if the session had been measured from here, and
its record says who brought it.
"""

import json
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from edgeproof.agent.archive_limits import BUNDLE, ArchiveRefused, extract_archive
from edgeproof.core.attempts import Attempt, find_attempts, list_attempts, open_attempt
from edgeproof.core.configuration import Device, Json
from edgeproof.core.errors import UserError
from edgeproof.core.files import FilePath, atomic_write, sha256_file
from edgeproof.core.world_errors import explain_unreadable
from edgeproof.remote.boards import list_agent_files

from .brought_sessions import examine_session, is_same_session
from .sessions import SCRIPTS, SESSION, Session, SessionSetup, compose_session_key, compose_spec, read_session

KIT = "kit.zip"
_KEY, _MACHINE, _SPEC = "key.json", "machine.json", "spec.json"
_PROGRAM = "measure.py"
_HOUR = (1980, 1, 1, 0, 0, 0)  # equal kits are equal files
_ZONES = timedelta(days=1)  # by as much two clocks differ that are both right


class Carrier(NamedTuple):
    """Who brought evidence back. `instrument`: what measured, such as the device's own clock. `date`: of the measuring,
    None for what the device's clock says.
    """

    operator: str
    instrument: str
    date: str | None


class _Kit(NamedTuple):
    key: Json
    spec: Json


def is_carried(device: Device) -> bool:
    """Tell whether sessions are carried to a device and back, because no job reaches it."""
    return device.get("transport") == "manual"


def write_kit(
    folder: FilePath, label: str, arms: Mapping[str, Mapping[str, Any]], order: Sequence[str], setup: SessionSetup
) -> Path:
    """Write the kit of a session that somebody will carry to its device into a run's folder, and return its path."""
    files = {path.relative_to(SCRIPTS).as_posix(): path for path in list_agent_files()}
    files[_PROGRAM] = SCRIPTS / "edgeproof" / "board_end" / "measure_kit.py"
    files["inputs.npz"] = Path(setup.inputs)
    carried: dict[str, Any] = {}
    for name, arm in arms.items():
        artifact = Path(arm["artifact"])
        carried[name] = {**arm, "artifact": f"{name}{artifact.suffix}"}
        files[f"{name}{artifact.suffix}"] = artifact
    spec = compose_spec(label, carried, order, setup) | {"inputs": "inputs.npz"}
    texts = {_KEY: compose_session_key(arms, order, setup), _SPEC: spec}
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
    """Take a carried session into a run's folder from the archive that its kit has packed, and return its attempt.

    UserError, with nothing kept, for an archive that is refused, that another kit than the one there has made, of which
    the workflow could make no result, or whose session was taken before, however it is packed now.
    """
    folder, sha256 = Path(folder), sha256_file(archive)
    kit = _read_kit(folder)
    with tempfile.TemporaryDirectory(dir=folder) as place:
        try:
            extract_archive(str(archive), place, BUNDLE)
        except ArchiveRefused as error:
            raise UserError(f"{archive}: {error}") from error
        except OSError as error:
            raise UserError(f"{archive}: {explain_unreadable(error)}") from error
        found = _read_object(Path(place, _KEY), archive)
        if found != kit.key:
            raise UserError(f"{archive}: is of another kit than {folder / KIT}; carry this one to the device")
        machine = _read_object(Path(place, _MACHINE), archive)
        facts, session = examine_session(Path(place), kit.spec, kit.key, machine, archive)
        for known in find_attempts(folder, kit.key):
            if is_same_session(session, read_session(known)):
                raise UserError(f"{archive}: is in the store already, as {known.folder}")
        brought = {"sha256": sha256, **carrier._asdict(), **_settle_date(session, carrier, archive)}
        with open_attempt(folder, "session", kit.key, machine) as attempt:
            Path(place, SESSION).rename(attempt.folder / SESSION)
            return attempt.complete(**facts, brought=brought)


def list_carried(folder: FilePath) -> list[Json]:
    """Return {attempt, sha256, operator, instrument, date, …} of every carried session that a run has."""
    attempts = [attempt for attempt in list_attempts(folder) if attempt.record["facts"].get("brought")]
    return [{"attempt": attempt.folder.name, **attempt.record["facts"]["brought"]} for attempt in attempts]


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    archive.writestr(zipfile.ZipInfo(name, _HOUR), content, zipfile.ZIP_DEFLATED)


def _read_kit(folder: Path) -> _Kit:
    try:
        with zipfile.ZipFile(folder / KIT) as kit:
            return _Kit(json.loads(kit.read(_KEY)), json.loads(kit.read(_SPEC)))
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


def _settle_date(session: Session, carrier: Carrier, archive: FilePath) -> Json:
    """Return {date} of the measuring, and {device_date} too where the device's clock says another day.

    UserError for a day that is still to come.
    """
    try:
        told = datetime.fromtimestamp(session.record["started_at_unix_s"], UTC).date()
    except (OverflowError, ValueError, OSError) as error:
        raise UserError(f"{archive}: session.json: started_at_unix_s is no time ({error})") from error
    day = told if carrier.date is None else date.fromisoformat(carrier.date)
    if day > datetime.now(UTC).date() + _ZONES:
        if carrier.date:
            raise UserError(f"--date {day}: is still to come; write the day of the measuring")
        raise UserError(f"{archive}: was measured on {day} by the device's clock; add the true day: --date YYYY-MM-DD")
    differs = abs(day - told) > _ZONES
    return {"date": day.isoformat(), **({"device_date": told.isoformat()} if differs else {})}
