"""The places of manifests and of what they name, wherever results have been moved."""

from pathlib import Path

from edgeproof.core.attempts import FOLDER as ATTEMPTS
from edgeproof.core.configuration import Json
from edgeproof.core.errors import UserError
from edgeproof.core.layout import REPOSITORY, artifact_folder

_LEVELS = 4  # model, preset, builder, precision


def find_manifests(where: str | Path) -> list[Path]:
    """Return the places of all manifests below a folder, sorted; `where` itself if it is a file.

    UserError if there are none.
    """
    where = Path(where)
    if where.is_file():
        return [where]
    if not where.is_dir():
        raise UserError(f"{where}: is missing; a manifest.json, a folder with some, or `all` is needed")
    found = sorted(path for path in where.rglob("manifest.json") if ATTEMPTS not in path.relative_to(where).parts)
    if not found:
        raise UserError(f"{where}: no manifest.json below this folder")
    return found


def find_manifest_root(manifest_path: str | Path) -> Path:
    """Return the place that relative paths in a manifest start from, a folder.

    This is the folder that holds `results/artifacts/…`, so that results can be moved or copied; for a manifest that is
    elsewhere it is this repository.
    """
    parents = Path(manifest_path).resolve().parents
    if len(parents) > _LEVELS + 2 and [parents[_LEVELS].name, parents[_LEVELS + 1].name] == ["artifacts", "results"]:
        return parents[_LEVELS + 2]
    return REPOSITORY


def find_config_root(manifest_path: str | Path) -> Path:
    """Return the place of the `config/` and `envs/` that a manifest is compared with: the folder that has them.

    It is that of `find_manifest_root`, if that has a config.
    """
    root = find_manifest_root(manifest_path)
    return root if (root / "config" / "presets").is_dir() else REPOSITORY


def place_artifact(cell: Json) -> str:
    """Return the place where the artifact of a manifest's cell belongs, relative to the root."""
    return artifact_folder(cell["model"], cell["preset"], cell["builder"], cell["precision"])
