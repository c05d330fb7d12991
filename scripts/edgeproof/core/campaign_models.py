"""Models that only a campaign has: those that it writes under `models`, and the stored artifacts that its sides name.

After `add_models`, every side of a comparison names a model of the catalogue, and nothing else has to know.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from .campaign_files import CampaignFiles
from .configuration import Json
from .documents import validate
from .errors import UserError
from .layout import REPOSITORY
from .stored_artifacts import StoredArtifact, find_artifact, read_baseline

STORED = ("artifact", "baseline")  # keys of a side that name a stored artifact


def add_models(
    files: CampaignFiles, catalogues: Mapping[str, Mapping[str, Json]], root: Path = REPOSITORY
) -> tuple[CampaignFiles, dict[str, dict[str, Json]]]:
    """Return a campaign, and the catalogues with the models that only this campaign has.

    Its sides then name models only. UserError names file and line: a model that is in `config/models/` as well, or an
    artifact that is not stored. `root`: the folder that has `results/`.
    """
    models = dict(catalogues["model"])
    for name, entry in files.config.get("models", {}).items():
        place = f"{files.locate(f'models.{name}')}: models.{name}"
        if name in models:
            raise UserError(f"{place}: config/models/ has a model of this name; choose another")
        models[name] = validate(entry, "model", place)
    comparisons = [
        _resolve(entry, f"comparisons[{number}]", files, models, root)
        for number, entry in enumerate(files.config.get("comparisons", []))
    ]
    config = {**files.config, **({"comparisons": comparisons} if comparisons else {})}
    return files._replace(config=config), {**{k: dict(v) for k, v in catalogues.items()}, "model": models}


def _resolve(entry: Any, key: str, files: CampaignFiles, models: dict[str, Json], root: Path) -> Any:
    """Return a comparison whose sides name models, and add the stored ones to `models`.

    What is malformed is left as it is.
    """
    if not isinstance(entry, dict):
        return entry  # the schema says what is wrong
    comparison = cast(Json, entry)
    sides = {side: cast(Json, comparison[side]) for side in ("left", "right") if isinstance(comparison.get(side), dict)}
    if len(sides) < 2:
        return comparison
    stored = {side: _find(fields, f"{files.locate(f'{key}.{side}')}: {key}.{side}", sides, models, root)
              for side, fields in sides.items() if any(name in fields for name in STORED)}  # fmt: skip
    resolved: dict[str, Json] = {side: dict(fields) for side, fields in sides.items()}
    for side, found in stored.items():
        known = models.setdefault(found.name, found.entry)
        kept = found.entry["kept"]
        if known != found.entry:
            raise UserError(
                f"{files.locate(f'{key}.{side}')}: {found.name} is two artifacts of one campaign; set a baseline"
            )
        place = {"model": found.name, "preset": kept["preset"], "precision": kept["precision"]}
        device = {} if kept["builder"] == "host" else {"device": kept["builder"]}
        resolved[side] = {k: v for k, v in sides[side].items() if k not in STORED} | place | device
    if "left" in stored and "right" not in stored:
        resolved["right"].setdefault("model", stored["left"].origin)
    if not stored:
        return comparison
    given = cast("list[str]", comparison.get("varies", []))
    varies = list(dict.fromkeys([*given, "model"]))  # a stored artifact is another model, or was
    return {**comparison, **resolved, "varies": varies}


def _find(fields: Json, where: str, sides: dict[str, Json], models: Mapping[str, Json], root: Path) -> StoredArtifact:
    if "model" in fields or all(name in fields for name in STORED):
        raise UserError(f"{where}: a side is a model, an artifact or a baseline; name one of them")
    if "baseline" in fields:
        return read_baseline(fields["baseline"], root, where)
    other = next(side for side in sides.values() if side is not fields)
    named = {key: str(fields[key]) for key in ("preset", "precision") if key in fields}
    beside = {key: str(other[key]) for key in ("preset", "precision") if key in other} | named
    try:
        return find_artifact(fields["artifact"], beside, models, root, where)
    except UserError:
        if beside == named:
            raise
        return find_artifact(fields["artifact"], named, models, root, where)
