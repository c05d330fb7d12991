"""Models that people brought and that were judged wrongly or crashed, each with the right value."""

import numpy as np
import onnx
import pytest
from edgeproof.artifacts.agreement import parity
from edgeproof.artifacts.agreement.execution import Inference
from edgeproof.core.documents import read_json
from edgeproof.core.files import sha256_file
from edgeproof.core.tensors import read_tensors
from edgeproof.sources.identity import describe_model
from edgeproof.sources.samples import draw_samples as draw_set
from onnx import TensorProto, helper

from .conftest import Job, make_model

pytestmark = pytest.mark.usefixtures("infer_here")
_LIMITS = {"max_relative_l2": 1e-4, "min_cosine": 0.9}


def make_scalar_output():
    """A classifier that also gives one scalar per image: an output of rank 0."""
    nodes = [
        helper.make_node("GlobalAveragePool", ["x"], ["g"]),
        helper.make_node("Flatten", ["g"], ["f"]),
        helper.make_node("Gemm", ["f", "w", "b"], ["logits"]),
        helper.make_node("ReduceMean", ["x"], ["energy"], keepdims=0),
    ]
    weights = {"w": np.random.default_rng(0).random((3, 5), np.float32), "b": np.zeros(5, np.float32)}
    outputs = [("logits", TensorProto.FLOAT, ["N", 5]), ("energy", TensorProto.FLOAT, [])]
    return make_model(nodes, [("x", TensorProto.FLOAT, ["N", 3, 16, 16])], outputs, weights)


def test_one_number_per_sample_is_judged_by_its_distance_and_not_by_its_sign(make_job, monkeypatch):
    """A score that crosses zero in one sample: its cosine is -1, and the output is as near as the others."""
    job = make_job(make_scalar_output(), count=16)
    job.build("fp32")
    infer = parity.infer_outputs

    def move(shift):
        def moved(interpreter, arm, model, inputs, limit=None):
            found = infer(interpreter, arm, model, inputs, limit=limit)
            energy = [entry - np.float32(0.5) for entry in found.outputs["energy"]]  # some are above, some below zero
            if arm is not parity.REFERENCE_ARM:
                energy = [np.float32(0) * energy[0], *(entry + shift for entry in energy[1:])]
            return Inference(found.outputs | {"energy": energy}, found.runtime, None)

        monkeypatch.setattr(parity, "infer_outputs", moved)

    monkeypatch.setattr(parity, "find_comparison", lambda *_: None)
    move(np.float32(0))
    document = job.check("fp32", thresholds={"min_cosine": 0.9, "max_l2_without_angle": 0.9}, task="none")
    energy = document["outputs"][1]
    assert (document["status"], energy["cosine_min"], energy["without_angle"]) == ("passed", None, 16)
    lines = {line["name"]: line["value"] for line in document["thresholds"]}
    assert lines == {"min_cosine": 1.0, "max_l2_without_angle": energy["relative_l2"]}
    move(np.float32(0.5))
    document = job.check("fp32", thresholds={"min_cosine": 0.9}, task="none")
    assert (
        document["status"] == "failed"
        and "`parity: {fp32: {max_l2_without_angle: …}}`" in (document["reason"]["message"])
    )
    assert document["reason"]["message"].startswith("output 'energy': l2_without_angle is ")
    assert "limit 0.1 " in document["reason"]["message"]
    document = job.check("fp32", thresholds={"max_relative_l2": 100.0}, task="none")  # it judges every output
    assert document["status"] == "passed" and len(document["thresholds"]) == 1


def test_a_missed_cosine_names_the_output_the_samples_and_the_key(make_job, monkeypatch):
    job = make_job(make_scalar_output(), count=16)
    job.build("fp32")
    infer = parity.infer_outputs

    def turn(interpreter, arm, model, inputs, limit=None):
        found = infer(interpreter, arm, model, inputs, limit=limit)
        if arm is not parity.REFERENCE_ARM:
            logits = [entry * (-1 if index in (3, 7) else 1) for index, entry in enumerate(found.outputs["logits"])]
            return Inference(found.outputs | {"logits": logits}, found.runtime, None)
        return found

    monkeypatch.setattr(parity, "infer_outputs", turn)
    document = job.check("fp32", thresholds={"min_cosine": 0.9}, task="none")
    assert document["reason"]["message"].startswith(
        "output 'logits': cosine_min is -1 in sample 3 (2 of 16 samples are below the limit), limit 0.9 "
        "(`parity: {fp32: {min_cosine: …}}` of preset "
    )


