"""Another process between two timed calls: it takes its turns, ends with us, and the result says that it was there."""

import json

import numpy as np
import pytest
from edgeproof.agent.failures import NoVerdict
from edgeproof.agent.links import time_ring
from edgeproof.agent.measurement import define_boundary, measure_process
from edgeproof.agent.neighbour import Neighbour, Sweep
from edgeproof.agent.timing import time_calls

BETWEEN = {"busy_ms": 0.01, "sweep_mb": 0.1}
PROTOCOL = {"warmup_runs": 3, "warmup_seconds": 0.0, "min_samples": 20, "min_seconds": 0.0, "max_timer_share": 1.0}


def test_it_takes_a_turn_when_it_is_told_and_ends_when_closed():
    neighbour = Neighbour(BETWEEN)
    for _ in range(3):
        neighbour.take_turn()
    neighbour.close()
    assert neighbour._process.returncode == 0


def test_one_that_has_ended_is_no_verdict():
    neighbour = Neighbour(BETWEEN)
    neighbour._process.kill()
    neighbour._process.wait()
    with pytest.raises((NoVerdict, BrokenPipeError)):
        neighbour.take_turn()


def test_what_happens_before_a_sample_is_not_in_its_time(monkeypatch):
    now = [0]

    def clock():
        now[0] += 10
        return now[0]

    def before_each():
        now[0] += 1_000_000

    monkeypatch.setattr("edgeproof.agent.timing.time.perf_counter_ns", clock)
    assert set(time_calls([lambda: None], 5, 0, 1, before_each)) == {10}


def test_a_sweep_goes_on_until_its_time_is_up(monkeypatch):
    readings = iter([0, 5, 9, 10])
    monkeypatch.setattr("edgeproof.agent.neighbour.time.perf_counter_ns", lambda: next(readings))
    sweep = Sweep(10e-6, 0)
    sweep()
    assert sweep._memory.tolist() == [2.0]


def measure(tmp_path, tiny_model, protocol):
    arm = {"backend": "onnxruntime", "precision": "fp32", "artifact": tiny_model, "runtime": {"intra_op_threads": 1}}
    np.savez(tmp_path / "inputs.npz", **{"inputs/x": np.zeros((1, 4), "float32")})
    spec = {"inputs": str(tmp_path / "inputs.npz"), "protocol": protocol, "slot": 0}
    measure_process({**spec, "arm": {**arm, "between_calls": BETWEEN}}, str(tmp_path))
    return json.loads((tmp_path / "process.json").read_text())


def test_the_latency_of_a_stage_says_what_happened_between_calls(tmp_path, tiny_model):
    record = measure(tmp_path, tiny_model, PROTOCOL)
    assert (record["status"], record["calls_per_sample"]) == ("ok", 1)
    assert record["latency_definition"]["boundary"].endswith(
        "; before each, another process had the machine for 0.01 ms and swept 0.1 MB"
    )
    assert define_boundary({"boundary": "b"}, None) == {"boundary": "b"}


def test_calls_too_short_for_the_clock_are_refused_instead_of_batched(tmp_path, tiny_model):
    with pytest.raises(NoVerdict, match="too short for the clock"):
        measure(tmp_path, tiny_model, {**PROTOCOL, "max_timer_share": 1e-9})


def test_links_are_timed_between_processes_that_have_slept():
    executors = {name: {"interpreter": None, "channels_last": name == "b"} for name in "abc"}
    rows = time_ring({"executors": executors, "samples": 11, "between_calls": BETWEEN}, 0.01, 0)
    assert {(row["source"], row["target"]) for row in rows} == {(a, b) for a in "abc" for b in "abc" if a != b}
    assert all(row["median_ns"] > 0 for row in rows)
