"""Core ML packages of models with several outputs, converted by the real tools: each output is where it was."""

import json
import zipfile

import onnx
import pytest
from edgeproof.artifacts.builds import saved_models
from edgeproof.artifacts.builds.build_job import BuildJob
from edgeproof.artifacts.builds.converted_artifacts import build_converted
from edgeproof.artifacts.builds.converter_process import start_converter
from edgeproof.artifacts.records.manifests import read_manifest
from edgeproof.sources.identity import identify_model
from onnx import TensorProto, helper

pytestmark = pytest.mark.toolchain
MANY = 12  # as texts, output_10 and output_11 come before output_2


def make_model():
    """One input and MANY outputs, of which each has another shape: the first k + 1 values, plus k."""
    nodes, outputs, weights = [], [], []
    for k in range(MANY):
        ends = [(f"first{k}", [0]), (f"last{k}", [k + 1]), (f"axes{k}", [1])]
        weights += [helper.make_tensor(name, TensorProto.INT64, [1], value) for name, value in ends]
        weights.append(helper.make_tensor(f"add{k}", TensorProto.FLOAT, [1], [float(k)]))
        nodes.append(helper.make_node("Slice", ["x", f"first{k}", f"last{k}", f"axes{k}"], [f"part{k}"]))
        nodes.append(helper.make_node("Add", [f"part{k}", f"add{k}"], [f"answer{MANY - k}"]))
        outputs.append(helper.make_tensor_value_info(f"answer{MANY - k}", TensorProto.FLOAT, [1, k + 1]))
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, MANY])]
    graph = helper.make_graph(nodes, "test", inputs, outputs, weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def build(tmp_path, precision):
    """Return (manifest, interface) of the model as a Core ML package; the folder of results is the current one."""
    source, identity = tmp_path / "model.onnx", tmp_path / "identity.json"
    onnx.save(make_model(), source)
    identify_model("tiny", source, identity)
    packed, record = tmp_path / "saved_model.zip", tmp_path / "saved_model.json"
    with start_converter("saved_model", "results/toolchains/tensorflow.json") as converter:
        saved_models.build_saved_model(source, identity, converter, packed, record, tmp_path / "log", ["test"])
    artifact, manifest = tmp_path / "artifact.mlpackage.zip", tmp_path / "manifest.json"
    cell = {"model": "tiny", "preset": "coreml", "builder": "host", "precision": precision}
    preset = {"backend": "coreml", "artifact": "mlpackage.zip", "build": {}}
    with start_converter("coreml", "results/toolchains/coreml.json") as converter:
        job = BuildJob(
            script="test",
            argv=[],
            cell=cell,
            source=source,
            identity=identity,
            preset=preset,
            precision=precision,
            artifact=artifact,
            manifest=manifest,
            log=tmp_path / "converter.log",
            saved_model=record,
        )
        build_converted(job, converter)
    with zipfile.ZipFile(artifact) as package:
        (name,) = [name for name in package.namelist() if name.endswith(".mlmodel")]
        text = package.read(name).decode("utf-8", "ignore")
    start = text.index('{"inputs"')
    return read_manifest(manifest), json.JSONDecoder().raw_decode(text[start:])[0]


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_each_output_keeps_its_place(converted, tmp_path, monkeypatch, precision):
    monkeypatch.chdir(converted.root)
    manifest, interface = build(tmp_path, precision)
    assert (manifest["status"], manifest["reason"]) == ("ok", None)
    shapes = {item["name"]: item["shape"] for item in manifest["outputs"]}
    assert len(shapes) == MANY
    for k, item in enumerate(interface["outputs"]):
        assert item["source"] == f"answer{MANY - k}"
        assert item["shape"] == shapes[item["name"]] == [1, k + 1]
