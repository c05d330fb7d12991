"""An artifact of the user's takes the place of a build: hashed, its types counted, compared with the float model."""

import json

import build_onnx as build_onnx_script
import onnx
import pytest
from edgeproof.artifacts.records.manifests import read_manifest
from edgeproof.artifacts.records.rebuilding import rebuild_artifact
from edgeproof.core.errors import UserError
from edgeproof.core.files import sha256_file

from .conftest import make_classifier

pytestmark = pytest.mark.usefixtures("infer_here")


@pytest.fixture
def quantised(job):
    """The path of an int8 file that somebody else made of the job's model."""
    job.build("int8", folder="elsewhere")
    return str(job.folder / "elsewhere" / "artifact.onnx")


def test_a_supplied_file_is_the_artifact(job, quantised):
    manifest = job.build("int8", supplied={"file": quantised})
    assert manifest["status"] == "ok" and manifest["artifact"]["sha256"] == sha256_file(quantised)
    assert (
        manifest["supplied"] == {"file": quantised, "sha256": sha256_file(quantised)}
        and manifest["calibration"] is None
    )
    assert manifest["precision"]["share"] > 0.5 and "int8" in manifest["precision"]["weights"]
    assert job.check("int8", thresholds={"min_cosine": 0.9})["status"] == "passed"
    with pytest.raises(UserError, match=r"was supplied .*no build to repeat"):
        rebuild_artifact(job.folder / "int8" / "manifest.json")


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        ({"sha256": "0" * 64}, "unusable_input", "supplied.sha256 is 000"),
        ({"file": "none.onnx"}, "unusable_input", "supplied.file none.onnx: no such file"),
    ],
)
def test_a_file_that_is_not_what_the_entry_says_is_a_failed_build(job, quantised, change, kind, message):
    reason = job.build("int8", supplied={"file": quantised, **change})["reason"]
    assert reason["kind"] == kind and message in reason["message"]


def test_a_float_file_is_not_int8(job):
    reason = job.build("int8", supplied={"file": str(job.source)})["reason"]
    assert reason["kind"] == "precision_not_held"


def test_another_model_fails_its_parity(job, tmp_path):
    other = make_classifier(seed=5)
    onnx.save(other, tmp_path / "other.onnx")
    job.build("fp32", supplied={"file": str(tmp_path / "other.onnx")})
    assert job.check("fp32", thresholds={"min_cosine": 0.9})["reason"]["kind"] == "threshold_missed"


def test_a_quantised_source_can_be_its_own_supplied_artifact(make_job, tmp_path, quantised):
    job = make_job(onnx.load(quantised))
    assert job.build("int8", supplied={"file": quantised})["status"] == "ok"
    document = job.check("int8", thresholds={"min_cosine": 0.9})
    assert document["status"] == "passed" and document["trivial"]


def test_the_script_takes_it_from_its_command_line(job, quantised):
    folder = job.folder / "by-script"
    preset = {"backend": "onnxruntime", "artifact": "onnx", "build": {}}
    cell = {"model": "tiny", "preset": "ort-cpu", "builder": "host", "precision": "fp32"}
    build_onnx_script.main(
        [
            *("--cell", json.dumps(cell), "--source", str(job.source), "--identity", str(job.identity)),
            *(
                "--preset",
                json.dumps(preset),
                "--precision",
                "fp32",
                "--supplied",
                json.dumps({"file": str(job.source)}),
            ),
            *("--artifact", str(folder / "artifact.onnx"), "--manifest", str(folder / "manifest.json")),
        ]
    )
    assert read_manifest(folder / "manifest.json")["supplied"]["file"] == str(job.source)
