"""The timed loop, on calls whose behaviour is known; no assertion depends on how fast this machine is."""

import json
import os

import numpy as np
import pytest
from edgeproof.agent.measurement import measure_process
from edgeproof.agent.memory import peak_memory_bytes
from edgeproof.agent.timing import (
    calls_per_sample,
    clock_quantum_ns,
    slow_down,
    time_block,
    time_calls,
    typical_per_input,
)
from hypothesis import given
from hypothesis import strategies as st

PROTOCOL = {"warmup_runs": 3, "warmup_seconds": 0.0, "min_samples": 20, "min_seconds": 0.0, "max_timer_share": 0.01}


def test_every_call_is_counted_and_timed():
    calls = []
    samples = time_calls([lambda: calls.append(None)], 50, 0, 1)
    assert len(samples) == len(calls) == 50
    assert all(isinstance(sample, int) and sample > 0 for sample in samples)


def test_burst_spans_several_calls():
    calls = []
    samples = time_calls([lambda: calls.append(None)], 10, 0, 7)
    assert (len(samples), len(calls)) == (10, 70)


def test_buffer_grows_beyond_its_first_size():
    assert len(time_calls([lambda: None], 5000, 0, 1)) == 5000


def test_time_at_least_holds_beyond_the_count(monkeypatch):
    now = [0]

    def clock():
        now[0] += 10
        return now[0]

    monkeypatch.setattr("edgeproof.agent.timing.time.perf_counter_ns", clock)
    samples = time_calls([lambda: None], 2, 1000, 1)
    assert set(samples) == {10}
    assert sum(samples) < 1000 <= 20 * len(samples) + 10  # two readings of 10 ns each per sample


@given(st.integers(0, 10_000), st.integers(1, 10**9), st.floats(0.001, 0.1))
def test_timer_costs_at_most_its_share_of_a_burst(timer_ns, typical_ns, share):
    calls = calls_per_sample(timer_ns, typical_ns, share)
    assert calls >= 1
    allowed = max(1, int(share * typical_ns))
    assert timer_ns <= calls * allowed
    assert calls == 1 or timer_ns > (calls - 1) * allowed  # and no longer than it must be


@pytest.mark.parametrize("took", [100, 2_000])
def test_slow_down_adds_its_share_of_each_call(monkeypatch, took):
    now = [0]

    def clock():
        now[0] += 1
        return now[0]

    def call():
        now[0] += took
        return "made"

    monkeypatch.setattr("edgeproof.agent.timing.time.perf_counter_ns", clock)
    assert slow_down(call, 0.05)() == "made"
    assert now[0] == pytest.approx(1.05 * took, abs=4)  # readings of the clock


@pytest.mark.parametrize("quantum", [1, 52, 1000])
def test_quantum_is_the_step_of_a_coarse_clock(monkeypatch, quantum):
    now = [0]

    def clock():
        now[0] += 7
        return now[0] // quantum * quantum

    monkeypatch.setattr("edgeproof.agent.timing.time.perf_counter_ns", clock)
    assert clock_quantum_ns() == max(quantum, 7)


def test_peak_memory_follows_what_is_touched():
    before = peak_memory_bytes()
    block = np.ones(64 << 20, "uint8")
    assert peak_memory_bytes() >= before and peak_memory_bytes() > block.nbytes


def fake_arm(tmp_path, **runtime):
    artifact = tmp_path / "artifact.json"
    artifact.write_text(json.dumps({"seed": "s/fp32", "latency_ms": 2.0, "outputs": [["y", [1, 3]]]}))
    return {"backend": "fake", "precision": "fp32", "artifact": str(artifact), "runtime": runtime}


def inputs(tmp_path):
    path = tmp_path / "inputs.npz"
    np.savez(path, **{"inputs/x": np.arange(8, dtype="float32").reshape(2, 4)})
    return str(path)


def measure(tmp_path, arm, slot=0):
    out = tmp_path / f"out{slot}"
    os.makedirs(out)
    measure_process({"arm": arm, "inputs": inputs(tmp_path), "protocol": PROTOCOL, "slot": slot}, str(out))
    return json.loads((out / "process.json").read_text()), out


