"""Collecting the evidence of a campaign: all documents are read and checked, and their digests must match."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from edgeproof.adaptation.replay_documents import read_replay
from edgeproof.adaptation.service_records import read_service
from edgeproof.artifacts.records.manifests import read_manifest
from edgeproof.artifacts.records.parity_records import read_parity_record
from edgeproof.calibration.noise import read_noise
from edgeproof.comparability.deciding import read_decision
from edgeproof.comparability.measured_pairs import read_sessions
from edgeproof.core.configuration import Json
from edgeproof.core.documents import read_json
from edgeproof.core.errors import UserError
from edgeproof.core.files import sha256_file
from edgeproof.core.layout import (
    Cell,
    artifact_folder,
    comparison_folder,
    family_folder,
    plan_folder,
    replay_folder,
    run_folder,
    source_folder,
)
from edgeproof.core.reader import FilePath, reading_once
from edgeproof.core.recomputing import must_follow
from edgeproof.core.seals import REMEDY, digest_json, require_sealed
from edgeproof.plans.plan_check import read_check
from edgeproof.plans.scenario.loading import load_scenario
from edgeproof.plans.scenario.origins import check_origins
from edgeproof.plans.verifier.verification import verify_plan
from edgeproof.runs.foreign_sessions import mark_foreign_sessions
from edgeproof.runs.paired_sessions import PairsSession
from edgeproof.runs.raw_samples import list_processes, read_samples
from edgeproof.runs.results import read_result

from .evidence_files import checking_evidence_files
from .gate import judge_cell, judge_plan
from .latency_shapes import Distribution, describe_distribution
from .regression_gate import check_regressions
from .stale import Stale
from .wanted import CampaignSnapshot, GateSettings, name_machine


class CellEvidence(NamedTuple):
    """One wanted cell. `verdict`: the gate's (see `gate.judge_cell`); `distribution`: None without samples.

    `paths`, `digests`: {result, samples, manifest, parity}.
    """

    cell: Cell
    builder: str
    result: dict
    manifest: dict
    parity: dict
    verdict: dict
    distribution: Distribution | None
    paths: dict
    digests: dict


class ComparisonEvidence(NamedTuple):
    """One comparison. `ratios`: right / left of each pair, in order; empty where nothing was measured.

    `regression`, `decision`: their documents.
    """

    report: dict
    ratios: np.ndarray
    regression: dict
    decision: dict
    paths: dict


class CalibrationEvidence(NamedTuple):
    """The A/A calibration of a cell. `ratios`: right / left of its pairs, one array per session."""

    noise: dict
    ratios: list
    path: str


class PlanEvidence(NamedTuple):
    """The plan of a pipeline for one goal, and the check that ran it (`check`).

    `optimality`: what the verifier found without the solver. `verdict`: the gate's (see
    `gate.judge_plan`). `paths`: {plan, page, check, scenario}.
    """

    plan: dict
    check: dict
    optimality: str
    verdict: dict
    paths: dict


class ReplayEvidence(NamedTuple):
    """A trace replayed by a policy. `paths`: {summary, page, decisions, family}."""

    summary: dict
    paths: dict


class ServiceEvidence(NamedTuple):
    """What a served family can take. `paths`: {service, raw, family}."""

    document: dict
    paths: dict


class Evidence(NamedTuple):
    """The evidence of a campaign. `identities`, `samples`: documents by model.

    `gated`: the gate's entries on comparisons with a baseline (see `regression_gate.check_regressions`). `stale`: the
    documents that are not today's.
    """

    campaign: str
    tolerate: tuple
    cells: list
    comparisons: list
    calibrations: list
    identities: dict
    samples: dict
    plans: list
    replays: list
    services: list
    gated: list
    stale: tuple[Stale, ...]


@reading_once()
def collect_evidence(
    snapshot: CampaignSnapshot,
    tolerate: Sequence[str] = (),
    noise_paths: Sequence[str] = (),
    regressions: GateSettings | None = None,
    stale: Sequence[Stale] = (),
) -> Evidence:
    """Return the Evidence of a campaign, read from `results/` in the current folder.

    `tolerate`: statuses that pass the gate besides `ok`. `noise_paths`: noise.json of each cell that the campaign
    calibrates. `stale`: documents that are not today's. UserError names the first document that is missing, invalid, or
    does not follow from its inputs.
    """
    with checking_evidence_files(snapshot, noise_paths):
        return _collect(snapshot, tolerate, noise_paths, regressions, stale)


def _collect(
    snapshot: CampaignSnapshot,
    tolerate: Sequence[str],
    noise_paths: Sequence[str],
    regressions: GateSettings | None,
    stale: Sequence[Stale],
) -> Evidence:
    models = dict.fromkeys(row[0] for row in snapshot["cells"])
    identities = {name: read_json(f"{source_folder(name)}/identity.json", "identity") for name in models}
    samples = {name: read_json(f"{source_folder(name)}/samples/samples.json", "samples") for name in models}
    artifacts = {}
    here = name_machine(snapshot)
    cells = [_collect_cell(row, artifacts, identities, tolerate, here) for row in snapshot["cells"]]
    results = {item.cell: item.digests["result"] for item in cells}
    comparisons = [_collect_comparison(snapshot["campaign"], name, results) for name in snapshot["comparisons"]]
    calibrations = [_collect_calibration(path) for path in noise_paths]
    plans = [collect_plan(*row) for row in snapshot["plans"]]
    replays = [_collect_replay(row) for row in snapshot.get("replays", [])]
    services = [_collect_service(*row) for row in snapshot.get("services", [])]
    gated = check_regressions(snapshot["campaign"], regressions) if regressions else []
    return Evidence(
        campaign=snapshot["campaign"],
        tolerate=tuple(tolerate),
        cells=cells,
        comparisons=comparisons,
        calibrations=calibrations,
        identities=identities,
        samples=samples,
        plans=plans,
        replays=replays,
        services=services,
        gated=gated,
        stale=tuple(stale),
    )


def link_from(page: FilePath, path: FilePath) -> str:
    """Return the relative link from the file `page` to a file that was collected as evidence, `path`."""
    return Path(os.path.relpath(path, Path(page).parent)).as_posix()


def _collect_cell(
    row: Sequence[str], artifacts: Json, identities: Json, tolerate: Sequence[str], here: str | None
) -> CellEvidence:
    cell, builder = Cell(*row[:4]), row[4]
    run, built = run_folder(cell), artifact_folder(cell.model, cell.preset, builder, cell.precision)
    if built not in artifacts:  # several devices may share it
        artifacts[built] = _read_artifact(built, identities[cell.model])
    manifest, parity, digests = artifacts[built]
    paths = {"result": f"{run}/result.json", "samples": f"{run}/samples.csv"}
    result = mark_foreign_sessions(read_result(paths["result"]), here)
    if result["cell"] != {**cell._asdict(), "builder": builder}:
        raise UserError(f"{paths['result']}: is about the cell {result['cell']}, not {cell}")
    for name, expected in (
        ("model", manifest["source"]["sha256"]),
        ("manifest", digests["manifest"]),
        ("artifact", manifest["artifact"]["sha256"]),
    ):
        if result["digests"][name] != expected:
            raise UserError(
                f"{paths['result']}: digests.{name} is {result['digests'][name]}, {built} has {expected}; "
                "the cell was measured with another artifact, run the workflow again"
            )
    distribution = None
    if result["latency"] is not None:
        calls = [process["calls_per_sample"] for process in result["processes"]]
        distribution = describe_distribution(list_processes(read_samples(paths["samples"])), calls)
    return CellEvidence(
        cell=cell,
        builder=builder,
        result=result,
        manifest=manifest,
        parity=parity,
        verdict=judge_cell(result, parity, tolerate),
        distribution=distribution,
        paths=paths | {name: f"{built}/{name}.json" for name in ("manifest", "parity")},
        digests=digests | {"result": sha256_file(paths["result"]), "samples": result["digests"]["samples"]},
    )


def _read_artifact(folder: str, identity: Json) -> tuple[Json, Json, dict[str, str]]:
    manifest, parity = read_manifest(f"{folder}/manifest.json"), read_parity_record(f"{folder}/parity.json")
    digests = {name: sha256_file(f"{folder}/{name}.json") for name in ("manifest", "parity")}
    if manifest["source"]["sha256"] != identity["sha256"]:
        raise UserError(f"{folder}/manifest.json: source.sha256 is not the model's; run the workflow again")
    for name, expected in (("manifest", digests["manifest"]), ("artifact", manifest["artifact"]["sha256"])):
        if parity[f"{name}_sha256"] != expected:
            raise UserError(f"{folder}/parity.json: {name}_sha256 is not that of the {name}; run the workflow again")
    return manifest, parity, digests


def _collect_comparison(campaign: str, name: str, results: dict[Cell, str]) -> ComparisonEvidence:
    folder = comparison_folder(campaign, name)
    paths = {
        "report": f"{folder}/report.json",
        "verdict": f"{folder}/verdict.json",
        "table": f"{folder}/pairs.csv",
        "record": f"{folder}/pairs.json",
        "regression": f"{folder}/regression.json",
        "decision": f"{folder}/decision.json",
    }
    decision = read_decision(paths["decision"])  # regression, report and verdict are recomputed with it
    regression, report = read_json(paths["regression"], "regression"), read_json(paths["report"], "comparison")
    for side in ("left", "right"):
        cell = Cell(*(report[side][field] for field in Cell._fields))
        if results.get(cell) != report["digests"][f"{side}_result"]:
            raise UserError(f"{paths['report']}: digests.{side}_result is not that of {cell}; run the workflow again")
    _, sessions = read_sessions(paths["record"], paths["table"])
    per_item = report["items"]["left"] / report["items"]["right"]
    ratios = np.concatenate([np.array([]), *map(_list_ratios, sessions)]) * per_item
    return ComparisonEvidence(report, ratios, regression, decision, paths)


def _collect_calibration(path: str) -> CalibrationEvidence:
    noise, sessions = read_noise(path)
    return CalibrationEvidence(noise, [_list_ratios(session) for session in sessions], str(path))


def _list_ratios(session: PairsSession) -> np.ndarray:
    """Return right / left of a session's pairs, in order."""
    return np.exp([pair.log_ratio for pair in session.pairs])


