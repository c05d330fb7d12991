"""Writes `scenario.json` from measurements; every number names the result file it comes from."""

import math
from pathlib import Path
from typing import TypedDict

import numpy as np

from edgeproof.artifacts.records.parity_records import read_parity_record
from edgeproof.core.configuration import Json
from edgeproof.core.documents import read_json, write_json
from edgeproof.core.errors import UserError
from edgeproof.core.files import sha256_file
from edgeproof.core.pipelines import HOST
from edgeproof.runs.results import MEASURED, read_result

from .loading import parse_scenario

_MB = 1e6
_STAGE_ERROR = 0.28  # the largest error of a single stage that running plans as placed has shown
_MJ = 1e3  # millijoules per joule
_HOST_MEMORY_MB = 1024  # no stage runs on the caller, and its input and output do not count


class MeasuredCell(TypedDict):
    """A variant of a stage on an executor; `stage` counts from 0, `result` and `parity` are paths."""

    stage: int
    executor: str
    precision: str
    result: str
    parity: str


def write_scenario(
    pipeline: str,
    document: Json,
    identities: list[str],
    cells: list[MeasuredCell],
    links_path: str | None,
    cut_path: str | None,
    output: str | Path,
) -> None:
    """Assemble the scenario (version 2) of a measured pipeline and write it.

    `document`: the pipeline's configuration. `identities`: path of the identity of each stage. `links_path`:
    links.json, None where all links are declared. `cut_path`: cut.json, None where nothing is cut. UserError when the
    cut stages do not compute what the whole model does, or no executor runs a stage correctly.
    """
    if cut_path:
        cut = read_json(cut_path, "cut")
        if cut["status"] != "passed":
            raise UserError(f"{cut_path}: the stages do not compute what the model does: {cut['reason']}")
    stages = []
    for number, (stage, path) in enumerate(zip(document["stages"], identities, strict=True)):
        identity = read_json(path, "identity")
        own = [cell for cell in cells if cell["stage"] == number]
        stages.append(describe_stage(stage["name"], identity, own, pipeline))
    scenario = {
        "schema": "edgeproof.scenario.v2",
        "name": pipeline,
        "execution": document.get("execution", "serial"),
        "stage_error": document.get("stage_error", _STAGE_ERROR),
        "devices": [
            *(
                {
                    "name": executor["name"],
                    "label": f"{executor['preset']} on {executor['device']}",
                    "memory_mb": executor["memory_mb"],
                }
                for executor in document["executors"]
            ),
            {"name": HOST, "label": "the caller", "memory_mb": _HOST_MEMORY_MB},
        ],
        "links": list_links(document["links"], links_path),
        "stages": stages,
        **_list_edges(document),
        "contention": document.get("contention", []),
        "ingest": {"device": HOST, "input_mb": measure_tensors(read_json(identities[0], "identity")["inputs"])},
        "egress": {"device": HOST},
        "constraints": document.get("constraints", {}),
    }
    parse_scenario(scenario, str(output))
    write_json(output, scenario, "scenario-v2")


def _list_edges(document: Json) -> Json:
    """Return {edges} of a pipeline whose stages are no chain; nothing for a chain."""
    if "reads" not in document:
        return {}
    names = [stage["name"] for stage in document["stages"]]
    pairs = [(names[source], name) for name, read in zip(names, document["reads"], strict=True) for source in read]
    return {"edges": [{"source": source, "target": target} for source, target in pairs]}


def describe_stage(name: str, identity: Json, cells: list[MeasuredCell], pipeline: str) -> Json:
    """Return the entry of a stage for the scenario that is assembled; it says which variants are left out, and why."""
    profiles, absent = {}, []
    for cell in cells:
        variant = _describe_variant(cell)
        if isinstance(variant, str):
            absent.append(f"{cell['executor']} {cell['precision']}: {variant}")
        else:
            profiles.setdefault(cell["executor"], []).append(variant)
    if not profiles:
        raise UserError(f"{pipeline}: stage {name!r} has no executor that can run it: {'; '.join(absent)}")
    described = f"{identity['model']}, sha256 {identity['sha256']}"
    dark = sorted({variant["energy_reason"] for variants in profiles.values() for variant in variants} - {None})
    if dark:
        described += f"; energy is not measured: {'; '.join(dark)}"
    for variants in profiles.values():
        for variant in variants:
            del variant["energy_reason"]
    if absent:
        described += f"; left out: {'; '.join(absent)}"
    return {
        "name": name,
        "description": described,
        "output_mb": measure_tensors(identity["outputs"]),
        "profiles": profiles,
    }


