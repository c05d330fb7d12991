"""Where manifests and what they speak of are found: names are checked, and paths survive a move of the results."""

import itertools
import re
from pathlib import Path

from edgeproof.core.campaign import CATALOGUES, list_entries
from edgeproof.core.documents import read_sealed
from edgeproof.core.errors import UserError
from edgeproof.core.layout import REPOSITORY, artifact_folder
from edgeproof.core.suggestions import suggest_words
from edgeproof.core.yaml_files import read_yaml

NAME = "[a-z0-9][a-z0-9-]*"
_LEVELS = 4  # model, preset, builder, precision


def list_names(kind, root=REPOSITORY):
    """Return the names that the configuration has of a kind (model, preset, device, …), sorted."""
    return [path.stem for path in list_entries(Path(root) / "config" / CATALOGUES[kind])]


def check_name(kind, value, root=REPOSITORY):
    """Return `value` if the configuration has a model, preset, … of that name; UserError for paths and unknown ones."""
    if not re.fullmatch(NAME, value):
        raise UserError(f"{kind} is {value!r}: a name matches {NAME}; a path is none")
    known = list_names(kind, root)
    if value not in known:
        raise UserError(
            f"{kind} is {value!r}, which is not in config/{CATALOGUES[kind]}/; it has {', '.join(known)}"
            f"{suggest_words(value, known)}"
        )
    return value


def read_entry(kind, name, root=REPOSITORY):
    """Return one document of the configuration, by a name that is checked first."""
    check_name(kind, name, root)
    return read_yaml(Path(root) / "config" / CATALOGUES[kind] / f"{name}.yaml", kind)


def find_manifests(where):
    """Return the manifests below a folder, sorted; `where` itself when it is a file. UserError for none."""
    where = Path(where)
    if where.is_file():
        return [where]
    if not where.is_dir():
        raise UserError(f"{where}: is missing; a manifest.json, a folder that holds some, or `all` is needed")
    found = sorted(where.rglob("manifest.json"))
    if not found:
        raise UserError(f"{where}: no manifest.json below this folder")
    return found


def read_parity(path):
    """Return the parity document at `path`; UserError when it is missing, invalid or was edited."""
    return read_sealed(path, "parity", "check the parity again")


def root_of(manifest_path):
    """Return the folder that relative paths in a manifest start from.

    That is the one that holds `results/artifacts/…`, so that a results folder can be moved or copied; for a manifest
    that lies elsewhere it is this repository.
    """
    parents = Path(manifest_path).resolve().parents
    if len(parents) > _LEVELS + 2 and [parents[_LEVELS].name, parents[_LEVELS + 1].name] == ["artifacts", "results"]:
        return parents[_LEVELS + 2]
    return REPOSITORY


def config_root_of(manifest_path):
    """Return the folder whose `config/` and `envs/` a manifest is compared with: `root_of` if that has a config."""
    root = root_of(manifest_path)
    return root if (root / "config" / "presets").is_dir() else REPOSITORY


def folder_of(cell):
    """Return where the artifact of a manifest's cell belongs, relative to the root."""
    return artifact_folder(cell["model"], cell["preset"], cell["builder"], cell["precision"])


def find_option(command, name):
    """Return the value of `--name` in a recorded command, None where it has none."""
    flag = f"--{name}"
    return next((value for option, value in itertools.pairwise(command) if option == flag), None)