def make_detector(end_to_end):
    """A detector with NonMaxSuppression: as many rows as the image has objects, as boxes or as raw indices."""
    random = np.random.default_rng(0)
    weights = {
        "wb": random.standard_normal((4, 3, 1, 1)).astype(np.float32),
        "ws": random.standard_normal((1, 3, 1, 1)).astype(np.float32),
        "s4": np.array([1, 4, -1]),
        "s1": np.array([1, 1, -1]),
        "most": np.array([50]),
        "iou": np.array([0.5], np.float32),
        "least": np.array([0.75], np.float32),
        "two": np.array(2),
    }
    nodes = [
        helper.make_node("Conv", ["x", "wb"], ["a"]),
        helper.make_node("Reshape", ["a", "s4"], ["b"]),
        helper.make_node("Transpose", ["b"], ["boxes"], perm=[0, 2, 1]),
        helper.make_node("Conv", ["x", "ws"], ["c"]),
        helper.make_node("Reshape", ["c", "s1"], ["d"]),
        helper.make_node("Sigmoid", ["d"], ["scores"]),
        helper.make_node("NonMaxSuppression", ["boxes", "scores", "most", "iou", "least"], ["chosen"]),
    ]
    outputs = [("boxes", TensorProto.FLOAT, [1, 256, 4]), ("chosen", TensorProto.INT64, ["k", 3])]
    if end_to_end:
        nodes += [
            helper.make_node("Gather", ["chosen", "two"], ["index"], axis=1),
            helper.make_node("Gather", ["boxes", "index"], ["detections"], axis=1),
        ]
        outputs = [("detections", TensorProto.FLOAT, [1, "k", 4])]
    return make_model(nodes, [("x", TensorProto.FLOAT, [1, 3, 16, 16])], outputs, weights, opset=17)


def make_streaming():
    """A streaming voice model: state [2, batch, 16] whose batch is the second axis, and a scalar rate."""
    nodes = [
        helper.make_node("Cast", ["sr"], ["rate"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["rate", "k"], ["q"]),
        helper.make_node("Mul", ["audio", "q"], ["a"]),
        helper.make_node("MatMul", ["a", "w"], ["e"]),
        helper.make_node("Add", ["state", "e"], ["state_out"]),
        helper.make_node("ReduceSum", ["state_out", "axes"], ["y"], keepdims=0),
    ]
    weights = {
        "w": np.random.default_rng(0).random((64, 16), np.float32),
        "axes": np.array([0]),
        "k": np.array(16000, np.float32),
    }
    inputs = [
        ("audio", TensorProto.FLOAT, ["batch", 64]),
        ("state", TensorProto.FLOAT, [2, "batch", 16]),
        ("sr", TensorProto.INT64, []),
    ]
    outputs = [("y", TensorProto.FLOAT, ["batch", 16]), ("state_out", TensorProto.FLOAT, [2, "batch", 16])]
    return make_model(nodes, inputs, outputs, weights, opset=17)


def draw_streaming(count, seed):
    """Return samples of the streaming model: a zero state of one stream, and its rate, whole for every call."""
    audio = np.random.default_rng(seed).random((count, 64), np.float32)
    state, rate = np.zeros((count, 2, 1, 16), np.float32), np.full(count, 16000)
    return {"inputs/audio": audio, "inputs/state": state, "inputs/sr": rate}


def test_a_scalar_per_sample_is_an_output(make_job):
    job = make_job(make_scalar_output(), count=16)
    job.build("fp32")
    document = job.check("fp32", thresholds=_LIMITS)
    assert document["status"] == "passed"
    assert [(item["name"], item["shape"], item["relative_l2"]) for item in document["outputs"]] == [
        ("logits", [1, 5], 0.0),
        ("energy", [], 0.0),
    ]
    reference = read_tensors(job.folder / "fp32" / "reference.npz")
    sample = read_tensors(job.evaluation)["inputs/x"][0]
    assert reference["outputs/energy"].shape == ()
    assert float(reference["outputs/energy"]) == pytest.approx(float(sample.mean()), rel=1e-4)


def test_as_many_detections_as_a_sample_has_are_compared_sample_by_sample(make_job):
    job = make_job(make_detector(end_to_end=True), count=16)
    job.build("fp32")
    document = job.check("fp32", thresholds=_LIMITS)
    (output,) = document["outputs"]
    assert (document["status"], output["shape"], output["relative_l2"]) == ("passed", [1, "?", 4], 0.0)


def test_rows_that_part_leave_the_other_outputs_compared(make_job):
    job = make_job(make_detector(end_to_end=False), count=16)
    job.build("int8")
    document = job.check("int8", thresholds=_LIMITS, task="none")
    boxes, chosen = document["outputs"]
    assert document["status"] == "failed" and document["reason"]["kind"] == "outputs_differ"
    assert "output 'chosen' has another shape in" in document["reason"]["message"]
    assert "of 16 samples, first in sample" in document["reason"]["message"]
    assert "NonMaxSuppression chooses its rows" in document["reason"]["message"]
    assert chosen["parting"] and chosen["equal_share"] is None
    assert boxes["parting"] is None and 0 < boxes["relative_l2"] < 0.1
    assert document["metrics"]["cosine_min"] == boxes["cosine_min"] > 0.9


def test_a_negative_size_is_an_open_axis(make_job):
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], pads=[1] * 4),
        helper.make_node("GlobalAveragePool", ["c"], ["y"]),
    ]
    weights = {"w": np.random.default_rng(0).random((8, 3, 3, 3), np.float32)}
    shapes = [("x", TensorProto.FLOAT, [-1, 3, 16, 16])], [("y", TensorProto.FLOAT, [-1, 8, 1, 1])]
    job = make_job(make_model(nodes, *shapes, weights, opset=11), count=4)
    known = read_json(job.identity, "identity")
    assert (known["inputs"][0]["shape"], known["macs"]) == (["?", 3, 16, 16], 16 * 16 * 8 * 27)
    job.build("fp32")
    assert job.check("fp32", thresholds=_LIMITS)["status"] == "passed"


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8", "int8-dynamic"])
def test_a_quantised_source_is_called_that_by_every_precision(make_job, precision):
    weights = {
        "s": np.array(0.02, np.float32),
        "z": np.array(128, np.uint8),
        "ws": np.array(0.01, np.float32),
        "wz": np.array(0, np.int8),
        "w": np.random.default_rng(0).integers(-127, 127, (8, 3, 3, 3), np.int8),
        "w2": np.random.default_rng(1).standard_normal((2, 8, 1, 1)).astype(np.float32),
    }
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["xq"]),
        helper.make_node("DequantizeLinear", ["xq", "s", "z"], ["xd"]),
        helper.make_node("DequantizeLinear", ["w", "ws", "wz"], ["wd"]),
        helper.make_node("Conv", ["xd", "wd"], ["c"], pads=[1] * 4, name="/conv"),
        helper.make_node("QuantizeLinear", ["c", "s", "z"], ["c_QuantizeLinear_Output"]),
        helper.make_node("DequantizeLinear", ["c_QuantizeLinear_Output", "s", "z"], ["c_DequantizeLinear_Output"]),
        helper.make_node("Conv", ["c_DequantizeLinear_Output", "w2"], ["y"], name="/head"),
    ]
    shapes = [("x", TensorProto.FLOAT, [1, 3, 16, 16])], [("y", TensorProto.FLOAT, [1, 2, 16, 16])]
    manifest = make_job(make_model(nodes, *shapes, weights)).build(precision)
    assert manifest["status"] == "failed" and manifest["reason"]["kind"] == "unusable_input"
    assert "quantised already (3 DequantizeLinear, 2 QuantizeLinear)" in manifest["reason"]["message"]


