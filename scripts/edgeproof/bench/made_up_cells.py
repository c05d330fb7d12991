"""Made-up cells, for tests and benchmarks: sources, artifact and result of a model, with digests that fit."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np

from edgeproof.agent.machine import describe_machine
from edgeproof.core.configuration import Json, MeasuringProtocol
from edgeproof.core.documents import write_json, write_sealed
from edgeproof.core.files import sha256_file
from edgeproof.core.layout import Cell, artifact_folder, run_folder, source_folder
from edgeproof.core.seals import digest_json
from edgeproof.runs.raw_samples import write_samples
from edgeproof.runs.result_parts import MeasuredSession
from edgeproof.runs.results import build_result
from edgeproof.runs.sessions import SessionRecord

from .made_up_attempts import write_attempt

MODEL_SHAPE = [1, 1, 8, 8]
RUNTIME = {
    "name": "onnxruntime",
    "version": "1.31.1",
    "execution_provider_requested": "CPUExecutionProvider",
    "execution_providers_used": ["CPUExecutionProvider"],
}
DEFINITION = {
    "boundary": "one call",
    "host_device_transfers": "none",
    "graph_capture": False,
    "spin_wait": True,
    "threads": 1,
}
MACHINE = {**describe_machine(), "board": None, "cpu": "Made-up CPU"}
PROTOCOL: MeasuringProtocol = {
    "name": "quick",
    "processes": 5,
    "warmup_runs": 10,
    "warmup_seconds": 0.5,
    "min_samples": 200,
    "min_seconds": 1.0,
    "max_timer_share": 0.01,
}


@dataclass(frozen=True)
class MadeUpCell:
    """What a made-up cell looks like.

    `kind`: ok, noisy, throttled, simulated, no_artifact, crashed, unsupported, wrong (parity fails), trivial.
    `processes` of `count` samples each. `message`: of the failure, where there is one. `accuracy`: the evaluation set
    has labels. `snapshot`: where the machine differs from a quiet desk.
    """

    model: str = "digits-cnn"
    preset: str = "ort-cpu"
    device: str = "desk"
    precision: str = "fp32"
    kind: str = "ok"
    median_ms: float = 1.0
    processes: int = 5
    count: int = 300
    message: str = "made up"
    accuracy: bool = True
    snapshot: Mapping[str, Any] = field(default_factory=dict)

    @property
    def cell(self) -> Cell:
        """The cell's place in the campaign."""
        return Cell(self.model, self.preset, self.device, self.precision)


def write_cell(**options: Any) -> list[str]:
    """Write one made-up cell with its sources and artifact, and return its row of the snapshot.

    `options`: fields of `MadeUpCell`.
    """
    wanted = MadeUpCell(**options)
    cell, kind = wanted.cell, wanted.kind
    identity = _write_sources(cell.model)
    built = artifact_folder(cell.model, cell.preset, "host", cell.precision)
    manifest = write_manifest(cell, built, identity, wanted.message if kind == "no_artifact" else None)
    parity = _write_parity(cell, built, kind, wanted.message, wanted.accuracy)
    samples: list[np.ndarray] = []
    session: Any = None
    if kind not in ("no_artifact", "crashed", "unsupported"):
        samples = make_samples(cell, kind, wanted.median_ms, wanted.processes, wanted.count)
    if kind != "no_artifact":
        session = make_session(samples, kind, wanted.message, wanted.snapshot, kind == "simulated")
    folder = run_folder(cell)
    write_samples(f"{folder}/samples.csv", [samples] if samples else [])
    facts: Any = {
        "cell": {**cell._asdict(), "builder": "host"},
        "task": "classification",
        "arm": {"backend": "onnxruntime", "precision": cell.precision, "runtime": {"intra_op_threads": 1}},
        "device": {"name": cell.device, "board": "A desk", "transport": "local", "tags": ["host"]},
        "protocol": {**PROTOCOL, "processes": wanted.processes, "min_samples": min(200, wanted.count)},
        "identity": identity,
        "artifact_bytes": manifest["artifact"]["bytes"],
        "digests": {
            "model": identity["sha256"],
            "artifact": manifest["artifact"]["sha256"],
            "manifest": sha256_file(f"{built}/manifest.json"),
            "inputs": parity["evaluation"]["sha256"],
            "agent": digest("agent"),
            "samples": sha256_file(f"{folder}/samples.csv"),
        },
        "samples_kind": "digits",
        "output_difference": 0.0,
    }
    attempt = session and write_attempt(folder, session, samples, MACHINE)
    sessions = [MeasuredSession(session, samples, attempt, MACHINE, False)] if session else []
    write_sealed(f"{folder}/result.json", build_result(facts, manifest, sessions), "result")
    return [*cell, "host"]


