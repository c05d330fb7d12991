"""What every build of an artifact shares: the check that its arguments belong together, and the record of what came."""

import tempfile
import time
from pathlib import Path

from edgeproof.artifacts.records.manifests import describe_code, describe_host, describe_lock, describe_preset_file
from edgeproof.core.clock import now
from edgeproof.core.documents import digest_json, read_json
from edgeproof.core.errors import UserError
from edgeproof.core.files import sha256_file
from edgeproof.core.layout import locate

from .build_failures import BuildError
from .publishing import publish_build


def check_job(cell, source, identity, preset, precision, artifact, manifest, precisions):
    """Return the identity of the model; UserError unless all arguments speak of the same job.

    `cell`: model, preset, builder, precision. `preset`: backend, artifact, build options. `precisions`: those that can
    be built.
    """
    if set(cell) != {"model", "preset", "builder", "precision"}:
        raise UserError(f"--cell has keys {sorted(cell)}; model, preset, builder and precision are needed")
    if set(preset) != {"backend", "artifact", "build"}:
        raise UserError(f"--preset has keys {sorted(preset)}; backend, artifact and build are needed")
    if precision not in precisions:
        raise UserError(f"precision is {precision!r}; {preset['backend']} is built as {', '.join(precisions)}")
    if cell["precision"] != precision:
        raise UserError(f"--cell says precision {cell['precision']!r}, --precision says {precision!r}")
    if Path(artifact).resolve().parent != Path(manifest).resolve().parent:
        raise UserError(f"{artifact} and {manifest} belong into one folder, so that they can be moved together")
    known, actual = read_json(identity, "identity"), sha256_file(source)
    if known["sha256"] != actual:
        raise UserError(f"{source}: sha256 is {actual}, but {identity} says {known['sha256']}; identify it again")
    if known["model"] != cell["model"]:
        raise UserError(f"{identity}: model is {known['model']!r}, but --cell says {cell['model']!r}")
    return known


def require_interface(known, calibrated):
    """Raise BuildError for inputs that samples cannot feed: other than numbers or, in calibration, a batch of several.

    `known`: the model's identity. A batch dimension may be 1 or have a name; samples come one at a time.
    """
    opset = known["opset"].get("ai.onnx", "?")
    for item in known["inputs"]:
        if not item["dtype"].startswith(("float", "int", "uint", "bool", "bfloat")):
            raise BuildError("conversion_failed", f"input {item['name']!r} is {item['dtype']}; samples are numbers")
        batch = item["shape"][0] if item["shape"] else 1
        if calibrated and isinstance(batch, int) and batch != 1:
            raise BuildError(
                "conversion_failed",
                f"input {item['name']!r} has a fixed batch of {batch}, and calibration feeds one sample at a time; "
                f"export the model with batch 1 or a named batch dimension (opset {opset})",
            )


def fix_shapes(inputs):
    """Return `{name: sizes}` of the inputs whose batch is open, as 1; BuildError where another size is."""
    fixed = {}
    for item in inputs:
        if any(isinstance(size, str) for size in item["shape"][1:]):
            raise BuildError(
                "conversion_failed",
                f"input {item['name']!r} is {item['shape']}; only its batch may be open, export it with fixed sizes",
            )
        if item["shape"] and isinstance(item["shape"][0], str):
            fixed[item["name"]] = [1, *item["shape"][1:]]
    return fixed


def carry_out(cell, source, known, preset, artifact, manifest, command, convert, facts):
    """Run `convert(target, scratch)` and write the artifact and its manifest, whatever the verdict.

    `known`: the model's identity. `convert` writes `target` and returns opset, inputs, outputs, precision and warnings;
    BuildError is the verdict that this cannot be built. `facts`: what else the manifest says (`toolchain`,
    `calibration`, …), in place of the defaults here; `convert` may add to it.
    """
    begin, before = time.monotonic(), _fingerprint(source)
    document = {
        "cell": cell,
        "status": "ok",
        "reason": None,
        "source": {
            "file": locate(source),
            "sha256": known["sha256"],
            "bytes": known["bytes"],
            "opset": known["opset"],
        },
        "preset": preset,
        "preset_sha256": digest_json(preset),
        **describe_preset_file(cell["preset"]),
        "opset": None,
        "inputs": None,
        "outputs": None,
        "precision": None,
        "warnings": [],
        "calibration": None,
        **describe_lock(),
        **describe_code(),
        "command": command,
        "exit_code": 0,
        "host": describe_host(),
    }
    with tempfile.TemporaryDirectory(prefix="edgeproof-build-") as scratch:
        made = Path(scratch) / "converted"
        try:
            document |= convert(made, scratch)
        except BuildError as failure:
            document |= {"status": "failed", "reason": {"kind": failure.kind, "message": str(failure)}}
            made = None
        if _fingerprint(source) != before and sha256_file(source) != known["sha256"]:
            raise RuntimeError(f"{source} was changed by its own build; a converter wrote to it")
        document["artifact"] = {
            "file": Path(artifact).name,
            "format": preset["artifact"],
            "opset": document.pop("opset"),
        }
        document |= {**facts, "duration_s": round(time.monotonic() - begin, 3), "built_at": now()}
        publish_build(artifact, made, manifest, document)


def _fingerprint(path):
    """What a write to a file changes, whoever wrote it."""
    status = Path(path).stat()
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
