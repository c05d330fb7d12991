"""A manifest holds as long as its files do, and what was touched is named."""

import json
import sys
from importlib.metadata import PackageNotFoundError

import pytest
from edgeproof.artifacts.records.manifest_entries import describe_host_lock, describe_toolchain, record_command
from edgeproof.artifacts.records.manifests import read_manifest, verify_manifest, write_manifest
from edgeproof.artifacts.records.package_versions import find_package_version
from edgeproof.core import layout
from edgeproof.core.errors import UserError
from edgeproof.core.files import sha256_file
from edgeproof.core.layout import REPOSITORY, locate
from edgeproof.core.seals import SEAL, seal


def edit(path, change):
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def test_an_untouched_build_verifies_also_after_a_move(job):
    job.build("fp16")
    manifest = verify_manifest(job.folder / "fp16" / "manifest.json", source=job.source)
    (job.folder / "fp16").rename(job.folder / "moved")
    assert verify_manifest(job.folder / "moved" / "manifest.json") == manifest


def test_a_tampered_artifact_is_named(job):
    job.build("fp16")
    artifact = job.folder / "fp16" / "artifact.onnx"
    data = bytearray(artifact.read_bytes())
    data[len(data) // 2] ^= 1
    artifact.write_bytes(data)
    with pytest.raises(UserError, match=r"fp16/artifact\.onnx: sha256 is .*was changed after the build"):
        verify_manifest(job.folder / "fp16" / "manifest.json")
    artifact.unlink()
    with pytest.raises(UserError, match=r"fp16/artifact\.onnx: is missing"):
        verify_manifest(job.folder / "fp16" / "manifest.json")


def test_a_changed_source_is_named(job):
    job.build("fp16")
    job.source.write_bytes(job.source.read_bytes() + b"!")
    with pytest.raises(UserError, match=r"model\.onnx: sha256 is"):
        verify_manifest(job.folder / "fp16" / "manifest.json", source=job.source)


def test_a_failed_build_has_an_empty_artifact(make_job):
    from .conftest import make_without_weights

    job = make_job(make_without_weights())
    job.build("int8")
    manifest = job.folder / "int8" / "manifest.json"
    assert verify_manifest(manifest)["status"] == "failed"
    (job.folder / "int8" / "artifact.onnx").write_bytes(b"something")
    with pytest.raises(UserError, match=r"artifact\.onnx: is not empty"):
        verify_manifest(manifest)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda d: d.update(note="x"), "unknown key 'note'"),
        (lambda d: d.pop("toolchain"), "key 'toolchain' is missing"),
        (lambda d: d["preset"]["build"].update(per_channel=False), "preset_sha256 does not match preset"),
        (lambda d: d.update(status="failed"), "reason"),
        (lambda d: d["artifact"].update(sha256=None), "artifact.sha256"),
        (lambda d: d["artifact"].update(file="../artifact.onnx"), "artifact.file"),
        (lambda d: d["precision"].update(share=1.5), "share is 1.5"),
        (lambda d: d.update(duration_s=float("nan")), "NaN is not a number"),
        (lambda d: d.update(built_at="2026-01-01T00:00:00Z"), "document_sha256 does not match"),
    ],
)
def test_an_edited_manifest_is_refused(job, change, expected):
    job.build("fp16")
    path = job.folder / "fp16" / "manifest.json"
    edit(path, change)
    with pytest.raises(UserError, match="manifest") as error:
        read_manifest(path)
    assert expected in str(error.value)


def test_a_manifest_cannot_do_without_its_seal(job):
    job.build("fp16")
    path = job.folder / "fp16" / "manifest.json"
    edit(path, lambda manifest: manifest.pop(SEAL))
    with pytest.raises(UserError, match="'document_sha256' is missing"):
        read_manifest(path)


def test_later_backends_may_say_more(job):
    job.build("fp16")
    path = job.folder / "fp16" / "manifest.json"
    extra = {"toolchain_lock_sha256": "0" * 64, "drivers": {"tensorrt": "10.3.0"}, "log_sha256": "1" * 64}
    write_manifest(path, {**{k: v for k, v in read_manifest(path).items() if k != SEAL}, **extra})
    assert read_manifest(path)["drivers"] == {"tensorrt": "10.3.0"}


