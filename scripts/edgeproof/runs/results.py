"""`result.json`: what a cell's measurement says, and the check that it still follows from the raw samples beside it."""

import math
from pathlib import Path

from edgeproof.core.documents import read_json, require_sealed
from edgeproof.core.errors import UserError
from edgeproof.core.files import sha256_file
from edgeproof.core.layout import Cell
from edgeproof.core.reader import read_once
from edgeproof.core.recomputing import must_follow
from edgeproof.core.summary import summarise_run

from .conditions import judge_conditions
from .raw_samples import path_beside, read_samples

# The same artifact on the same input: two machines' kernels may round differently, more is another function.
OUTPUT_LIMIT = 0.1
_UNSUPPORTED = ("provider_unavailable",)
_MS = 1e6
_SAMPLES = "the samples"


def build_result(facts, manifest, session, samples):
    """Return the result document of a cell.

    `facts`: cell, task, arm, device, protocol, identity, digests, artifact_bytes and, when measured, output_difference
    and attempt (see `measuring`). `session`: the agent's record, None when there was no artifact to run. `samples`:
    int64 nanoseconds per sample, one array per process that is ok.
    """
    processes = [p for p in session["processes"] if p["status"] == "ok"] if session else []
    broken = next((p for p in session["processes"] if p["status"] != "ok"), None) if session else None
    first = processes[0] if processes else None
    result = {
        "schema": "edgeproof.result.v1",
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
        "origins": _ORIGINS,
    }
    if manifest["status"] != "ok":
        return result | _verdict("failed", "no_artifact", manifest["reason"]["message"])
    if broken:
        kind, message = broken["reason"]["kind"], broken["reason"]["message"]
        return result | _verdict("unsupported" if kind in _UNSUPPORTED else "failed", kind, message)
    result |= summarise_samples(samples, [p["calls_per_sample"] for p in processes], facts["protocol"], result)
    result["processes"] = [_describe_process(p, s) for p, s in zip(processes, result["processes"], strict=True)]
    if not result["output_check"]["passed"]:
        return result | _verdict(
            "failed", "wrong_output", f"the output differs from the builder's by more than {OUTPUT_LIMIT} (relative L2)"
        )
    if not result["stability"]["stable"]:
        return result | _verdict("unstable", "unstable", "; ".join(result["stability"]["reasons"]))
    return result


def summarise_samples(samples, calls, protocol, result):
    """Return the part of a result that follows from raw samples: latency, percentiles, throughput, stability,
    processes.

    `calls`: inferences per sample of each process. `result` gives workload, environment and provenance. Percentiles of
    samples that span several inferences are no percentiles of one inference, so they are withheld; those of a run that
    something disturbed are, too.
    """
    summary = summarise_run(
        [ns / count if count > 1 else ns for ns, count in zip(samples, calls, strict=True)],
        inferences_per_sample=result["workload"]["batch_size"],
    )
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
def read_result(path):
    """Return the result at `path`, checked against its schema and recomputed from `samples.csv` beside it.

    UserError names what does not follow from the raw data: other samples than those measured, a number or a status
    that was changed, fewer samples than claimed, or a result that lies where another cell's belongs.
    """
    result = read_json(path, "result")
    samples_path = path_beside(path)
    _check_place(result, Path(path))
    if sha256_file(samples_path) != result["digests"]["samples"]:
        raise UserError(
            f"{samples_path}: its sha256 is not digests.samples of {path}; these are not the samples measured"
        )
    _recompute(result, path, samples_path)
    require_sealed(result, path, "measure the cell again")  # what the samples do not say: memory, environment, …
    return result


def _recompute(result, path, samples_path):
    """Raise UserError where a result does not follow from its samples, or contradicts itself."""
    if result["latency"] is None:
        if result["status"] in ("ok", "unstable"):
            raise UserError(f"{path}: status is {result['status']!r}, but latency is null")
        _check_verdict(result, path)
        return
    samples = read_samples(samples_path)
    if len(samples) != len(result["processes"]):
        raise UserError(f"{path}: processes has {len(result['processes'])} entries, {samples_path.name} {len(samples)}")
    again = summarise_samples(
        samples, [p["calls_per_sample"] for p in result["processes"]], result["protocol"]["requested"], result
    )
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


def _check_place(result, path):
    """Raise UserError for the result of another cell: `runs/{model}/{preset}/{device}/{precision}` says which it is."""
    place, cell = path.absolute().parts[-6:-1], result["cell"]
    if len(place) == 5 and place[0] == "runs" and place[1:] != tuple(cell[field] for field in Cell._fields):
        raise UserError(f"{path}: cell is {'/'.join(cell[field] for field in Cell._fields)}, not the one it lies under")


def _check_counts(result, samples, path):
    """Raise UserError where the protocol claims more than there is, or less was done than it requests."""
    carried_out, requested = result["protocol"]["carried_out"], result["protocol"]["requested"]
    counts = [len(times) for times in samples]
    computed = {"processes": len(counts), "samples": sum(counts), "samples_per_process": min(counts)}
    computed["calls_per_sample"] = max(process["calls_per_sample"] for process in result["processes"])
    claimed = {key: (carried_out or {}).get(key) for key in computed}
    must_follow(claimed, computed, "protocol.carried_out", path, _SAMPLES)
    if len(counts) != requested["processes"]:
        raise UserError(f"{path}: protocol.requested.processes is {requested['processes']}, there are {len(counts)}")
    if min(counts) < requested["min_samples"]:
        raise UserError(
            f"{path}: protocol.requested.min_samples is {requested['min_samples']}, a process has {min(counts)}"
        )


def _check_verdict(result, path):
    """Raise UserError for a reason, an output check, a peak or an origin that contradicts the rest of the result."""
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


def _status_of(result):
    if not result["output_check"]["passed"]:
        return "failed"
    return "ok" if result["stability"]["stable"] else "unstable"


def _verdict(status, kind, message):
    return {"status": status, "reason": {"kind": kind, "message": message}}


def _describe_device(device):
    return {
        "name": device["name"],
        "board": device["board"],
        "transport": device["transport"],
        "tags": device.get("tags", []),
    }


def _describe_workload(facts):
    """Return what was asked of the model: the fields that two comparable results must share."""
    value = facts["identity"]["inputs"][0]
    shape = [1 if isinstance(size, str) or size is None else size for size in value["shape"]]
    return {
        "task": facts["task"],
        "input_shape": shape,
        "input_dtype": value["dtype"],
        "batch_size": shape[0] if shape else 1,
        "include_preprocess": False,
        "include_postprocess": False,
    }


def _carried_out(processes):
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


def _check_output(difference):
    known = difference is not None
    return {
        "relative_l2": difference if known and math.isfinite(difference) else None,
        "limit": OUTPUT_LIMIT,
        "passed": known and difference <= OUTPUT_LIMIT,
    }


def _process_figures(summary):
    return {
        "samples": summary["sample_count"],
        "median_ms": summary["median_ns"] / _MS,
        "minimum_ms": summary["minimum_ns"] / _MS,
        "mean_ms": summary["mean_ns"] / _MS,
        "standard_deviation_ms": None if summary["sd_ns"] is None else summary["sd_ns"] / _MS,
    }


def _describe_process(process, summary):
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


# Where each number comes from, for whoever reads the result without this code.
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