def name_cell(row: Sequence[str]) -> Cell:
    """Return the name of a made-up cell from its row: (model, preset, device, precision, …)."""
    model, preset, device, precision = row[:4]
    return Cell(model, preset, device, precision)


def _write_sources(model: str) -> Json:
    """Write identity and samples of a model, and return the identity."""
    folder = source_folder(model)
    tensor = {"name": "input", "dtype": "float32", "shape": MODEL_SHAPE}
    identity = {
        "schema": "edgeproof.identity.v2",
        "model": model,
        "sha256": digest(model),
        "bytes": 1000,
        "ir_version": 8,
        "opset": {"ai.onnx": 13},
        "producer": {"name": None, "version": None},
        "inputs": [tensor],
        "outputs": [tensor],
        "operators": {"Conv": 1},
        "parameters": 31674,
        "macs": 538240,
        "macs_unknown": [],
    }
    samples = {
        "schema": "edgeproof.samples.v2",
        "model": model,
        "model_sha256": identity["sha256"],
        "kind": "digits",
        "origin": "made up",
        "seed": 0,
        "labels": True,
        "disjoint": True,
        "calibration": {"count": 200, "sha256": digest("calibration")},
        "evaluation": {"count": 500, "sha256": digest("evaluation")},
    }
    _write_made_up_file(f"{folder}/model.onnx", model)
    for name in ("calibration", "evaluation"):
        _write_made_up_file(f"{folder}/samples/{name}.npz", name)
    write_json(f"{folder}/identity.json", identity, "identity")
    write_json(f"{folder}/samples/samples.json", samples, "samples")
    return identity


def write_manifest(cell: Cell, folder: str, identity: Json, failure: str | None) -> Json:
    """Write the manifest of a made-up cell's artifact and return it; `failure`: why the build failed, or None."""
    preset = {"backend": "onnxruntime", "artifact": "onnx", "build": {}}
    tensors = [{"name": "input", "dtype": "float32", "shape": MODEL_SHAPE}]
    precision = {
        "claimed": cell.precision,
        "basis": "simulated",
        "share": None,
        "weights": {},
        "values": {},
        "operators": {},
    }
    manifest = {
        "schema": "edgeproof.manifest.v1",
        "cell": {**{key: getattr(cell, key) for key in ("model", "preset", "precision")}, "builder": "host"},
        "status": "failed" if failure else "ok",
        "reason": {"kind": "conversion_failed", "message": failure} if failure else None,
        "source": {"file": "model.onnx", "sha256": identity["sha256"], "bytes": 1000, "opset": {"ai.onnx": 13}},
        "artifact": {
            "file": "artifact.onnx",
            "format": "onnx",
            "sha256": None if failure else digest(f"{cell.model}/{cell.precision}"),
            "bytes": 0 if failure else 128052,
        },
        "preset": preset,
        "preset_sha256": digest_json(preset),
        "inputs": None if failure else tensors,
        "outputs": None if failure else tensors,
        "precision": None if failure else precision,
        "warnings": [],
        "calibration": None,
        "toolchain": {"python": "3.11"},
        "command": ["made up"],
        "exit_code": 0,
        "duration_s": 0.1,
        "host": {"machine": "x86_64", "os": "Linux"},
        "built_at": "2026-11-21T09:00:00Z",
    }
    _write_made_up_file(f"{folder}/artifact.onnx", "" if failure else f"{cell.model}/{cell.precision}")
    write_sealed(f"{folder}/manifest.json", manifest, "manifest")
    return manifest


