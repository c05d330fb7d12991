"""Finding manifests and the files that they name. Names are checked, and results can be moved."""

import itertools
import re
from collections.abc import Sequence
from pathlib import Path

from edgeproof.core.campaign import CATALOGUES, list_entries
from edgeproof.core.configuration import Json
from edgeproof.core.documents import read_sealed
from edgeproof.core.errors import UserError
from edgeproof.core.files import FilePath
from edgeproof.core.layout import REPOSITORY, artifact_folder
from edgeproof.core.suggestions import suggest_words
from edgeproof.core.yaml_files import read_yaml

NAME = "[a-z0-9][a-z0-9-]*"
_LEVELS = 4  # model, preset, builder, precision


def list_names(kind: str, root: str | Path = REPOSITORY) -> list[str]:
    """Return the names of all models, presets, devices, … in the configuration, sorted. `kind`: which of these."""
    return [path.stem for path in list_entries(Path(root) / "config" / CATALOGUES[kind])]


def check_name(kind: str, value: str, root: str | Path = REPOSITORY) -> str:
    """Return `value` if the configuration has a model, preset, … of that name; UserError if not, and for a path."""
    if not re.fullmatch(NAME, value):
        raise UserError(f"{kind} is {value!r}: a name matches {NAME}; a path is not a name")
    known = list_names(kind, root)
    if value not in known:
        raise UserError(
            f"{kind} is {value!r}, which is not in config/{CATALOGUES[kind]}/; it has {', '.join(known)}"
            f"{suggest_words(value, known)}"
        )
    return value


def read_entry(kind: str, name: str, root: str | Path = REPOSITORY) -> Json:
    """Return one document of the configuration; UserError if there is none of that name."""
    check_name(kind, name, root)
    return read_yaml(Path(root) / "config" / CATALOGUES[kind] / f"{name}.yaml", kind)


def find_manifests(where: str | Path) -> list[Path]:
    """Return the manifests below a folder, sorted; `where` itself if it is a file. UserError if there are none."""
    where = Path(where)
    if where.is_file():
        return [where]
    if not where.is_dir():
        raise UserError(f"{where}: is missing; a manifest.json, a folder with some, or `all` is needed")
    found = sorted(where.rglob("manifest.json"))
    if not found:
        raise UserError(f"{where}: no manifest.json below this folder")
    return found


def read_parity(path: FilePath) -> Json:
    """Return the parity document at `path`; UserError when it is missing, invalid or was edited."""
    return read_sealed(path, "parity", "check the parity again")


def root_of(manifest_path: str | Path) -> Path:
    """Return the folder that relative paths in a manifest start from.

    This is the folder that holds `results/artifacts/…`, so that results can be moved or copied; for a manifest that is
    elsewhere it is this repository.
    """
    parents = Path(manifest_path).resolve().parents
    if len(parents) > _LEVELS + 2 and [parents[_LEVELS].name, parents[_LEVELS + 1].name] == ["artifacts", "results"]:
        return parents[_LEVELS + 2]
    return REPOSITORY


def config_root_of(manifest_path: str | Path) -> Path:
    """Return the folder whose `config/` and `envs/` a manifest is compared with: `root_of`, if that has a config."""
    root = root_of(manifest_path)
    return root if (root / "config" / "presets").is_dir() else REPOSITORY


def folder_of(cell: Json) -> str:
    """Return where the artifact of a manifest's cell belongs, relative to the root."""
    return artifact_folder(cell["model"], cell["preset"], cell["builder"], cell["precision"])


def find_option(command: Sequence[str], name: str) -> str | None:
    """Return the value of `--name` in a recorded command, None if it has none."""
    flag = f"--{name}"
    return next((value for option, value in itertools.pairwise(command) if option == flag), None)