def collect_plan(pipeline: str, goal: str) -> PlanEvidence:
    """Collect one plan for the evidence of a campaign; UserError where it does not follow from its scenario.

    The verifier says whether it does.
    """
    folder = plan_folder(pipeline, goal)
    paths = {
        "plan": f"{folder}/plan.json",
        "page": f"{folder}/plan.html",
        "check": f"{folder}/check.json",
        "scenario": f"{plan_folder(pipeline)}/scenario.json",
    }
    plan, check = read_json(paths["plan"], "plan"), read_check(paths["check"])
    if check["plan"]["digest"] != digest_json(plan):
        raise UserError(f"{paths['check']}: plan.digest is not that of {paths['plan']}; run the workflow again")
    if plan["plans"] and check["predicted"]:
        predicted = plan["plans"][0]["total_latency_ms"]
        must_follow(check["predicted"]["latency_ms"], predicted, "predicted.latency_ms", paths["check"], "the plan")
    check_origins(read_json(paths["scenario"], "scenario-v2"), paths["scenario"])
    found = verify_plan(plan, load_scenario(paths["scenario"]))
    if not found.ok:
        raise UserError(f"{paths['plan']}: does not follow from {paths['scenario']}: {found.failures[0]}")
    require_sealed(plan, paths["plan"], REMEDY)  # covers how it was found, which the scenario does not show
    return PlanEvidence(plan, check, found.optimality, judge_plan(plan, check), paths)


def _collect_replay(row: Sequence[str]) -> ReplayEvidence:
    folder = replay_folder(*row)
    paths = {
        "summary": f"{folder}/summary.json",
        "page": f"{folder}/page.html",
        "decisions": f"{folder}/decisions.jsonl",
    }
    summary = read_replay(paths["summary"])
    return ReplayEvidence(summary, paths | {"family": summary["family"]["path"]})


def _collect_service(family: str, device: str) -> ServiceEvidence:
    """Return a family's service; UserError where its figures are of another family than is there today."""
    folder = family_folder(family, device)
    paths = {"service": f"{folder}/service.json", "raw": f"{folder}/service.npz", "family": f"{folder}/family.json"}
    document = read_service(paths["service"])
    if document["family_sha256"] != sha256_file(paths["family"]):
        raise UserError(f"{paths['service']}: family_sha256 is not that of {paths['family']}; run the workflow again")
    return ServiceEvidence(document, paths)
