"""`result.json`: the outcome of measuring a cell, and the check that it follows from the raw samples beside it."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NotRequired, TypedDict

import numpy.typing as npt

from edgeproof.core.configuration import Arm, Json, MeasuringProtocol, NamedDevice
from edgeproof.core.documents import read_json, require_sealed
from edgeproof.core.errors import UserError
from edgeproof.core.files import FilePath, sha256_file
from edgeproof.core.layout import Cell
from edgeproof.core.reader import read_once
from edgeproof.core.recomputing import must_follow
from edgeproof.core.summary import ProcessSummary, summarise_run

from .conditions import judge_conditions
from .raw_samples import path_beside, read_samples
from .sessions import ProcessRecord, Samples, SessionRecord

# On the same artifact and input, two machines may round differently; a larger difference is another function.
OUTPUT_LIMIT = 0.1
_UNSUPPORTED = ("provider_unavailable",)
_MS = 1e6
_SAMPLES = "the samples"


class CellFacts(TypedDict):
    """What is known of a cell besides the agent's record; the last three keys only once it was measured.

    `cell`: the fields of the cell and its builder. `digests`: sha256 of model, artifact (None: not built), manifest,
    inputs, agent and samples. `output_difference`: largest relative L2 distance from the builder's outputs, None if
    there was none to compare. `unstable_before`: {attempt, message} of each session that was repeated.
    """

    cell: dict[str, str]
    task: str
    arm: Arm
    device: NamedDevice
    protocol: MeasuringProtocol
    identity: Json
    artifact_bytes: int
    digests: dict[str, str | None]
    output_difference: NotRequired[float | None]
    attempt: NotRequired[str]
    unstable_before: NotRequired[list[dict[str, str]]]
    machine: NotRequired[Json]
    elsewhere: NotRequired[bool]


def build_result(
    facts: CellFacts, manifest: Mapping[str, Any], session: SessionRecord | None, samples: Sequence[Samples]
) -> Json:
    """Return the result document of a cell.

    `session`: None if there was no artifact to run. `samples`: one array per process that is ok.
    """
    processes = [p for p in session["processes"] if p["status"] == "ok"] if session else []
    broken = next((p for p in session["processes"] if p["status"] != "ok"), None) if session else None
    first = processes[0] if processes else None
    result: Json = {
        "schema": "edgeproof.result.v2",
        "cell": facts["cell"],
        "status": "ok",
        "reason": None,
        "provenance": first["provenance"] if first else "measured",
        "digests": facts["digests"],
        "artifact_bytes": facts["artifact_bytes"],
        "device": _describe_device(facts["device"]),
        "runtime": {**first["runtime"], "options": facts["arm"]["runtime"]} if first else None,
        "workload": _describe_workload(facts),
        "latency_definition": first and first["latency_definition"],
        "protocol": {"requested": facts["protocol"], "carried_out": _carried_out(processes)},
        "processes": [],
        "latency": None,
        "percentiles": None,
        "throughput_per_s": None,
        "stability": None,
        "memory_peak_bytes": max((p["memory_peak_bytes"] for p in processes), default=None),
        "energy": {"value_j": None, "reason": "no power sampler is configured for this device"},
        "output_check": _check_output(facts.get("output_difference")),
        "environment": session and session["environment"],
        "started_at_unix_s": session and session["started_at_unix_s"],
        "attempt": facts.get("attempt"),
        "unstable_before": facts.get("unstable_before", []),
        "machine": facts.get("machine"),
        "elsewhere": facts.get("elsewhere", False),
        "origins": _ORIGINS,
    }
    if manifest["status"] != "ok":
        kind = "no_samples" if facts["digests"]["artifact"] else "no_artifact"
        return result | _verdict("failed", kind, manifest["reason"]["message"])
    if broken:
        kind, message = broken["reason"]["kind"], broken["reason"]["message"]
        return result | _verdict("unsupported" if kind in _UNSUPPORTED else "failed", kind, message)
    result |= summarise_samples(samples, [p["calls_per_sample"] for p in processes], result)
    result["processes"] = [_describe_process(p, s) for p, s in zip(processes, result["processes"], strict=True)]
    if not result["output_check"]["passed"]:
        return result | _verdict(
            "failed",
            "wrong_output",
            f"the output differs from the builder's by more than {OUTPUT_LIMIT} (relative L2, or share of integers)",
        )
    if not result["stability"]["stable"]:
        return result | _verdict("unstable", "unstable", "; ".join(result["stability"]["reasons"]))
    return result


def summarise_samples(samples: Sequence[Samples], calls: Sequence[int], result: Json) -> Json:
    """Return what follows from the raw samples of a result: latency, percentiles, throughput, stability, processes.

    `calls`: inferences per sample of each process. `result` gives workload, environment and provenance. Percentiles
    are withheld if a sample spans several inferences, because they are not percentiles of one inference, and if the run
    was disturbed.
    """
    times: list[npt.NDArray[Any]] = [ns / count if count > 1 else ns for ns, count in zip(samples, calls, strict=True)]
    summary = summarise_run(times, inferences_per_sample=result["workload"]["batch_size"])
    percentiles, stability = summary["percentiles"], judge_conditions(summary["stability"], result)
    reason = None
    if not stability["stable"]:
        reason = f"the run is not stable: {stability['reasons'][0]}"
    if max(calls) > 1:
        reason = f"one sample spans {max(calls)} inferences, because reading the clock would cost too much of one"
    if reason:
        percentiles = {name: entry | {"value_ms": None, "reason": reason} for name, entry in percentiles.items()}
    return {
        "latency": summary["latency"],
        "percentiles": percentiles,
        "throughput_per_s": summary["throughput_per_s"],
        "stability": stability,
        "processes": summary["processes"],
    }


@read_once
def read_result(path: FilePath) -> Json:
    """Return the result at `path`, checked against its schema and recomputed from `samples.csv` beside it.

    UserError names what does not follow from the raw data: samples other than those measured, a number or a status
    that was changed, fewer samples than claimed, or a result in the folder of another cell.
    """
    result = read_json(path, "result")
    samples_path = path_beside(path)
    _check_place(result, Path(path))
    if sha256_file(samples_path) != result["digests"]["samples"]:
        raise UserError(
            f"{samples_path}: its sha256 is not digests.samples of {path}; these are not the samples measured"
        )
    _recompute(result, path, samples_path)
    # The seal covers what the samples do not contain: memory, environment, …
    require_sealed(result, path, "measure the cell again")
    return result


def _recompute(result: Json, path: FilePath, samples_path: Path) -> None:
    """Raise UserError if a result does not follow from its samples, or contradicts itself."""
    if result["latency"] is None:
        if result["status"] in ("ok", "unstable"):
            raise UserError(f"{path}: status is {result['status']!r}, but latency is null")
        _check_verdict(result, path)
        return
    samples = read_samples(samples_path)
    if len(samples) != len(result["processes"]):
        raise UserError(f"{path}: processes has {len(result['processes'])} entries, {samples_path.name} {len(samples)}")
    again = summarise_samples(samples, [p["calls_per_sample"] for p in result["processes"]], result)
    for key in ("latency", "percentiles", "throughput_per_s", "stability"):
        must_follow(result[key], again[key], key, path, _SAMPLES)
    for number, (claimed, process) in enumerate(zip(result["processes"], again["processes"], strict=True)):
        figures = _process_figures(process)
        must_follow({key: claimed[key] for key in figures}, figures, f"processes[{number}]", path, _SAMPLES)
    _check_counts(result, samples, path)
    expected = _status_of(result)
    if result["status"] != expected:
        raise UserError(f"{path}: status is {result['status']!r}, the evidence in it says {expected!r}")
    _check_verdict(result, path)


def _check_place(result: Json, path: Path) -> None:
    """Raise UserError if the folder `runs/{model}/{preset}/{device}/{precision}` is that of another cell."""
    place, cell = path.absolute().parts[-6:-1], result["cell"]
    if len(place) == 5 and place[0] == "runs" and place[1:] != tuple(cell[field] for field in Cell._fields):
        raise UserError(f"{path}: cell is {'/'.join(cell[field] for field in Cell._fields)}, not the one of its folder")


def _check_counts(result: Json, samples: Sequence[Samples], path: FilePath) -> None:
    """Raise UserError if the protocol claims more than the samples show, or if less was done than requested."""
    carried_out: Json = result["protocol"]["carried_out"] or {}
    requested = result["protocol"]["requested"]
    counts = [len(times) for times in samples]
    computed: Json = {"processes": len(counts), "samples": sum(counts), "samples_per_process": min(counts)}
    computed["calls_per_sample"] = max(process["calls_per_sample"] for process in result["processes"])
    claimed = {key: carried_out.get(key) for key in computed}
    must_follow(claimed, computed, "protocol.carried_out", path, _SAMPLES)
    if len(counts) != requested["processes"]:
        raise UserError(f"{path}: protocol.requested.processes is {requested['processes']}, there are {len(counts)}")
    if min(counts) < requested["min_samples"]:
        raise UserError(
            f"{path}: protocol.requested.min_samples is {requested['min_samples']}, a process has {min(counts)}"
        )


def _check_verdict(result: Json, path: FilePath) -> None:
    """Raise UserError if reason, output check, memory peak or provenance contradict the rest of the result."""
    check, processes = result["output_check"], result["processes"]
    must_follow(check, _check_output(check["relative_l2"]), "output_check", path, "its figure and the limit")
    if result["latency"] is not None:
        peak = max(process["memory_peak_bytes"] for process in processes)
        must_follow(result["memory_peak_bytes"], peak, "memory_peak_bytes", path, "the processes")
    if (result["reason"] is None) != (result["status"] == "ok"):
        raise UserError(f"{path}: status is {result['status']!r}, but reason is {result['reason']!r}")
    if result["status"] == "unstable":
        expected = _verdict("unstable", "unstable", "; ".join(result["stability"]["reasons"]))["reason"]
        must_follow(result["reason"], expected, "reason", path, "the stability tests")
    runtime = result["runtime"]
    if runtime is not None and (runtime["name"] == "fake") != (result["provenance"] == "simulated"):
        raise UserError(f"{path}: provenance is {result['provenance']!r}, but runtime.name is {runtime['name']!r}")


def _status_of(result: Json) -> str:
    if not result["output_check"]["passed"]:
        return "failed"
    return "ok" if result["stability"]["stable"] else "unstable"


def _verdict(status: str, kind: str, message: str) -> Json:
    return {"status": status, "reason": {"kind": kind, "message": message}}


def _describe_device(device: NamedDevice) -> Json:
    return {
        "name": device["name"],
        "board": device["board"],
        "transport": device["transport"],
        "tags": device.get("tags", []),
    }


def _describe_workload(facts: CellFacts) -> Json:
    """Return what the model had to do: the fields that two comparable results must share."""
    inputs: list[Json] = facts["identity"]["inputs"]  # none if the model cannot be used
    value: Json = inputs[0] if inputs else {"shape": [], "dtype": "unknown"}
    shape = [1 if isinstance(size, str) or size is None else size for size in value["shape"]]
    return {
        "task": facts["task"],
        "input_shape": shape,
        "input_dtype": value["dtype"],
        "inputs": [{key: item[key] for key in ("name", "dtype", "shape")} for item in inputs],
        "batch_size": shape[0] if shape else 1,
        "include_preprocess": False,
        "include_postprocess": False,
    }


def _carried_out(processes: Sequence[ProcessRecord]) -> Json | None:
    if not processes:
        return None
    return {
        "processes": len(processes),
        "warmup_runs_per_process": min(p["warmup_runs"] for p in processes),
        "warmup_s_per_process": min(p["warmup_ns"] for p in processes) / 1e9,
        "samples": sum(p["samples"] for p in processes),
        "samples_per_process": min(p["samples"] for p in processes),
        "window_s": sum(p["window_ns"] for p in processes) / 1e9,
        "window_s_per_process": min(p["window_ns"] for p in processes) / 1e9,
        "calls_per_sample": max(p["calls_per_sample"] for p in processes),
        "timer_cost_ns": max(p["timer_cost_ns"] for p in processes),
    }


def _check_output(difference: float | None) -> Json:
    return {
        "relative_l2": difference if difference is not None and math.isfinite(difference) else None,
        "limit": OUTPUT_LIMIT,
        "passed": difference is not None and difference <= OUTPUT_LIMIT,
    }


def _process_figures(summary: ProcessSummary) -> Json:
    return {
        "samples": summary["sample_count"],
        "median_ms": summary["median_ns"] / _MS,
        "minimum_ms": summary["minimum_ns"] / _MS,
        "mean_ms": summary["mean_ns"] / _MS,
        "standard_deviation_ms": None if summary["sd_ns"] is None else summary["sd_ns"] / _MS,
    }


def _describe_process(process: ProcessRecord, summary: ProcessSummary) -> Json:
    return {
        "import_ms": process["import_ns"] / _MS,
        "load_ms": process["load_ns"] / _MS,
        "cold_first_inference_ms": process["cold_first_inference_ns"] / _MS,
        **_process_figures(summary),
        "calls_per_sample": process["calls_per_sample"],
        "memory_baseline_bytes": process["memory_baseline_bytes"],
        "memory_peak_bytes": process["memory_peak_bytes"],
        "context_switches_voluntary": process["context_switches_voluntary"],
        "context_switches_involuntary": process["context_switches_involuntary"],
        "cpu_s": process["cpu_ns"] / 1e9,
    }


# Where each number comes from, for people who read the result without this code.
_ORIGINS = {
    "processes[].median_ms, minimum_ms, mean_ms, standard_deviation_ms": "computed: samples.csv / calls_per_sample",
    "processes[].import_ms, load_ms, cold_first_inference_ms": "the agent's clock, one value each",
    "latency": "computed: geometric mean of the processes' medians, t-interval on the log scale over processes",
    "percentiles": "computed from all samples of samples.csv by the early-stopping rule",
    "throughput_per_s": "computed: inferences per second of time inside samples, one at a time",
    "stability": "computed from samples.csv and environment",
    "memory_peak_bytes": "VmHWM of /proc/self/status (ru_maxrss elsewhere), largest of all processes",
    "environment": "files under /proc and /sys and the board's own tools, read by the agent before and after",
    "protocol.carried_out": "counted by the agent",
}
