"""Reused artifacts: a stored one takes the place that a build would fill, with a manifest that names its new cell."""

from pathlib import Path

from edgeproof.core.configuration import Json
from edgeproof.core.documents import write_sealed
from edgeproof.core.errors import UserError
from edgeproof.core.files import keep_file, sha256_file

from .records.manifests import read_manifest


def place_artifact(kept: Path, sha256: str, output: Path) -> None:
    """Put a reused artifact, the stored file `kept`, to `output`; UserError unless it has this digest."""
    if (actual := sha256_file(kept)) != sha256:
        raise UserError(f"{kept}: sha256 is {actual}, and {sha256} was stored; it was changed since")
    keep_file(kept, output)


def place_manifest(kept: Path, cell: Json, output: Path) -> None:
    """Write the manifest of a reused artifact, `kept`, as that of `cell`; what it says of the build stays as it was."""
    manifest = read_manifest(kept)
    write_sealed(output, {**manifest, "cell": cell}, "manifest")
