"""A session of pairs of simulated arms, run in the test's own process, and what it leaves."""

import json

import numpy as np
from edgeproof.agent.pair_session import run_pairs

PROTOCOL = {
    "warmup_runs": 5,
    "warmup_seconds": 0.0,
    "min_samples": 20,
    "min_seconds": 0.0,
    "max_timer_share": 0.05,
    "block_seconds": 0.0005,
    "pair_seconds": 60,  # a busy machine must not cut a pair short
}


def describe_session(tmp_path):
    """Return the spec of a session of two simulated arms with four inputs."""
    np.savez(tmp_path / "inputs.npz", **{"inputs/x": np.arange(16, dtype="float32").reshape(4, 4)})
    return {
        "label": "left vs right",
        "arms": {"left": fake(tmp_path, "a"), "right": fake(tmp_path, "b")},
        "inputs": str(tmp_path / "inputs.npz"),
        "protocol": PROTOCOL,
        "lock": str(tmp_path / "lock"),
        "board": None,
        "timeout_s": 60,
        "budget": {"pairs": 2, "seconds": None},
        "seed": 7,
    }


def fake(tmp_path, seed, latency_ms=1.0, factors=None, **runtime):
    artifact = {"seed": seed, "latency_ms": latency_ms, "outputs": [["y", [1, 3]]]}
    if factors:
        artifact["input_factors"] = factors
    path = tmp_path / f"{seed}.json"
    path.write_text(json.dumps(artifact))
    return {"backend": "fake", "precision": "fp32", "artifact": str(path), "runtime": runtime}


def real(tiny_model, threads=1, **more):
    runtime = {"intra_op_threads": threads}
    return {"backend": "onnxruntime", "precision": "fp32", "artifact": tiny_model, "runtime": runtime, **more}


def measure(tmp_path, spec):
    """Run a session here; return its record and those of its pairs."""
    out = tmp_path / "out"
    out.mkdir()
    run_pairs(spec, str(out))
    record = json.loads((out / "session.json").read_text())
    return record, [json.loads((out / pair["folder"] / "pair.json").read_text()) for pair in record["pairs"]]


def load(tmp_path, pair, name):
    return np.load(tmp_path / "out" / f"pair-{pair:03d}" / f"{name}.npy", allow_pickle=False)
