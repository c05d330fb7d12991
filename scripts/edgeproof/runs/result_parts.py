"""The parts of `result.json` that are described, not computed: cell, workload, sessions, processes, origins."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple, NotRequired, TypedDict, cast

from edgeproof.core.configuration import Arm, Json, MeasuringProtocol, NamedDevice
from edgeproof.core.medians import middle_of_rows
from edgeproof.core.summary import ProcessSummary

from .drift_records import describe_drift
from .run_power import describe_windows
from .sessions import ProcessRecord, Samples, SessionRecord
from .telemetry_files import Telemetry

# On the same artifact and input, two machines may round differently; a larger difference is another function.
OUTPUT_LIMIT = 0.1
_MS = 1e6


class CellFacts(TypedDict):
    """What is known of a cell besides the agent's records; the last key only once it was measured.

    `cell`: the fields of the cell and its builder. `digests`: sha256 of model, artifact (None: not built), manifest,
    inputs, agent and samples. `samples_kind`: of the model's samples, such as `random`. `call_shapes`: the shape that
    each input has in a call, as far as the samples say. `output_difference`: largest relative L2 distance from the
    builder's outputs, None if there was none to compare.
    """

    cell: dict[str, str]
    task: str
    arm: Arm
    device: NamedDevice
    protocol: MeasuringProtocol
    identity: Json
    artifact_bytes: int
    digests: dict[str, str | None]
    samples_kind: str | None
    call_shapes: NotRequired[dict[str, list[int]]]
    output_difference: NotRequired[float | None]


class MeasuredSession(NamedTuple):
    """One session of a result: the agent's record, the samples of each process that is ok, in order, and where it was
    measured.

    `attempt`: its folder, relative to the repository. `machine`: {id, board, cpu}. `elsewhere`: another machine than
    this one. `telemetry`: what its samplers said, and the digest of that file; None if it had none.
    """

    record: SessionRecord
    samples: list[Samples]
    attempt: str
    machine: Json
    elsewhere: bool
    telemetry: tuple[Telemetry, str] | None = None


def describe_device(device: NamedDevice) -> Json:
    """Return the part of `result.json` that describes the device."""
    return {
        "name": device["name"],
        "board": device["board"],
        "transport": device["transport"],
        "tags": device.get("tags", []),
    }


def describe_workload(facts: CellFacts) -> Json:
    """Return the part of `result.json` on what the model had to do: fields that two comparable results must share."""
    processing = facts["arm"].get("processing", {})
    identity, executed = facts["identity"], facts.get("call_shapes", {})
    inputs: list[Json] = [  # none if the model cannot be used
        {"name": item["name"], "dtype": item["dtype"], "shape": executed.get(item["name"], _close_axes(item["shape"]))}
        for item in identity["inputs"]
    ]
    value: Json = inputs[0] if inputs else {"name": "", "shape": [], "dtype": "unknown"}
    batched = value["shape"] and value["name"] not in identity.get("whole_inputs", ())
    return {
        "task": facts["task"],
        "input_shape": value["shape"],
        "input_dtype": value["dtype"],
        "inputs": inputs,
        "batch_size": value["shape"][0] if batched else 1,
        "include_preprocess": "before" in processing,
        "include_postprocess": "after" in processing,
    }


def _close_axes(shape: Sequence[Any]) -> list[int]:
    return [size if isinstance(size, int) else 1 for size in shape]


def describe_session(session: MeasuredSession) -> Json:
    """Return the part of `result.json` that describes a session, besides what follows from its samples."""
    return {
        "attempt": session.attempt,
        "started_at_unix_s": session.record["started_at_unix_s"],
        "machine": session.machine,
        "elsewhere": session.elsewhere,
        "environment": session.record["environment"],
        "drift": describe_drift(session.record.get("drift")),
        "telemetry": _describe_telemetry(session.record, session.telemetry[1]) if session.telemetry else None,
        **({"power_control": control} if (control := session.record.get("power_control")) else {}),
    }


def _describe_telemetry(record: SessionRecord, sha256: str) -> Json:
    """Return what a result keeps of a session's telemetry: digest of the file, samplers, idle stretches, windows."""
    told: Json = record.get("telemetry") or {}
    return {
        "sha256": sha256,
        "samplers": told["samplers"],
        "cpu_s": told["cpu_s"],
        "idle": told["idle"],
        "windows": describe_windows(record["processes"]),
        "throttled": [],
    }


