"""What an artifact is called on the command line, `MODEL/PRESET/BUILDER/PRECISION`, and where its manifest is.

`edgeproof artifacts list` prints these names. A path of a manifest, of another file beside it, or of their folder
stands for the artifact as well, and so does the cell that measures it: `digits-cnn/ort-cpu/local/int8` has the artifact
`digits-cnn/ort-cpu/host/int8`.
"""

import re
from pathlib import Path
from typing import NamedTuple

from edgeproof.artifacts.records.manifest_places import find_manifests
from edgeproof.core.catalogues import NAME, list_catalogue, read_catalogue, read_catalogue_entry, require_in_catalogue
from edgeproof.core.errors import UserError
from edgeproof.core.files import is_file
from edgeproof.core.suggestions import suggest_words

ARTIFACTS = "results/artifacts"
MANIFEST = "manifest.json"
_BESIDE = ("parity.json", "reference.npz")


class ArtifactName(NamedTuple):
    """The name of an artifact that is built or could be. `builder`: `host`, or the device that builds it."""

    model: str
    preset: str
    builder: str
    precision: str

    def __str__(self) -> str:
        return "/".join(self)


def list_built(root: Path) -> list[str]:
    """Return the names of all artifacts that have a manifest, sorted; a failed build has one too."""
    found = sorted((root / ARTIFACTS).glob(f"*/*/*/*/{MANIFEST}"))
    return ["/".join(path.parts[-5:-1]) for path in found]


def list_buildable(root: Path) -> list[str]:
    """Return the names of all artifacts that the configuration can build, sorted."""
    models, devices = list_catalogue("model", root), list_catalogue("device", root)
    return sorted(
        str(ArtifactName(model, preset, builder, precision))
        for preset, document in read_catalogue("preset", root / "config").items()
        for builder in (["host"] if document["built"] == "host" else devices)
        for precision in document["precisions"]
        for model in models
    )


def find_manifest(text: str, root: Path) -> Path:
    """Return the manifest of the one artifact that a name of an artifact, or a path, stands for.

    A name comes first: write `./` before a path that looks like one. UserError, with what was probably meant or the
    command that builds it, when there is none.
    """
    if len(split_name(text)) == 4:
        for name in (text, _name_on_host(text)):
            if is_file(path := root / ARTIFACTS / name / MANIFEST):
                return path
    path = Path(text)
    if is_file(path):
        belongs = path.name.startswith("artifact.") or path.name in _BESIDE
        return path.with_name(MANIFEST) if belongs and is_file(path.with_name(MANIFEST)) else path
    if is_file(path / MANIFEST):
        return path / MANIFEST
    raise UserError(_explain_missing(text, root))


def find_named_manifests(text: str, root: Path) -> list[Path]:
    """Return the manifests of all artifacts that a name stands for: `all`, an artifact's, the first parts, or a path.

    The first parts of a name, such as `digits-cnn`, stand for all that begin with them.
    """
    if text == "all":
        return find_manifests(root / ARTIFACTS)
    parts = split_name(text)
    if 0 < len(parts) < 4 and (root / ARTIFACTS / text).is_dir():
        return find_manifests(root / ARTIFACTS / text)
    if len(parts) != 4 and Path(text).is_dir():
        return find_manifests(Path(text))
    return [find_manifest(text, root)]


def parse_name(text: str, root: Path) -> ArtifactName:
    """Return the name of an artifact that may not be built yet, from a name or a path below `results/artifacts/`.

    Model, preset, precision and device must be in the configuration; UserError names the one that is not. For a preset
    that builds on the host the builder is `host`, whatever device the text names.
    """
    parts = split_name(text)
    if len(parts) != 4:
        inside = Path(text).parts
        start = inside.index("artifacts") + 1 if "artifacts" in inside else 0
        parts = list(inside[start : start + 4])
    if len(parts) != 4:
        raise UserError(f"{text!r} does not name an artifact: write MODEL/PRESET/BUILDER/PRECISION")
    name = ArtifactName(*parts)
    require_in_catalogue("model", name.model, root)
    preset = read_catalogue_entry("preset", name.preset, root)
    if name.precision not in preset["precisions"]:
        offered = ", ".join(preset["precisions"])
        raise UserError(f"preset {name.preset!r} does not build {name.precision!r}; it has {offered}")
    if name.builder != "host":
        require_in_catalogue("device", name.builder, root)
    elif preset["built"] == "device":
        raise UserError(f"preset {name.preset!r} builds on the device: write the device's name in place of 'host'")
    return name._replace(builder="host") if preset["built"] == "host" else name


def split_name(text: str) -> list[str]:
    """Return the parts of an artifact's name; none when a part is not a name of ours, as in a path."""
    parts = text.removesuffix("/").split("/")
    return parts if all(re.fullmatch(NAME, part) for part in parts) else []


def _name_on_host(text: str) -> str:
    model, preset, _, precision = split_name(text)
    return f"{model}/{preset}/host/{precision}"


def _explain_missing(text: str, root: Path) -> str:
    if len(split_name(text)) == 4:
        try:
            name = parse_name(text, root)
        except UserError as error:
            meant = suggest_words(text, list_built(root))
            return f"{text}: no artifact has this name{meant}" if meant else f"{text}: {error}"
        wanted = f"{ARTIFACTS}/{name}/{MANIFEST}"
        return f"{name} is not built yet; build it with: snakemake --profile local {wanted}"
    meant = suggest_words(text, list_built(root))
    return f"{text}: no artifact has this name and there is no such file{meant or '; see edgeproof artifacts list'}"
