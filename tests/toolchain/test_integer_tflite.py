"""Choices of TFLite's quantiser, through the real converter: one scale per channel or tensor, integers everywhere."""

import json
import sys
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest
from edgeproof.artifacts.agreement.execution import infer_outputs
from edgeproof.artifacts.agreement.output_agreement import measure_agreement
from edgeproof.artifacts.builds.converter_process import start_converter
from edgeproof.core.tensors import write_tensors
from onnx import TensorProto, helper, numpy_helper

pytestmark = pytest.mark.toolchain
ARM = {"backend": "litert", "precision": "int8", "runtime": {"intra_op_threads": 1, "delegate": "xnnpack"}}
FAR, NEAR = 0.4, 0.14  # relative L2: a cosine of 0.9 and one of 0.99


@pytest.fixture(scope="module")
def uneven(converted, tmp_path_factory):
    """A folder with a network that has one large filter, as a SavedModel, and samples.

    The large filter looks at an input that is always 0. With one scale for all filters, the others round to 0.
    """
    folder, random = tmp_path_factory.mktemp("uneven"), np.random.default_rng(0)
    weights = {
        "w": random.standard_normal((8, 3, 3, 3)).astype(np.float32) / 5,
        "u": random.standard_normal((4, 8, 1, 1)).astype(np.float32),
    }
    weights["w"][0] = np.array([0, 0, 200], np.float32)[:, None, None]
    samples = random.standard_normal((200, 3, 8, 8)).astype(np.float32)
    samples[:, 2] = 0
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["h"], pads=[1] * 4),
        helper.make_node("Relu", ["h"], ["r"]),
        helper.make_node("Conv", ["r", "u"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4, 8, 8])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    source = folder / "model.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), source)
    write_tensors(folder / "samples.npz", {"inputs/x": samples})
    with (
        pytest.MonkeyPatch.context() as patch,
        start_converter("saved_model", converted.root / "results/toolchains/tensorflow.json") as converter,
    ):
        patch.chdir(converted.root)
        made = converter.convert({"model": str(source)}, source, folder / "log", {})
        (folder / "saved_model.zip").write_bytes(made["path"].read_bytes())
    (folder / "interface.json").write_text(json.dumps(made["interface"]))
    return folder


@pytest.fixture
def quantise(converted, uneven, monkeypatch):
    """Return a function that builds the int8 artifact with these options, and returns what the converter says of it."""
    monkeypatch.chdir(converted.root)

    def build(**options):
        made = uneven / f"{sorted(options)}.json"
        if made.exists():
            return json.loads(made.read_text())
        spec = {
            "saved_model": str(uneven / "saved_model.zip"),
            "interface": json.loads((uneven / "interface.json").read_text()),
            "precision": "int8",
            "options": options,
            "calibration": {"path": str(uneven / "samples.npz"), "samples": 200},
        }
        with start_converter("tflite", "results/toolchains/tensorflow.json") as converter:
            facts = converter.convert(spec, uneven / "model.onnx", uneven / "log", {})
            (uneven / "artifact.tflite").write_bytes(Path(facts["path"]).read_bytes())
        made.write_text(json.dumps(facts, default=str))
        return facts

    return build


def measure_distance(converted, folder):
    """Return the relative L2 between the outputs of the artifact in a folder and those of its source.

    Not the cosine: outputs that round to 0 throughout have none.
    """
    samples, python = folder / "samples.npz", str(converted.root / ".toolchains/litert/bin/python")
    host = {"backend": "onnxruntime", "precision": "fp32", "runtime": {"execution_provider": "CPUExecutionProvider"}}
    expected = infer_outputs(sys.executable, host, folder / "model.onnx", samples, 16)
    actual = infer_outputs(python, ARM, folder / "artifact.tflite", samples, 16)
    return measure_agreement(expected.outputs["y"], actual.outputs["y"]).relative_l2


def test_a_scale_per_channel_passes_where_one_per_tensor_fails(converted, uneven, quantise):
    assert quantise(quantised_io=False, per_channel=False)["per_channel_weights"] == 0
    assert measure_distance(converted, uneven) > FAR
    assert quantise(quantised_io=True)["per_channel_weights"] > 0
    assert measure_distance(converted, uneven) < NEAR


def test_integers_everywhere_are_counted_and_their_scales_told(quantise, uneven):
    made = quantise(quantised_io=True)
    assert made["float_operators"] == {}
    with zipfile.ZipFile(uneven / "artifact.tflite") as archive:
        interface = json.loads(archive.read("interface.json"))
    for side in ("inputs", "outputs"):
        (told,) = made[side]
        assert told["dtype"] == "int8" and told["quantisation"]["scale"] > 0
        assert interface[side][0]["quantisation"] == told["quantisation"]