def _write_parity(cell: Cell, folder: str, kind: str, message: str, accuracy: bool) -> Json:
    """Write the parity of an artifact and return it; `kind` as in `MadeUpCell`."""
    shares = ("top1_agreement", "equal_share", "matched_share", "relative_accuracy")
    names = ("max_abs", "absolute_l2", "relative_l2", "cosine_min", "cosine_mean", "l2_without_angle", *shares)
    metrics: Json = dict.fromkeys(names)
    absent = dict.fromkeys(names, "the outputs were not compared")
    status, reason, thresholds, judged = "passed", None, [], None
    if kind == "no_artifact":
        status, reason = "not_run", {"kind": "build_failed", "message": message}
    elif kind == "unsupported":
        status, reason = "failed", {"kind": "provider_unavailable", "message": message}
    else:
        metrics = dict(zip(names, (0.01, 0.02, 0.003, 0.9996, 0.9999, None, 0.998, None, None, 0.994), strict=True))
        absent = {
            "l2_without_angle": "every sample has an angle",
            "equal_share": "no output is of integers, booleans or texts",
            "matched_share": "the outputs are no rows of a detector",
        }
        if not accuracy:
            metrics["relative_accuracy"], absent["relative_accuracy"] = None, "the evaluation set has no labels"
        judged = _accuracy() if accuracy else None
        limit = 0.9999 if kind == "wrong" else 0.9
        thresholds = [_threshold("min_cosine", "cosine_min", metrics, absent, limit)]
        thresholds.append(_threshold("min_relative_accuracy", "relative_accuracy", metrics, absent, 0.99))
    if kind == "wrong":
        status, reason = "failed", {"kind": "threshold_missed", "message": message}
    parity = {
        "schema": "edgeproof.parity.v4",
        "cell": {**{key: getattr(cell, key) for key in ("model", "preset", "precision")}, "builder": "host"},
        "task": "classification",
        "status": status,
        "reason": reason,
        "trivial": kind in ("trivial", "simulated"),
        "provenance": "simulated" if kind == "simulated" else "measured",
        "source_sha256": digest(cell.model),
        "artifact_sha256": None if kind == "no_artifact" else digest(f"{cell.model}/{cell.precision}"),
        "manifest_sha256": sha256_file(f"{folder}/manifest.json"),
        "evaluation": {"file": "evaluation.npz", "sha256": digest("evaluation"), "count": 500, "labels": accuracy},
        "arm": {"backend": "onnxruntime", "precision": cell.precision, "runtime": {}},
        "runtimes": {"reference": None, "candidate": None},
        "metrics": metrics,
        "absent": absent,
        "accuracy": judged,
        "outputs": [],
        "thresholds": thresholds,
        "reference": {"file": "reference.npz", "sha256": digest("reference"), "outputs": []},
        "command": ["made up"],
        "duration_s": 0.1,
    }
    _write_made_up_file(f"{folder}/reference.npz", "reference")
    write_sealed(f"{folder}/parity.json", parity, "parity")
    return parity


def make_samples(cell: Cell, kind: str, median_ms: float, processes: int, count: int) -> list[np.ndarray]:
    """Return the latencies of a made-up cell, int64 nanoseconds per process.

    They are 0.2 % apart between processes (15 % when noisy), 1 % within.
    """
    random = np.random.default_rng(int(digest(str(cell))[:8], 16))
    between = 0.15 if kind == "noisy" else 0.002
    levels = median_ms * 1e6 * np.exp(between * random.standard_normal(processes))
    return [(level * np.exp(0.01 * random.standard_normal(count))).astype("int64") for level in levels]


