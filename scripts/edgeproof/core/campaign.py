"""The campaign: from the lists of `config/config.yaml` to cells and comparisons, with every name checked."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations, product
from typing import Any, NamedTuple, NotRequired, TypedDict, cast

from .catalogues import CATALOGUES
from .configuration import Catalogues, Json
from .documents import validate
from .errors import UserError
from .layout import Cell
from .pipelines import check_pipeline
from .suggestions import suggest_words
from .variant_families import list_family_cells

DEFAULT_MARGIN = 0.02  # differences within ±2 % count as none, unless a comparison says otherwise
DEFAULT_CRITERIA = "interactive"
PROCESSING = {"preprocessing": "before", "postprocessing": "after"}  # what a preset includes, by a model's key


class Regressions(TypedDict):
    """How regressions are judged: the policy's name, the severity that closes the gate, the comparisons let pass."""

    policy: str
    fail_at: str
    tolerate: list[str]


class Calibration(TypedDict):
    """What is measured to calibrate: pairs per session, number of sessions, and the cells."""

    pairs: int
    sessions: int
    cells: list[Cell]


class Adaptation(TypedDict):
    """What is replayed: every policy over every trace, for every family on every device of the campaign.

    `service`: how families are served and measured, if they are.
    """

    families: list[str]
    policies: list[str]
    traces: list[str]
    service: NotRequired[Json]


DEFAULT_REGRESSIONS: Regressions = {"policy": "strict", "fail_at": "warning", "tolerate": []}


class Comparison(NamedTuple):
    """Two cells to compare.

    `varies`: what is under study and may differ. `waive`: {field: why its difference is let pass}. `pairs`: None for
    the protocol's number. `margin`: a fraction.
    `criteria`: name of the criteria that the right side must meet to be deployed. `gated`: whether a regression of the
    right side against the left closes the gate. `energy`: samplers watch its pairs, which go on until energy decides.
    """

    name: str
    left: Cell
    right: Cell
    varies: tuple[str, ...]
    policy: str
    pairs: int | None
    seconds: float | None
    margin: float
    criteria: str
    gated: bool
    waive: dict[str, str]
    energy: bool


class Campaign(NamedTuple):
    """A checked campaign: `cells` in the order wanted (those of comparisons included), `comparisons` by name.

    `tolerate`: statuses of cells that do not close the gate. `calibration`: None when the campaign does not calibrate.
    `pipelines`: names of the pipelines to plan. `adaptation`: what is replayed, on
    `devices`. `added`: cells that only a comparison wants, by its name.
    """

    name: str
    protocol: str
    cells: tuple[Cell, ...]
    comparisons: dict[str, Comparison]
    tolerate: tuple[str, ...]
    regressions: Regressions
    calibration: Calibration | None
    pipelines: tuple[str, ...]
    devices: tuple[str, ...]
    adaptation: Adaptation
    added: dict[str, list[Cell]]


