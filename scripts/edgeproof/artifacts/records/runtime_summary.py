"""`runtime-summary.json`: the fifteen fields about an artifact that a worker needs, with InferEdgeForge's names.

Forge's own summary fails for every build of its shipped presets, because they have no shapes. Here the shapes come from
the artifact's interface.
"""

from pathlib import Path

from edgeproof.core.configuration import Json
from edgeproof.core.errors import UserError
from edgeproof.core.files import sha256_file
from edgeproof.core.layout import locate

from .manifests import verify_manifest

_CHANNEL_COUNTS = (1, 2, 3, 4)  # the sizes of an axis that may be channels


def summarise_artifact(manifest_path: str | Path) -> Json:
    """Return the runtime summary (`edgeproof.runtime-summary.v1`) of the artifact beside a manifest, after hashing it.

    UserError for a failed build, which has no artifact, and for an input with an open size.
    """
    manifest = verify_manifest(manifest_path)
    if manifest["status"] != "ok":
        raise UserError(f"{manifest_path}: the build failed ({manifest['reason']['message']}); there is nothing to run")
    cell, source, artifact = manifest["cell"], manifest["source"], manifest["artifact"]
    batch, height, width = summarise_input_sizes(manifest["inputs"][0], manifest_path)
    return {
        "schema": "edgeproof.runtime-summary.v1",
        "source_model_path": source["file"],
        "source_model_sha256": source["sha256"],
        "backend": manifest["preset"]["backend"],
        "target": cell["builder"],
        "precision": cell["precision"],
        "batch": batch,
        "height": height,
        "width": width,
        "artifact_path": locate(Path(manifest_path).parent / artifact["file"]),
        "artifact_sha256": artifact["sha256"],
        "artifact_type": artifact["format"],
        "metadata_path": None,
        "manifest_path": locate(manifest_path),
        "preset_name": cell["preset"],
        "build_id": compose_build_id(manifest_path, cell),
    }


def compose_build_id(manifest_path: str | Path, cell: Json) -> str:
    """Return the `build_id` of a runtime summary: the cell of the build, and the beginning of its manifest's digest."""
    digest = sha256_file(manifest_path)
    return f"{cell['model']}-{cell['preset']}-{cell['builder']}-{cell['precision']}-{digest[:12]}"


def summarise_input_sizes(tensor: Json, where: str | Path) -> tuple[int, int, int]:
    """Return what a runtime summary says of an input's shape: (batch, height, width), positive integers.

    A batch with a name runs as 1. Four dimensions are an image, with channels last if only the last dimension can be
    channels, and channels first otherwise. Other inputs have height 1 and the product of their dimensions as width.
    UserError if a dimension other than the batch is open.
    """
    shape = tensor["shape"]
    batch = shape[0] if shape and isinstance(shape[0], int) else 1
    rest = shape[1:]
    if any(not isinstance(size, int) or size < 1 for size in rest) or batch < 1:
        raise UserError(f"{where}: input {tensor['name']!r} has shape {shape}; a summary needs fixed sizes")
    if len(rest) == 3:
        last = rest[2] in _CHANNEL_COUNTS and rest[0] not in _CHANNEL_COUNTS
        height, width = rest[:2] if last else rest[1:]
        return batch, height, width
    width = 1
    for size in rest:
        width *= size
    return batch, 1, width
