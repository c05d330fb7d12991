"""Two builds of one target at once: both end well, and what is left is one of them, whole."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from edgeproof.artifacts.builds import kept_builds
from edgeproof.artifacts.builds.kept_builds import place_kept_build
from edgeproof.artifacts.records.manifests import verify_manifest
from edgeproof.core.attempts import read_record
from edgeproof.core.files import sha256_file

from .conftest import BUILD

REPOSITORY = Path(__file__).resolve().parents[3]


def start_build(job, folder, per_channel):
    cell = {"model": "tiny", "preset": "ort-cpu", "builder": "host", "precision": "int8"}
    preset = {"backend": "onnxruntime", "artifact": "onnx", "build": {**BUILD, "per_channel": per_channel}}
    options = {
        "cell": json.dumps(cell),
        "source": job.source,
        "identity": job.identity,
        "preset": json.dumps(preset),
        "precision": "int8",
        "calibration": job.calibration,
        "artifact": folder / "artifact.onnx",
        "manifest": folder / "manifest.json",
    }
    arguments = [str(part) for name, value in options.items() for part in (f"--{name}", value)]
    return subprocess.Popen([sys.executable, REPOSITORY / "scripts" / "build_onnx.py", *arguments])


def test_two_processes_that_build_into_one_folder_leave_no_mixture(job):
    folder = job.folder / "both"
    builds = [start_build(job, folder, per_channel) for per_channel in (True, False, True)]
    assert [build.wait(timeout=60) for build in builds] == [0, 0, 0]
    manifest = verify_manifest(folder / "manifest.json", source=job.source)
    alone = job.build("int8", folder="alone", options={"per_channel": manifest["preset"]["build"]["per_channel"]})
    assert manifest["artifact"] == alone["artifact"]
    assert sorted(path.name for path in folder.iterdir()) == ["artifact.onnx", "attempts", "manifest.json"]
    assert len(list((folder / "attempts").iterdir())) in (2, 3)  # the third may come after the first and take its build


def test_a_build_that_dies_halfway_leaves_no_manifest_of_another(job, monkeypatch):
    job.build("fp16")
    folder = job.folder / "fp16"
    (built,) = (folder / "attempts").iterdir()

    def fail(source, destination):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(kept_builds, "_copy_file", fail)
    with pytest.raises(OSError, match="No space left"):
        place_kept_build(built, folder / "artifact.onnx", folder / "manifest.json")
    assert not (folder / "manifest.json").exists()


def test_a_large_file_is_flushed_and_its_digest_is_that_of_the_bytes(tmp_path, job, monkeypatch):
    monkeypatch.setattr(kept_builds, "_LARGE_BYTES", 1)
    flushed = []
    flush = os.fsync
    monkeypatch.setattr(os, "fsync", lambda handle: flushed.append(os.fstat(handle).st_size) or flush(handle))
    manifest = job.build("fp32")
    artifact = job.folder / "fp32/artifact.onnx"
    assert manifest["artifact"]["sha256"] == sha256_file(artifact) and flushed.count(artifact.stat().st_size) == 2


def test_what_cannot_be_flushed_is_not_published(job, monkeypatch):
    monkeypatch.setattr(kept_builds, "_LARGE_BYTES", 1)

    calls, flush, size = [], os.fsync, job.source.stat().st_size

    def fail_once(handle):  # as the kernel does: who flushes the file again is told nothing
        calls.append(os.fstat(handle).st_size)
        if calls.count(size) == 1 and calls[-1] == size:
            raise OSError(5, "Input/output error")
        flush(handle)

    monkeypatch.setattr(os, "fsync", fail_once)
    with pytest.raises(OSError, match="Input/output error"):
        job.build("fp32")
    assert [path.name for path in (job.folder / "fp32").iterdir()] == ["attempts"]
    (failed,) = (job.folder / "fp32" / "attempts").iterdir()
    assert read_record(failed)["status"] == "failed" and not (failed / "artifact.onnx").exists()