def expand_campaign(config: Json, catalogues: Catalogues, where: str = "config/config.yaml") -> Campaign:
    """Return the Campaign that a configuration describes: its cells and its comparisons.

    `catalogues`: {kind: {name: document}} of every kind. UserError names the key of an unknown name, of a precision
    that a preset does not build, or of an incomplete comparison.
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
    comparisons: dict[str, Comparison] = {}
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
    added: dict[str, list[Cell]] = {}
    for comparison in comparisons.values():
        beyond = [cell for cell in dict.fromkeys((comparison.left, comparison.right)) if cell not in cells]
        added |= {comparison.name: beyond} if beyond else {}
        cells |= dict.fromkeys(beyond)
    tolerate = tuple(config.get("gate", {}).get("tolerate", ()))
    regressions = cast(Regressions, {**DEFAULT_REGRESSIONS, **config.get("regressions", {})})
    if "policy" in config.get("regressions", {}):
        _known(regressions["policy"], "regression-policy", catalogues, f"{where}: regressions: policy")
    calibration = _expand_calibration(config, catalogues, f"{where}: calibration")
    pipelines = tuple(config.get("pipelines", ()))
    for name in pipelines:
        _known(name, "pipeline", catalogues, f"{where}: pipelines")
        check_pipeline(catalogues["pipeline"][name], catalogues, f"config/{CATALOGUES['pipeline']}/{name}.yaml")
    adaptation = _expand_adaptation(config, catalogues, f"{where}: adaptation")
    return Campaign(
        name=config["campaign"],
        protocol=config["protocol"],
        cells=tuple(cells),
        comparisons=comparisons,
        tolerate=tolerate,
        regressions=regressions,
        calibration=calibration,
        pipelines=pipelines,
        devices=tuple(config["devices"]),
        adaptation=adaptation,
        added=added,
    )


def builder_of(preset: Mapping[str, Any], device: str) -> str:
    """Return who builds what a campaign wants on a device: `host`, or the device if the preset builds where it runs."""
    return "host" if preset["built"] == "host" else device


def _expand_matrix(matrix: Json, config: Json, catalogues: Catalogues, where: str) -> Iterator[Cell]:
    devices = matrix.get("devices", config["devices"])
    for combination in product(matrix["models"], matrix["presets"], devices, matrix["precisions"]):
        cell = Cell(*cast("tuple[str, str, str, str]", combination))
        if not any(all(getattr(cell, k) == v for k, v in entry.items()) for entry in matrix.get("exclude", [])):
            yield _checked(cell, catalogues, where)


def _expand_comparison(entry: Json, config: Json, catalogues: Catalogues, where: str) -> Comparison:
    given: dict[str, dict[str, str]] = {"left": dict(entry["left"]), "right": {**entry["left"], **entry["right"]}}
    cells: list[Cell] = []
    for side, fields in given.items():
        if "device" not in fields:
            if len(config["devices"]) > 1:
                raise UserError(f"{where}: {side}.device is missing; the campaign has {', '.join(config['devices'])}")
            fields["device"] = config["devices"][0]
        missing = [field for field in Cell._fields if field not in fields]
        if missing:
            raise UserError(f"{where}: left.{missing[0]} is missing (what right leaves out is taken from left)")
        cells.append(_checked(Cell(**fields), catalogues, f"{where}: {side}"))
    if cells[0].device == cells[1].device:
        _require_reach(cells[0].device, catalogues, where)
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
        seconds=entry.get("seconds"),
        margin=entry.get("margin", DEFAULT_MARGIN),
        criteria=criteria or DEFAULT_CRITERIA,
        gated=entry.get("gate", False),
        waive=_check_waived(entry, catalogues["policy"][policy], where),
        energy=entry.get("energy", config.get("energy", False)),
    )


def _check_waived(entry: Json, policy: Json, where: str) -> dict[str, str]:
    """Return the fields that a comparison waives; UserError for one that its policy does not ask for, and at a gate."""
    waived: dict[str, str] = entry.get("waive", {})
    if not waived:
        return {}
    known = [*policy["required"], *policy["environment"], *(["model_bytes"] if policy["require_model_bytes"] else [])]
    for field in waived:
        if field not in known:
            meant = suggest_words(field, known)
            raise UserError(f"{where}: waive.{field}: the policy does not compare this field{meant}")
    if entry.get("gate", False):
        raise UserError(f"{where}: gate is true and {', '.join(waived)} is waived; no gate takes a waived comparison")
    return waived


def _expand_table(table: Json, cells: Iterable[Cell], where: str) -> Iterator[Json]:
    """Yield the comparison entries of a table: pairs of cells that differ only in `across`, in matrix order."""
    across, models = table["across"], table.get("models")
    groups: dict[tuple[str, ...], list[Cell]] = {}
    for cell in cells:
        if models is None or cell.model in models:
            groups.setdefault(tuple(value for field, value in cell._asdict().items() if field != across), []).append(
                cell
            )
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
        raise UserError(f"{where}: no two cells of the matrices differ only in {across}")


def _expand_calibration(config: Json, catalogues: Catalogues, where: str) -> Calibration | None:
    calibration = config.get("calibration")
    if calibration is None:
        return None
    for device in config["devices"]:
        _require_reach(device, catalogues, where)
    cells = [
        _checked(Cell(device=device, **names), catalogues, f"{where}: cells[{number}]")
        for number, names in enumerate(calibration["cells"])
        for device in config["devices"]
    ]
    return {"pairs": calibration["pairs"], "sessions": calibration["sessions"], "cells": cells}


def _require_reach(device: str, catalogues: Catalogues, where: str) -> None:
    """Raise UserError for a device where no pairs can be measured, since no job reaches it."""
    if catalogues["device"][device]["transport"] == "manual":
        raise UserError(
            f"{where}: no job reaches {device} (transport: manual), so no pairs are measured there; leave it out"
        )


def _expand_adaptation(config: Json, catalogues: Catalogues, where: str) -> Adaptation:
    wanted = config.get("adaptation", {"families": [], "policies": [], "traces": []})
    for key, kind in (("families", "family"), ("policies", "selection"), ("traces", "trace")):
        for name in wanted[key]:
            _known(name, kind, catalogues, f"{where}.{key}")
    for name in wanted["families"]:
        for device in config["devices"]:
            for variant, cell in list_family_cells(catalogues["family"][name], device).items():
                _checked(cell, catalogues, f"config/families/{name}.yaml: variants.{variant}.cell")
    return cast(Adaptation, wanted)


def _checked(cell: Cell, catalogues: Catalogues, where: str) -> Cell:
    for kind in ("model", "preset", "device"):
        _known(getattr(cell, kind), kind, catalogues, f"{where}: {kind}")
    offered = catalogues["preset"][cell.preset]["precisions"]
    if cell.precision not in offered:
        raise UserError(
            f"{where}: preset {cell.preset!r} does not build {cell.precision!r}; it has {', '.join(offered)}"
        )
    preset = catalogues["preset"][cell.preset]
    if catalogues["device"][cell.device]["transport"] == "manual" and (
        preset["built"] != "host" or preset["backend"] == "command"
    ):
        raise UserError(
            f"{where}: preset {cell.preset!r} needs a job on the device, and none reaches {cell.device}; take a preset "
            "that is built here and is no command"
        )
    declared = catalogues["model"][cell.model].get("processing", {})
    for name in catalogues["preset"][cell.preset].get("include", []):
        if PROCESSING[name] not in declared:
            raise UserError(
                f"{where}: preset {cell.preset!r} includes {name}, and config/models/{cell.model}.yaml declares none; "
                f"add processing.{PROCESSING[name]} there, or take another preset"
            )
    kept = catalogues["model"][cell.model].get("kept")
    if kept and (cell.preset, cell.precision) != (kept["preset"], kept["precision"]):
        raise UserError(
            f"{where}: {cell.model} is stored as {kept['preset']} in {kept['precision']}, and in nothing else"
        )
    return cell


def _known(name: str, kind: str, catalogues: Catalogues, where: str) -> None:
    if name not in catalogues[kind]:
        own = [key for key, entry in catalogues[kind].items() if entry.get("source", {}).get("kind") != "stage"]
        known = suggest_words(name, own) or f"; it has {', '.join(own)}"  # stages of pipelines have no file there
        raise UserError(f"{where}: {name!r} is not in config/{CATALOGUES[kind]}/{known}")
