"""Today's attempt of a job: does the store have the raw data that the job would otherwise measure?"""

import sys
from pathlib import Path
from typing import Any, NamedTuple, cast

from edgeproof.artifacts.records.manifests import read_manifest
from edgeproof.calibration.noise import compose_calibration_key
from edgeproof.comparability.measured_pairs import compose_pairs_key, list_folders_with, why_not
from edgeproof.core.attempts import find_attempts
from edgeproof.core.configuration import Json
from edgeproof.core.documents import read_json
from edgeproof.core.errors import UserError
from edgeproof.core.layout import Cell, run_folder, source_folder
from edgeproof.runs.paired_sessions import PairPlace
from edgeproof.runs.sessions import SessionSetup, compose_session_key
from edgeproof.runs.timing_keys import timing_of
from edgeproof.runs.wanted_sessions import count_missing

from .job_graph import STORED, Job
from .job_keys import JobKeys


class DeviceTime(NamedTuple):
    """What one measuring job needs. `status`: `kept` (the store has attempts), `needed`, `none` (nothing is measured),
    or `unknown` until something is built. `attempts`: complete ones with today's key.
    """

    status: str
    why: str
    attempts: tuple[str, ...] = ()


def find_device_time(document: str, job: Job, keys: JobKeys) -> DeviceTime:
    """Return which attempts' keys a measuring job asks for today, and what of them is missing: its time on the
    device.
    """
    if job.rule not in STORED:
        return DeviceTime("needed", "its raw data are not kept as attempts")
    folder = Path(document).parent
    try:
        key, folders = _compose(job, keys, folder)
    except UserError as error:
        return DeviceTime("unknown", f"today's key follows from a file: {error}")
    if key is None:
        return DeviceTime("none", "there is nothing to measure")
    found = tuple(str(item.folder) for place in folders for item in find_attempts(place, key))
    if job.rule == "measure_run" and found and (missing := count_missing(folder, key, job.key["protocol"])):
        return DeviceTime("needed", f"{missing} more sessions are wanted of it than the store has", found)
    if found:
        more = "" if job.rule == "measure_run" else "; more pairs are measured only where those do not suffice"
        return DeviceTime("kept", f"the store has {len(found)} complete with today's key{more}", found)
    return DeviceTime("needed", f"the store has no complete attempt with today's key {key['sha256'][:8]}")


def compose_run_key(document: str, job: Job, keys: JobKeys) -> Json | None:
    """Return today's key of the sessions of a run; None where there is nothing to measure, UserError where it is not
    built yet.
    """
    return _compose(job, keys, Path(document).parent)[0]


def _compose(job: Job, keys: JobKeys, folder: Path) -> tuple[Json | None, list[Path]]:
    """Return (today's attempt key, folders that may have its attempts); None where nothing is measured."""
    parts = job.key
    if job.rule == "measure_pairs":
        comparison = keys.targets.comparison(job.names["comparison"])
        verdict = read_json(folder / "verdict.json", "verdict")
        if why_not(verdict):
            return None, []
        inputs = {"left": _inputs(comparison.left), "right": _inputs(comparison.right)}
        key = compose_pairs_key(parts["arms"], verdict, inputs, _place(parts, comparison.left), parts["agent"])
        return key, list_folders_with(folder, key)
    cell = Cell(*(job.names[field] for field in Cell._fields))
    manifest = read_manifest(f"{keys.cells.artifact_folder_of(cell)}/manifest.json")
    if manifest["status"] != "ok":
        return None, []
    if job.rule == "calibrate_cell":
        return compose_calibration_key(parts["arm"], manifest, _place(parts, cell), parts["agent"]), [folder]
    setup = SessionSetup(_inputs(cell), parts["device"], parts["protocol"], sys.executable)
    arms = {"candidate": {**parts["arm"], "artifact": keys.cells.artifact_of(cell)}}
    order = ["candidate"] * parts["protocol"]["processes"]
    return compose_session_key(arms, order, setup), [Path(run_folder(cell))]


def _place(parts: Json, cell: Cell) -> PairPlace:
    return PairPlace(_inputs(cell), cast(Any, parts["device"]), cast(Any, parts["protocol"]), sys.executable)


def _inputs(cell: Cell) -> Path:
    return Path(source_folder(cell.model)) / "samples" / "evaluation.npz"


def list_raw_parts(job: Job) -> Json:
    """Return what of a job's own key decides the raw data that it measures, for jobs whose attempts are kept.

    Artifacts and samples, which decide them too, are files. A test holds this against the keys of attempts.
    """
    parts = job.key
    device = {name: value for name, value in parts["device"].items() if name not in ("lock", "timeout_s")}
    arms = {name: parts[name] for name in ("arm", "arms") if name in parts}
    agent = parts.get("agent") or parts["watch"]["agent"]
    order = {"processes": parts["protocol"]["processes"]} if job.rule == "measure_run" else {}
    return {**arms, **order, "agent": agent, "device": device, "timing": timing_of(parts["protocol"])}


def list_amounts(job: Job) -> Json:
    """Return how much a job measures at most, which is in no attempt's key: more of it may need another session."""
    amounts = {name: job.key[name] for name in ("budget", "design", "plan") if name in job.key}
    return {**amounts, "sessions": job.key["protocol"].get("sessions", 1)}
