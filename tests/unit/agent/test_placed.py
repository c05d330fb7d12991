import itertools
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from edgeproof.agent.backends.opening import open_backend
from edgeproof.agent.failures import Verdict
from edgeproof.agent.links import plan_ring, shape_tensor
from hypothesis import given
from hypothesis import strategies as st


def chain(*steps, shape=(1, 4)):
    """Return the arm of a chain: one (executor, arm) per step, tensors of one shape, inputs `x`, outputs `y`."""
    places = [None, *(executor for executor, _ in steps), None]
    crossing = [n for n in range(len(steps) + 1) if places[n] != places[n + 1]]
    return {
        "backend": "placed",
        "executors": {executor: {"interpreter": None} for executor, _ in steps},
        "tensors": {str(n): {"dtype": "float32", "shape": list(shape)} for n in crossing},
        "steps": [
            {
                "name": f"s{n}",
                "executor": executor,
                "arm": arm,
                "inputs": [["x", str(n)]],
                "outputs": [["y", str(n + 1)]],
            }
            for n, (executor, arm) in enumerate(steps)
        ],
        "inputs": [["x", "0"]],
        "outputs": [["y", str(len(steps))]],
    }


@pytest.fixture
def plus_one(tiny_model):
    """The arm of y = relu(x + 1) in ONNX Runtime."""
    return {"backend": "onnxruntime", "precision": "fp32", "runtime": {"intra_op_threads": 1}, "artifact": tiny_model}


@pytest.mark.parametrize("executors", ["aaa", "aab", "aba", "abc"])
def test_a_placed_chain_computes_what_its_stages_do(plus_one, executors):
    backend = open_backend(chain(*[(executor, plus_one) for executor in executors]))
    for start in (np.arange(4, dtype="float32")[None], np.full((1, 4), -2, "float32")):
        (made,) = backend.restore(backend.bind({"x": start})())
        expected = start
        for _ in executors:
            expected = np.maximum(expected + 1, 0)
        np.testing.assert_array_equal(made, expected)
    told = backend.describe_steps(1)
    assert [step["executor"] for step in told["steps"]] == list(executors)
    assert all(step["execution_ns"] > 0 and step["handover_ns"] > 0 for step in told["steps"])
    backend._crew.close()


def test_a_stage_that_does_not_load_is_a_verdict(plus_one, tmp_path):
    (tmp_path / "broken.onnx").write_bytes(b"no model")
    broken = {**plus_one, "artifact": str(tmp_path / "broken.onnx")}
    with pytest.raises(Verdict) as caught:
        open_backend(chain(("a", plus_one), ("b", broken)))
    assert caught.value.kind == "load_failed" and str(caught.value).startswith("b: ")


def test_a_stage_that_fails_while_running_is_a_verdict(plus_one):
    backend = open_backend(chain(("a", plus_one), ("b", plus_one), shape=(1, 5)))
    with pytest.raises(Verdict) as caught:
        backend.bind({"x": np.zeros((1, 5), "float32")})()
    assert caught.value.kind == "inference_failed"
    backend._crew.close()


def run_agent(tmp_path, verb, spec):
    path, out = tmp_path / "spec.json", tmp_path / "out"
    path.write_text(json.dumps(spec))
    command = [sys.executable, "-m", "edgeproof.agent", verb, str(path), str(out)]
    done = subprocess.run(command, env=dict(os.environ), text=True, capture_output=True)
    assert done.returncode == 0, done.stderr
    return json.loads((out / "process.json").read_text())


def test_measuring_a_placed_chain_says_where_the_time_went(plus_one, tmp_path):
    np.savez(tmp_path / "inputs.npz", **{"inputs/x": np.zeros((2, 4), "float32")})
    protocol = {"warmup_runs": 3, "warmup_seconds": 0.0, "min_samples": 20, "min_seconds": 0.0, "max_timer_share": 0.01}
    arm = chain(("a", plus_one), ("b", plus_one))
    report = run_agent(
        tmp_path, "measure", {"arm": arm, "inputs": str(tmp_path / "inputs.npz"), "protocol": protocol, "slot": 0}
    )
    assert (report["status"], report["provenance"]) == ("ok", "measured")
    assert len(report["placed"]["steps"]) == 2 and report["placed"]["return_ns"] > 0
    assert np.load(tmp_path / "out/outputs.npz")["outputs/y"].tolist() == [[2, 2, 2, 2]]


def test_simulated_stages_have_simulated_times(tmp_path):
    artifact = tmp_path / "artifact.json"
    artifact.write_text(json.dumps({"seed": "s", "latency_ms": 2.0, "outputs": [["y", [1, 4]]]}))
    np.savez(tmp_path / "inputs.npz", **{"inputs/x": np.zeros((2, 4), "float32")})
    fake = {"backend": "fake", "precision": "fp32", "runtime": {}, "artifact": str(artifact)}
    protocol = {"warmup_runs": 3, "warmup_seconds": 0.0, "min_samples": 20, "min_seconds": 0.0, "max_timer_share": 0.01}
    spec = {"arm": chain(("a", fake), ("b", fake)), "inputs": str(tmp_path / "inputs.npz"), "protocol": protocol}
    report = run_agent(tmp_path, "measure", {**spec, "slot": 0})
    assert report["provenance"] == "simulated"
    assert [step["execution_ns"] > 0 for step in report["placed"]["steps"]] == [True, True]


@pytest.mark.parametrize("simulated", [False, True])
def test_links_of_every_ordered_pair(tmp_path, simulated):
    names = ("host", "plain", "rearranging")
    executors = {name: {"interpreter": None, "channels_last": name == "rearranging"} for name in names}
    arm = {"executors": executors, "sizes_mb": [0.01, 0.1], "samples": 11, "simulated": simulated}
    report = run_agent(tmp_path, "links", {"arm": arm, "slot": 0})
    assert report["provenance"] == ("simulated" if simulated else "measured")
    pairs = [(row["source"], row["target"]) for row in report["handovers"]]
    assert sorted(pairs) == sorted(list(itertools.permutations(names, 2)) * 2)
    assert all(row["median_ns"] > 0 for row in report["handovers"])


@given(st.integers(2, 7))
def test_a_ring_uses_every_ordered_pair_once(count):
    names = [str(number) for number in range(count)]
    ring = plan_ring(names)
    assert ring[0] == ring[-1] == "0"
    assert sorted(itertools.pairwise(ring)) == sorted(itertools.permutations(names, 2))


@given(st.floats(0.001, 50))
def test_tensors_have_about_the_size_asked_for(size_mb):
    shape = shape_tensor(size_mb)
    assert shape[:2] == [1, 64] and shape[2] >= 1
    assert size_mb < 0.1 or abs(np.prod(shape) * 4e-6 / size_mb - 1) < 0.2
