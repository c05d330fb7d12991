"""`result.json`: the outcome of measuring a cell, and the check that it follows from the raw samples beside it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy.typing as npt

from edgeproof.core.attempts import FOLDER as ATTEMPTS
from edgeproof.core.configuration import Json
from edgeproof.core.documents import read_json
from edgeproof.core.errors import UserError
from edgeproof.core.files import FilePath, is_file, sha256_file
from edgeproof.core.headlines import WIDTH
from edgeproof.core.layout import Cell
from edgeproof.core.reader import read_once
from edgeproof.core.recomputing import must_follow
from edgeproof.core.seals import require_sealed
from edgeproof.core.summary import summarise_run
from edgeproof.core.verified import verified_once

from .attempt_remedies import name_remedy
from .conditions import first_snapshot, throttling_of
from .drift_records import describe_drift
from .labels import list_labels
from .raw_samples import list_processes, path_beside, read_samples
from .result_parts import (
    ORIGINS,
    OUTPUT_LIMIT,
    CellFacts,
    MeasuredSession,
    check_output,
    count_carried_out,
    describe_device,
    describe_figures,
    describe_load,
    describe_process,
    describe_session,
    describe_workload,
    take_counted,
)
from .run_power import WatchedSession, describe_no_telemetry, summarise_telemetry
from .sessions import Samples
from .telemetry_files import Telemetry, path_in_attempt, read_telemetry

MEASURED = ("ok", "throttled")  # statuses of a result that has a latency which counts
_UNSUPPORTED = ("provider_unavailable",)
_SAMPLES = "the samples"
NOT_BROUGHT = "not_brought_back"  # kind of the reason
_CARRY = "no job reaches {}, and nothing has been brought back yet; its runbook says how"
_TELEMETRY = "the telemetry of its attempts"


def build_result(facts: CellFacts, manifest: Mapping[str, Any], sessions: Sequence[MeasuredSession]) -> Json:
    """Return the result document of a cell.

    `sessions`: all of its key, in order of start; none if there was no artifact to run.
    """
    records = [process for session in sessions for process in session.record["processes"]]
    processes = [process for process in records if process["status"] == "ok"]
    broken = next((process for process in records if process["status"] != "ok"), None)
    first = processes[0] if processes else None
    result: Json = {
        "schema": "edgeproof.result.v4",
        "cell": facts["cell"],
        "status": "ok",
        "reason": None,
        "provenance": first["provenance"] if first else "measured",
        "digests": facts["digests"],
        "artifact_bytes": facts["artifact_bytes"],
        "device": describe_device(facts["device"]),
        "runtime": {**first["runtime"], "options": facts["arm"]["runtime"]} if first else None,
        "workload": describe_workload(facts),
        "accelerator": next((use for process in processes if (use := process.get("accelerator"))), None),
        "latency_definition": first and first["latency_definition"],
        "protocol": {
            "requested": facts["protocol"],
            "carried_out": count_carried_out(processes, len(sessions)),
        },
        "sessions": [
            {**describe_session(session), "processes": len(session.samples), "latency": None, "modes": []}
            for session in sessions
        ],
        "processes": [],
        "latency": None,
        "inputs": None,
        "percentiles": None,
        "throughput_per_s": None,
        "labels": [],
        "memory_peak_bytes": max((process["memory_peak_bytes"] for process in processes), default=None),
        **describe_no_telemetry("nothing was measured"),
        "output_check": check_output(facts.get("output_difference")),
        "elsewhere": any(session.elsewhere for session in sessions),
        "origins": ORIGINS,
    }
    if manifest["status"] != "ok":
        kind = "no_samples" if facts["digests"]["artifact"] else "no_artifact"
        return result | _verdict("failed", kind, manifest["reason"]["message"])
    if not sessions:
        return result | _verdict("failed", NOT_BROUGHT, _CARRY.format(facts["device"]["name"]))
    if broken:
        kind, message = broken["reason"]["kind"], broken["reason"]["message"]
        return result | _verdict("unsupported" if kind in _UNSUPPORTED else "failed", kind, message)
    assert first is not None  # a session has processes
    result["inputs"] = {
        "count": first["inputs"],
        "available": first["inputs_available"],
        "kind": facts["samples_kind"],
    }
    loads = [
        describe_load(process.get("load"), samples, process["calls_per_sample"])
        for process, samples in zip(processes, list_processes(session.samples for session in sessions), strict=True)
    ]
    result["processes"] = [
        {"calls_per_sample": process["calls_per_sample"], "load": load}
        for process, load in zip(processes, loads, strict=True)
    ]
    summary = summarise_samples([session.samples for session in sessions], result)
    entries = summary.pop("processes")
    result |= summary
    watched = [
        WatchedSession(entry["telemetry"], session.telemetry[0]) if session.telemetry else None
        for entry, session in zip(result["sessions"], sessions, strict=True)
    ]
    told = summarise_telemetry(watched, result["provenance"])
    powers = told.pop("processes") or [None] * len(processes)
    for entry, throttled in zip(result["sessions"], told.pop("throttled"), strict=True):
        if entry["telemetry"]:
            entry["telemetry"]["throttled"] = throttled
    result |= told
    described = zip(processes, entries, powers, loads, strict=True)
    result["processes"] = [
        describe_process(process, {**entry, "power": power}, load) for process, entry, power, load in described
    ]
    result["labels"] = list_labels(result)
    return result | _judge(result)


def summarise_samples(sessions: Sequence[Sequence[Samples]], result: Json) -> Json:
    """Compute what a result says of its raw samples: latency, sessions, inputs, percentiles, throughput, processes.

    `sessions`: samples per session and process. `result` gives inferences per sample and load of each process, the
    number of inputs, and what else stands in `sessions` and `inputs`. Percentiles are withheld if a sample spans
    several inferences, because they are not percentiles of one inference.
    """
    known = iter(result["processes"])
    times: list[list[npt.NDArray[Any]]] = [
        [_times_of(samples, next(known)) for samples in session] for session in sessions
    ]
    summary = summarise_run(
        times,
        result["inputs"]["count"],
        result["workload"]["batch_size"],
        result["protocol"]["requested"].get("width", WIDTH),
    )
    percentiles, calls = summary["percentiles"], max(entry["calls_per_sample"] for entry in result["processes"])
    if calls > 1:
        reason = f"one sample spans {calls} inferences, because reading the clock would cost too much of one"
        nothing: Json = {"value_ms": None, "low_ms": None, "high_ms": None, "confidence": None, "reason": reason}
        percentiles = {name: entry | nothing for name, entry in percentiles.items()}
    parts = zip(result["sessions"], summary["sessions"], strict=True)
    return {
        "sessions": [{**entry, **part, "drift": describe_drift(entry["drift"])} for entry, part in parts],
        "processes": summary["processes"],
        "latency": summary["latency"],
        "inputs": {key: result["inputs"][key] for key in ("count", "available", "kind")} | summary["inputs"],
        "percentiles": percentiles,
        "throughput_per_s": summary["throughput_per_s"],
    }


@read_once
@verified_once("result")
def read_result(path: FilePath) -> Json:
    """Return the result at `path`, checked against its schema and recomputed from `samples.csv` beside it.

    UserError names what does not follow from the raw data: samples other than those measured, a number or a status
    that was changed, fewer samples than claimed, or a result in the folder of another cell.
    """
    result = read_json(path, "result")
    samples_path = path_beside(path)
    _check_place(result, Path(path))
    if sha256_file(samples_path) != result["digests"]["samples"]:
        raise UserError(
            f"{samples_path}: its sha256 is not digests.samples of {path}; these are not the samples measured"
        )
    _recompute(result, path, samples_path)
    # The seal covers what the samples do not contain: memory, environment, …
    require_sealed(result, path, "measure the cell again")
    return result


def _recompute(result: Json, path: FilePath, samples_path: Path) -> None:
    """Raise UserError if a result does not follow from its samples, or contradicts itself."""
    elsewhere = any(session["elsewhere"] for session in result["sessions"])
    must_follow(result["elsewhere"], elsewhere, "elsewhere", path, "its sessions")
    if result["latency"] is None:
        if result["status"] in MEASURED:
            raise UserError(f"{path}: status is {result['status']!r}, but latency is null")
        _check_verdict(result, path)
        return
    sessions = read_samples(samples_path)
    if len(sessions) != len(result["sessions"]):
        raise UserError(f"{path}: sessions has {len(result['sessions'])} entries, {samples_path.name} {len(sessions)}")
    _check_copies(result, sessions, path)
    samples = list_processes(sessions)
    if len(samples) != len(result["processes"]):
        raise UserError(f"{path}: processes has {len(result['processes'])} entries, {samples_path.name} {len(samples)}")
    again = summarise_samples(sessions, result)
    for key in ("latency", "inputs", "percentiles", "throughput_per_s", "sessions"):
        must_follow(result[key], again[key], key, path, _SAMPLES)
    for number, (claimed, process) in enumerate(zip(result["processes"], again["processes"], strict=True)):
        figures = {"session": process["session"], **describe_figures(process)}
        figures["load"] = describe_load(claimed["load"], samples[number], claimed["calls_per_sample"])
        must_follow({key: claimed[key] for key in figures}, figures, f"processes[{number}]", path, _SAMPLES)
    _check_counts(result, samples, path)
    expected = _judge(result)["status"]
    if result["status"] != expected:
        raise UserError(f"{path}: status is {result['status']!r}, the evidence in it says {expected!r}")
    _check_verdict(result, path)
    _check_telemetry(result, path)
    must_follow(result["labels"], list_labels(result), "labels", path, "the rest of it")


def _check_copies(result: Json, samples: Sequence[Sequence[Samples]], path: FilePath) -> None:
    """Raise UserError if two sessions of a result are one: begun at one moment on one machine, with equal times."""
    known: dict[tuple[object, ...], str] = {}
    for session, times in zip(result["sessions"], samples, strict=True):
        raw = tuple(values.tobytes() for values in times)
        what, name = (session["started_at_unix_s"], session["machine"]["id"], raw), session["attempt"]
        if what in known or name in known.values():
            other = known.get(what, name)
            raise UserError(f"{path}: counts {name} and {other}, which are one session; remove it and run again")
        known[what] = name


def _check_telemetry(result: Json, path: FilePath) -> None:
    """Raise UserError if power, energy, temperature or memory do not follow from the telemetry of the attempts."""
    watched = [
        WatchedSession(entry["telemetry"], find_telemetry(entry, path)) if entry["telemetry"] else None
        for entry in result["sessions"]
    ]
    told = summarise_telemetry(watched, result["provenance"])
    powers = told.pop("processes") or [None] * len(result["processes"])
    must_follow([process["power"] for process in result["processes"]], powers, "processes[].power", path, _TELEMETRY)
    said: list[Any] = [entry["telemetry"]["throttled"] if entry["telemetry"] else [] for entry in result["sessions"]]
    must_follow(said, told.pop("throttled"), "sessions[].telemetry.throttled", path, _TELEMETRY)
    for key, value in told.items():
        must_follow(result[key], value, key, path, _TELEMETRY)


def find_telemetry(session: Json, result_path: FilePath) -> Telemetry:
    """Return the telemetry on which a session of a result rests; UserError unless it is as it was measured."""
    path = path_in_attempt(Path(result_path).with_name(ATTEMPTS) / Path(session["attempt"]).name)
    if not is_file(path):
        raise UserError(f"{path}: is missing; power and energy cannot be computed again, measure the cell again")
    if sha256_file(path) != session["telemetry"]["sha256"]:
        raise UserError(f"{path}: was changed since it was measured{name_remedy(path)}")
    return read_telemetry(path)


def _check_place(result: Json, path: Path) -> None:
    """Raise UserError if the folder `runs/{model}/{preset}/{device}/{precision}` is that of another cell."""
    place, cell = path.absolute().parts[-6:-1], result["cell"]
    if len(place) == 5 and place[0] == "runs" and place[1:] != tuple(cell[field] for field in Cell._fields):
        raise UserError(f"{path}: cell is {'/'.join(cell[field] for field in Cell._fields)}, not the one of its folder")


def _check_counts(result: Json, samples: Sequence[Samples], path: FilePath) -> None:
    """Raise UserError if the protocol claims more than the samples show, or if less was done than requested."""
    carried_out: Json = result["protocol"]["carried_out"] or {}
    requested = result["protocol"]["requested"]
    counts = [len(times) for times in samples]
    computed: Json = {"sessions": len(result["sessions"]), "processes": len(counts), "samples": sum(counts)}
    computed["samples_per_process"] = min(counts)
    computed["calls_per_sample"] = max(process["calls_per_sample"] for process in result["processes"])
    claimed = {key: carried_out.get(key) for key in computed}
    must_follow(claimed, computed, "protocol.carried_out", path, _SAMPLES)
    for number, session in enumerate(result["sessions"]):
        if session["processes"] != requested["processes"]:
            raise UserError(
                f"{path}: protocol.requested.processes is {requested['processes']}, session {number} has "
                f"{session['processes']}"
            )
    if min(counts) < requested["min_samples"]:
        raise UserError(
            f"{path}: protocol.requested.min_samples is {requested['min_samples']}, a process has {min(counts)}"
        )


def _check_verdict(result: Json, path: FilePath) -> None:
    """Raise UserError if reason, output check, memory peak or provenance contradict the rest of the result."""
    check, processes = result["output_check"], result["processes"]
    must_follow(check, check_output(check["relative_l2"]), "output_check", path, "its figure and the limit")
    if result["latency"] is not None:
        peak = max(process["memory_peak_bytes"] for process in processes)
        must_follow(result["memory_peak_bytes"], peak, "memory_peak_bytes", path, "the processes")
    if (result["reason"] is None) != (result["status"] == "ok"):
        raise UserError(f"{path}: status is {result['status']!r}, but reason is {result['reason']!r}")
    if result["status"] == "throttled":
        must_follow(result["reason"], _judge(result)["reason"], "reason", path, "its sessions")
    runtime = result["runtime"]
    if runtime is None:
        return
    emulator = first_snapshot(result).get("emulator")
    if (runtime["name"] == "fake" or emulator is not None) != (result["provenance"] == "simulated"):
        said = f"the processor was emulated by {emulator!r}" if emulator else f"runtime.name is {runtime['name']!r}"
        raise UserError(f"{path}: provenance is {result['provenance']!r}, but {said}")


def _judge(result: Json) -> Json:
    """Return {status, reason} of a result that has a latency.

    The machine does not count for simulated runs, which do not depend on it.
    """
    if not result["output_check"]["passed"]:
        return _verdict(
            "failed",
            "wrong_output",
            f"the output differs from the builder's by more than {OUTPUT_LIMIT} (relative L2, or share of integers)",
        )
    if result["provenance"] == "measured":
        for number, session in enumerate(result["sessions"]):
            told = session["telemetry"]
            if found := throttling_of(session["environment"]) or (told and ", ".join(told["throttled"])):
                return _verdict("throttled", "throttled", f"the board throttled during session {number}: {found}")
    return {"status": "ok", "reason": None}


def _times_of(samples: Samples, process: Json) -> npt.NDArray[Any]:
    """Return the times per inference that count, in ns."""
    counted = take_counted(samples, process["load"])
    return counted / process["calls_per_sample"] if process["calls_per_sample"] > 1 else counted


def _verdict(status: str, kind: str, message: str) -> Json:
    return {"status": status, "reason": {"kind": kind, "message": message}}
