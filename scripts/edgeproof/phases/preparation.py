"""Phase 1: what is installed, and whether there are enough representative samples with a known origin."""

from collections.abc import Mapping
from importlib import metadata

from edgeproof.agent.machine import describe_machine
from edgeproof.core.configuration import Json
from edgeproof.core.documents import read_json, write_json
from edgeproof.core.files import FilePath, sha256_file
from edgeproof.core.seals import seal

# What the plan asks for, and who has it here: the workflow's own environment, or a toolchain.
_PACKAGES = ("onnx", "onnxruntime", "numpy", "tensorflow", "ai-edge-litert", "coremltools", "torch", "openvino")


def prepare_phases(
    campaign: str, model: str, more_than: int, samples: FilePath, toolchains: Mapping[str, FilePath], output: FilePath
) -> None:
    """Write `preparation.json`, phase 1. `samples`: samples.json of the model. `toolchains`: {name: its record}."""
    records = {name: read_json(path, "toolchain") for name, path in toolchains.items()}
    document: Json = {
        "schema": "edgeproof.phase-preparation.v1",
        "campaign": campaign,
        "model": model,
        "machine": describe_machine(),
        "packages": [_find_package(name, records) for name in _PACKAGES],
        "samples": _describe_samples(read_json(samples, "samples")),
        "gates": [judge_samples(read_json(samples, "samples"), more_than)],
        "digests": {"samples": sha256_file(samples)},
    }
    write_json(output, seal(document), "phase-preparation")


def judge_samples(samples: Json, more_than: int) -> Json:
    """Return the gate of the preparation on representative samples: those that calibrate, none of which evaluates."""
    found, reason = samples["calibration"]["count"], None
    if samples.get("status", "ok") != "ok":
        reason = samples["reason"]["message"]
    elif found <= more_than:
        reason = f"{found} representative samples; more than {more_than} are needed"
    elif not samples["disjoint"]:
        reason = "a sample both calibrates and evaluates"
    return {"id": "samples", "found": found, "more_than": more_than, "passed": reason is None, "reason": reason}


def _find_package(name: str, toolchains: Mapping[str, Json]) -> Json:
    """Return where a package is, and its version; both None where nothing has it."""
    try:
        return {"name": name, "version": metadata.version(name), "where": "workflow"}
    except metadata.PackageNotFoundError:
        pass
    for toolchain, record in toolchains.items():
        if name in record["packages"]:
            return {"name": name, "version": record["packages"][name], "where": f"toolchain {toolchain}"}
    return {"name": name, "version": None, "where": None}


def _describe_samples(samples: Json) -> Json:
    return {key: samples[key] for key in ("kind", "origin", "seed", "disjoint", "calibration", "evaluation")}
