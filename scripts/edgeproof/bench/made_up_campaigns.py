"""Made-up campaigns, for tests and benchmarks: a tree of results as the other rooms would have written it.

All digests fit, so that code that reads the results accepts them.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from edgeproof.agent.machine import describe_machine
from edgeproof.calibration.noise import build_noise
from edgeproof.comparability.deciding import decide_deployment
from edgeproof.comparability.judging import Latitude, judge_pair
from edgeproof.comparability.measured_pairs import why_not
from edgeproof.comparability.regression import judge_regression
from edgeproof.comparability.reporting import build_report
from edgeproof.comparability.sequences import describe_design, make_design
from edgeproof.core.campaign import DEFAULT_CRITERIA, DEFAULT_MARGIN, DEFAULT_REGRESSIONS
from edgeproof.core.configuration import Json
from edgeproof.core.dependence import estimate_dependence
from edgeproof.core.documents import read_json, write_json, write_sealed
from edgeproof.core.files import sha256_file
from edgeproof.core.layout import REPOSITORY, Cell, artifact_folder, calibration_folder, comparison_folder, run_folder
from edgeproof.core.yaml_files import read_yaml
from edgeproof.runs.conditions import state_of
from edgeproof.runs.pair_tables import describe_session, write_table

from .made_up_cells import name_cell, write_cell
from .made_up_pairs import PairsNoise, compose_sessions_key, write_session

CAMPAIGN, PROTOCOL = "trial", "quick"
_QUIET = PairsNoise()


def write_wanted(
    folder: str | Path,
    snapshot: Json,
    tolerate: Sequence[str] = (),
    keys: Json | None = None,
    gated: Sequence[str] = (),
    noise: Sequence[str] = (),
) -> str:
    """Write wanted.json of a made-up campaign into a folder and return its path; see workflow/wanted_file.py."""
    wanted = {
        "schema": "edgeproof.wanted.v2",
        "campaign": snapshot,
        "tolerate": list(tolerate),
        "regressions": DEFAULT_REGRESSIONS | {"gated": list(gated)},
        "noise": list(noise),
        "machine": describe_machine()["id"],
        "keys": keys or {},
    }
    path = Path(folder) / "wanted.json"
    write_json(path, wanted, "wanted")
    return str(path)


def make_campaign(
    root: str | Path, cells: Sequence[Json], comparisons: Sequence[Json] = (), name: str = CAMPAIGN
) -> Json:
    """Write the results of a made-up campaign below `root`, and return its snapshot.

    `root` must be the current folder. `cells`: fields of `MadeUpCell`. `comparisons`: arguments of `write_comparison`.
    """
    if not Path("config").exists():  # policies and criteria are read from there
        Path("config").symlink_to(REPOSITORY / "config")
    rows = [write_cell(**options) for options in cells]
    for options in comparisons:
        write_comparison(**options)
    (Path(root) / "results" / "evidence" / name).mkdir(parents=True, exist_ok=True)
    return {"campaign": name, "cells": rows, "comparisons": [options["name"] for options in comparisons], "plans": []}


def write_comparison(
    name: str,
    left: Sequence[str],
    right: Sequence[str],
    varies: Iterable[str] = (),
    margin: float = DEFAULT_MARGIN,
    waive: Mapping[str, str] | None = None,
    **pairs: Any,
) -> None:
    """Add a comparison of two cells with all its files to a made-up campaign.

    `left`, `right`: (model, preset, device, precision). `pairs`: ratio, spread, watts of `PairsNoise`; pairs, sessions
    as in `write_pairs`.
    """
    folder = comparison_folder(CAMPAIGN, name)
    sides = {side: name_cell(cell) for side, cell in (("left", left), ("right", right))}
    policy = read_yaml(REPOSITORY / "config/policies/strict.yaml", "policy")
    paths = {side: f"{run_folder(cell)}/result.json" for side, cell in sides.items()}
    judge_pair(name, paths, "strict", policy, Latitude(list(varies), waive or {}), f"{folder}/verdict.json")
    noise = PairsNoise(**{key: pairs.pop(key) for key in ("ratio", "spread", "watts") if key in pairs})
    skip = why_not(read_json(f"{folder}/verdict.json", "verdict"))
    write_pairs(name, sides, skip, {"margin": margin, "comparisons": 1}, noise=noise, **pairs)
    report = build_report(f"{folder}/verdict.json", f"{folder}/pairs.csv", f"{folder}/pairs.json")
    write_json(f"{folder}/report.json", report, "comparison")
    write_judgements(name, sides)


def write_judgements(name: str, sides: dict[str, Cell]) -> None:
    """Add regression and decision, by the default policies, to a made-up campaign's comparison; `sides`: {left,
    right}.
    """
    folder = comparison_folder(CAMPAIGN, name)
    results = {side: f"{run_folder(cell)}/result.json" for side, cell in sides.items()}
    built = {side: artifact_folder(cell.model, cell.preset, "host", cell.precision) for side, cell in sides.items()}
    parities = {side: f"{built[side]}/parity.json" for side in sides}
    report, regression = f"{folder}/report.json", f"{folder}/regression.json"
    default = str(DEFAULT_REGRESSIONS["policy"])
    policy = read_yaml(f"config/regressions/{default}.yaml", "regression-policy")
    judge_regression(report, results, parities, default, policy, None, regression)
    criteria = f"config/criteria/{DEFAULT_CRITERIA}.yaml"
    decide_deployment(report, regression, results["right"], parities["right"], criteria, f"{folder}/decision.json")


def write_calibration(
    device: str = "desk",
    sessions: int = 2,
    pairs: int = 10,
    spread: float = 0.004,
    provenance: str = "measured",
    **cell: str,
) -> str:
    """Add an A/A calibration to a made-up campaign and return the path of its noise.json.

    `cell`: parts of its cell's name.
    """
    named = {"model": "digits-cnn", "preset": "ort-cpu", "precision": "fp32"} | cell | {"device": device}
    place = Cell(**{field: named[field] for field in Cell._fields})
    folder = Path(calibration_folder(place, PROTOCOL))
    noise, backend = PairsNoise(1.0, spread), "fake" if provenance == "simulated" else "onnxruntime"
    made = [write_session(str(folder), pairs, noise, {"left": {}, "right": {}}, backend) for _ in range(sessions)]
    table = folder / "pairs.csv"
    write_table(table, made)
    key = made[0].attempt.record["key"]
    write_sealed(
        folder / "noise.json",
        build_noise(place, made, {"key": key, "margin": DEFAULT_MARGIN, "failure": None}, table),
        "noise",
    )
    return str(folder / "noise.json")


def write_pairs(
    name: str,
    sides: dict[str, Cell],
    skip: Json | None = None,
    design: Json | None = None,
    pairs: int = 10,
    sessions: int = 1,
    noise: PairsNoise = _QUIET,
) -> None:
    """Add what a comparison measured to a made-up campaign: its sessions, their table and the record of pairs.

    `sides`: {left, right}, cells whose results exist. `skip`: the reason why nothing was measured, None if it was.
    `design`: {margin, comparisons}.
    """
    folder = Path(comparison_folder(CAMPAIGN, name))
    results = {side: json.loads(Path(f"{run_folder(cell)}/result.json").read_text()) for side, cell in sides.items()}
    state = {side: state_of(result) for side, result in results.items()}
    backend = "fake" if any(result["provenance"] == "simulated" for result in results.values()) else "onnxruntime"
    counts = [] if skip else [pairs] * sessions
    made = [write_session(str(folder), count, noise, state, backend) for count in counts]
    write_table(folder / "pairs.csv", made)
    dependence = estimate_dependence([])
    asked = design or {"margin": DEFAULT_MARGIN, "comparisons": 1}
    samples = {side: result["digests"]["inputs"] for side, result in results.items()}
    document = {
        "schema": "edgeproof.pairs.v4",
        "comparison": name,
        "status": "skipped" if skip else "measured",
        "reason": skip,
        "inputs": {**samples, "same": samples["left"] == samples["right"]},
        "key": compose_sessions_key(str(folder), noise),
        "builds": None,
        "budget": {"pairs": max(1, sum(counts)), "seconds": None},
        "design": describe_design(make_design(asked["margin"], asked["comparisons"], dependence), dependence),
        "sessions": [describe_session(session) for session in made],
        "table_sha256": sha256_file(folder / "pairs.csv"),
    }
    write_sealed(folder / "pairs.json", document, "pairs")