def make_session(
    samples: Sequence[np.ndarray], kind: str, message: str, snapshot: Mapping[str, Any], simulated: bool = False
) -> SessionRecord:
    """Return the session of a made-up cell as the agent would have recorded it.

    `snapshot`: where the machine differs from a quiet desk.
    """
    processes = [
        {
            "slot": slot,
            "arm": "candidate",
            "status": "ok",
            "reason": None,
            "provenance": "simulated" if simulated else "measured",
            "runtime": {**RUNTIME, "name": "fake"} if simulated else RUNTIME,
            "latency_definition": DEFINITION,
            "inputs": 16,
            "inputs_available": 500,
            "import_ns": 20_000_000,
            "load_ns": 8_000_000,
            "cold_first_inference_ns": 4_000_000,
            "warmup_runs": 10,
            "warmup_ns": 500_000_000,
            "samples": len(values),
            "window_ns": int(values.sum()),
            "calls_per_sample": 1,
            "timer_cost_ns": 50,
            "memory_baseline_bytes": 50_000_000,
            "memory_peak_bytes": 60_000_000,
            "context_switches_voluntary": 0,
            "context_switches_involuntary": 1,
            "cpu_ns": int(values.sum()),
        }
        for slot, values in enumerate(samples)
    ]
    if kind in ("crashed", "unsupported"):
        failure = "provider_unavailable" if kind == "unsupported" else "crashed"
        reason = {"kind": failure, "message": message}
        processes = [{"slot": 0, "arm": "candidate", "status": "failed", "reason": reason}]
    quiet: Json = {
        "taken_at_unix_s": 1.8e9,
        "board": None,
        "machine": "x86_64",
        "kernel": "6.1",
        "os": "Debian",
        "python": "3.11.2",
        "cpu_model": "Made-up CPU",
        "cpu_count": 2,
        "affinity": [0, 1],
        "governors": None,
        "frequencies_khz": None,
        "cpu_quota": None,
        "load_average": [0.1, 0.1, 0.1],
        "memory_available_bytes": 24_000_000_000,
        "cpu_ticks": None,
        "temperatures_c": None,
        "throttled": None,
        "power_mode": None,
        "clocks_locked": None,
        "jetpack": None,
        "gpu_driver": None,
    }
    before, after = {**quiet, **snapshot}, {**quiet, **snapshot, "taken_at_unix_s": 1.8e9 + 12}
    if kind == "throttled":
        before, after = ({**side, "throttled": _flags(value)} for side, value in ((before, 0), (after, 0x40000)))
    session = {
        "label": "made up",
        "processes": processes,
        "environment": {"before": before, "after": after, "steal_share": None},
        "started_at_unix_s": 1.8e9,
    }
    return cast(SessionRecord, session)  # without the lock, which no result needs


def _write_made_up_file(path: str, text: str) -> None:
    """Write a file that nobody opens; its sha256 is `digest(text)`."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text)


def digest(text: str) -> str:
    """Return the sha256 of a word, for use as the digest of a made-up cell's file."""
    return hashlib.sha256(text.encode()).hexdigest()


def _flags(value):
    return {"source": "vcgencmd get_throttled", "value": value}


def _threshold(name, metric, metrics, absent, limit):
    value = metrics[metric]
    passed = None if value is None else value >= limit
    return {
        "name": name,
        "metric": metric,
        "value": value,
        "limit": limit,
        "passed": passed,
        "reason": absent.get(metric),
    }


def _accuracy():
    return {
        "difference": -0.006,
        "low": -0.0193,
        "high": 0.0051,
        "confidence": 0.95,
        "count": 500,
        "reference_accuracy": 0.992,
        "candidate_accuracy": 0.986,
        "gained": 1,
        "lost": 4,
        "mcnemar_p": 0.375,
        "bootstrap_low": None,
        "bootstrap_high": None,
        "resamples": 10000,
        "seed": 0,
        "answers": {"reference": 4 * "0" + 496 * "1", "candidate": "1" + 7 * "0" + 492 * "1"},
    }
