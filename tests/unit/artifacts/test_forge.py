"""InferEdgeForge's records: its own errors and warnings are found, and what it never looked at is looked at."""

import json
import shutil
from pathlib import Path

import pytest
from edgeproof.artifacts.records.forge import (
    list_errors,
    list_warnings,
    locate_recorded,
    read_forge_record,
    summarise_forge,
    validate_forge_record,
)
from edgeproof.artifacts.records.validation import has_faults
from edgeproof.core.documents import validate
from edgeproof.core.errors import UserError

DATA = Path(__file__).resolve().parents[2] / "data" / "forge"
BUILD = "builds/resnet18__jetson__tensorrt__jetson_fp16"


@pytest.fixture
def folder(tmp_path):
    return shutil.copytree(DATA, tmp_path / "forge")


@pytest.fixture
def manifest():
    return json.loads((DATA / BUILD / "manifest.json").read_text())


@pytest.mark.parametrize("name", ["manifest.json", "metadata.json"])
def test_what_is_shipped_holds(name):
    path = DATA / BUILD / name
    checks = validate_forge_record(path, read_forge_record(path))
    assert [(check.subject, check.status) for check in checks] == [
        (path.stem, "ok"),
        ("source", "ok"),
        ("artifact", "ok"),
    ]


def drop(*path):
    def change(document):
        for key in path[:-1]:
            document = document[key]
        del document[path[-1]]

    return change


def put(value, *path):
    def change(document):
        for key in path[:-1]:
            document = document[key]
        document[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        *(
            (drop(section), f"section {section} is missing")
            for section in ("build", "source_model", "artifact", "runtime")
        ),
        *(
            (put("", section, key), f"{section}.{key} is ''")
            for section, keys in {
                "build": ("build_id", "timestamp", "preset_name", "backend", "target"),
                "source_model": ("path", "format"),
                "artifact": ("path", "format", "role"),
                "runtime": ("engine", "device", "precision", "model_path", "artifact_path"),
            }.items()
            for key in keys
        ),
        (put("rknn", "build", "backend"), "build.backend is 'rknn', runtime.engine is 'tensorrt'"),
        (put("rk3588", "runtime", "device"), "build.target is 'jetson', runtime.device is 'rk3588'"),
        (put("other", "artifact", "path"), "artifact.path is 'other', runtime.artifact_path is"),
        (put("v9", "schema_version"), "schema_version is 'v9'"),
        (put("abc", "artifact", "sha256"), "artifact.sha256 is 'abc'; 64 hexadecimal digits are needed"),
    ],
)
def test_every_error_of_forge_is_one(manifest, change, expected):
    change(manifest)
    assert any(text.startswith(expected) for text in list_errors(manifest))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (drop("schema_version"), ["no schema_version"]),
        (drop("tool"), ["no tool"]),
        (drop("source_model", "sha256"), ["no source_model.sha256"]),
        (drop("artifact", "sha256"), ["no artifact.sha256"]),
        (
            drop("artifact", "model_name"),
            ["no artifact.model_name", "incomplete compare context: artifact.model_name"],
        ),
        (put(0, "runtime", "batch"), ["runtime.batch is not a positive integer"]),
        (put(True, "runtime", "height"), ["runtime.height is not a positive integer"]),
        (drop("runtime", "width"), ["runtime.width is not a positive integer"]),
        (drop("artifact", "precision"), ["incomplete compare context: artifact.precision"]),
    ],
)
def test_every_warning_of_forge_is_one(manifest, change, expected):
    change(manifest)
    assert list_errors(manifest) == [] and list_warnings(manifest) == expected


def test_warnings_are_no_faults(folder, manifest):
    path = folder / BUILD / "manifest.json"
    manifest.pop("tool")
    checks = validate_forge_record(path, manifest)
    assert not has_faults(checks) and checks[0].status == "note"


