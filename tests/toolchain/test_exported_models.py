"""PyTorch modules through the real exporter: from a class with weights, and what tracing cannot keep."""

import json
import shutil
import subprocess

import pytest
from edgeproof.artifacts.builds.converter_process import start_converter
from edgeproof.artifacts.builds.exported_models import ExportJob, export_model
from edgeproof.core.documents import read_json
from edgeproof.sources.identity import describe_model

pytestmark = pytest.mark.toolchain
CODE = """
import torch

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layer = torch.nn.Conv2d(1, 4, 3)
        self.head = torch.nn.Linear(4, 3)

    def forward(self, image):
        maps = torch.relu(self.layer(image))
        return {"logits": self.head(maps.mean((2, 3))), "maps": maps}

class Pair(torch.nn.Module):
    def forward(self, image, add):
        return image * 2 - add

class Branch(torch.nn.Module):
    def forward(self, image):
        return image * 2 if image.sum() > 0 else image - 1
"""


def export(converted, folder, name, monkeypatch, inputs=("image",)):
    monkeypatch.chdir(converted.root)
    (folder / "own_net.py").write_text(CODE)
    source = {"kind": "torch", "module": f"{folder}/own_net.py:{name}",
              "example_input": [{"name": name, "shape": [1, 1, 8, 8]} for name in inputs]}  # fmt: skip
    paths = {
        key: str(folder / file) for key, file in (("output", "model.onnx"), ("record", "export.json"), ("log", "log"))
    }
    with start_converter("onnx", "results/toolchains/torch.json") as converter:
        fault = export_model(ExportJob(model="own", source=source, command=["test"], **paths), converter)
    return fault, read_json(paths["record"], "export")


def test_a_module_is_exported_and_computes_the_same(converted, tmp_path, monkeypatch):
    fault, record = export(converted, tmp_path, "Net", monkeypatch)
    assert fault is None
    assert [item["name"] for item in record["outputs"]] == ["output_0", "output_1"]
    assert max(item["relative_l2"] for item in record["outputs"]) < 1e-5
    known = describe_model("own", tmp_path / "model.onnx")
    assert known["inputs"] == [{"name": "image", "dtype": "float32", "shape": [1, 1, 8, 8]}]
    assert known["opset"] == {"ai.onnx": 17} and known["producer"]["name"] == "pytorch"


def test_inputs_keep_the_order_of_the_module(converted, tmp_path, monkeypatch):
    fault, _ = export(converted, tmp_path, "Pair", monkeypatch, ("image", "add"))
    known = describe_model("own", tmp_path / "model.onnx")
    assert fault is None and [item["name"] for item in known["inputs"]] == ["image", "add"]


def test_a_branch_that_tracing_froze_is_found(converted, tmp_path, monkeypatch):
    fault, record = export(converted, tmp_path, "Branch", monkeypatch)
    assert "computes something else than PyTorch" in str(fault) and record["status"] == "failed"


TENSORFLOW = """
import sys
import numpy as np, tensorflow as tf

class Net(tf.Module):
    def __init__(self):
        random = np.random.RandomState(0)
        self.kernel = tf.Variable((random.randn(3, 3, 3, 8) / 5).astype("float32"))
        self.matrix = tf.Variable(random.randn(8, 5).astype("float32"))

    @tf.function(input_signature=[tf.TensorSpec([1, 16, 16, 3], tf.float32, name="image")])
    def __call__(self, image):
        maps = tf.nn.relu(tf.nn.conv2d(image, self.kernel, 1, "SAME"))
        return {"logits": tf.matmul(tf.reduce_mean(maps, [1, 2]), self.matrix)}

net = Net()
tf.saved_model.save(net, "saved", signatures={"serving_default": net.__call__})
converter = tf.lite.TFLiteConverter.from_saved_model("saved")
open("net.tflite", "wb").write(converter.convert())
converter.optimizations = [tf.lite.Optimize.DEFAULT]
samples = np.random.RandomState(1).randn(20, 1, 16, 16, 3).astype("float32")
converter.representative_dataset = lambda: ({"image": sample} for sample in samples)
open("net_int8.tflite", "wb").write(converter.convert())
"""
MODELS = {"saved": None, "net.tflite": "fp32", "net_int8.tflite": "int8"}


@pytest.fixture(scope="module")
def own(converted):
    """The campaign with a SavedModel and two TFLite files of a user's, each named by `edgeproof new`; taken away after,
    since other files count what the campaign has.
    """
    (converted.root / "own").mkdir()
    python = converted.root / ".toolchains/tensorflow/bin/python"
    subprocess.run([python, "-c", TENSORFLOW], cwd=converted.root / "own", check=True, capture_output=True)
    for path in MODELS:
        done = converted.edgeproof("new", "model", f"own/{path}", "--preset", "litert-cpu")
        assert done.returncode == 0, done.stdout
    yield converted
    for name in (path.removesuffix(".tflite").replace("_", "-") for path in MODELS):
        for folder in ("sources", "artifacts", "runs", "calibration"):
            shutil.rmtree(converted.root / "results" / folder / name, ignore_errors=True)
        for file in (f"config/{name}.yaml", f"config/models/{name}.yaml"):
            (converted.root / file).unlink()


@pytest.mark.parametrize(("path", "precision"), MODELS.items(), ids=str)
def test_a_tensorflow_model_is_exported_and_its_tflite_file_measured(own, path, precision):
    name = path.removesuffix(".tflite").replace("_", "-")
    artifact = f"results/artifacts/{name}/litert-cpu/host/{precision or 'fp32'}"
    run = f"results/runs/{name}/litert-cpu/local/{precision or 'fp32'}/result.json"
    done = own.snakemake(f"{artifact}/parity.json", run, config=f"config/{name}.yaml")
    assert done.returncode == 0, done.stdout[-3000:]
    record = read_json(own.root / f"results/sources/{name}/export.json", "export")
    assert record["exporter"].startswith("tf2onnx ") and record["outputs"][0]["relative_l2"] < 1e-3
    manifest, parity = (
        json.loads((own.root / artifact / file).read_text()) for file in ("manifest.json", "parity.json")
    )
    assert parity["status"] == "passed" and parity["metrics"]["cosine_min"] > 0.99
    assert json.loads((own.root / run).read_text())["status"] == "ok"
    assert manifest.get("supplied", {}).get("file") == (precision and f"own/{path}")
