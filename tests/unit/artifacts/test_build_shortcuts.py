"""Builds that were done before are put into place by their key; no tool runs."""

import json
import shutil

import pytest
from edgeproof.artifacts.builds import kept_builds, onnx_artifacts
from edgeproof.artifacts.builds.build_failures import BuildError
from edgeproof.artifacts.builds.build_job import BuildJob
from edgeproof.artifacts.builds.build_keys import compose_build_key
from edgeproof.artifacts.builds.build_shortcuts import take_shortcut
from edgeproof.artifacts.records.manifests import read_manifest
from edgeproof.core.attempts import list_attempts
from edgeproof.core.keys import list_differences
from edgeproof.core.program_start import run
from edgeproof.sources.identity import identify_model

from .conftest import BUILD, make_classifier
from .test_scripts import load_main, make_options, options_of

FILES = ("artifact.onnx", "manifest.json")


def make_build(job, precision="int8", **changes):
    folder = job.folder / "a"
    arguments = {
        "script": "scripts/build_onnx.py",
        "argv": [],
        "cell": {"model": "tiny", "preset": "ort-cpu", "builder": "host", "precision": precision},
        "source": job.source,
        "identity": job.identity,
        "preset": {"backend": "onnxruntime", "artifact": "onnx", "build": BUILD if precision == "int8" else {}},
        "precision": precision,
        "calibration": job.calibration if precision == "int8" else None,
        "artifact": folder / "artifact.onnx",
        "manifest": folder / "manifest.json",
    }
    return BuildJob(**{**arguments, **changes})


def read_files(folder):
    return {name: (folder / name).read_bytes() for name in FILES}


def test_a_build_is_put_back_byte_for_byte_without_a_converter(job, monkeypatch, capsys):
    build = make_build(job)
    assert not take_shortcut(build)
    onnx_artifacts.build_onnx(build)
    first = read_files(job.folder / "a")
    for name in FILES:
        (job.folder / "a" / name).unlink()
    monkeypatch.setattr(onnx_artifacts, "convert_onnx", None)
    assert take_shortcut(build)
    assert read_files(job.folder / "a") == first
    assert len(list_attempts(job.folder / "a")) == 1
    assert "nothing is built" in capsys.readouterr().err


@pytest.mark.parametrize("backend", ["onnxruntime", "fake"])
def test_the_script_adopts_and_does_so_in_a_copy_of_the_results(job, backend, capsys):
    options, _ = make_options(job, backend, "int8")
    argv = options_of({**options, "calibration": job.calibration})
    main = load_main({"onnxruntime": "build_onnx", "fake": "build_fake"}[backend])
    assert run(main, argv) == 0
    folder = job.folder / backend
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    shutil.copytree(folder, job.folder / "copy")
    shutil.rmtree(folder)
    folder.mkdir()
    shutil.copytree(job.folder / "copy" / "attempts", folder / "attempts", copy_function=shutil.copyfile)
    assert "nothing is built" not in capsys.readouterr().err
    assert run(main, argv) == 0
    assert "nothing is built" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before


def test_a_build_that_fails_loses_nothing(job, monkeypatch):
    build = make_build(job)
    onnx_artifacts.build_onnx(build)
    first, convert = read_files(job.folder / "a"), onnx_artifacts.convert_onnx

    def break_down(*_):
        raise KeyError("a typo")

    monkeypatch.setattr(onnx_artifacts, "convert_onnx", break_down)
    changed = make_build(job, preset={**build.preset, "build": {**BUILD, "per_channel": False}})
    for name in FILES:  # as Snakemake does before a job
        (job.folder / "a" / name).unlink()
    assert not take_shortcut(changed)
    with pytest.raises(KeyError):
        onnx_artifacts.build_onnx(changed)
    assert [item.complete for item in list_attempts(job.folder / "a")] == [True, False]
    monkeypatch.setattr(onnx_artifacts, "convert_onnx", convert)
    assert take_shortcut(build)
    assert read_files(job.folder / "a") == first


def test_a_verdict_is_kept_like_an_artifact(job, monkeypatch):
    def refuse(*_):
        raise BuildError("conversion_failed", "no kernel")

    monkeypatch.setattr(onnx_artifacts, "convert_onnx", refuse)
    build = make_build(job)
    onnx_artifacts.build_onnx(build)
    first = read_files(job.folder / "a")
    (job.folder / "a" / "manifest.json").unlink()
    assert take_shortcut(build)
    assert read_files(job.folder / "a") == first and first["artifact.onnx"] == b""
    assert read_manifest(job.folder / "a" / "manifest.json")["reason"]["message"] == "no kernel"


