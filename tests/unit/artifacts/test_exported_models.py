"""PyTorch modules as sources, through an interpreter that stands in for the torch toolchain."""

import json
import re

import numpy as np
import onnx
import pytest
from edgeproof.artifacts.builds.converter_process import start_converter
from edgeproof.artifacts.builds.exported_models import ExportJob, export_model
from edgeproof.artifacts.records import manifest_entries
from edgeproof.core.documents import read_json
from edgeproof.core.exported_sources import EXPORTERS, EXPORTING_TOOLCHAINS
from edgeproof.core.files import sha256_file
from edgeproof.sources.identity import identify_model
from edgeproof.sources.input_faults import read_note

from .conftest import make_classifier
from .toolchain_stand_ins import install_toolchain

PACKAGES = dict.fromkeys(("torch", "torchvision", "tensorflow", "tf2onnx", "onnx", "numpy"), "1.2.3")
# What the real converter leaves: the model, and what PyTorch computed for two sets of inputs.
EXPORTED = """
import numpy, shutil
shutil.copy({model!r}, out / "model.onnx")
shutil.copy({eager!r}, out / "eager.npz")
(out / "facts.json").write_text(json.dumps(
    {{"artifact": "model.onnx", "exporter": "torch.onnx.export", "opset": spec["opset"], "warnings": []}}))
"""
REFUSED = (
    '(out / "failure.json").write_text(json.dumps({"kind": "conversion_failed", "message": "Net: no", "output": None}))'
)
SOURCE = {
    "kind": "torch",
    "module": "net.py:Net",
    "weights": "net.pt",
    "example_input": [{"name": "image", "shape": [1, 1, 8, 8]}],
}


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A repository with a module, its weights, and what exporting it gives."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(manifest_entries, "REPOSITORY", tmp_path)
    for name in ("net.py", "net.pt"):
        (tmp_path / name).write_text(name)
    onnx.save(make_classifier(), tmp_path / "given.onnx")
    return tmp_path


def write_eager(place, error=0.0):
    import onnxruntime

    session, arrays = onnxruntime.InferenceSession(place / "given.onnx"), {}
    for seed in (0, 1):
        image = np.random.default_rng(seed).standard_normal((1, 1, 8, 8)).astype(np.float32)
        (logits,) = session.run(None, {"image": image})
        arrays |= {f"{seed}/inputs/image": image, f"{seed}/outputs/0": logits * (1 + error * seed)}
    np.savez(place / "eager.npz", **arrays)
    return EXPORTED.format(model=str(place / "given.onnx"), eager=str(place / "eager.npz"))


def export(place, script, source=SOURCE):
    toolchain = install_toolchain(place, EXPORTING_TOOLCHAINS[source["kind"]], script, PACKAGES)
    paths = {"output": "out/model.onnx", "record": "out/export.json", "log": "out.log"}
    with start_converter(EXPORTERS[source["kind"]], toolchain) as converter:
        fault = export_model(ExportJob(model="mine", source=source, command=["test"], **paths), converter)
    return fault, read_json("out/export.json", "export")


def test_an_export_is_recorded_and_compared_with_pytorch(place):
    fault, record = export(place, write_eager(place))
    assert fault is None and (record["status"], record["opset"]) == ("ok", 17)
    assert record["artifact"]["sha256"] == sha256_file("out/model.onnx") == sha256_file("given.onnx")
    assert record["files"] == {name: sha256_file(name) for name in ("net.py", "net.pt")}
    assert record["outputs"] == [{"name": "logits", "relative_l2": pytest.approx(0, abs=1e-6)}]
    assert record["toolchain"]["torch"] == "1.2.3" and record["exporter"] == "torch.onnx.export"
    spec = json.loads((place / "seen.json").read_text())["spec"]
    assert spec["module"] == str(place / "net.py:Net") and spec["weights"] == str(place / "net.pt")


def test_a_second_export_takes_the_first_unless_a_file_has_changed(place):
    script = write_eager(place)
    export(place, script)
    assert export(place, REFUSED)[1]["status"] == "ok"
    (place / "net.pt").write_text("trained for longer")
    assert export(place, REFUSED)[1]["status"] == "failed"


def test_a_model_that_computes_something_else_is_none(place):
    fault, record = export(place, write_eager(place, error=0.01))
    assert re.search(r"something else than PyTorch: 'logits' differs by 0.0099", str(fault))
    assert record["status"] == "failed" and "tracing keeps one branch" in record["reason"]["message"]
    assert read_note("out/model.onnx").kind == "no_export"
    identify_model("mine", "out/model.onnx", "out/identity.json")
    assert "something else than PyTorch" in read_json("out/identity.json", "identity")["reason"]["message"]


@pytest.mark.parametrize(
    ("script", "source", "told"),
    [
        (REFUSED, SOURCE, "^Net: no$"),
        (REFUSED, {**SOURCE, "module": "gone.py:Net"}, r"mine.yaml: source.module gone.py: no such file"),
        (REFUSED, {**SOURCE, "weights": "gone.pt"}, r"mine.yaml: source.weights gone.pt: no such file"),
    ],
)
def test_a_module_that_cannot_be_exported_is_a_fault_of_the_input(place, script, source, told):
    fault, record = export(place, script, source)
    assert re.search(told, str(fault)) and record["reason"]["message"] == str(fault)
    assert str(fault) in str(read_note("out/model.onnx"))


def test_a_tensorflow_model_is_exported_like_a_module(place):
    (place / "saved" / "variables").mkdir(parents=True)
    for name in ("saved_model.pb", "variables/variables.index"):
        (place / "saved" / name).write_text(name)
    fault, record = export(place, write_eager(place), {"kind": "tensorflow", "path": "saved"})
    assert fault is None and record["toolchain"]["tf2onnx"] == "1.2.3"
    assert record["files"] == {
        f"saved/{name}": sha256_file(f"saved/{name}") for name in ("saved_model.pb", "variables/variables.index")
    }
    spec = json.loads((place / "seen.json").read_text())["spec"]
    assert spec == {"path": str(place / "saved"), "opset": 17}


@pytest.mark.parametrize(("quantised", "status"), [(False, "failed"), (True, "ok")])
def test_a_quantised_file_may_round_elsewhere(place, quantised, status):
    (place / "x.tflite").write_text("x")
    script = write_eager(place, error=0.02).replace('"warnings": []', f'"warnings": [], "quantised": {quantised}')
    fault, record = export(place, script, {"kind": "tensorflow", "path": "x.tflite"})
    assert record["status"] == status and record["files"] == {"x.tflite": sha256_file("x.tflite")}
    told = "" if quantised else "computes something else than TensorFlow: 'logits' differs by 0.0"
    assert (fault is None) is quantised and told in str(fault)


@pytest.mark.parametrize("path", ["gone.tflite", "gone"])
def test_a_missing_tensorflow_model_is_a_reason(place, path):
    fault, record = export(place, write_eager(place), {"kind": "tensorflow", "path": path})
    assert record["status"] == "failed" and fault.kind == "missing_file"
    assert "config/models/mine.yaml: source.path gone" in str(fault)