def test_the_lock_is_the_one_that_the_environment_was_made_from(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    today = sha256_file(REPOSITORY / "envs/edgeproof.lock")
    assert describe_host_lock() == {"toolchain_lock_file": "envs/edgeproof.lock", "toolchain_lock_sha256": today}
    (tmp_path / "edgeproof.stamp").write_text("0" * 64 + "\n")
    assert describe_host_lock()["toolchain_lock_sha256"] == "0" * 64


def test_a_toolchains_lock_is_the_one_of_its_record():
    record = make_record({"numpy": "2.0"})
    found = describe_toolchain(record, ("numpy",))
    assert found["toolchain"] == {"python": "3.11.7", "numpy": "2.0"}
    assert (found["toolchain_lock_file"], found["toolchain_lock_sha256"]) == ("envs/openvino.lock", "0" * 64)


def test_a_toolchain_that_lacks_what_the_artifact_is_made_with_is_named():
    with pytest.raises(UserError, match=r"toolchain 'openvino' has no tensorflow, .* correct the preset's `toolchain`"):
        describe_toolchain(make_record({"numpy": "2.0"}), ("numpy", "tensorflow"))


def make_record(packages):
    interpreter = {"implementation": "CPython", "version": "3.11.7", "machine": "x86_64", "system": "Linux"}
    record = {
        "schema": "edgeproof.toolchain.v2",
        "toolchain": "openvino",
        "lock": {"file": "envs/openvino.lock", "sha256": "0" * 64},
        "interpreter": {"file": ".toolchains/openvino/bin/python", **interpreter},
        "packages": packages,
        "bytes": 1,
        "command": ["test"],
        "duration_s": 1.0,
        "made_at": "2026-01-01T00:00:00Z",
    }
    return seal(record)


def test_an_option_without_a_value_is_not_recorded():
    argv = ["--source", "m.onnx", "--calibration", "--artifact", "a.onnx", "--saved-model"]
    assert record_command("s.py", argv) == ["s.py", "--source", "m.onnx", "--artifact", "a.onnx"]
    assert record_command("s.py", []) == ["s.py"]


def test_commands_carry_no_path_of_the_machine():
    argv = [
        "--source",
        str(REPOSITORY / "results" / "m" / "model.onnx"),
        "--cell",
        '{"model": "m"}',
        "--artifact",
        "a/b",
    ]
    expected = ["s.py", "--source", "results/m/model.onnx", "--cell", '{"model": "m"}', "--artifact", "a/b"]
    assert record_command("s.py", argv) == expected


def test_an_interpreter_is_named_by_its_link_in_the_repository_or_by_its_name(tmp_path, monkeypatch):
    """The Python of a virtual environment is a link; following it would tell where the machine keeps its own."""
    outside, link = tmp_path / "pyenv" / "python3.11", tmp_path / "repository" / ".venv" / "bin" / "python"
    for path in (outside, link):
        path.parent.mkdir(parents=True)
    outside.write_text("")
    link.symlink_to(outside)
    monkeypatch.setattr(layout, "REPOSITORY", tmp_path / "repository")
    assert record_command("s.py", ["--interpreter", str(link)]) == ["s.py", "--interpreter", ".venv/bin/python"]
    assert record_command("s.py", ["--interpreter", str(outside)]) == ["s.py", "--interpreter", "python3.11"]
    assert str(tmp_path) not in locate(link)


def test_onnx_runtime_is_known_by_its_other_name(tmp_path, monkeypatch):
    metadata = tmp_path / "fast_inference_gpu-1.2.dist-info/METADATA"
    metadata.parent.mkdir()
    metadata.write_text("Metadata-Version: 2.1\nName: fast-inference-gpu\nVersion: 1.2\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert find_package_version("fast-inference") == find_package_version("fast-inference-gpu") == "1.2"
    with pytest.raises(PackageNotFoundError):
        find_package_version("slow-inference")
