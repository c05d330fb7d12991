"""Baselines: an artifact that later ones are compared with, kept with all that a comparison needs of it.

results/baselines/NAME/baseline.json    what it is, and the digest of every file beside it
                       artifact.…  manifest.json  parity.json  reference.npz
                       model.onnx  identity.json  samples/
"""

import shutil
import uuid
from pathlib import Path

from edgeproof.core.catalogues import read_catalogue_entry
from edgeproof.core.clock import now
from edgeproof.core.configuration import Json
from edgeproof.core.documents import read_json, read_sealed, write_sealed
from edgeproof.core.errors import UserError
from edgeproof.core.files import is_file, keep_file, sha256_file
from edgeproof.core.layout import SOURCE_FILES, source_folder
from edgeproof.core.stored_artifacts import BASELINE, BASELINES, list_baselines

from .agreement.parity_attempts import PARITY, REFERENCE
from .artifact_names import find_manifest
from .records.manifests import verify_manifest
from .records.parity_records import read_parity_record


def set_baseline(target: str, name: str | None, replace: bool, root: Path, promotion: Json | None = None) -> Json:
    """Keep an artifact as the baseline `name` and return its document.

    A result is no part of a baseline, which is measured again in each comparison, so none is looked at.
    `target`: a name or path of an artifact, or the cell that measures it. `name`: default its model's name.
    `promotion`: the decision that asks for it (see the schema). UserError if a file is missing or was changed, or if
    there is a baseline of this name and `replace` is False.
    """
    path = find_manifest(target, root)
    manifest = verify_manifest(path)
    if manifest["status"] != "ok":
        raise UserError(f"{path}: the build failed ({manifest['reason']['message']}); there is nothing to keep")
    model = manifest["cell"]["model"]
    name = name if name else str(model)
    folder = Path(root, BASELINES, name)
    if (folder / BASELINE).exists() and not replace:
        raise UserError(f"{BASELINES}/{name}: is set already; give --replace, or another --name")
    entry = read_catalogue_entry("model", model, root)
    sources = {name: root / source_folder(model) / name for name in SOURCE_FILES}
    built = [manifest["artifact"]["file"], path.name, PARITY, REFERENCE]
    files = {**sources, **{name: path.parent / name for name in built}}
    if missing := next((file for file in files.values() if not is_file(file)), None):
        raise UserError(f"{missing}: is missing; make it first: snakemake --profile local {missing.relative_to(root)}")
    if sha256_file(sources["model.onnx"]) != manifest["source"]["sha256"]:
        raise UserError(f"{path}: was built from another {sources['model.onnx']}; run the workflow again")
    parity = read_parity_record(path.parent / PARITY)
    if parity["artifact_sha256"] != manifest["artifact"]["sha256"]:
        raise UserError(f"{path.parent / PARITY}: is of another artifact; run the workflow again")
    document: Json = {
        "schema": "edgeproof.baseline.v2",
        "name": name,
        "set_at": now(),
        "cell": manifest["cell"],
        "artifact": {key: manifest["artifact"][key] for key in ("file", "sha256")},
        "promotion": promotion,
        "model": {key: entry[key] for key in ("task", "samples", "whole_inputs") if key in entry},
        "files": {name: sha256_file(file) for name, file in sorted(files.items())},
    }
    _put(document, files, folder)
    return read_json(folder / BASELINE, "baseline")


def describe_baselines(root: Path) -> list[Json]:
    """Return the documents of all baselines, by name."""
    return [
        read_sealed(root / BASELINES / name / BASELINE, "baseline", "set it again") for name in list_baselines(root)
    ]


def _put(document: Json, files: dict[str, Path], folder: Path) -> None:
    """Fill a folder beside the baseline's and put it into place: nobody sees half a baseline."""
    beside = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        for name, file in files.items():
            keep_file(file, beside / name)
        write_sealed(beside / BASELINE, document, "baseline")
        if folder.exists():
            folder.rename(beside / "before")
        beside.rename(folder)
        shutil.rmtree(folder / "before", ignore_errors=True)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
