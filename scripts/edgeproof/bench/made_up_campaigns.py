"""Made-up campaigns, for tests and benchmarks: a tree of results as the other rooms would have written it.

All digests fit, so that code that reads the results accepts them.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgeproof.calibration.noise import describe_noise
from edgeproof.comparability.deciding import decide_deployment
from edgeproof.comparability.judging import judge_pair
from edgeproof.comparability.pairs import why_not
from edgeproof.comparability.regression import judge_regression
from edgeproof.comparability.reporting import build_report
from edgeproof.core.campaign import DEFAULT_CRITERIA, DEFAULT_MARGIN, DEFAULT_REGRESSIONS
from edgeproof.core.configuration import Json
from edgeproof.core.documents import read_json, write_json, write_sealed
from edgeproof.core.files import atomic_write, sha256_file
from edgeproof.core.layout import REPOSITORY, Cell, artifact_folder, calibration_folder, comparison_folder, run_folder
from edgeproof.core.yaml_files import read_yaml
from edgeproof.runs.conditions import state_of
from edgeproof.runs.pairing import COLUMNS
from edgeproof.runs.pairing import read_pairs as read_table

from .made_up_cells import name_cell, write_cell


def make_campaign(
    root: str | Path, cells: Sequence[Json], comparisons: Sequence[Json] = (), name: str = "trial"
) -> Json:
    """Write the results of a campaign below `root`, which must be the current folder, and return its snapshot.

    `cells`: fields of `MadeUpCell`. `comparisons`: arguments of `write_comparison`.
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
    **pairs: Any,
) -> None:
    """Write all files of a comparison.

    `left`, `right`: (model, preset, device, precision). `pairs`: ratio, spread, pairs, sessions as in `write_pairs`.
    """
    folder = comparison_folder(name)
    sides = {side: name_cell(cell) for side, cell in (("left", left), ("right", right))}
    policy = read_yaml(REPOSITORY / "config/policies/strict.yaml", "policy")
    paths = {side: f"{run_folder(cell)}/result.json" for side, cell in sides.items()}
    judge_pair(name, paths["left"], paths["right"], "strict", policy, list(varies), f"{folder}/verdict.json")
    write_pairs(name, sides, why_not(read_json(f"{folder}/verdict.json", "verdict")), **pairs)
    report = build_report(f"{folder}/verdict.json", f"{folder}/pairs.csv", f"{folder}/pairs.json", margin)
    write_json(f"{folder}/report.json", report, "comparison")
    write_judgements(name, sides)


def write_judgements(name: str, sides: dict[str, Cell]) -> None:
    """Write regression and decision of a comparison by the default policies; `sides`: {left, right}."""
    folder = comparison_folder(name)
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
    """Write the A/A calibration of a device and return the path of its noise.json; `cell`: parts of the calibrating
    cell.
    """
    folder, rows, records = calibration_folder(device), [], []
    for number in range(1, sessions + 1):
        attempt = f"{folder}/attempts/{number:04d}"
        rows += _write_session(attempt, number, pairs, 1.0, spread)
        records.append(_describe_session(attempt, number, pairs, {"left": {}, "right": {}}, provenance))
    digest_of_table = _write_table(f"{folder}/pairs.csv", rows)
    document = {
        "schema": "edgeproof.noise.v1",
        "device": device,
        "cell": {"model": "digits-cnn", "preset": "ort-cpu", "precision": "fp32"} | cell | {"device": device},
        "provenance": provenance,
        "sessions": records,
        "table_sha256": digest_of_table,
        **describe_noise(read_table(f"{folder}/pairs.csv", digest_of_table), DEFAULT_MARGIN, records),
    }
    write_sealed(f"{folder}/noise.json", document, "noise")
    return f"{folder}/noise.json"


def write_pairs(
    name: str,
    sides: dict[str, Cell],
    skip: Mapping[str, Any] | None = None,
    ratio: float = 1.0,
    spread: float = 0.002,
    pairs: int = 10,
    sessions: int = 1,
) -> None:
    """Write raw samples, table and record of a comparison's pairs.

    `sides`: {left, right}, cells whose results exist. `skip`: the reason why nothing was measured, None if it was.
    `ratio`: right / left; `spread`: standard deviation of the logarithm between processes.
    """
    folder, rows, records = comparison_folder(name), [], []
    results = {side: json.loads(Path(f"{run_folder(cell)}/result.json").read_text()) for side, cell in sides.items()}
    state = {side: state_of(result) for side, result in results.items()}
    for number in range(1, 1 if skip else sessions + 1):
        attempt = f"{folder}/attempts/{number:04d}"
        rows += _write_session(attempt, number, pairs, ratio, spread)
        records.append(_describe_session(attempt, number, pairs, state))
    digest_of_table = _write_table(f"{folder}/pairs.csv", rows)
    document = {
        "schema": "edgeproof.pairs.v1",
        "comparison": name,
        "status": "skipped" if skip else "measured",
        "reason": skip,
        "budget": pairs * sessions,
        "sessions": records,
        "table_sha256": digest_of_table,
    }
    write_sealed(f"{folder}/pairs.json", document, "pairs")


def _describe_session(attempt, number, pairs, state, provenance="measured"):
    return {
        "attempt": attempt,
        "started_at_unix_s": 1.8e9 + number,
        "pairs": pairs,
        "provenance": provenance,
        "state": state,
        "disturbances": [],
        "steal_share": 0.0,
        "failure": None,
    }


def _write_table(path, rows):
    """Write a table of pairs and return its digest."""
    lines = [",".join(COLUMNS), *(",".join(str(row[column]) for column in COLUMNS) for row in rows)]
    atomic_write(path, "\n".join(lines) + "\n")
    return sha256_file(path)


def _write_session(attempt, session, pairs, ratio, spread):
    random, rows = np.random.default_rng(session), []
    for pair in range(pairs):
        for position, arm in enumerate(("left", "right")):
            level = 1e6 * (ratio if arm == "right" else 1.0) * np.exp(spread * random.standard_normal())
            samples = (level * np.exp(0.01 * random.standard_normal(50))).astype("int64")
            path = Path(attempt) / "session" / f"process-{2 * pair + position:03d}" / "samples.npy"
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, samples)
            values = (session, pair + 1, position + 1, arm, 1, len(samples), float(np.median(samples)), path)
            rows.append(dict(zip(COLUMNS, (*values, sha256_file(path)), strict=True)))
    return rows
