"""The campaign: from the lists of `config/config.yaml` to cells and comparisons, with every name checked."""

import difflib
import re
from itertools import combinations, product
from pathlib import Path
from typing import NamedTuple

from .documents import validate
from .errors import UserError
from .layout import Cell
from .pipelines import check_pipeline
from .yaml_files import read_yaml

# Configuration folder of each wildcard, and the kind of document in it.
CATALOGUES = {
    "model": "models",
    "preset": "presets",
    "device": "devices",
    "protocol": "protocols",
    "policy": "policies",
    "regression-policy": "regressions",
    "criteria": "criteria",
    "pipeline": "pipelines",
}
DEFAULT_REGRESSIONS = {"policy": "strict", "fail_at": "warning", "tolerate": []}
DEFAULT_CRITERIA = "interactive"
DEFAULT_MARGIN = 0.02  # a difference of less than 2 % counts as none unless a comparison says otherwise
_NAME = "[a-z0-9][a-z0-9-]*"


class Comparison(NamedTuple):
    """Two cells to compare. `varies`: what is under study and may differ; `pairs`, `margin`: None for the default.

    `criteria`: name of those that the right side must meet to be deployed; `gated`: whether a regression of the right
    side against the left shuts the gate.
    """

    name: str
    left: Cell
    right: Cell
    varies: tuple
    policy: str
    pairs: int | None
    margin: float | None
    criteria: str
    gated: bool


class Campaign(NamedTuple):
    """A checked campaign: `cells` in the order wanted (those of comparisons included), `comparisons` by name.

    `regressions`: {policy, fail_at, tolerate}. `calibration`: {pairs, sessions} and the calibrating cell of each
    device under `cells`, None when the campaign does not calibrate. `pipelines`: names of those that are planned.
    """

    name: str
    protocol: str
    cells: tuple
    comparisons: dict
    tolerate: tuple
    regressions: dict
    calibration: dict | None
    pipelines: tuple
    added: dict  # cells that only a comparison wants, by its name


def read_catalogue(kind, root="config"):
    """Return {name: document} of one configuration folder (kind: a key of CATALOGUES)."""
    folder = Path(root) / CATALOGUES[kind]
    return {path.stem: _read_entry(path, kind) for path in sorted(folder.glob("*.yaml"))}


def expand_campaign(config, catalogues, where="config/config.yaml"):
    """Return the Campaign that a configuration describes.

    `catalogues`: {kind: {name: document}} of every kind. UserError names the key of an unknown name, of a precision
    that a preset does not build, and of a comparison that is not complete.
    """
    validate(config, "campaign", where)
    for kind in ("protocol", "policy"):
        _known(config[kind], kind, catalogues, f"{where}: {kind}")
    for name in config["devices"]:
        _known(name, "device", catalogues, f"{where}: devices")
    cells = dict.fromkeys(
        cell
        for number, matrix in enumerate(config["matrices"])
        for cell in _expand_matrix(matrix, config, catalogues, f"{where}: matrices[{number}]")
    )
    if not cells:
        raise UserError(f"{where}: matrices: the excludes leave no cell")
    comparisons = {}
    for number, entry in enumerate(config.get("comparisons", [])):
        key = f"{where}: comparisons[{number}] ({entry['name']})"
        if entry["name"] in comparisons:
            raise UserError(f"{key}: the name is used twice")
        comparisons[entry["name"]] = _expand_comparison(entry, config, catalogues, key)
    for number, table in enumerate(config.get("tables", [])):
        key = f"{where}: tables[{number}] ({table['name']})"
        for entry in _expand_table(table, cells, key):
            if entry["name"] in comparisons:
                raise UserError(f"{key}: the name {entry['name']!r} is used twice")
            comparisons[entry["name"]] = _expand_comparison(entry, config, catalogues, key)
    added = {}
    for comparison in comparisons.values():
        beyond = [cell for cell in dict.fromkeys((comparison.left, comparison.right)) if cell not in cells]
        added |= {comparison.name: beyond} if beyond else {}
        cells |= dict.fromkeys(beyond)
    tolerate = tuple(config.get("gate", {}).get("tolerate", ()))
    regressions = DEFAULT_REGRESSIONS | config.get("regressions", {})
    if "policy" in config.get("regressions", {}):
        _known(regressions["policy"], "regression-policy", catalogues, f"{where}: regressions: policy")
    calibration = _expand_calibration(config, catalogues, f"{where}: calibration")
    pipelines = tuple(config.get("pipelines", ()))
    for name in pipelines:
        _known(name, "pipeline", catalogues, f"{where}: pipelines")
        check_pipeline(catalogues["pipeline"][name], catalogues, f"config/{CATALOGUES['pipeline']}/{name}.yaml")
    return Campaign(
        name=config["campaign"],
        protocol=config["protocol"],
        cells=tuple(cells),
        comparisons=comparisons,
        tolerate=tolerate,
        regressions=regressions,
        calibration=calibration,
        pipelines=pipelines,
        added=added,
    )


