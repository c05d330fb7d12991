"""Pre- and post-processing inside the timed call: the steps, the raw values that they start from, and the boundary."""

import json

import numpy as np
import pytest
from edgeproof.agent.backends.opening import open_backend
from edgeproof.agent.failures import NoVerdict
from edgeproof.agent.measurement import measure_process
from hypothesis import given
from hypothesis import strategies as st

PROTOCOL = {"warmup_runs": 1, "warmup_seconds": 0.0, "min_samples": 4, "min_seconds": 0.0, "max_timer_share": 1.0}
PIXELS = {
    "dtype": "uint8",
    "shape": [4],
    "steps": [{"scale": 0.5}, {"subtract": [1.0, 2.0, 3.0, 4.0]}, {"divide": 2.0}],
}


class Recorder:
    """A backend that keeps what each call was given; its output is twice the input."""

    name, version, import_ns, provider_requested, providers_used = "recorder", "1", 0, "none", ("none",)
    inputs, outputs, simulator = [("x", "float32", None)], [("y", "float32", None)], None

    def __init__(self):
        self.fed = []

    def bind(self, feed):
        def call():
            self.fed.append(feed["x"])
            return [2 * feed["x"]]

        return call

    def restore(self, outputs):
        return outputs

    def definition(self):
        return {"boundary": "a call", "threads": 1}


def open_processed(monkeypatch, processing):
    recorder = Recorder()
    monkeypatch.setitem(open_backend.__globals__["_BACKENDS"], "recorder", lambda arm: recorder)
    return recorder, open_backend({"backend": "recorder", "processing": processing})


def test_a_call_starts_at_the_raw_value_and_feeds_the_model_what_the_steps_make(monkeypatch):
    recorder, backend = open_processed(monkeypatch, {"before": {"x": PIXELS}})
    raw = np.array([[0, 8, 200, 255]], "uint8")
    sample = ((raw * np.float32(0.5)) - np.array([1, 2, 3, 4], "float32")) / np.float32(2)
    call = backend.bind({"x": sample})
    assert backend.restore(call())[0].tolist() == (2 * sample).tolist()
    assert recorder.fed[-1].tolist() == sample.tolist() and recorder.fed[-1].dtype == np.float32
    first, second = (call(), recorder.fed[-1])[1], (call(), recorder.fed[-1])[1]
    assert first is not second  # each call makes its own input


def test_an_image_is_resized_and_its_channels_come_first(monkeypatch):
    steps = [{"resize": [2, 3]}, {"scale": [1.0, 2.0, 4.0]}, "channels_first"]
    recorder, backend = open_processed(
        monkeypatch, {"before": {"x": {"dtype": "uint8", "shape": [4, 6, 3], "steps": steps}}}
    )
    sample = np.arange(18, dtype="float32").reshape(1, 3, 2, 3) * np.array([1, 2, 4], "float32").reshape(1, 3, 1, 1)
    backend.bind({"x": sample})()
    assert recorder.fed[-1].tolist() == sample.tolist()  # each pixel was doubled, and their mean is the pixel


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 9), st.integers(1, 9))
def test_resizing_keeps_a_constant_and_stays_within_the_values(rows, columns, to_rows, to_columns):
    from edgeproof.agent.processing import Processed

    recorder = Recorder()
    raw = {"dtype": "float32", "shape": [rows, columns, 1], "steps": [{"resize": [to_rows, to_columns]}]}
    backend = Processed(recorder, {"before": {"x": raw}})
    ramp = np.linspace(-1, 1, to_rows * to_columns, dtype="float32").reshape(1, to_rows, to_columns, 1)
    for sample in (np.full_like(ramp, 0.25), ramp):
        backend.bind({"x": sample})()
        fed = recorder.fed[-1]
        assert fed.shape == sample.shape and sample.min() - 1e-6 <= fed.min() and fed.max() <= sample.max() + 1e-6


def test_the_outputs_stay_the_models_and_the_steps_after_it_are_run(monkeypatch):
    seen = []
    _recorder, backend = open_processed(monkeypatch, {"after": {"y": ["softmax", {"top": 2}]}})
    monkeypatch.setattr(
        "edgeproof.agent.processing.numpy.argsort", lambda *a, **k: seen.append(a[0]) or np.zeros((1, 4), int)
    )
    outputs = backend.restore(backend.bind({"x": np.array([[0, 1, 2, 3]], "float32")})())
    assert outputs[0].tolist() == [[0, 2, 4, 6]]
    assert seen and np.allclose(-seen[0].sum(), 1)  # of the softmax's


def test_the_boundary_lists_the_steps(monkeypatch):
    _, backend = open_processed(monkeypatch, {"before": {"x": PIXELS}, "after": {"y": ["sigmoid"]}})
    boundary = backend.definition()["boundary"]
    assert boundary.startswith("a call; pre-processing inside: x from uint8 [4]: scale: 0.5, subtract: [1.0, 2.0")
    assert boundary.endswith("; post-processing inside: y: sigmoid")


@pytest.mark.parametrize(
    ("processing", "message"),
    [
        ({"before": {"z": PIXELS}}, "no input 'z'; it has x"),
        ({"after": {"z": ["softmax"]}}, "no output 'z'; it has y"),
        ({"before": {"x": {**PIXELS, "shape": [5]}}}, r"goes back to a raw value of shape \[4\], and not \[5\]"),
        (
            {"before": {"x": {"dtype": "uint8", "shape": [4, 6, 3], "steps": [{"resize": [5, 5]}]}}},
            r"the steps make shape \[1, 5, 5, 3\] of the raw value, the model takes \[1, 2, 3, 3\]",
        ),
    ],
)
def test_what_does_not_fit_the_model_is_said(monkeypatch, processing, message):
    sample = np.zeros((1, 2, 3, 3) if "[1, 5" in message.replace("\\", "") else (1, 4), "float32")
    with pytest.raises(NoVerdict, match=message):
        open_processed(monkeypatch, processing)[1].bind({"x": sample})


def test_a_measured_process_says_what_it_timed_and_keeps_the_outputs_of_the_sample(tiny_model, tmp_path):
    np.savez(tmp_path / "inputs.npz", **{"inputs/x": np.array([[0.2, -3, 0.7, 90]], "float32")})
    raw = {"dtype": "uint8", "shape": [4], "steps": [{"scale": 2.0}]}
    arm = {
        "backend": "onnxruntime",
        "artifact": tiny_model,
        "precision": "fp32",
        "runtime": {"intra_op_threads": 1},
        "processing": {"before": {"x": raw}, "after": {"y": ["softmax"]}},
    }
    measure_process(
        {"arm": arm, "inputs": str(tmp_path / "inputs.npz"), "protocol": PROTOCOL, "slot": 0}, str(tmp_path)
    )
    report = json.loads((tmp_path / "process.json").read_text())
    assert report["status"] == "ok" and "post-processing inside: y: softmax" in report["latency_definition"]["boundary"]
    outputs = np.load(tmp_path / "outputs.npz")["outputs/y"]
    assert np.allclose(outputs, [[1.2, 0, 1.7, 91]])  # of the sample, not of its rounded raw value
