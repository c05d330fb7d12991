"""`edgeproof new model` for TensorFlow: a TFLite file and the folder of a SavedModel."""

import shutil

import pytest
from edgeproof.core.catalogues import read_catalogue_entry
from edgeproof.core.errors import UserError
from edgeproof.core.exit_codes import ExitCode
from edgeproof.core.layout import REPOSITORY
from edgeproof.scaffolding.cli import main


@pytest.fixture
def root(tmp_path, monkeypatch):
    shutil.copytree(REPOSITORY / "config", tmp_path / "config")
    monkeypatch.chdir(tmp_path)
    for name in ("net.tflite", "net_int8.tflite", "net-float16.tflite"):
        (tmp_path / name).write_bytes(b"\x1c\0\0\0TFL3")
    (tmp_path / "text.tflite").write_text("no model")
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved/saved_model.pb").write_text("")
    (tmp_path / "empty").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("path", "precision"),
    [("net.tflite", "fp32"), ("net_int8.tflite", "int8"), ("net-float16.tflite", "fp16"), ("saved", None)],
)
def test_a_configuration_exports_the_model_and_keeps_the_file(root, path, precision):
    assert main(["model", path, "--name", "mine"], root) == ExitCode.GOOD
    model = read_catalogue_entry("model", "mine", root)
    assert model["source"] == {"kind": "tensorflow", "path": path}
    assert model.get("supplied") == (precision and {precision: {"file": path}})
    assert "campaign: mine" in (root / "config/mine.yaml").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["empty"], r"empty: is a folder without saved_model.pb; name an ONNX file, or a SavedModel's folder"),
        (["gone.tflite"], r"gone.tflite: there is no such file"),
        (["text.tflite"], r"text.tflite: is no TFLite file; convert the model again, or name the ONNX file"),
        (["net.tflite", "--module", "Net"], r"--module is for a PyTorch model"),
        (["net.tflite", "--shape", "x=1,3"], r"size the open axes with input_shapes"),
        (["saved", "--samples", "x.npy"], r"--samples is for an ONNX file; a TensorFlow model is exported first"),
    ],
)
def test_a_mistake_is_one_line_and_writes_nothing(root, arguments, message):
    before = sorted((root / "config").rglob("*"))
    with pytest.raises(UserError, match=message):
        main(["model", *arguments, "--name", "mine"], root)
    assert sorted((root / "config").rglob("*")) == before
