"""What the two sides of `edgeproof compare` stand for: cells, model files, or stored artifacts."""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from edgeproof.core.catalogues import list_entries
from edgeproof.core.configuration import Json
from edgeproof.core.errors import UserError
from edgeproof.core.files import is_file, sha256_file
from edgeproof.core.layout import Cell, relative_to_repository
from edgeproof.core.stored_artifacts import find_artifact, list_baselines, read_baseline
from edgeproof.core.suggestions import suggest_words
from edgeproof.sources.identity import describe_model

_MODEL_FILE = ".onnx"
_RANDOM = {"kind": "random", "seed": 0, "calibration": 200, "evaluation": 64}
_STORED = ("baseline:", "sha256:")


class Sides(NamedTuple):
    """`left`, `right`: as a campaign has them. `cells`: those of both. `models`: entries of model files by name.
    `notes`: which of several models a file was taken for.
    """

    left: Json
    right: Json
    cells: tuple[Cell, Cell]
    models: dict[str, Json]
    notes: list[str]


def read_sides(
    texts: tuple[str, str], defaults: Mapping[str, str], like: str | None, catalogues: Json, root: Path
) -> Sides:
    """Return what the two sides of `edgeproof compare` stand for, each given as a text.

    `defaults`: {preset, device, precision} where no side names one. `like`: a model whose task and samples model files
    get. UserError for a text that is neither a file nor parts of a cell.
    """
    files = [Path(text) for text in texts if text.endswith(_MODEL_FILE)]
    beside = next((found for found in (_find_entry(text, catalogues["model"], root) for text in texts) if found), None)
    names, models, notes = _name_files(files, like, beside, catalogues["model"], root)
    known = {**catalogues, "model": {**catalogues["model"], **models}}
    left, left_cell = _read_side(texts[0], defaults, names, known, root)
    right, right_cell = _read_side(texts[1], left_cell, names, known, root)
    own = [{**cell, "model": cell.get("stored", cell["model"])} for cell in (left_cell, right_cell)]
    cells = [Cell(**{field: cell[field] for field in Cell._fields}) for cell in own]
    return Sides(left, right, (cells[0], cells[1]), models, notes)


def list_sides(root: Path) -> list[str]:
    """Return what the sides of `edgeproof compare` may be, for completion: cells with a result, models, baselines."""
    cells = ["/".join(path.parts[-5:-1]) for path in sorted((root / "results/runs").glob("*/*/*/*/result.json"))]
    models = [path.stem for path in list_entries(root / "config/models")]
    return [*cells, *models, *(f"baseline:{name}" for name in list_baselines(root))]


def _read_side(
    text: str, before: Mapping[str, str], names: Mapping[str, str], catalogues: Json, root: Path
) -> tuple[Json, dict[str, str]]:
    """Return (side as a campaign has it, its cell; `stored` in it is the name of a stored artifact).

    `before`: what it takes where it names nothing.
    """
    if text.startswith(_STORED):
        if text.startswith("baseline:"):
            side: Json = {"baseline": text.removeprefix("baseline:")}
            found = read_baseline(side["baseline"], root, "edgeproof compare")
        else:
            wanted = {key: before[key] for key in ("preset", "precision") if key in before and "model" in before}
            side = {"artifact": text, **wanted}
            found = find_artifact(text, wanted, catalogues["model"], root, "edgeproof compare")
        kept = found.entry["kept"]
        device = kept["builder"] if kept["builder"] != "host" else before["device"]
        cell = {"preset": kept["preset"], "device": device, "precision": kept["precision"]}
        return {**side, "device": device}, {"model": found.origin, "stored": found.name, **cell}
    before = {field: name for field, name in before.items() if field != "stored"}
    named = {"model": names[text]} if text in names else _match_parts(text, catalogues)
    cell = {**before, **named}
    if "model" not in cell:
        raise UserError(f"{text}: no model is named; write MODEL/PRESET/DEVICE/PRECISION, or an ONNX file")
    return dict(cell), cell


def _find_entry(text: str, models: Mapping[str, Json], root: Path) -> Json | None:
    """Return the configuration of the model that a cell or a baseline names, None for a file or an artifact."""
    if text.startswith("baseline:"):
        return models.get(read_baseline(text.removeprefix("baseline:"), root, "edgeproof compare").origin)
    return models.get(text.split("/")[0])