@pytest.mark.parametrize(
    ("file", "subject"), [("models/resnet18.onnx", "source"), (f"{BUILD}/model.engine", "artifact")]
)
def test_files_are_opened_which_forge_never_does(folder, file, subject):
    path = folder / BUILD / "manifest.json"
    (folder / file).write_bytes(b"edited")
    (fault,) = [check for check in validate_forge_record(path, read_forge_record(path)) if check.status == "differs"]
    assert fault.subject == subject and "sha256 is" in fault.message
    (folder / file).unlink()
    (fault,) = [check for check in validate_forge_record(path, read_forge_record(path)) if check.status == "missing"]
    assert fault.subject == subject


def test_a_precision_that_the_preset_did_not_ask_for_is_found(folder, manifest):
    manifest["preset_snapshot"]["build_options"]["precision"] = "fp32"
    checks = validate_forge_record(folder / BUILD / "manifest.json", manifest)
    assert [check.message for check in checks if check.subject == "precision"] == [
        "runtime.precision is 'fp16', the preset's build_options.precision is 'fp32'"
    ]


def test_metadata_is_validated(folder):
    path = folder / BUILD / "metadata.json"
    document = read_forge_record(path)
    for change, expected in (
        (drop("build"), "section build is missing"),
        (put("9", "schema_version"), "schema_version is '9'"),
        (put([], "artifacts"), "artifacts is not a list of objects"),
    ):
        broken = json.loads(json.dumps(document))
        change(broken)
        assert expected in validate_forge_record(path, broken)[0].message


def test_a_build_that_was_moved_is_found_beside_its_record(folder, tmp_path):
    moved = tmp_path / "moved"
    shutil.move(folder / BUILD, moved)
    assert locate_recorded(moved / "manifest.json", f"{BUILD}/model.engine") == moved / "model.engine"
    assert locate_recorded(moved / "manifest.json", "models/none.onnx") is None


def test_a_summary_has_the_fifteen_fields_in_forges_precedence(folder, manifest):
    path = folder / BUILD / "manifest.json"
    summary = summarise_forge(path, manifest)
    assert validate(summary, "runtime-summary", "test") and len(summary) == 16  # fifteen and the schema
    assert (summary["batch"], summary["height"], summary["width"]) == (1, 224, 224)
    for name in ("batch", "height", "width", "engine", "precision"):
        del manifest["runtime"][name]
    del manifest["build"]["backend"], manifest["artifact"]["precision"]
    assert summarise_forge(path, manifest) == summary  # from the metadata beside
    (folder / BUILD / "metadata.json").unlink()
    with pytest.raises(UserError, match="backend is None; a text is needed"):
        summarise_forge(path, manifest)
    manifest["runtime"]["engine"], manifest["runtime"]["precision"] = "tensorrt", "fp16"
    with pytest.raises(UserError, match="batch is None; a positive integer is needed"):
        summarise_forge(path, manifest)


@pytest.mark.parametrize("artifacts", [{"a": 1}, ["x"], 5, "x", [], None])
def test_metadata_that_is_none_gives_no_field(folder, manifest, artifacts):
    path = folder / BUILD / "manifest.json"
    metadata = read_forge_record(path.with_name("metadata.json")) | {"artifacts": artifacts}
    path.with_name("metadata.json").write_text(json.dumps(metadata))
    del manifest["artifact"]["sha256"]
    with pytest.raises(UserError, match="artifact_sha256 is None; a text is needed"):
        summarise_forge(path, manifest)


def test_what_is_not_forges_is_left_alone(tmp_path):
    path = tmp_path / "x.json"
    for text in ('{"schema": "edgeproof.manifest.v1", "build": {}}', "[]", "{}", "no json", "[" * 200_000):
        path.write_text(text)
        assert read_forge_record(path) is None
    for text in ('{"schema_version": "inferedgeforge-manifest-v1", "build": NaN}', '{"a": "inferedgeforge", "a": 1}'):
        path.write_text(text)
        with pytest.raises(UserError, match="not valid JSON"):
            read_forge_record(path)
