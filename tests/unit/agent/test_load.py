"""Sustained load: when it has settled, what is kept, and how it is timed for real."""

import json
from array import array

import numpy as np
from edgeproof.agent.load import SPAN, LoadCurve
from edgeproof.agent.measurement import measure_process


def run(levels, temperatures=None, seconds=600, inputs=1, keep=10):
    """Return a curve of one window of 10 s per level."""
    curve = LoadCurve({"seconds": seconds}, inputs, keep)
    for number, level in enumerate(levels, 1):
        curve.add(array("q", [level] * 25), 10.0 * number, temperatures and temperatures[number - 1])
    return curve


def test_load_has_settled_when_six_windows_agree_with_the_six_before():
    assert not run([1000] * (2 * SPAN - 1)).settled
    assert run([1000] * (2 * SPAN)).settled
    assert not run([1000] * SPAN + [1020] * SPAN).settled
    assert run([1000] * 3 + [1020] * (2 * SPAN)).settled
    assert run([1000, 1500, 1000, 1000, 1000, 1000] * 2).settled  # a single slow window is no change


def test_temperature_that_rises_keeps_the_load_on():
    rising = [40 + number / 2 for number in range(2 * SPAN)]
    assert not run([1000] * (2 * SPAN), rising).settled
    assert run([1000] * (2 * SPAN), [40.0] * (2 * SPAN)).settled
    assert run([1000] * (2 * SPAN), [None] * (2 * SPAN)).settled


def test_load_ends_settled_or_with_its_time():
    assert not run([1000]).over and run([1000] * (2 * SPAN)).over
    grown = [1000 + 100 * number for number in range(2 * SPAN)]
    assert not run(grown).over and run(grown, seconds=120).over


def test_what_is_kept_of_a_window_begins_with_the_first_input():
    curve = LoadCurve({"seconds": 60}, inputs=4, keep=6)
    curve.add(array("q", range(100, 123)), 10.0, None)  # 23 samples: five rounds of four inputs and three more
    assert curve.samples.tolist() == list(range(112, 120))
    assert curve.describe() == {
        "settled": False,
        "counted": 8,
        "windows": [{"seconds": 10.0, "timed": 23, "samples": 8, "temperature_c": None}],
    }


def test_a_real_process_under_load_has_a_curve(tiny_model, tmp_path):
    np.savez(tmp_path / "inputs.npz", **{"inputs/x": np.arange(12, dtype="float32").reshape(3, 4)})
    arm = {"backend": "onnxruntime", "precision": "fp32", "artifact": tiny_model, "runtime": {"intra_op_threads": 1}}
    protocol = {
        "warmup_runs": 1,
        "warmup_seconds": 0.0,
        "min_samples": 4,
        "min_seconds": 0.0,
        "max_timer_share": 0.1,
        "load": {"seconds": 0.3, "window_seconds": 0.01},
    }
    measure_process(
        {"arm": arm, "inputs": str(tmp_path / "inputs.npz"), "protocol": protocol, "slot": 0}, str(tmp_path)
    )
    report = json.loads((tmp_path / "process.json").read_text())
    windows = report["load"]["windows"]
    assert report["status"] == "ok" and (report["load"]["settled"] or windows[-1]["seconds"] >= 0.3)
    samples, inputs = (np.load(tmp_path / f"{name}.npy") for name in ("samples", "inputs"))
    assert len(samples) == sum(window["samples"] for window in windows) == report["samples"]
    assert {window["samples"] for window in windows} == {6}  # four, made up to rounds of three inputs
    assert inputs.tolist() == [number % 3 for number in range(len(samples))]
    assert report["load"]["counted"] == 6 * min(SPAN, len(windows))
