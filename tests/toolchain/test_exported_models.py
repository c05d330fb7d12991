"""PyTorch modules through the real exporter: from a class with weights, and what tracing cannot keep."""

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
