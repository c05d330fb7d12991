"""A rebuild follows the manifest, touches nothing that is there, and says what came out."""

import json
import shutil

import numpy as np
import onnx
import pytest
from edgeproof.artifacts.records import rebuilding
from edgeproof.artifacts.records.manifests import read_manifest, write_manifest
from edgeproof.artifacts.records.rebuilding import (
    choose_values,
    claim_folder,
    compare_environments,
    read_command,
    rebuild_artifact,
)
from edgeproof.core.documents import read_json
from edgeproof.core.errors import UserError
from edgeproof.core.files import sha256_file
from edgeproof.core.layout import REPOSITORY
from edgeproof.core.seals import SEAL
from onnx import numpy_helper

from .conftest import BUILD, Job, make_classifier, make_without_weights

PLACE = "results/artifacts/tiny/ort-cpu/host"


def build(root, precision, model=None):
    """Build into the layout of a repository, with the command that a rule would run, and return the manifest's path."""
    job = Job(root, model or make_classifier())
    folder = f"{PLACE}/{precision}"
    cell = {"model": "tiny", "preset": "ort-cpu", "builder": "host", "precision": precision}
    preset = {"backend": "onnxruntime", "artifact": "onnx", "build": BUILD}
    options = {
        "cell": json.dumps(cell),
        "source": job.source,
        "identity": job.identity,
        "preset": json.dumps({**preset, "build": {}}),  # what counts is the snapshot in the manifest
        "precision": precision,
        **({"calibration": job.calibration} if precision == "int8" else {}),
        "artifact": f"{folder}/artifact.onnx",
        "manifest": f"{folder}/manifest.json",
    }
    command = [
        "scripts/build_onnx.py",
        *(str(part) for name, value in options.items() for part in (f"--{name}", value)),
    ]
    job.build(precision, folder=folder, script=command[0], argv=command[1:])
    return root / folder / "manifest.json"


def list_files(root):
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8", "int8-dynamic"])
def test_a_rebuild_is_identical_and_overwrites_nothing(tmp_path, precision):
    manifest = build(tmp_path, precision)
    before = list_files(tmp_path)
    record = rebuild_artifact(manifest)
    assert (record["verdict"], record["differences"], record["environment"]) == ("identical", [], [])
    assert record["first"]["artifact_sha256"] == record["second"]["artifact_sha256"]
    folder = tmp_path / "results/rebuilds/tiny/ort-cpu/host" / precision / "0001"
    assert read_json(folder / "rebuild.json", "rebuild") == record
    assert sorted(path.name for path in folder.iterdir()) == [
        "artifact.onnx",
        "attempts",
        "build.log",
        "manifest.json",
        "rebuild.json",
    ]
    after = list_files(tmp_path)
    assert {path: after[path] for path in before} == before


def test_a_second_rebuild_gets_the_next_folder_and_a_named_one_must_be_empty(tmp_path):
    cell = {"model": "m", "preset": "p", "builder": "host", "precision": "fp32"}
    names = [claim_folder(None, tmp_path, cell).name for _ in range(3)]
    assert names == ["0001", "0002", "0003"]
    taken = tmp_path / "taken"
    (taken / "inside").mkdir(parents=True)
    with pytest.raises(UserError, match="not an empty folder; a rebuild never overwrites"):
        claim_folder(taken, tmp_path, cell)
    assert claim_folder(tmp_path / "new" / "one", tmp_path, cell).is_dir()


def alter_artifact(manifest, change):
    """Change an artifact and its manifest alike, as if another version of the tools had built it."""
    artifact = manifest.with_name("artifact.onnx")
    model = onnx.load(artifact)
    change(model)
    onnx.save(model, artifact)
    document = {key: value for key, value in read_manifest(manifest).items() if key != SEAL}
    document["artifact"].update(sha256=sha256_file(artifact), bytes=artifact.stat().st_size)
    document["toolchain"]["onnx"] = "0.9"
    write_manifest(manifest, document)


def test_what_differs_is_named_with_what_changed_around_it(tmp_path):
    def change(model):
        item = next(item for item in model.graph.initializer if item.name == "bias")
        item.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(item) + np.float16(1), "bias"))

    manifest = build(tmp_path, "fp16")
    alter_artifact(manifest, change)
    record = rebuild_artifact(manifest, tmp_path / "again")
    assert record["verdict"] == "different" and record["differences_count"] == 1
    assert record["differences"][0]["member"] == "initializer 'bias'"
    assert [text.split(":")[0] for text in record["environment"]] == ["onnx"]


def test_what_only_describes_is_equivalent(tmp_path):
    manifest = build(tmp_path, "fp16")
    alter_artifact(manifest, lambda model: setattr(model, "producer_name", "an older converter"))
    record = rebuild_artifact(manifest, tmp_path / "again")
    assert record["verdict"] == "equivalent"
    assert record["differences"][0]["member"] == "producer_name"


def test_a_failed_build_fails_again(tmp_path):
    manifest = build(tmp_path, "int8", make_without_weights())
    record = rebuild_artifact(manifest)
    assert record["verdict"] == "identical" and record["second"]["artifact_sha256"] is None


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("model.onnx", "the first build's source had"),
        ("calibration.npz", "the first build's calibration set had"),
        (f"{PLACE}/int8/artifact.onnx", "was changed after the build"),
    ],
)
def test_changed_inputs_are_refused_before_anything_is_made(tmp_path, file, expected):
    manifest = build(tmp_path, "int8")
    with open(tmp_path / file, "ab") as stream:
        stream.write(b"!")
    with pytest.raises(UserError, match=expected):
        rebuild_artifact(manifest)
    assert not (tmp_path / "results/rebuilds").exists()
    (tmp_path / file).unlink()
    with pytest.raises(UserError, match="is missing"):
        rebuild_artifact(manifest)


