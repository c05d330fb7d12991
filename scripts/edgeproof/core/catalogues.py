"""Catalogues of the configuration: the models, presets, devices, … that it has, by name."""

import re
from pathlib import Path

from .configuration import Json
from .errors import UserError
from .files import FilePath
from .layout import REPOSITORY
from .suggestions import suggest_words
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
    "family": "families",
    "selection": "selection",
    "trace": "traces",
}
NAME = "[a-z0-9][a-z0-9-]*"


def read_catalogue(kind: str, root: FilePath = "config") -> dict[str, Json]:
    """Read one catalogue of the configuration (kind: a key of CATALOGUES): {name: document}."""
    folder = Path(root) / CATALOGUES[kind]
    return {path.stem: _read_entry(path, kind) for path in list_entries(folder)}


def list_entries(folder: Path) -> list[Path]:
    """Return the YAML files of a catalogue of the configuration, given its folder, sorted.

    Not Emacs's locks (`.#x.yaml`) or macOS's `._x.yaml`.
    """
    return sorted(path for path in folder.glob("*.yaml") if not path.name.startswith("."))


def list_catalogue(kind: str, root: str | Path = REPOSITORY) -> list[str]:
    """Return the names in a catalogue of the configuration, sorted. `kind`: which one, such as `model` or `preset`."""
    return [path.stem for path in list_entries(Path(root) / "config" / CATALOGUES[kind])]


def require_in_catalogue(kind: str, value: str, root: str | Path = REPOSITORY) -> str:
    """Return `value` if the catalogue of models, presets, … has that name; UserError if not, and for a path."""
    if not re.fullmatch(NAME, value):
        raise UserError(f"{kind} is {value!r}: a name matches {NAME}; a path is not a name")
    known = list_catalogue(kind, root)
    if value not in known:
        raise UserError(
            f"{kind} is {value!r}, which is not in config/{CATALOGUES[kind]}/; it has {', '.join(known)}"
            f"{suggest_words(value, known)}"
        )
    return value


def read_catalogue_entry(kind: str, name: str, root: str | Path = REPOSITORY) -> Json:
    """Return one document of a catalogue of the configuration; UserError if there is none of that name."""
    require_in_catalogue(kind, name, root)
    return read_yaml(Path(root) / "config" / CATALOGUES[kind] / f"{name}.yaml", kind)


def _read_entry(path: Path, kind: str) -> Json:
    if not re.fullmatch(NAME, path.stem):
        raise UserError(f"{path}: the name {path.stem!r} must match {NAME}")
    return read_yaml(path, kind)
