"""Claims about one run: its figures, where its samples come from, its artifact, and what no sample shows."""

from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any, cast

from edgeproof.artifacts.records.manifests import read_manifest, verify_manifest
from edgeproof.artifacts.records.parity_records import read_parity_record
from edgeproof.core.attempts import FAILURE, RECORD, Attempt, check_files, read_record
from edgeproof.core.configuration import Json
from edgeproof.core.documents import read_json, read_text
from edgeproof.core.errors import UserError
from edgeproof.core.files import is_file, sha256_file
from edgeproof.core.layout import Cell, artifact_folder, run_folder, source_folder
from edgeproof.core.reader import current_reader
from edgeproof.core.recomputing import must_follow
from edgeproof.core.same_attempts import require_no_copies
from edgeproof.core.seals import digest_json
from edgeproof.evidence.validating import check_keys
from edgeproof.runs.raw_samples import render_samples
from edgeproof.runs.result_parts import count_carried_out, describe_process
from edgeproof.runs.results import read_result
from edgeproof.runs.sessions import ProcessRecord, Session, read_session

from .claims import NOT_COVERED, RECOMPUTED, REFUTED, Claim, check_claim, find_fault

# What of a process the agent alone can say; the rest of it follows from its samples.
_OF_AGENT = (
    *("import_ms", "load_ms", "cold_first_inference_ms", "memory_baseline_bytes", "memory_peak_bytes"),
    *("context_switches_voluntary", "context_switches_involuntary", "cpu_s", "calls_per_sample"),
)


def check_one_run(name: str, paths: Collection[str], believed: str) -> Iterator[Claim]:
    """Yield the claims of a bundle of one run. `name`: its cell. `paths`: the files of the bundle.

    `believed`: the word for what cannot be computed again, `attested` or `asserted`.
    """
    parts = name.split("/")
    if len(parts) != len(Cell._fields):
        yield Claim(f"run {name}", REFUTED, "is no model/preset/device/precision")
        return
    cell = Cell(*parts)
    result = f"{run_folder(cell)}/result.json"
    if result not in paths:
        yield Claim(f"run {name}", REFUTED, f"{result} is not in the bundle")
        return
    yield from check_cell(cell, read_json(result, "result")["cell"]["builder"], believed)
    yield check_claim(f"{cell} keys", check_keys, "each names the sha256 of the document that it is of")


def check_cell(cell: Cell, builder: str, believed: str) -> Iterator[Claim]:
    """Yield the claims about the run of one cell, below the current folder."""
    path = f"{run_folder(cell)}/result.json"
    built = artifact_folder(cell.model, cell.preset, builder, cell.precision)
    detail = "headline, interval, percentiles, throughput, labels and status follow from samples.csv"
    yield check_claim(f"{cell} result", lambda: _check_result(path, built), detail)
    yield check_claim(f"{cell} raw samples", lambda: _check_sessions(path), "samples.csv is what its attempts hold")
    what = "memory, load times, state of the machine: as the agent's records say"
    yield _believe(f"{cell} records", lambda: _check_records(path, built), believed, what)
    yield from _check_artifact(cell, built, believed)
    sources = source_folder(cell.model)
    yield _believe(
        f"{cell.model} identity", lambda: _check_sources(sources), believed, "the model is named by its sha256"
    )


def check_failed_run(name: str, paths: Collection[str], believed: str) -> Iterator[Claim]:
    """Yield the claims of a bundle of one failed attempt; `name`: its folder."""
    if f"{name}/{RECORD}" not in paths:
        yield Claim(f"failed run {name}", REFUTED, f"{name}/{RECORD} is not in the bundle")
        return

    def check() -> None:
        record = read_record(name)
        if record["status"] != "failed":
            raise UserError(f"{name}/{RECORD}: status is {record['status']!r}, not 'failed'")
        if not Path(name).name.endswith(record["key"]["sha256"][:8]):
            raise UserError(f"{name}/{RECORD}: key is not that of its folder")
        if f"{name}/{FAILURE}" not in paths:
            raise UserError(f"{name}/{FAILURE}: is missing; it says why the attempt failed")
        for path in paths:
            if path.startswith(f"{name}/"):
                sha256_file(path)  # it is part of the record, of which nothing follows

    yield _believe(f"failed run {name}", check, believed, "no verdict was reached; why, only its record says")


def _believe(subject: str, check: Callable[[], Any], believed: str, detail: str) -> Claim:
    """Return a claim of the word `believed` if nothing speaks against it, as refuted with its one line otherwise."""
    if fault := find_fault(check):
        return Claim(subject, REFUTED, fault)
    return Claim(subject, believed, detail)


def _check_result(path: str, built: str) -> None:
    result = read_result(path)
    manifest = read_manifest(f"{built}/manifest.json")
    for name, expected in (
        ("model", manifest["source"]["sha256"]),
        ("manifest", sha256_file(f"{built}/manifest.json")),
        ("artifact", manifest["artifact"]["sha256"]),
    ):
        if result["digests"][name] != expected:
            raise UserError(f"{path}: digests.{name} is not what {built} has; it was measured with another artifact")


