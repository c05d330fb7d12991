"""Today's attempt of a job: does the store have the raw data that the job would otherwise measure?"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, cast

from edgeproof.artifacts.records.manifests import read_manifest
from edgeproof.calibration.noise import compose_calibration_key
from edgeproof.comparability.measured_pairs import compose_pairs_key, list_folders_with, why_not
from edgeproof.core.attempts import find_attempts
from edgeproof.core.configuration import Json
from edgeproof.core.documents import read_json
from edgeproof.core.errors import UserError
from edgeproof.core.layout import Cell, source_folder
from edgeproof.core.same_attempts import leave_out_copies
from edgeproof.plans.hand_overs import compose_links_key
from edgeproof.plans.plan_check import PlanRun, compose_check_key
from edgeproof.remote.boards import identify_device
from edgeproof.runs.paired_sessions import PairPlace
from edgeproof.runs.sessions import SessionSetup, compose_session_key
from edgeproof.runs.timing_keys import UNRELATED, list_unrelated, timing_of
from edgeproof.runs.wanted_sessions import count_missing

from .job_graph import MEASURING, Job
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
    if job.rule not in MEASURING:
        return DeviceTime("needed", "a build on a device asks it for the versions of its tools first")
    folder = Path(document).parent
    try:
        key, folders = _COMPOSERS[job.rule](job, keys, folder)
    except UserError as error:
        return DeviceTime("unknown", f"today's key follows from a file: {error}")
    if key is None:
        return DeviceTime("none", "there is nothing to measure")
    complete = (item for place in folders for item in find_attempts(place, key))
    found = tuple(str(item.folder) for item in leave_out_copies(complete))
    if job.rule == "measure_run" and found and (missing := _count_missing(folder, key, job)):
        return DeviceTime("needed", f"{missing} more sessions are wanted of it than the store has", found)
    if found:
        more = "; more pairs are measured only where those do not suffice" if job.rule in _MORE else ""
        return DeviceTime("kept", f"the store has {len(found)} complete with today's key{more}", found)
    return DeviceTime("needed", f"the store has no complete attempt with today's key {key['sha256'][:8]}")


def _count_missing(folder: Path, key: Json, job: Job) -> int:
    return count_missing(folder, key, cast(Any, job.key["protocol"]), identify_device(cast(Any, job.key["device"])))


def compose_run_key(document: str, job: Job, keys: JobKeys) -> Json | None:
    """Return today's attempt key of the sessions of a run; None where there is nothing to measure, UserError where it
    is not built yet.
    """
    return _compose_run(job, keys, Path(document).parent)[0]


# Today's attempt key, and the folders that may have its attempts; None where nothing is measured.
Composed = tuple[Json | None, list[Path]]


def _compose_run(job: Job, keys: JobKeys, folder: Path) -> Composed:
    cell, parts = _cell_of(job), job.key
    if _read_manifest(keys, cell)["status"] != "ok":
        return None, []
    setup = SessionSetup(_inputs(cell), parts["device"], parts["protocol"], sys.executable)
    arms = {"candidate": {**parts["arm"], "artifact": keys.cells.artifact_of(cell)}}
    order = ["candidate"] * parts["protocol"]["processes"]
    return compose_session_key(arms, order, setup), [folder]


def _compose_calibration(job: Job, keys: JobKeys, folder: Path) -> Composed:
    cell, parts = _cell_of(job), job.key
    manifest = _read_manifest(keys, cell)
    if manifest["status"] != "ok":
        return None, []
    return compose_calibration_key(parts["arm"], manifest, _place(parts, cell), parts["agent"]), [folder]


def _compose_pairs(job: Job, keys: JobKeys, folder: Path) -> Composed:
    comparison, parts = keys.targets.comparison(job.names["comparison"]), job.key
    verdict = read_json(folder / "verdict.json", "verdict")
    if why_not(verdict):
        return None, []
    inputs = {"left": _inputs(comparison.left), "right": _inputs(comparison.right)}
    key = compose_pairs_key(parts["arms"], verdict, inputs, _place(parts, comparison.left), parts["agent"])
    return key, list_folders_with(folder, key)


def _compose_links(job: Job, keys: JobKeys, folder: Path) -> Composed:
    parts = job.key
    return compose_links_key(parts["arm"], parts["device"], parts["protocol"], sys.executable), [folder]


def _compose_check(job: Job, keys: JobKeys, folder: Path) -> Composed:
    pipeline, parts, stages = job.names["pipeline"], job.key, keys.stages
    places = [keys.cells.artifact_of(cell) for cell in stages.cells_of(pipeline)]
    cells: list[Any] = [
        {**cell, "artifact": place, "reference": None} for cell, place in zip(parts["cells"], places, strict=True)
    ]
    identities = stages.stage_files(pipeline, "identity.json")
    inputs = stages.stage_files(pipeline, "samples/evaluation.npz")[0]
    plan = str(folder / "plan.json")
    place = (parts["device"], parts["protocol"], sys.executable)
    run = PlanRun(plan, identities, cells, parts["reads"], inputs, *place)
    return compose_check_key(run), [folder]


_COMPOSERS: dict[str, Callable[[Job, JobKeys, Path], Composed]] = {
    "measure_run": _compose_run,
    "calibrate_cell": _compose_calibration,
    "measure_pairs": _compose_pairs,
    "measure_links": _compose_links,
    "check_plan": _compose_check,
}
_MORE = ("calibrate_cell", "measure_pairs")


def _cell_of(job: Job) -> Cell:
    return Cell(*(job.names[field] for field in Cell._fields))


def _read_manifest(keys: JobKeys, cell: Cell) -> Json:
    return read_manifest(f"{keys.cells.artifact_folder_of(cell)}/manifest.json")


def _place(parts: Json, cell: Cell) -> PairPlace:
    return PairPlace(_inputs(cell), cast(Any, parts["device"]), cast(Any, parts["protocol"]), sys.executable)


def _inputs(cell: Cell) -> Path:
    return Path(source_folder(cell.model)) / "samples" / "evaluation.npz"


def list_raw_parts(job: Job) -> Json:
    """Return the parts of a measuring job's key that decide an attempt's raw data, and so belong in its attempt key.

    Artifacts, samples and plans, which decide them too, are files. A test holds this against the keys of attempts.
    """
    parts = job.key
    apart = list_unrelated(parts["protocol"]) if job.rule in _MORE else UNRELATED
    device = {name: value for name, value in parts["device"].items() if name not in apart}
    arms = {name: parts[name] for name in ("arm", "arms", "cells") if name in parts}
    agent = parts.get("agent") or parts["watch"]["agent"]
    order = {} if job.rule in _MORE else {"processes": parts["protocol"]["processes"]}
    return {**arms, **order, "agent": agent, "device": device, "timing": timing_of(parts["protocol"])}


def list_amounts(job: Job) -> Json:
    """Return what is in no attempt's key: how much a job measures at most; more of it may need another session."""
    amounts = {name: job.key[name] for name in ("budget", "design", "plan") if name in job.key}
    sessions = job.key["protocol"].get("sessions", 1) if job.rule == "measure_run" else 1
    return {**amounts, "sessions": sessions}
