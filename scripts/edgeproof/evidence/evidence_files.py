"""Every file that evidence rests on is hashed again: models, samples, artifacts, reference outputs, attempts.

The documents themselves are recomputed where they are read (`collecting`, `gate`). Here are the files behind them.
"""

import contextlib
import re
from collections.abc import Callable, Generator, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from edgeproof.artifacts.records.manifests import verify_manifest
from edgeproof.artifacts.records.parity_records import read_parity_record
from edgeproof.core.attempts import check_files
from edgeproof.core.configuration import Json
from edgeproof.core.digest_cache import digest_kept
from edgeproof.core.documents import read_json
from edgeproof.core.errors import UserError
from edgeproof.core.files import is_file
from edgeproof.core.layout import (
    Cell,
    artifact_folder,
    comparison_folder,
    plan_folder,
    run_folder,
    source_folder,
    toolchain_record,
)
from edgeproof.core.seals import REMEDY
from edgeproof.core.shares import working_beside
from edgeproof.runs.results import read_result

from .wanted import CampaignSnapshot

Check = Callable[[], None]  # raises UserError where a file is not the one that its record names

_ATTEMPT = re.compile(r".*attempts/\d{4,}-[0-9a-f]{8}")


@contextlib.contextmanager
def checking_evidence_files(snapshot: CampaignSnapshot, noise_paths: Iterable[str] = ()) -> Generator[None]:
    """Hash every file behind a campaign's evidence, beside the block where processes are shared, else after it.

    UserError names the first that is not the one recorded.
    """
    with working_beside(_do, list(list_checks(snapshot, noise_paths))):
        yield


def list_checks(snapshot: CampaignSnapshot, noise_paths: Iterable[str] = ()) -> Iterator[Check]:
    """Yield one check per file that evidence rests on, so that a caller may go on after one has failed.

    The files are those of models, artifacts and documents.
    """
    yield from (partial(_check_plan_files, pipeline) for pipeline in list_pipelines(snapshot))
    rows = list_cells(snapshot)
    yield from (partial(_check_sources, model) for model in dict.fromkeys(row[0] for row in rows))
    yield from (partial(_check_artifact, folder) for folder in sorted({folder_of_artifact(row) for row in rows}))
    documents = [(f"{run_folder(Cell(*row[:4]))}/result.json", "result") for row in rows]
    documents += [
        (f"{comparison_folder(snapshot['campaign'], n)}/pairs.json", "pairs") for n in snapshot["comparisons"]
    ]
    documents += [(path, "noise") for path in noise_paths]
    documents += [(f"{plan_folder(*row)}/check.json", "plan-check") for row in snapshot["plans"]]
    yield from (partial(_check_attempts, path, kind) for path, kind in documents)


def list_cells(snapshot: CampaignSnapshot) -> list[tuple[str, ...]]:
    """Return the cells that have evidence files, sorted: model, preset, device, precision, builder."""
    rows = {tuple(row) for row in snapshot["cells"]}
    for pipeline in list_pipelines(snapshot):
        rows |= set(_list_cells_of(pipeline))
    return sorted(rows)


def folder_of_artifact(row: Iterable[str]) -> str:
    """Return the folder with an artifact's evidence files; `row`: model, preset, device, precision, builder."""
    model, preset, _, precision, builder = row
    return artifact_folder(model, preset, builder, precision)


def list_attempt_names(value: Any) -> Iterator[str]:
    """Yield every folder of an attempt that a document of the evidence names, wherever it stands."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from list_attempt_names(item)
    elif isinstance(value, str) and "attempts/" in value and _ATTEMPT.fullmatch(value):
        yield value


def _do(check: Check) -> None:
    check()


def _check_sources(model: str) -> None:
    folder = source_folder(model)
    identity = read_json(f"{folder}/identity.json", "identity")
    samples = read_json(f"{folder}/samples/samples.json", "samples")
    _require_digest(f"{folder}/model.onnx", identity["sha256"], f"{folder}/identity.json")
    for name in ("calibration", "evaluation"):
        record = f"{folder}/samples/samples.json"
        _require_digest(f"{folder}/samples/{name}.npz", samples[name]["sha256"], record)
    if samples["model_sha256"] != identity["sha256"]:
        raise UserError(f"{folder}/samples/samples.json: model_sha256 is not that of the model; {REMEDY}")


def _check_artifact(folder: str) -> None:
    manifest = verify_manifest(f"{folder}/manifest.json")
    parity = read_parity_record(f"{folder}/parity.json")
    reference = f"{folder}/{Path(parity['reference']['file']).name}"
    _require_digest(reference, parity["reference"]["sha256"], f"{folder}/parity.json")
    if made := manifest.get("intermediate"):
        record = str(Path(made["file"]).with_suffix(".json"))
        read_json(record, "saved-model")
        _require_digest(made["file"], made["sha256"], f"{folder}/manifest.json")
    if lock := manifest.get("toolchain_lock_file"):
        record = toolchain_record(Path(lock).stem)
        if is_file(record):  # the environment that runs the workflow has none
            read_json(record, "toolchain")


def _check_attempts(path: str, kind: str) -> None:
    for folder in dict.fromkeys(list_attempt_names(read_json(path, kind))):
        check_files(folder)


def _check_plan_files(pipeline: str) -> None:
    """Check what a scenario rests on besides results: links and the proof of the cut."""
    for name in ("cut", "links"):
        path = f"{plan_folder(pipeline)}/{name}.json"
        if is_file(path):
            _check_attempts(path, name)


def list_pipelines(snapshot: CampaignSnapshot) -> list[str]:
    """Return the pipelines whose plans have files that a campaign's evidence rests on."""
    return list(dict.fromkeys(pipeline for pipeline, _ in snapshot["plans"]))


def _list_cells_of(pipeline: str) -> Iterator[tuple[str, ...]]:
    """Yield the cells that a pipeline's scenario names results of: model, preset, device, precision, builder."""
    scenario = read_json(f"{plan_folder(pipeline)}/scenario.json", "scenario-v2")
    for stage in scenario["stages"]:
        for variants in stage["profiles"].values():
            for variant in variants if isinstance(variants, list) else [variants]:
                number: Json = variant["latency_ms"] if isinstance(variant["latency_ms"], dict) else {}
                if path := number.get("result"):
                    cell = read_result(path)["cell"]
                    yield (*(cell[field] for field in Cell._fields), cell["builder"])


def _require_digest(path: str, sha256: str, record: str) -> None:
    if not is_file(path):
        raise UserError(f"{path}: is missing, and {record} has its sha256; run the workflow again")
    if digest_kept(path) != sha256:
        raise UserError(f"{path}: its sha256 is not the one in {record}; it was changed, {REMEDY}")
