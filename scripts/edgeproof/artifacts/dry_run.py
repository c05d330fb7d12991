"""The dry run of a build: every path it would make, every file it would read, and whether the target can run it.

Nothing is created, not even a folder.
"""

from pathlib import Path

from edgeproof.artifacts.builds.preflight import TABLES, check_operators
from edgeproof.artifacts.records.formats import FORMATS, Format, select_build_options
from edgeproof.artifacts.records.manifest_entries import HOST_LOCK
from edgeproof.core.campaign import builder_of
from edgeproof.core.catalogues import read_catalogue_entry, require_in_catalogue
from edgeproof.core.configuration import Json
from edgeproof.core.errors import UserError
from edgeproof.core.files import sha256_file
from edgeproof.core.layout import artifact_folder, source_folder, toolchain_record
from edgeproof.sources.onnx_files import load_model


def plan_build(root: Path, model: str, preset: str, precision: str, device: str | None = None) -> Json:
    """Return the dry run of a build as a JSON object. `device`: the builder, for a preset that builds on the device.

    UserError for a name that is not in the configuration and for a precision that the preset does not build.
    """
    read_catalogue_entry("model", model, root)
    document = read_catalogue_entry("preset", preset, root)
    if precision not in document["precisions"]:
        offered = ", ".join(document["precisions"])
        raise UserError(f"preset {preset!r} does not build {precision!r}; it has {offered}")
    if device is not None:
        require_in_catalogue("device", device, root)
    if document["built"] == "device" and device is None:
        raise UserError(f"preset {preset!r} builds on the device: write the device's name in place of 'host'")
    builder = builder_of(document, device or "host")
    folder, source = artifact_folder(model, preset, builder, precision), source_folder(model)
    kind = FORMATS[document["artifact"]]
    toolchain = document.get("toolchain")
    lock = f"envs/{toolchain}.lock" if toolchain else HOST_LOCK
    inputs = {
        "source": f"{source}/model.onnx",
        "identity": f"{source}/identity.json",
        **({"calibration": f"{source}/samples/calibration.npz"} if precision == "int8" else {}),
        "evaluation": f"{source}/samples/evaluation.npz",
        "preset": f"config/presets/{preset}.yaml",
        "toolchain_lock": lock,
    }
    artifact = f"{folder}/artifact.{document['artifact']}"
    place = f"{model}/{preset}/{builder}/{precision}"
    outputs = [artifact, *(f"{folder}/{name}" for name in ("manifest.json", "parity.json", "reference.npz"))]
    logs = [f"results/logs/{name}/{place}.log" for name in (kind.rule, "check_parity")]
    if kind.converter:
        logs.append(f"results/logs/{kind.rule}/{place}.converter.log")
    first = [_describe_input(root, file) for file in _list_prerequisites(kind, toolchain, model)]
    for file in (item["file"] for item in first if item["sha256"] is None):
        if file.endswith("/saved_model.json"):
            logs += [f"results/logs/build_saved_model/{model}{suffix}.log" for suffix in ("", ".converter")]
        elif not file.endswith(".zip"):
            logs.append(f"results/logs/make_toolchain/{Path(file).stem}.log")
    return {
        "model": model,
        "preset": preset,
        "backend": document["backend"],
        "builder": builder,
        "precision": precision,
        "artifact_format": document["artifact"],
        "options": select_build_options(document, precision)["build"],
        "parity": document["parity"].get(precision, {}),
        "inputs": {name: _describe_input(root, file) for name, file in inputs.items()},
        "first": first,
        "outputs": outputs,
        "logs": logs,
        "existing": [file for file in outputs if (Path(root) / file).is_file()],
        "preflight": _describe_preflight(Path(root) / inputs["source"], document["backend"]),
        "command": f"snakemake --profile local {outputs[2]}",
    }


def _describe_input(root: Path, file: str) -> Json:
    """Return file and sha256 of what a build reads; the digest is None if the file does not exist yet."""
    path = Path(root) / file
    return {"file": file, "sha256": sha256_file(path) if path.is_file() else None}


def _describe_preflight(source: Path, backend: str) -> Json:
    """Return whether a model's operators were checked against the backend's table, and every node it cannot run."""
    if backend not in TABLES:
        return {"checked": False, "reason": f"there is no operator table for {backend}", "blockers": []}
    if not source.is_file():
        return {"checked": False, "reason": "the source is not there yet", "blockers": []}
    blockers = [str(item) for item in check_operators(source, load_model(source), backend)]
    return {"checked": True, "reason": None, "blockers": blockers}


def _list_prerequisites(kind: Format, toolchain: str | None, model: str) -> list[str]:
    """Return what is made first if it is missing: the records of toolchains, the model's SavedModel."""
    toolchains = dict.fromkeys(filter(None, ["tensorflow" if kind.origin == "saved_model" else None, toolchain]))
    files = [toolchain_record(name) for name in toolchains]
    if kind.origin == "saved_model":
        files += [f"results/artifacts/{model}/saved_model/saved_model.{suffix}" for suffix in ("json", "zip")]
    return files