def _match_parts(text: str, catalogues: Json) -> dict[str, str]:
    """Return {field: name} of a text like `digits-cnn/ort-cpu/local/fp32` whose parts may be left out."""
    precisions = dict.fromkeys(name for preset in catalogues["preset"].values() for name in preset["precisions"])
    known = {field: [*catalogues[field]] for field in ("model", "preset", "device")} | {"precision": [*precisions]}
    found: dict[str, str] = {}
    left = [*Cell._fields]
    for part in text.split("/"):
        field = next((field for field in left if part in known[field]), None)
        if field is None:
            every = [name for names in known.values() for name in names]
            wrong = "is not in its place" if part in every else "is no model, preset, device or precision"
            meant = "" if part in every else suggest_words(part, every)
            raise UserError(
                f"{text}: {part!r} {wrong}{meant}; write MODEL/PRESET/DEVICE/PRECISION, less what the other side says, "
                "or the path of an ONNX file"
            )
        found[field] = part
        del left[: left.index(field) + 1]
    return found


def _name_files(
    files: list[Path], like: str | None, beside: Json | None, models: Mapping[str, Json], root: Path
) -> tuple[dict[str, str], dict[str, Json], list[str]]:
    """Return ({path as given: name of its model}, {name: entry} of those that config/models/ does not have, notes).

    `beside`: the entry of the model on the other side, whose task and samples a file gets. Where several models have
    the bytes of a file, it is the one with this very path, else the one with the file's name, else the first by name;
    a note says which.
    """
    if like is not None and like not in models:
        raise UserError(f"--like {like}: is not in config/models/{suggest_words(like, models)}")
    for path in files:
        if not is_file(path):
            raise UserError(f"{path}: there is no such file")
    digests = {path: sha256_file(path) for path in files}
    shipped: dict[str, list[str]] = {}
    for name, model in sorted(models.items()):
        if model["source"]["kind"] == "file" and "kept" not in model and is_file(root / model["source"]["path"]):
            shipped.setdefault(sha256_file(root / model["source"]["path"]), []).append(name)
    known: dict[Path, str] = {}
    notes: list[str] = []
    for path, digest in digests.items() if like is None else ():
        if digest in shipped:
            known[path] = _choose_entry(path, shipped[digest], models, root)
            if len(shipped[digest]) > 1:
                others = ", ".join(name for name in shipped[digest] if name != known[path])
                notes.append(f"{path} is taken for the model {known[path]}; the same file is {others}, too")
    example = models[like] if like else next((models[name] for name in known.values()), beside)
    task, samples = (example["task"], example["samples"]) if example else ("none", _RANDOM)
    names: dict[str, str] = {}
    entries: dict[str, Json] = {}
    for path in files:
        if path in known:
            names[str(path)] = known[path]
            continue
        name = _make_name(path)
        if name in models or sum(other.stem == path.stem for other in files) > 1:
            name = f"{name}-{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:6]}"
        names[str(path)] = name
        _require_model(name, path, samples)
        place = relative_to_repository(path.resolve(), root)
        source = {"kind": "file", "path": place}
        entries[name] = {"description": f"the file {path.name}", "source": source, "task": task, "samples": samples}
    return names, entries, notes


def _choose_entry(path: Path, names: list[str], models: Mapping[str, Json], root: Path) -> str:
    """Return the model that a file is, of those with its bytes; `names` are sorted."""
    own = [name for name in names if (root / models[name]["source"]["path"]).resolve() == path.resolve()]
    return min(own or names, key=lambda name: (name != _make_name(path), name))


def _make_name(path: Path) -> str:
    return re.sub("[^a-z0-9]+", "-", path.stem.lower()).strip("-") or "model"


def _require_model(name: str, path: Path, samples: Json) -> None:
    """Raise UserError for a file that is no usable model, or whose samples cannot be drawn."""
    inputs = describe_model(name, path)["inputs"]
    open_axes = [item for item in inputs if not all(isinstance(size, int) for size in item["shape"][1:])]
    whole = next((item for item in inputs if not item["dtype"].startswith("float")), None)
    if samples["kind"] == "random" and whole:
        raise UserError(
            f"{path}: input {whole['name']!r} is {whole['dtype']}: random values would mean nothing; give samples once "
            f"with `edgeproof new model {path} --samples FILE`, then compare by that name"
        )
    if samples["kind"] == "random" and open_axes:
        first = open_axes[0]
        raise UserError(
            f"{path}: input {first['name']!r} leaves axes of {first['shape']} open; size them once with `edgeproof new "
            f"model {path} --shape {first['name']}=1,…`, then compare by that name"
        )