def test_the_preset_of_today_does_not_matter(tmp_path):
    """The snapshot is built, not the file: editing a preset between build and rebuild changes nothing."""
    manifest = build(tmp_path, "int8")
    shutil.copytree(REPOSITORY / "config/presets", tmp_path / "config/presets")
    preset = tmp_path / "config/presets/ort-cpu.yaml"
    preset.write_text(preset.read_text().replace("per_channel: true", "per_channel: false"))
    record = rebuild_artifact(manifest)
    assert record["verdict"] == "identical"
    again = read_manifest(tmp_path / "results/rebuilds/tiny/ort-cpu/host/int8/0001/manifest.json")
    assert again["preset"]["build"]["per_channel"] is True


@pytest.mark.parametrize(
    "command",
    [
        ["rm", "--recursive", "/"],
        ["scripts/../evil.py", "--source", "x"],
        ["scripts/build_nothing.py", "--source", "x"],
        ["scripts/build_onnx.py", "source"],
        ["scripts/build_onnx.py", "--source"],
    ],
)
def test_only_our_own_build_scripts_are_carried_out(command):
    with pytest.raises(UserError, match="command"):
        read_command(command, "manifest.json")


def make_manifest(root, builder="host", calibration=None):
    cell = {"model": "tiny", "preset": "p", "builder": builder, "precision": "int8"}
    artifact, source = {"file": "artifact.engine"}, {"file": "results/sources/tiny/model.onnx"}
    return {"cell": cell, "preset": {}, "source": source, "artifact": artifact, "calibration": calibration}


def test_whoever_wrote_a_manifest_chooses_neither_what_runs_nor_what_is_written(tmp_path):
    hostile = {
        "log": "/home/user/.bashrc",
        "artifact": "/home/user/.profile",
        "manifest": "../../../x",
        "interpreter": "/tmp/payload",
        "lock": "/home/user/.ssh/authorized_keys",
        "board": "",
        "identity": "/tmp/identity.json",
        "saved-model": "/tmp/saved_model.json",
        "source": "/tmp/model.onnx",
    }
    found = choose_values(hostile, make_manifest(tmp_path, "jetson"), tmp_path, "manifest.json")
    assert found == {
        "log": "converter.log",
        "artifact": "artifact.engine",
        "manifest": "manifest.json",
        "board": "jetson",  # today's configuration of the device; it has no lock and no interpreter of its own
        "identity": str(tmp_path / "results/sources/tiny/identity.json"),
        "saved-model": "saved_model.json",  # made again from the source, in the folder of the rebuild
        "source": str(tmp_path / "results/sources/tiny/model.onnx"),
    }


@pytest.mark.parametrize(
    ("options", "builder", "expected"),
    [
        ({"toolchain": "/tmp/evil/no-such.json"}, "host", "toolchain 'no-such', which is missing; make it with"),
        ({"toolchain": "/tmp/evil/../.json"}, "host", "which is missing"),
        ({"board": "x"}, "no-such", "device is 'no-such', which is not in config/devices/"),
        ({"lock": "x", "preload": "evil.so"}, "host", "option --preload, which this build does not have"),
        ({"calibration": "x"}, "host", "option --calibration, which this build does not have"),
    ],
)
def test_what_a_command_may_not_have_is_refused(tmp_path, options, builder, expected):
    with pytest.raises(UserError, match=expected):
        choose_values(options, make_manifest(tmp_path, builder), tmp_path, "manifest.json")


def test_the_toolchain_is_this_repositorys(tmp_path, monkeypatch):
    monkeypatch.setattr(rebuilding, "REPOSITORY", tmp_path / "ours")
    record = tmp_path / "ours/results/toolchains/openvino.json"
    record.parent.mkdir(parents=True)
    record.touch()
    options = {"toolchain": str(tmp_path / "theirs/results/toolchains/openvino.json")}
    found = choose_values(options, make_manifest(tmp_path), tmp_path / "theirs", "manifest.json")
    assert found == {"toolchain": str(record)}


def test_a_build_that_reaches_no_verdict_is_one_line(tmp_path):
    manifest = build(tmp_path, "fp32")
    (tmp_path / "identity.json").unlink()
    with pytest.raises(UserError, match=r"build_onnx\.py: exited with 2: .*identity\.json: there is no such file"):
        rebuild_artifact(manifest)


def test_what_changed_around_a_build_is_listed():
    built = {"toolchain": {"python": "3.11", "onnx": "1"}, "host": {"machine": "x86_64", "os": "a"}}
    again = {"toolchain": {"python": "3.11"}, "host": {"machine": "aarch64", "os": "a"}, "toolchain_lock_sha256": "0"}
    again["code_sha256"] = "1"
    assert compare_environments(built, built) == []
    assert compare_environments(built, again) == [
        "onnx: 1 became None",
        "machine: x86_64 became aarch64",
        "toolchain lock: None became 0",
        "edgeproof's own code: None became 1",
    ]