def one_of(names):
    """Return a regular expression that matches these names and nothing else; with no name it matches nothing."""
    return "|".join(map(re.escape, names)) or "(?!)"


def builder_of(preset, device):
    """Return who builds an artifact: `host`, or the device's name when the preset builds where it runs."""
    return "host" if preset["built"] == "host" else device


def _read_entry(path, kind):
    if not re.fullmatch(_NAME, path.stem):
        raise UserError(f"{path}: the name {path.stem!r} must match {_NAME}")
    return read_yaml(path, kind)


def _expand_matrix(matrix, config, catalogues, where):
    devices = matrix.get("devices", config["devices"])
    for combination in product(matrix["models"], matrix["presets"], devices, matrix["precisions"]):
        cell = Cell(*combination)
        if not any(all(getattr(cell, k) == v for k, v in entry.items()) for entry in matrix.get("exclude", [])):
            yield _checked(cell, catalogues, where)


def _expand_comparison(entry, config, catalogues, where):
    given = {"left": dict(entry["left"]), "right": {**entry["left"], **entry["right"]}}
    cells = []
    for side, fields in given.items():
        if "device" not in fields:
            if len(config["devices"]) > 1:
                raise UserError(f"{where}: {side}.device is missing; the campaign has {', '.join(config['devices'])}")
            fields["device"] = config["devices"][0]
        missing = [field for field in Cell._fields if field not in fields]
        if missing:
            raise UserError(f"{where}: left.{missing[0]} is missing (right takes from left what it does not name)")
        cells.append(_checked(Cell(**fields), catalogues, f"{where}: {side}"))
    policy = entry.get("policy", config["policy"])
    _known(policy, "policy", catalogues, f"{where}: policy")
    criteria = entry.get("criteria", config.get("criteria"))
    if criteria is not None:
        _known(criteria, "criteria", catalogues, f"{where}: criteria")
    return Comparison(
        name=entry["name"],
        left=cells[0],
        right=cells[1],
        varies=tuple(entry.get("varies", ())),
        policy=policy,
        pairs=entry.get("pairs"),
        margin=entry.get("margin"),
        criteria=criteria or DEFAULT_CRITERIA,
        gated=entry.get("gate", False),
    )


def _expand_table(table, cells, where):
    """Yield the comparison entries of a table: pairs of cells that differ in `across` only, in the order of the
    matrices.
    """
    across, models = table["across"], table.get("models")
    groups = {}
    for cell in cells:
        if models is None or cell.model in models:
            groups.setdefault(cell._replace(**{across: None}), []).append(cell)
    found = False
    for members in groups.values():
        for left, right in combinations(members, 2):
            if "against" in table:
                if table["against"] not in (getattr(left, across), getattr(right, across)):
                    continue
                if getattr(right, across) == table["against"]:
                    left, right = right, left
            found = True
            fixed = [value for field, value in left._asdict().items() if field != across]
            yield {
                "name": "-".join([table["name"], *fixed, getattr(left, across), "vs", getattr(right, across)]),
                "left": left._asdict(),
                "right": right._asdict(),
                "varies": ["precision"] if across == "precision" else [],
                **({"pairs": table["pairs"]} if "pairs" in table else {}),
            }
    if not found:
        raise UserError(f"{where}: no two cells of the matrices differ in {across} only")


def _expand_calibration(config, catalogues, where):
    calibration = config.get("calibration")
    if calibration is None:
        return None
    names = {field: calibration[field] for field in ("model", "preset", "precision")}
    cells = {device: _checked(Cell(device=device, **names), catalogues, where) for device in config["devices"]}
    return {"pairs": calibration["pairs"], "sessions": calibration["sessions"], "cells": cells}


def _checked(cell, catalogues, where):
    for kind in ("model", "preset", "device"):
        _known(getattr(cell, kind), kind, catalogues, f"{where}: {kind}")
    offered = catalogues["preset"][cell.preset]["precisions"]
    if cell.precision not in offered:
        raise UserError(
            f"{where}: preset {cell.preset!r} does not build {cell.precision!r}; it has {', '.join(offered)}"
        )
    return cell


def _known(name, kind, catalogues, where):
    if name not in catalogues[kind]:
        close = difflib.get_close_matches(name, catalogues[kind], 1)
        known = f"did you mean {close[0]!r}?" if close else f"it has {', '.join(catalogues[kind])}"
        raise UserError(f"{where}: {name!r} is not in config/{CATALOGUES[kind]}/; {known}")