def _read_sessions(result: Json) -> list[Session]:
    found, attempts = list[Session](), list[Attempt]()
    for entry in result["sessions"]:
        attempt = Attempt(Path(entry["attempt"]), read_record(entry["attempt"]))
        if not attempt.complete:
            raise UserError(f"{attempt.folder}/{RECORD}: status is {attempt.record['status']!r}; it counts for nothing")
        if attempt.record["key"]["sha256"] != digest_json(attempt.record["key"]["parts"]):
            raise UserError(f"{attempt.folder}/{RECORD}: key.sha256 is not that of its parts")
        check_files(attempt.folder)
        attempts.append(attempt)
        found.append(read_session(attempt))
    require_no_copies(attempts, "result.json")
    return found


def _check_sessions(path: str) -> None:
    """Raise UserError unless the table of samples is what the raw arrays of the attempts say."""
    result = read_json(path, "result")
    sessions = _read_sessions(result)
    samples = [[session.samples[slot] for slot in sorted(session.samples)] for session in sessions]
    table = str(Path(path).with_name("samples.csv"))
    if read_text(table) != render_samples(part for part in samples if part):
        raise UserError(f"{table}: is not what the raw samples of its attempts say")


def _check_records(path: str, built: str) -> None:
    """Raise UserError where a result says something else than the agent's own records, which are hashed."""
    result = read_json(path, "result")
    sessions = _read_sessions(result)
    for number, (entry, session) in enumerate(zip(result["sessions"], sessions, strict=True)):
        told = {"environment": session.record["environment"], "machine": session.machine}
        told["started_at_unix_s"] = session.record["started_at_unix_s"]
        must_follow({name: entry[name] for name in told}, told, f"sessions[{number}]", path, "its attempts")
    manifest = read_json(f"{built}/manifest.json", "manifest")
    must_follow(result["artifact_bytes"], manifest["artifact"]["bytes"], "artifact_bytes", path, "its manifest")
    if result["latency"] is None:
        return
    processes = [p for session in sessions for p in session.record["processes"] if p["status"] == "ok"]
    if len(processes) != len(result["processes"]):
        raise UserError(f"{path}: processes has {len(result['processes'])} entries, its attempts {len(processes)}")
    for number, (entry, process) in enumerate(zip(result["processes"], processes, strict=True)):
        again = _describe_as_agent(process)
        must_follow({name: entry[name] for name in again}, again, f"processes[{number}]", path, "its attempts")
    carried = count_carried_out(processes, len(sessions))
    must_follow(result["protocol"]["carried_out"], carried, "protocol.carried_out", path, "its attempts")
    first = {"latency_definition": processes[0]["latency_definition"], "provenance": processes[0]["provenance"]}
    must_follow({name: result[name] for name in first}, first, "", path, "its attempts")
    told = dict(processes[0]["runtime"])
    arms: Json = read_record(result["sessions"][0]["attempt"])["key"]["parts"].get("arms", {})
    told["options"] = next(iter(arms.values()))["runtime"] if arms else result["runtime"]["options"]
    must_follow(result["runtime"], told, "runtime", path, "its attempts")


def _describe_as_agent(process: ProcessRecord) -> Json:
    nothing = {
        "session": 0,
        "sample_count": 0,
        "median_ns": 0,
        "minimum_ns": 0,
        "mean_ns": 0,
        "sd_ns": None,
        "power": None,
    }
    described = describe_process(process, cast(Json, nothing), None)
    return {name: described[name] for name in _OF_AGENT}


def _check_artifact(cell: Cell, built: str, believed: str) -> Iterator[Claim]:
    place, manifest_path = f"{cell} artifact", f"{built}/manifest.json"
    if fault := find_fault(lambda: verify_manifest(manifest_path)):
        yield Claim(place, REFUTED, fault)
        return
    manifest = read_manifest(manifest_path)
    file = f"{built}/{manifest['artifact']['file']}"
    if current_reader().is_absent(file) or not is_file(file):
        yield Claim(place, NOT_COVERED, "not in the bundle; it is named by its sha256")
    else:
        yield Claim(place, RECOMPUTED, "its bytes have the sha256 of its manifest")
    told = "how far its outputs agree with the model's; nothing here runs it"
    yield _believe(f"{cell} parity", lambda: _check_parity(built), believed, told)


def _check_parity(built: str) -> None:
    parity, manifest = read_parity_record(f"{built}/parity.json"), read_manifest(f"{built}/manifest.json")
    expected = {"manifest": sha256_file(f"{built}/manifest.json"), "artifact": manifest["artifact"]["sha256"]}
    for name, sha256 in expected.items():
        if parity[f"{name}_sha256"] != sha256:
            raise UserError(f"{built}/parity.json: {name}_sha256 is not that of the {name} beside it")
    reference = f"{built}/{Path(parity['reference']['file']).name}"
    if sha256_file(reference) != parity["reference"]["sha256"]:
        raise UserError(f"{reference}: its sha256 is not the one in parity.json")


def _check_sources(folder: str) -> None:
    identity, samples = (
        read_json(f"{folder}/identity.json", "identity"),
        read_json(f"{folder}/samples/samples.json", "samples"),
    )
    if samples["model_sha256"] != identity["sha256"]:
        raise UserError(f"{folder}/samples/samples.json: model_sha256 is not that of the model")
    files = {"model.onnx": identity["sha256"]}
    files |= {f"samples/{name}.npz": samples[name]["sha256"] for name in ("calibration", "evaluation")}
    for name, sha256 in files.items():
        if is_file(f"{folder}/{name}") and sha256_file(f"{folder}/{name}") != sha256:
            raise UserError(f"{folder}/{name}: its sha256 is not the one recorded")
