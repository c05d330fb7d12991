"""`results/evidence/{campaign}/wanted.json`: what the campaign wants, and today's key of every document that it rests
on.

The workflow writes it while it reads the configuration, and only when its content differs. Report and gate read the
campaign from it, and hold each document's own key against today's: Snakemake's book-keeping may be lost, and is not
asked.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace

from edgeproof.agent.machine import describe_machine
from edgeproof.core.configuration import Json
from edgeproof.core.files import FilePath, atomic_write
from edgeproof.core.layout import (
    calibration_folder,
    comparison_folder,
    evidence_folder,
    family_folder,
    plan_folder,
    relative_to_repository,
    replay_folder,
    run_folder,
)
from edgeproof.core.seals import render_sealed

from .job_keys import JobKeys
from .phase_keys import PhaseKeys


def write_wanted(wanted: Json, dry: bool = False) -> Path:
    """Write a campaign's `wanted.json` unless it is as it was; return its path. `wanted`: of `describe_wanted`.

    `dry`: the run makes nothing, so a file that is there stays: it belongs to the evidence beside it.
    """
    path = Path(evidence_folder(wanted["campaign"]["campaign"])) / "wanted.json"
    text = render_sealed(wanted)
    if not path.is_file() or (not dry and path.read_text() != text):
        atomic_write(path, text)
    return path


def compose_options(files: Sequence[FilePath], alone: bool, overrides: Mapping[str, object]) -> list[str]:
    """Return the options with which Snakemake reads the campaign of a file `wanted.json` again, on this machine.

    `files`: of --configfile; `alone`: they replace config/config.yaml; `overrides`: of --config.
    """
    named = [str(relative_to_repository(file)) for file in files]
    return [
        *("--profile", "local"),
        *(["--configfile", *named] if named else []),
        *(["--replace-workflow-config"] if alone else []),
        *(["--config", *(f"{key}={json.dumps(value)}" for key, value in overrides.items())] if overrides else []),
    ]


def describe_wanted(keys: JobKeys, phases: PhaseKeys | None = None, options: Sequence[str] = ()) -> Json:
    """Return the document of the file `wanted.json`: campaign, what its gate tolerates, and {path: parts of the key} of
    its documents.

    `options`: Snakemake's, which ask for this campaign; a command that makes something again has them.
    `phases`: of the five-phase evaluation, whose documents are wanted from the day that somebody made them.
    """
    targets = keys.targets
    return {
        "schema": "edgeproof.wanted.v2",
        "campaign": targets.describe(),
        "tolerate": list(targets.campaign.tolerate),
        "regressions": targets.gated_regressions(),
        "noise": targets.noise_files("noise.json"),
        "machine": describe_machine()["id"],  # on another one the evidence is another: it says `elsewhere`
        **({"options": list(options)} if options else {}),
        "keys": {**dict(list_document_keys(keys)), **(phases.list_made() if phases else {})},
    }


def list_document_keys(keys: JobKeys) -> Iterator[tuple[str, Json]]:
    """Yield the keys in the file `wanted.json`: (path, parts of the key) of every document behind the evidence."""
    targets, cells = keys.targets, keys.cells
    campaign = targets.campaign
    for cell in campaign.cells:
        built = SimpleNamespace(**cell._asdict(), builder=cells.builder_of(cell))
        folder = cells.artifact_folder_of(cell)
        made = keys.use_manifest if cells.kept_of(cell.model) else keys.build
        yield f"{folder}/manifest.json", made(built)
        yield f"{folder}/parity.json", keys.check_parity(built)
        yield f"{run_folder(cell)}/result.json", keys.measure_run(cell)
    for cell in targets.calibrated:
        yield f"{calibration_folder(cell, campaign.protocol)}/noise.json", keys.calibrate_cell(cell)
    for name in campaign.comparisons:
        folder, wildcards = comparison_folder(campaign.name, name), SimpleNamespace(comparison=name)
        yield f"{folder}/verdict.json", keys.judge_pair(wildcards)
        yield f"{folder}/pairs.json", keys.measure_pairs(wildcards)
        yield f"{folder}/report.json", keys.report_comparison(wildcards)
        yield f"{folder}/regression.json", keys.judge_regression(wildcards)
        yield f"{folder}/decision.json", keys.decide_deployment(wildcards)
    for pipeline, goal in targets.list_plans():
        wildcards = SimpleNamespace(pipeline=pipeline, goal=goal)
        yield f"{plan_folder(pipeline, goal)}/plan.json", keys.solve_plan(wildcards)
        yield f"{plan_folder(pipeline, goal)}/check.json", keys.check_plan(wildcards)
    for family, device in targets.list_families():
        wildcards = SimpleNamespace(family=family, device=device)
        yield f"{family_folder(family, device)}/family.json", keys.fill_family(wildcards)
        if "service" in campaign.adaptation:
            yield f"{family_folder(family, device)}/service.json", keys.measure_service(wildcards)
    for row in targets.list_replays():
        wildcards = SimpleNamespace(**dict(zip(("family", "device", "policy", "trace"), row, strict=True)))
        yield f"{replay_folder(*row)}/summary.json", keys.replay_trace(wildcards)