def count_carried_out(processes: Sequence[ProcessRecord], sessions: int) -> Json | None:
    """Return the part of `result.json` with the agent's counts over all sessions; None if nothing was measured."""
    if not processes:
        return None
    return {
        "sessions": sessions,
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


def take_counted(samples: Samples, load: Json | None) -> Samples:
    """Return the samples that a process's part of a result counts: all, or under sustained load the settled ones."""
    return samples if load is None else samples[len(samples) - load["counted"] :]


def describe_load(load: Json | None, samples: Samples, calls: int) -> Json | None:
    """Return the part of `result.json` on a process's sustained load: its curve; None for a burst.

    It has the median of each window. `load`: {settled, counted, windows} as the agent has it. `samples`: all of
    the process, `calls` inferences each.
    """
    if load is None:
        return None
    windows: list[Json] = []
    start = 0
    for window in load["windows"]:
        own = samples[start : start + window["samples"]]
        start += len(own)
        median_ms = float(middle_of_rows(own[None, :])[0]) / calls / _MS if len(own) else None
        windows.append({**window, "median_ms": median_ms})
    return {"settled": load["settled"], "counted": load["counted"], "windows": windows}


def check_output(difference: float | None) -> Json:
    """Return the part of `result.json` that checks the distance from the builder's outputs against the limit."""
    return {
        "relative_l2": difference if difference is not None and math.isfinite(difference) else None,
        "limit": OUTPUT_LIMIT,
        "passed": difference is not None and difference <= OUTPUT_LIMIT,
    }


def describe_figures(summary: ProcessSummary) -> Json:
    """Return the part of `result.json` on a process that follows from its samples."""
    return {
        "samples": summary["sample_count"],
        "median_ms": summary["median_ns"] / _MS,
        "minimum_ms": summary["minimum_ns"] / _MS,
        "mean_ms": summary["mean_ns"] / _MS,
        "standard_deviation_ms": None if summary["sd_ns"] is None else summary["sd_ns"] / _MS,
    }


def describe_process(process: ProcessRecord, summary: Json, load: Json | None) -> Json:
    """Return the part of `result.json` on a process; `summary`: its entry of `core.summary.summarise_run`."""
    return {
        "session": summary["session"],
        "import_ms": process["import_ns"] / _MS,
        "load_ms": process["load_ns"] / _MS,
        "cold_first_inference_ms": process["cold_first_inference_ns"] / _MS,
        **describe_figures(cast(ProcessSummary, summary)),
        "load": load,
        "power": summary["power"],
        "calls_per_sample": process["calls_per_sample"],
        "memory_baseline_bytes": process["memory_baseline_bytes"],
        "memory_peak_bytes": process["memory_peak_bytes"],
        "context_switches_voluntary": process["context_switches_voluntary"],
        "context_switches_involuntary": process["context_switches_involuntary"],
        "cpu_s": process["cpu_ns"] / 1e9,
    }


# Where each number comes from, for people who read the result without this code.
ORIGINS = {
    "processes[].median_ms": "computed: arithmetic mean over inputs of their medians; sample k has input k mod inputs",
    "processes[].minimum_ms, mean_ms, standard_deviation_ms": "computed: samples.csv / calls_per_sample",
    "processes[].import_ms, load_ms, cold_first_inference_ms": "the agent's clock, one value each",
    "latency": "computed: geometric mean of the processes' medians; interval over what `basis` says, on the log scale",
    "sessions[].latency, modes": "computed from the medians of the session's processes",
    "inputs": "computed: medians of each input in each process, F-test of a two-way layout",
    "percentiles": "computed from all samples: shares of calls beyond a time, over processes",
    "throughput_per_s": "computed: inferences per second of time inside samples, one at a time",
    "accelerator": "the runtime's own record of one more inference in the first process, after the timed loop",
    "labels": "computed from the rest of the result",
    "memory_peak_bytes": "VmHWM of /proc/self/status (ru_maxrss elsewhere), largest of all processes",
    "sessions[].environment": "files under /proc and /sys and the board's own tools, read before and after",
    "sessions[].drift": "the agent's clock around a fixed kernel",
    "power, energy, temperature, memory": "computed from telemetry.csv of the attempts, inside the processes' windows",
    "protocol.carried_out": "counted by the agent",
}