@pytest.mark.parametrize("precision", ["fp32", "int8-dynamic"])
def test_states_and_scalars_are_fed_whole(tmp_path, precision):
    model = make_streaming()
    job = Job(tmp_path, model)
    known = read_json(job.identity, "identity")
    assert known["whole_inputs"] == ["state", "sr"]
    for name, count, seed in (("calibration", 200, 1), ("evaluation", 16, 2)):
        np.savez(tmp_path / f"{name}.npz", **draw_streaming(count, seed))
    sets, _ = draw_set(known, describe_files(tmp_path), "none")
    job.write_evaluation(sets[1])
    job.build(precision)
    document = job.check(precision, thresholds={"max_relative_l2": 0.02})
    assert document["status"] == "passed" and [item["shape"] for item in document["outputs"]] == [[1, 16], [2, 1, 16]]
    reference = read_tensors(job.folder / precision / "reference.npz")["outputs/y"]
    weight = onnx.numpy_helper.to_array(model.graph.initializer[0])
    expected = 2 * draw_streaming(16, 2)["inputs/audio"][:1] @ weight
    np.testing.assert_allclose(reference, expected, rtol=0.02 if precision != "fp32" else 1e-5)


def test_states_of_another_axis_order_are_no_samples(tmp_path):
    onnx.save(make_streaming(), tmp_path / "model.onnx")
    known = describe_model("streaming", tmp_path / "model.onnx")
    for name, count, seed in (("calibration", 200, 1), ("evaluation", 16, 2)):
        arrays = draw_streaming(count, seed)
        np.savez(tmp_path / f"{name}.npz", **{**arrays, "inputs/state": arrays["inputs/state"][:, 0]})
    with pytest.raises(Exception, match=r"inputs/state has samples of shape \[1, 16\]; the model takes \[2, 'batch'"):
        draw_set(known, describe_files(tmp_path), "none")


def describe_files(folder):
    """Return the configuration of the samples in a folder."""
    spec = {"kind": "file"}
    for name in ("calibration", "evaluation"):
        path = folder / f"{name}.npz"
        spec |= {name: str(path), f"{name}_sha256": sha256_file(path)}
    return spec