def test_fake_process_is_simulated_and_reproducible(tmp_path):
    record, out = measure(tmp_path, fake_arm(tmp_path))
    assert (record["status"], record["provenance"], record["samples"]) == ("ok", "simulated", 20)
    first = np.load(out / "samples.npy")
    assert first.dtype == np.int64 and np.median(first) == pytest.approx(2e6, rel=0.02)
    (tmp_path / "again").mkdir()
    _, again = measure(tmp_path / "again", fake_arm(tmp_path))
    np.testing.assert_array_equal(np.load(again / "samples.npy"), first)
    _, other = measure(tmp_path, fake_arm(tmp_path), slot=1)
    assert not np.array_equal(np.load(other / "samples.npy"), first)


def test_inputs_take_turns_and_each_sample_names_its_own(tmp_path, tiny_model):
    arm = {"backend": "onnxruntime", "precision": "fp32", "artifact": tiny_model, "runtime": {"intra_op_threads": 1}}
    record, out = measure(tmp_path, arm)
    assert (record["inputs"], record["inputs_available"]) == (2, 2)
    samples, taken = np.load(out / "samples.npy"), np.load(out / "inputs.npy")
    np.testing.assert_array_equal(taken, np.arange(len(samples)) % 2)


@pytest.mark.parametrize(("asked", "used"), [(None, 2), (1, 1), (5, 2)])
def test_the_protocol_says_how_many_inputs(tmp_path, monkeypatch, asked, used):
    monkeypatch.setitem(PROTOCOL, "inputs", asked) if asked else None
    record, out = measure(tmp_path, fake_arm(tmp_path))
    assert record["inputs"] == used == len(set(np.load(out / "inputs.npy").tolist()))


def test_time_calls_goes_through_the_calls_in_turn():
    made = []
    time_calls([lambda: made.append("a"), lambda: made.append("b")], 3, 0, 2)
    assert made == ["a", "a", "b", "b", "a", "a"]


def test_a_block_warms_up_and_then_times_each_call():
    made, samples = [], np.zeros(2, "int64")
    time_block([lambda: made.append("a"), lambda: made.append("b")], 3, 1, samples)
    assert made == ["a", "b", "a", "a", "b"] and (samples > 0).all()


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=60), st.integers(1, 16))
def test_each_input_has_a_typical_time(samples, inputs):
    typical = typical_per_input(samples, inputs)
    assert len(typical) == inputs
    assert set(typical) <= set(map(float, samples[len(samples) // 2 :]))


def test_the_typical_time_of_an_input_is_its_own():
    assert typical_per_input([9, 9, 9, 1, 2, 3, 1, 2, 3], 3) == [1.0, 2.0, 3.0]


def test_verdict_about_the_artifact_is_recorded(tmp_path):
    record, out = measure(tmp_path, fake_arm(tmp_path, fail="out_of_memory"))
    assert (record["status"], record["reason"]["kind"]) == ("failed", "out_of_memory")
    assert not (out / "samples.npy").exists()


def test_onnx_runtime_process_is_measured(tmp_path, tiny_model):
    arm = {"backend": "onnxruntime", "precision": "fp32", "artifact": tiny_model, "runtime": {"intra_op_threads": 1}}
    record, out = measure(tmp_path, arm)
    assert (record["status"], record["provenance"]) == ("ok", "measured")
    assert record["samples"] == len(np.load(out / "samples.npy")) >= 20
    assert record["runtime"]["execution_providers_used"] == ["CPUExecutionProvider"]
    assert record["latency_definition"]["threads"] == 1
    assert record["memory_peak_bytes"] >= record["memory_baseline_bytes"] > 0
    with np.load(out / "outputs.npz") as outputs:
        np.testing.assert_allclose(outputs["outputs/y"], [[1.0, 2.0, 3.0, 4.0]])  # relu of x + 1 for x = 0 … 3


def test_missing_provider_and_broken_file_are_verdicts(tmp_path, tiny_model):
    arm = {"backend": "onnxruntime", "precision": "fp32", "artifact": tiny_model}
    record, _ = measure(tmp_path, {**arm, "runtime": {"execution_provider": "CUDAExecutionProvider"}})
    assert record["reason"]["kind"] == "provider_unavailable"
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no model")
    record, _ = measure(tmp_path, {**arm, "artifact": str(broken), "runtime": {}}, slot=1)
    assert record["reason"]["kind"] == "load_failed"
