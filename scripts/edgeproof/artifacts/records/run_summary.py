"""InferEdgeForge's `run_summary.json`, answered by a run of ours: what was measured, and where the figures are.

Forge scrapes paths from what a command prints. Here they are those of our result, which was checked against its raw
data, and the latency that Forge's `inspect-build` looks for is in the summary.
"""

from collections.abc import Sequence
from pathlib import Path

from edgeproof.core.configuration import Json
from edgeproof.core.errors import UserError
from edgeproof.core.files import sha256_file
from edgeproof.core.layout import Cell, locate, run_folder

from .forge import read_foreign
from .manifests import read_manifest, verify_manifest
from .runtime_summary import name_build


def find_imported_build(path: str | Path, manifests: Sequence[Path]) -> Path:
    """Return our manifest of the artifact that the Forge manifest at `path` is about.

    `manifests`: of the artifacts there are. UserError if none was taken with that record.
    """
    digest = sha256_file(path)
    for item in manifests:
        try:
            record = (read_manifest(item).get("supplied") or {}).get("record")
        except UserError:  # of an artifact that cannot be read, `list` tells
            continue
        if record and record["sha256"] == digest:
            return item
    raise UserError(
        f"{path}: this build was not taken over, so nothing of it is measured; do that with: edgeproof new forge-build "
        f"{Path(path).parent}"
    )


def summarise_run(manifest_path: str | Path, cell: Cell, result: Json, target: str | None) -> Json:
    """Return the summary of the run `result` of `cell`, whose artifact's manifest is at `manifest_path`.

    `target`: the file that it will be written to, or None. UserError if the artifact was changed after its build.
    """
    manifest = verify_manifest(manifest_path)
    source, artifact = manifest["source"], manifest["artifact"]
    record = (manifest.get("supplied") or {}).get("record")
    folder = run_folder(cell)
    processes = result["processes"]
    samples = sum(item["samples"] for item in processes)
    percentiles = result["percentiles"] or {}
    return {
        "command": f"snakemake --profile local {folder}/result.json",
        "returncode": 0,
        "raw_report_path": f"{folder}/samples.csv",
        "structured_result_path": f"{folder}/result.json",
        "stdout": "",
        "stderr": "",
        "status": "completed",
        "build_id": record["build_id"] if record else name_build(manifest_path, manifest["cell"]),
        "preset_name": record["preset"] if record else manifest["cell"]["preset"],
        "backend": record["backend"] if record else manifest["preset"]["backend"],
        "target": record["target"] if record else cell.device,
        "source_model": {"path": source["file"], "format": "onnx", "sha256": source["sha256"]},
        "primary_artifact": {
            "path": locate(Path(manifest_path).parent / artifact["file"]),
            "format": artifact["format"],
            "role": "deployment_model",
            "sha256": artifact["sha256"],
        },
        "summary_file_path": target,
        "mean_ms": sum(item["samples"] * item["mean_ms"] for item in processes) / samples if samples else None,
        **{f"{name}_ms": (percentiles.get(name) or {}).get("value_ms") for name in ("p50", "p95", "p99")},
        "median_ms": result["latency"] and result["latency"]["median_ms"],
        "provenance": result["provenance"],
    }


def explain_no_rebuild(path: str | Path) -> str | None:
    """Return what the build was whose Forge manifest is at `path`, and how to build its source here.

    None for a manifest of ours.
    """
    document = read_foreign(path)
    if document is None:
        return None
    build, tool = (document.get(name) if isinstance(document.get(name), dict) else {} for name in ("build", "tool"))
    snapshot = document.get("preset_snapshot")
    options = snapshot.get("build_options") if isinstance(snapshot, dict) else None
    made = f"InferEdgeForge {(tool or {}).get('inferedgeforge_version', 'of an unknown version')}"
    return (
        f"{path}: is the build {(build or {}).get('build_id')} of {made}, by its preset "
        f"{(build or {}).get('preset_name')} with {options or 'options that it did not keep'}. Its manifest has no "
        "command, builder version or driver, so it cannot be repeated; a build of its source with a preset of ours "
        f"can: edgeproof new forge-build {Path(path).parent}, then take `supplied` out of the model's YAML"
    )