def test_a_kept_artifact_that_was_edited_is_named_and_not_used(job, capsys):
    build = make_build(job, "fp16")
    onnx_artifacts.build_onnx(build)
    with open(job.folder / "a" / "artifact.onnx", "ab") as stream:  # a hard link: the store's file is edited too
        stream.write(b"!")
    kept = list_attempts(job.folder / "a")[0].folder
    if (kept / "artifact.onnx").stat().st_ino != (job.folder / "a" / "artifact.onnx").stat().st_ino:
        shutil.copyfile(job.folder / "a" / "artifact.onnx", kept / "artifact.onnx")
    assert not take_shortcut(build)
    assert f"{kept} is not used: " in capsys.readouterr().err
    onnx_artifacts.build_onnx(build)
    assert take_shortcut(build)


def describe_parts(job, other):
    return [item.part for item in list_differences(compose_build_key(job)["parts"], compose_build_key(other)["parts"])]


def test_the_key_has_what_decides_the_bytes_and_no_times(job, tmp_path):
    build = make_build(job)
    assert describe_parts(build, make_build(job, argv=["--other"], artifact=tmp_path / "b", log=tmp_path / "log")) == []
    other = make_build(job, preset={**build.preset, "build": {**BUILD, "per_channel": False}})
    assert describe_parts(build, other) == ["preset.build.per_channel"]
    shutil.copyfile(job.evaluation, tmp_path / "c.npz")
    assert describe_parts(build, make_build(job, calibration=tmp_path / "c.npz")) == ["calibration"]
    key = compose_build_key(build)["parts"]
    assert key["machine"] is None and set(key["toolchain"]["host"]) == {"onnx", "onnxruntime", "numpy"}
    on_device = compose_build_key(build, {"tensorrt": "10.3"})["parts"]
    assert on_device["machine"] is not None and on_device["toolchain"]["device"] == {"tensorrt": "10.3"}


def test_another_model_is_another_key(make_job, tmp_path):
    job = make_job(make_classifier())
    build = make_build(job)
    known = json.loads(job.identity.read_text())
    (tmp_path / "other.json").write_text(json.dumps({**known, "sha256": "0" * 64}))
    assert describe_parts(build, make_build(job, identity=tmp_path / "other.json")) == ["source"]


def test_a_saved_model_enters_by_what_was_converted_and_not_by_when(job, tmp_path):
    made = {"status": "ok", "artifact": {"sha256": "1" * 64, "file": "a"}, "interface": None, "built_at": "then"}
    records = [tmp_path / f"{name}.json" for name in "abc"]
    changes = ({}, {"built_at": "now", "duration_s": 3}, {"artifact": {"sha256": "2" * 64, "file": "a"}})
    for path, change in zip(records, changes, strict=True):
        path.write_text(json.dumps(made | change))
    builds = [make_build(job, saved_model=path) for path in records]
    assert describe_parts(builds[0], builds[1]) == []
    assert describe_parts(builds[0], builds[2]) == ["saved_model.artifact"]


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_a_model_that_cannot_be_used_gives_a_failed_manifest(job, precision, capsys):
    job.source.write_bytes(b"no model")
    identify_model("tiny", job.source, job.identity)
    assert take_shortcut(make_build(job, precision))
    manifest = read_manifest(job.folder / "a" / "manifest.json")
    assert (manifest["status"], manifest["reason"]["kind"]) == ("failed", "unusable_input")
    assert "not an ONNX model" in manifest["reason"]["message"] and manifest["source"]["opset"] == {}
    assert (job.folder / "a" / "artifact.onnx").read_bytes() == b""
    assert "not built: " in capsys.readouterr().err


def test_int8_without_samples_gives_a_failed_manifest_and_fp32_is_built(job):
    job.calibration.write_bytes(b"")
    reason = {"kind": "unfit_samples", "message": "the calibration set has 3 samples"}
    job.samples.write_text(json.dumps({"reason": reason}))
    assert take_shortcut(make_build(job, "int8"))
    assert read_manifest(job.folder / "a" / "manifest.json")["reason"]["message"] == reason["message"]
    assert not take_shortcut(make_build(job, "fp32"))


def test_a_wrong_job_beside_earlier_builds_is_left_to_the_build(job):
    onnx_artifacts.build_onnx(make_build(job))
    assert not take_shortcut(make_build(job, preset={"backend": "onnxruntime"}))
    assert not take_shortcut(make_build(job, identity=job.folder / "nowhere.json"))


def test_the_log_of_a_converter_is_put_back_too(job, tmp_path):
    log = tmp_path / "converter.log"
    log.write_text("converting\n")
    kept_builds.keep_build_log(log, tmp_path / "kept")
    for name in FILES:
        (tmp_path / "kept" / name).write_text(name)
    log.write_text("of another build\n")
    kept_builds.place_kept_build(tmp_path / "kept", tmp_path / "b" / FILES[0], tmp_path / "b" / FILES[1], log)
    assert log.read_text() == "converting\n"
    assert sorted(path.name for path in (tmp_path / "b").iterdir()) == list(FILES)
