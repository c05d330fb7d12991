"""`runtime-summary.json`: the fifteen fields that a worker needs of an artifact, named as InferEdgeForge names them.

Forge's own summary fails for every build of its shipped presets, which say nothing of shapes; here they are read from
the artifact's interface.
"""

from pathlib import Path

from edgeproof.core.errors import UserError
from edgeproof.core.files import sha256_file
from edgeproof.core.layout import locate

from .manifests import verify_manifest

_CHANNELS = (1, 2, 3, 4)  # what an axis of an image is taken for channels by


def summarise_artifact(manifest_path):
    """Return the summary (`edgeproof.runtime-summary.v1`) of the artifact beside a manifest, which is hashed first.

    UserError for a failed build, which has no artifact to hand on, and for an input whose size is open.
    """
    manifest = verify_manifest(manifest_path)
    if manifest["status"] != "ok":
        raise UserError(f"{manifest_path}: the build failed ({manifest['reason']['message']}); there is nothing to run")
    cell, source, artifact = manifest["cell"], manifest["source"], manifest["artifact"]
    batch, height, width = read_sizes(manifest["inputs"][0], manifest_path)
    digest = sha256_file(manifest_path)
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
        "build_id": f"{cell['model']}-{cell['preset']}-{cell['builder']}-{cell['precision']}-{digest[:12]}",
    }


def read_sizes(tensor, where):
    """Return (batch, height, width) of an input, positive integers, from its shape.

    A batch with a name is run as 1. Four dimensions are an image: channels last when only the last could be channels,
    else channels first. What is no image has height 1 and the product of its dimensions as width. UserError when
    another dimension than the batch is open.
    """
    shape = tensor["shape"]
    batch = shape[0] if shape and isinstance(shape[0], int) else 1
    rest = shape[1:]
    if any(not isinstance(size, int) or size < 1 for size in rest) or batch < 1:
        raise UserError(f"{where}: input {tensor['name']!r} has shape {shape}; a summary needs sizes")
    if len(rest) == 3:
        last = rest[2] in _CHANNELS and rest[0] not in _CHANNELS
        return (batch, *(rest[:2] if last else rest[1:]))
    width = 1
    for size in rest:
        width *= size
    return batch, 1, width