def measure_tensors(items: list[Json]) -> float:
    """Return the size of a stage's inputs or outputs in MB (1,000,000 bytes) for the scenario to assemble.

    UserError for an open shape.
    """
    sizes = []
    for item in items:
        if any(isinstance(size, str) for size in item["shape"]):
            raise UserError(f"{item['name']}: its shape is {item['shape']}; a stage needs fixed shapes")
        sizes.append(math.prod(item["shape"]) * np.dtype(item["dtype"]).itemsize)
    return sum(sizes) / _MB


def list_links(wanted: Json, links_path: str | Path | None) -> list[Json]:
    """Return the links of the scenario to assemble: the measured ones, except those declared as plain numbers."""
    declared = {(link["source"], link["target"]): link for link in wanted.get("declare", [])}
    energy = {key: {"value": value, "provenance": "declared"} for key, value in wanted.get("energy", {}).items()}
    links = []
    if links_path:
        document, digest = read_json(links_path, "links"), sha256_file(links_path)
        for link in document["links"]:
            if (link["source"], link["target"]) in declared:
                continue
            numbers = {
                key: {
                    "value": link[key]["value"],
                    "provenance": document["provenance"],
                    "result": str(links_path),
                    "digest": digest,
                    "process_medians": link[key]["process_values"],
                }
                for key in ("latency_ms_per_mb", "setup_ms")
            }
            ends = {"source": link["source"], "target": link["target"]}
            links.append({**ends, **numbers, **energy, "bidirectional": False})
    links.extend(
        {
            "source": source,
            "target": target,
            "latency_ms_per_mb": {"value": link["latency_ms_per_mb"], "provenance": "declared"},
            "setup_ms": {"value": link["setup_ms"], "provenance": "declared"},
            **energy,
            "bidirectional": False,
        }
        for (source, target), link in declared.items()
    )
    return links


def _describe_variant(cell: MeasuredCell) -> Json | str:
    """Return the variant that a measured cell stands for, or why it is left out."""
    result, parity = read_result(cell["result"]), read_parity_record(cell["parity"])
    if result["status"] not in MEASURED:  # a variant with wrong outputs has a latency, too
        return f"{result['status']}: {result['reason']['message']}"
    if parity["status"] != "passed":
        reason = parity["reason"]["message"] if parity["reason"] else "no reason given"
        return f"parity {parity['status'].replace('_', ' ')}: {reason}"
    numbers = assemble_numbers(result, cell["result"])
    return {"precision": cell["precision"], "energy_reason": result["energy"]["reason"], **numbers}


def _describe_energy(result: Json, origin: Json) -> Json | None:
    """Return the millijoules of an inference with their origin, None if they were not measured.

    The interval is that of the result, widened by the error budget; the key is that of the attempts.
    """
    energy = result["energy"]
    if energy["value_j"] is None:
        return None
    error, rails = energy["budget"]["total"], " + ".join(result["power"]["rails"])
    low = energy["value_j"] if energy["low_j"] is None else max(0.0, energy["low_j"])
    high = energy["value_j"] if energy["high_j"] is None else energy["high_j"]
    keys = sorted({session["attempt"].rpartition("-")[2] for session in result["sessions"]})
    return {
        "value": energy["value_j"] * _MJ,
        "provenance": result["provenance"],
        **origin,
        "interval": [low * (1 - error) * _MJ, high * (1 + error) * _MJ],
        "note": f"all that the {energy['boundary']} ({rails}) used, by {energy['sampler']}; error budget {error:.1%}; "
        f"key of the attempts {', '.join(keys)}",
    }


def assemble_numbers(result: Json, path: str | Path) -> Json:
    """Return the numbers of a stage on an executor, assembled for a scenario from the result at `path`.

    They are energy_mj (None if it was not measured), latency_ms, weights_mb and activations_mb, each with its origin.
    """
    latency, origin = result["latency"], {"result": str(path), "digest": sha256_file(path)}
    value = {"value": latency["median_ms"], "provenance": result["provenance"], **origin}
    value["process_medians"] = [process["median_ms"] for process in result["processes"]]
    if latency["interval_low_ms"] is not None:
        value["interval"] = [latency["interval_low_ms"], latency["interval_high_ms"]]
        value["confidence"] = latency["confidence"]
    if result["status"] != "ok":
        value["note"] = f"the run was {result['status']}"
    weights = result["artifact_bytes"] / _MB
    peaks = [process["memory_peak_bytes"] - process["memory_baseline_bytes"] for process in result["processes"]]
    working = {
        "value": max(0.0, max(peaks) / _MB - weights),
        "provenance": result["provenance"],
        **origin,
        "note": "peak of the process above its baseline, less the artifact: with what the runtime itself takes",
    }
    return {
        "energy_mj": _describe_energy(result, origin),
        "latency_ms": value,
        "weights_mb": {"value": weights, "provenance": result["provenance"], **origin},
        "activations_mb": working,
    }
