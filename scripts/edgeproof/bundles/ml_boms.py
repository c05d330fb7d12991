"""A bill of materials for each artifact of a bundle: `sbom/{model}/{preset}/{builder}/{precision}.cdx.json`.

CycloneDX 1.6 with a model card: what the artifact is and was made from, and what was measured of it, with intervals. It
is composed from the documents of the bundle alone and has neither a time nor a random serial number, so it can be
composed again and compared. The library of CycloneDX cannot write model cards; its validator checks these files.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

from edgeproof.core.configuration import Json
from edgeproof.core.documents import read_json

FOLDER = "sbom"
_ARTIFACT_KEYS = ("model", "preset", "builder", "precision")


def compose_boms(files: Sequence[Json]) -> dict[str, bytes]:
    """Return {path: text} of the bills of materials of the models in a bundle whose manifest has these entries.

    Failed builds have none. The current folder has the files. UserError for a document that cannot be read.
    """
    paths = [entry["path"] for entry in files if entry["role"] == "document"]
    results: dict[tuple[str, ...], list[Json]] = {}
    for path in paths:
        if path.startswith("results/runs/") and path.endswith("/result.json"):
            result = read_json(path, "result")
            results.setdefault(tuple(result["cell"][key] for key in _ARTIFACT_KEYS), []).append(result)
    found: dict[str, bytes] = {}
    for place, path, manifest in list_artifacts(files):
        parity = read_json(str(Path(path).with_name("parity.json")), "parity")
        bill = _compose(manifest, parity, results.get(place, []))
        text = json.dumps(bill, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
        found[f"{FOLDER}/{'/'.join(place)}.cdx.json"] = text.encode()
    return found


def list_artifacts(files: Sequence[Json], root: Path = Path()) -> Iterator[tuple[tuple[str, ...], str, Json]]:
    """Yield the artifacts that were built, for bills of materials: ((model, preset, builder, precision), path of its
    manifest, manifest).

    `root`: the folder that has the files. UserError for a manifest that cannot be read.
    """
    for entry in files:
        path = entry["path"]
        if entry["role"] == "document" and path.startswith("results/artifacts/") and path.endswith("/manifest.json"):
            manifest = read_json(root / path, "manifest")
            if manifest["status"] == "ok":
                yield tuple(manifest["cell"][key] for key in _ARTIFACT_KEYS), path, manifest


def _compose(manifest: Json, parity: Json, results: Sequence[Json]) -> Json:
    cell, artifact, source = manifest["cell"], manifest["artifact"], manifest["source"]
    name = "/".join(cell[key] for key in _ARTIFACT_KEYS)
    artifact_ref, source_ref = f"artifact:{artifact['sha256']}", f"model:{source['sha256']}"
    tools = [
        {"type": "application", "bom-ref": f"tool:{tool}@{version}", "name": tool, "version": version}
        for tool, version in sorted(manifest["toolchain"].items())
    ]
    identity = uuid5(NAMESPACE_URL, f"urn:edgeproof:{name}:{artifact['sha256']}")
    analysis = [*_list_metrics(results), *_list_agreement(parity)]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "serialNumber": f"urn:uuid:{identity}",
        "metadata": {
            "component": {
                "type": "machine-learning-model",
                "bom-ref": artifact_ref,
                "name": name,
                "version": artifact["sha256"][:12],
                "hashes": [{"alg": "SHA-256", "content": artifact["sha256"]}],
                "modelCard": {
                    "modelParameters": {
                        "task": parity["task"],
                        "inputs": [{"format": _say_tensor(item)} for item in manifest["inputs"]],
                        "outputs": [{"format": _say_tensor(item)} for item in manifest["outputs"]],
                    },
                    "quantitativeAnalysis": {"performanceMetrics": analysis},
                },
                "properties": [
                    {"name": "edgeproof:format", "value": artifact["format"]},
                    {"name": "edgeproof:bytes", "value": str(artifact["bytes"])},
                    {"name": "edgeproof:parity", "value": parity["status"]},
                    {"name": "edgeproof:preset_sha256", "value": manifest["preset_sha256"]},
                ],
            }
        },
        "components": [
            {
                "type": "machine-learning-model",
                "bom-ref": source_ref,
                "name": cell["model"],
                "version": source["sha256"][:12],
                "hashes": [{"alg": "SHA-256", "content": source["sha256"]}],
            },
            *tools,
        ],
        "dependencies": [
            {"ref": artifact_ref, "dependsOn": sorted([source_ref, *(tool["bom-ref"] for tool in tools)])},
        ],
    }


def _say_tensor(item: Json) -> str:
    return f"{item['name']}: {item['dtype']} {item['shape']}"


def _list_metrics(results: Sequence[Json]) -> Iterator[Json]:
    """Yield what was measured of an artifact, device by device; `slice` says where and by which protocol."""
    for result in sorted(results, key=lambda item: item["cell"]["device"]):
        protocol = result["protocol"]["requested"].get("name") or "of its own"
        where = f"device {result['cell']['device']}, protocol {protocol}, {result['provenance']}, {result['status']}"
        if latency := result["latency"]:
            ends = (latency["interval_low_ms"], latency["interval_high_ms"])
            yield _metric("latency, headline (ms)", latency["median_ms"], where, ends)
        for name, entry in sorted((result["percentiles"] or {}).items()):
            if entry["value_ms"] is not None:
                yield _metric(f"latency, {name} (ms)", entry["value_ms"], where, (entry["low_ms"], entry["high_ms"]))
        if result["throughput_per_s"] is not None:
            yield _metric("throughput (1/s)", result["throughput_per_s"], where)
        if result["memory_peak_bytes"] is not None:
            yield _metric("memory, peak (bytes)", result["memory_peak_bytes"], where)
        if (energy := result["energy"])["value_j"] is not None:
            yield _metric("energy per inference (J)", energy["value_j"], where, (energy["low_j"], energy["high_j"]))


def _list_agreement(parity: Json) -> Iterator[Json]:
    """Yield how far the artifact agrees with its source, on the evaluation set."""
    where = (
        f"evaluation set of {parity['evaluation']['count']} samples" if parity["evaluation"] else "no evaluation set"
    )
    if accuracy := parity["accuracy"]:
        yield _metric("accuracy", accuracy["candidate_accuracy"], where)
        ends = (accuracy["low"], accuracy["high"])
        yield _metric("accuracy, difference from the source", accuracy["difference"], where, ends)
    for name, value in sorted((parity["metrics"] or {}).items()):
        if value is not None:
            yield _metric(f"agreement with the source, {name}", value, where)


def _metric(name: str, value: float, where: str, ends: tuple[float | None, float | None] = (None, None)) -> Json:
    found: Json = {"type": name, "value": json.dumps(value), "slice": where}
    if None not in ends:
        found["confidenceInterval"] = {"lowerBound": json.dumps(ends[0]), "upperBound": json.dumps(ends[1])}
    return found
