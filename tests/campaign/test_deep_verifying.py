"""Artifacts of a bundle are built again and run beside their models: what is true holds, what was forged is refuted."""

import contextlib
import json
import shutil
from pathlib import Path

import onnx
import pytest
from edgeproof.bundles.deep_checks import check_deep
from edgeproof.core.documents import read_json
from edgeproof.core.files import sha256_file
from edgeproof.core.seals import seal
from onnx import numpy_helper

from ..unit.artifacts.conftest import BUILD, Job, make_classifier

pytestmark = pytest.mark.campaign

BUILT = Path("results/artifacts/tiny/ort-cpu/host/int8")
SOURCES = Path("results/sources/tiny")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with an int8 artifact, its model and its samples, as an unpacked bundle has them."""
    here = tmp_path_factory.mktemp("made")
    with contextlib.chdir(here):
        (SOURCES / "samples").mkdir(parents=True)
        job = Job(SOURCES, make_classifier())
        for name in ("calibration", "evaluation", "samples"):
            path = getattr(job, name)
            setattr(job, name, path.rename(SOURCES / "samples" / path.name))
        preset = {"backend": "onnxruntime", "artifact": "onnx", "build": BUILD}
        options = {
            "cell": json.dumps({"model": "tiny", "preset": "ort-cpu", "builder": "host", "precision": "int8"}),
            "source": job.source,
            "identity": job.identity,
            "preset": json.dumps(preset),
            "precision": "int8",
            "calibration": job.calibration,
            "artifact": BUILT / "artifact.onnx",
            "manifest": BUILT / "manifest.json",
        }
        argv = [str(part) for name, value in options.items() for part in (f"--{name}", value)]
        job.folder = Path()
        job.build("int8", folder=BUILT, script="scripts/build_onnx.py", argv=argv)
        job.check("int8", folder=BUILT, thresholds={"min_cosine": 0.5})
    return here


@pytest.fixture
def unpacked(made, tmp_path):
    """A copy of it elsewhere, which a test may change."""
    return shutil.copytree(made, tmp_path / "an other place")


def judge(folder):
    """Return {the last words of a claim's subject: claim}."""
    paths = [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if path.is_file()]
    files = [{"path": path, "role": "document"} for path in paths if "/attempts/" not in path]
    return {claim.subject.partition("int8 ")[2]: claim for claim in check_deep(folder, files)}


def rewrite(path, change):
    document = read_json(path, path.stem)
    change(document)
    path.write_text(json.dumps(seal({name: value for name, value in document.items() if name != "document_sha256"})))


def test_a_true_artifact_is_built_again_and_agrees_again(unpacked):
    claims = judge(unpacked)
    assert {name: claim.word for name, claim in claims.items()} == {
        "rebuilt": "recomputed",
        "parity run again": "recomputed",
    }, claims
    assert "identical" in claims["rebuilt"].detail


def test_an_agreement_that_was_never_measured_is_refuted(unpacked):
    rewrite(unpacked / BUILT / "parity.json", lambda document: document["metrics"].update(cosine_min=0.6))
    claim = judge(unpacked)["parity run again"]
    assert claim.word == "refuted" and "cosine_min is 0.6" in claim.detail


def test_an_artifact_that_does_not_come_from_the_model_is_refuted(unpacked):
    """Its weights are changed, and every digest is set anew."""
    path = unpacked / BUILT / "artifact.onnx"
    model = onnx.load(path)
    weights = max(model.graph.initializer, key=lambda item: len(item.raw_data))
    weights.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weights)[..., ::-1].copy(), weights.name))
    onnx.save(model, path)
    told = {"sha256": sha256_file(path), "bytes": path.stat().st_size}
    rewrite(unpacked / BUILT / "manifest.json", lambda document: document["artifact"].update(told))
    claim = judge(unpacked)["rebuilt"]
    assert claim.word == "refuted" and "the same tools build another artifact" in claim.detail


def test_an_option_that_the_sender_chose_is_not_taken(unpacked):
    change = {"custom_operators": "/tmp/x.so"}
    rewrite(unpacked / BUILT / "parity.json", lambda document: document["arm"]["runtime"].update(change))
    assert judge(unpacked)["parity run again"].word == "not covered"
