"""InferEdgeForge's `run_summary.json`, answered by a run of ours: what was measured, and where the figures are.

Forge scrapes paths from what a command prints. Here they are those of our result, which was checked against its raw
data, and the latency that Forge's `inspect-build` looks for is in the summary.
"""

from pathlib import Path

from edgeproof.core.configuration import Json
from edgeproof.core.layout import Cell, locate, run_folder

from .manifests import verify_manifest
from .runtime_summary import compose_build_id


def summarise_run(manifest_path: str | Path, cell: Cell, result: Json, target: str | None) -> Json:
    """Return Forge's `run_summary.json` of the run `result` of `cell`, whose artifact's manifest is at `manifest_path`.

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
        "build_id": record["build_id"] if record else compose_build_id(manifest_path, manifest["cell"]),
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
