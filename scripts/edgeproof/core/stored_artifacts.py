"""Artifacts that are there already: baselines that somebody set, and what earlier campaigns have built.

A baseline is a folder `results/baselines/NAME/` with an artifact, its manifest, its source model and its samples, and
`baseline.json` that seals them. An artifact of the store is found by its digest, in the attempts of builds first, since
those are never overwritten.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from .configuration import Json
from .documents import read_json, read_sealed
from .errors import UserError
from .files import is_file, sha256_file
from .suggestions import suggest_words

BASELINES = "results/baselines"
BASELINE = "baseline.json"
_ARTIFACTS = "results/artifacts/*/*/*/*"
_NPZ = ("calibration", "evaluation")
_GENERATED = (
    "digits",
    "diabetes",
    "scenes",
    "random",
)  # follow from their entry; other samples are kept as files


class StoredArtifact(NamedTuple):
    """An artifact that needs no build: its name as a model, its entry in the catalogue, the model it was built from."""

    name: str
    entry: Json
    origin: str


def name_artifact(cell: Mapping[str, str]) -> str:
    """Return what a stored artifact is called, from its manifest's place, as `edgeproof artifacts list` prints it."""
    return "/".join(cell[key] for key in ("model", "preset", "builder", "precision"))


def list_baselines(root: Path) -> list[str]:
    """Return the names of the stored artifacts that somebody set as baselines, sorted."""
    return sorted(path.parent.name for path in (root / BASELINES).glob(f"*/{BASELINE}"))


def read_baseline(name: str, root: Path, where: str) -> StoredArtifact:
    """Return the stored artifact of a baseline as a model of the campaign; UserError without one, or if it was changed.

    `where`: who asks, for messages.
    """
    folder = Path(BASELINES) / name
    path = root / folder / BASELINE
    if not is_file(path):
        known = list_baselines(root)
        there = f"there are {', '.join(known)}{suggest_words(name, known)}" if known else "there is none"
        raise UserError(f"{where}: no baseline {name!r} in {BASELINES}/; {there} (edgeproof baseline set)")
    document = read_sealed(path, "baseline", "set it again")
    for file, digest in document["files"].items():
        if not is_file(root / folder / file) or sha256_file(root / folder / file) != digest:
            raise UserError(f"{folder / file}: is not the file that {BASELINE} beside it names; set the baseline again")
    samples = document["model"]["samples"]
    if samples["kind"] not in _GENERATED:
        kept = {key: f"samples/{key}.npz" for key in _NPZ}
        files = {key: str(folder / file) for key, file in kept.items()}
        samples = {"kind": "file", **files, **{f"{key}_sha256": document["files"][file] for key, file in kept.items()}}
    artifact = str(folder / document["artifact"]["file"])
    entry = _make_entry(document, document["model"], samples, artifact, str(folder / "manifest.json"))
    entry |= {"description": f"the baseline {name}, set from {name_artifact(document['cell'])}"}
    entry |= {"source": {"kind": "file", "path": str(folder / "model.onnx"), "sha256": document["files"]["model.onnx"]}}
    return StoredArtifact(f"baseline-{name}", entry, document["cell"]["model"])


def find_artifact(
    digest: str, wanted: Mapping[str, str], models: Mapping[str, Json], root: Path, where: str
) -> StoredArtifact:
    """Return the stored artifact with this digest (sha256 or its first digits) as a model of the campaign.

    `wanted`: preset and precision, if the side names them: one file may be what several presets run. `models`: the
    catalogue, for task and samples. UserError names where it was looked for.
    """
    sought = digest.removeprefix("sha256:")
    places = (f"{BASELINES}/*", f"{_ARTIFACTS}/attempts/*", _ARTIFACTS)
    baselines = [name for name in list_baselines(root) if _digest_of(root / BASELINES / name).startswith(sought)]
    if baselines:
        return read_baseline(baselines[0], root, where)
    found = [item for item in _list_built(places[1:], root) if item[1]["artifact"]["sha256"].startswith(sought)]
    if len(digests := {item[1]["artifact"]["sha256"] for item in found}) > 1:
        raise UserError(f"{where}: {digest} begins the digests of {len(digests)} artifacts; give more digits")
    found = [item for item in found if all(item[1]["cell"][key] == value for key, value in wanted.items())]
    cells = dict.fromkeys(name_artifact(manifest["cell"]) for _, manifest in found)
    if not found:
        asked = "".join(f", {key} {value}" for key, value in wanted.items())
        raise UserError(f"{where}: no artifact {digest}{asked} is stored; looked in {', '.join(places)}")
    presets = {(manifest["cell"]["preset"], manifest["cell"]["precision"]) for _, manifest in found}
    if len(presets) > 1:
        raise UserError(f"{where}: {digest} is {' and '.join(cells)}; name preset and precision beside it")
    folder, manifest = found[0]
    model = manifest["cell"]["model"]
    if model not in models:
        raise UserError(
            f"{where}: {digest} was built from {model}, which is not in config/models/: its samples are gone"
        )
    artifact = str(folder / manifest["artifact"]["file"])
    source = _find_source(manifest["source"]["sha256"], models[model], root)
    if source is None:
        raise UserError(
            f"{where}: the model that {digest} was built from (sha256 {manifest['source']['sha256'][:12]}…) is not "
            "here any more; looked in results/sources/*, results/artifacts/* and the path of the model's entry"
        )
    entry = _make_entry(manifest, models[model], models[model]["samples"], artifact, f"{folder}/manifest.json")
    entry |= {"description": f"the stored artifact {manifest['artifact']['sha256'][:12]} of {next(iter(cells))}"}
    entry |= {"source": {"kind": "file", "path": source, "sha256": manifest["source"]["sha256"]}}
    return StoredArtifact(f"artifact-{manifest['artifact']['sha256'][:12]}", entry, model)


def _make_entry(document: Json, model: Json, samples: Json, artifact: str, manifest: str) -> Json:
    """Return what of a model's entry says which artifact it has. `document`: with `cell` and `artifact`."""
    cell = {key: document["cell"][key] for key in ("preset", "builder", "precision")}
    kept = {**cell, "artifact": artifact, "sha256": document["artifact"]["sha256"], "manifest": manifest}
    return {**{key: model[key] for key in ("task", "whole_inputs") if key in model}, "samples": samples, "kept": kept}


def _digest_of(folder: Path) -> str:
    return read_sealed(folder / BASELINE, "baseline", "set it again")["artifact"]["sha256"]


def _list_built(patterns: Iterable[str], root: Path) -> list[tuple[Path, Json]]:
    """Return (folder, manifest) of all builds that succeeded, in the order of the patterns; folders are below root."""
    folders = [path for pattern in patterns for path in sorted(root.glob(f"{pattern}/manifest.json"))]
    read = [(path.parent.relative_to(root), read_json(path, "manifest")) for path in folders]
    return [(folder, manifest) for folder, manifest in read if manifest["status"] == "ok"]


def _find_source(digest: str, model: Json, root: Path) -> str | None:
    """Return the path of the model file with this digest, of those that are still there."""
    own = [model["source"]["path"]] if model["source"]["kind"] == "file" else []
    patterns = (f"{_ARTIFACTS}/attempts/*/artifact.onnx", f"{BASELINES}/*/model.onnx", "results/sources/*/model.onnx")
    stored = [str(path.relative_to(root)) for pattern in patterns for path in sorted(root.glob(pattern))]
    return next((path for path in [*own, *stored] if is_file(root / path) and sha256_file(root / path) == digest), None)
