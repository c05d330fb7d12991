"""A board behind ssh builds its engines: the model goes there, the engine comes back, and its outputs are its own."""

import json
import os

import numpy as np
import pytest
from edgeproof.artifacts.agreement.execution import infer_on_board
from edgeproof.artifacts.builds import tensorrt_engines
from edgeproof.artifacts.builds.build_job import BuildJob
from edgeproof.artifacts.builds.rknn_artifacts import build_rknn
from edgeproof.artifacts.builds.tensorrt_engines import build_tensorrt
from edgeproof.artifacts.records.manifests import read_manifest
from edgeproof.core.attempts import list_attempts
from edgeproof.core.errors import UserError
from edgeproof.core.files import sha256_file
from edgeproof.remote.device_links import VARIABLE

from ..remote.conftest import StandInBoard
from .conftest import Job, assert_nothing_built, make_classifier
from .stand_ins import ENGINE, write_trtexec

RKNN = {
    "target_platform": "rk3588",
    "optimization_level": 2,
    "timeout_s": 60,
    "calibration_method": "minmax",
    "calibration_samples": 200,
}
OPTIONS = {"workspace_mb": 64, "timeout_s": 60, "calibration_method": "entropy", "calibration_samples": 200}


@pytest.fixture
def board(tmp_path, monkeypatch):
    """A StandInBoard that stands for the device `jetson`, with a trtexec of its own on the PATH there."""
    root = tmp_path / "board"
    root.mkdir()
    made = StandInBoard(root)
    monkeypatch.setenv("PATH", f"{root / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(root / "cache"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(root))
    link = {name: value for name, value in made.device(board_contains=None).items() if name != "name"}
    monkeypatch.setenv(VARIABLE, json.dumps({"jetson": link}))
    monkeypatch.setattr(tensorrt_engines, "PLACES", ())
    return made


@pytest.fixture
def job(tmp_path):
    return Job(tmp_path, make_classifier())


def describe_job(job, precision="fp16", preset="tensorrt-jetson", **changes):
    folder = job.folder / precision
    return BuildJob(
        cell={"model": "tiny", "preset": preset, "builder": "jetson", "precision": precision},
        source=job.source,
        identity=job.identity,
        preset={"backend": "tensorrt", "artifact": "engine", "build": OPTIONS},
        precision=precision,
        artifact=folder / "artifact.engine",
        manifest=folder / "manifest.json",
        log=job.folder / "trtexec.log",
        script="scripts/build_tensorrt.py",
        argv=[],
        calibration=job.calibration if precision == "int8" else None,
    )._replace(**changes)


def test_an_engine_is_built_on_the_board_and_comes_back(board, job):
    calls = write_trtexec(board.root / "bin")
    build_tensorrt(describe_job(job))
    manifest = read_manifest(job.folder / "fp16/manifest.json")
    assert manifest["status"] == "ok" and manifest["drivers"]["tensorrt"] == "10.3.0"
    engine = job.folder / "fp16/artifact.engine"
    assert manifest["artifact"]["sha256"] == sha256_file(engine) and engine.read_bytes().startswith(ENGINE)
    words = json.loads(calls.read_text().splitlines()[-1])
    assert any(word.startswith(f"--onnx={board.home}/.edgeproof/sessions/") for word in words)
    assert board.list_sessions() == []
    build_tensorrt(describe_job(job))
    assert len(list_attempts(job.folder / "fp16")) == 1


def test_an_engine_that_was_built_meanwhile_is_taken(board, job):
    calls = write_trtexec(board.root / "bin", sleep=0.5)
    board.cut_after(3000)  # somewhere behind the start of the builder
    with pytest.raises(UserError):
        build_tensorrt(describe_job(job))
    build_tensorrt(describe_job(job))
    built = [line for line in calls.read_text().splitlines() if "--onnx=" in line]
    assert len(built) == 1 and read_manifest(job.folder / "fp16/manifest.json")["status"] == "ok"


def test_an_operator_that_the_builder_refuses_is_a_verdict(board, job):
    write_trtexec(board.root / "bin", log="trtexec-unsupported", code=1, engine=None)
    build_tensorrt(describe_job(job))
    manifest = read_manifest(job.folder / "fp16/manifest.json")
    assert manifest["status"] == "failed" and manifest["reason"]["kind"] == "unsupported_operator"


def test_a_board_without_the_builder_has_no_verdict(board, job):
    with pytest.raises(UserError, match="trtexec: is not on the PATH"):
        build_tensorrt(describe_job(job))
    assert_nothing_built(job.folder / "fp16")


def test_what_needs_the_board_s_own_shell_is_refused(board, job):
    write_trtexec(board.root / "bin")
    with pytest.raises(UserError, match=r"int8 is calibrated by the board's own TensorRT.*in the board's shell"):
        build_tensorrt(describe_job(job, "int8"))
    with pytest.raises(UserError, match=r"rknn-toolkit2 runs in the board's own Python"):
        build_rknn(
            describe_job(job)._replace(
                cell={"model": "tiny", "preset": "rknn-rk3588", "builder": "jetson", "precision": "fp16"},
                preset={"backend": "rknn", "artifact": "rknn", "build": RKNN},
                artifact=job.folder / "fp16/artifact.rknn",
            )
        )


def test_outputs_are_those_of_the_board(board, tmp_path):
    device = board.device()
    found = infer_on_board(device, {**board.arm, "artifact": ""}, board.artifact, board.root / "inputs.npz")
    assert found.reason is None and [np.shape(entries) for entries in found.outputs.values()] == [(2, 1, 3)]
    assert board.list_sessions() == []
    failing = infer_on_board(
        device, {**board.arm, "runtime": {"fail": "crashed"}}, board.artifact, board.root / "inputs.npz", limit=1
    )
    assert failing.reason["kind"] == "crashed" and failing.outputs is None
