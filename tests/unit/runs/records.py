"""Made-up records of the agent and facts of a cell, as the measuring rule would have them."""

import numpy as np
from edgeproof.bench.made_up_cells import DEFINITION, RUNTIME
from edgeproof.runs.result_parts import MeasuredSession

SNAPSHOT = {
    "taken_at_unix_s": 1.0,
    "board": "Test Board",
    "machine": "aarch64",
    "kernel": "6.1",
    "os": "Debian",
    "python": "3.11",
    "cpu_model": "Cortex",
    "cpu_count": 4,
    "affinity": [0, 1, 2, 3],
    "governors": ["performance"],
    "frequencies_khz": [1500000],
    "cpu_quota": None,
    "load_average": [0.1, 0.1, 0.1],
    "memory_available_bytes": 1 << 30,
    "cpu_ticks": None,
    "temperatures_c": None,
    "throttled": None,
    "power_mode": None,
    "clocks_locked": None,
    "jetpack": None,
    "gpu_driver": None,
}


def steady_samples(processes=5, count=300, median_ns=1_000_000, seed=0):
    """Return int64 arrays of a quiet machine: 0.2 % between processes, 1 % within."""
    random = np.random.default_rng(seed)
    levels = median_ns * np.exp(0.002 * random.standard_normal(processes))
    return [(level * np.exp(0.01 * random.standard_normal(count))).astype("int64") for level in levels]


def make_session(samples, calls=1, steal=0.0, throttled=(None, None), provenance="measured", failure=None, **more):
    """Return a session record whose processes measured `samples`."""
    processes = [
        {
            "slot": slot,
            "arm": "candidate",
            "status": "ok",
            "reason": None,
            "provenance": provenance,
            "runtime": RUNTIME if provenance == "measured" else {**RUNTIME, "name": "fake"},
            "latency_definition": DEFINITION,
            "inputs": more.get("inputs", 1),
            "inputs_available": 500,
            "import_ns": 10_000_000,
            "load_ns": 2_000_000,
            "cold_first_inference_ns": 3_000_000,
            "warmup_runs": 10,
            "warmup_ns": 500_000_000,
            "samples": len(values),
            "window_ns": int(values.sum()),
            "calls_per_sample": calls,
            "timer_cost_ns": 50,
            "memory_baseline_bytes": 1 << 20,
            "memory_peak_bytes": 1 << 21,
            "context_switches_voluntary": 0,
            "context_switches_involuntary": 1,
            "cpu_ns": int(values.sum()),
        }
        for slot, values in enumerate(samples)
    ]
    if more.get("load"):
        processes = [{**process, "load": more["load"]} for process in processes]
    if failure:
        processes = [{"slot": 0, "arm": "candidate", "status": "failed", "reason": failure}]
    before, after = ({**SNAPSHOT, "throttled": value} for value in throttled)
    return {
        "label": "m/p/d/fp32",
        "processes": processes,
        "environment": {"before": before, "after": after, "steal_share": steal},
        "started_at_unix_s": 1.0,
        "drift": more.get("drift"),
    }


def measured_session(samples, number=0, elsewhere=False, **options):
    """Return a MeasuredSession whose processes measured `samples`; `options`: of `make_session`."""
    machine = {"id": "other" if elsewhere else "here", "board": None, "cpu": "Cortex"}
    attempt = f"results/runs/m/p/d/fp32/attempts/{number + 1:04d}-0123abcd"
    record = {**make_session(samples, **options), "started_at_unix_s": 1.0 + number}
    return MeasuredSession(record, list(samples), attempt, machine, elsewhere)


def make_facts(samples_digest, output_difference=0.0, processes=5, samples_kind="digits", **protocol):
    """Return the facts of a cell as `runs.measuring` collects them."""
    digests = dict.fromkeys(("model", "artifact", "manifest", "inputs", "agent"), "a" * 64)
    return {
        "cell": {"model": "m", "preset": "p", "device": "d", "precision": "fp32", "builder": "host"},
        "task": "classification",
        "arm": {"backend": "onnxruntime", "precision": "fp32", "runtime": {"intra_op_threads": 1}},
        "device": {"name": "d", "board": "Test Board", "transport": "local", "tags": ["t"]},
        "protocol": {
            "name": "quick",
            "processes": processes,
            "warmup_runs": 10,
            "warmup_seconds": 0.5,
            "min_samples": 200,
            "min_seconds": 0.1,
            "max_timer_share": 0.01,
            **protocol,
        },
        "identity": {"inputs": [{"name": "x", "dtype": "float32", "shape": [1, 4]}]},
        "artifact_bytes": 1000,
        "digests": {**digests, "samples": samples_digest},
        "samples_kind": samples_kind,
        "output_difference": output_difference,
    }
