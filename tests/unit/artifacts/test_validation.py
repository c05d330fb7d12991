"""Every flipped bit in whatever an artifact was made of is found, and the file is named."""

import json
import random
import shutil
from pathlib import Path

import pytest
from edgeproof.artifacts.records.manifest_places import find_manifest_root, find_manifests
from edgeproof.artifacts.records.manifests import read_manifest, write_manifest
from edgeproof.artifacts.records.validation import has_faults, read_locked_versions, validate_manifest
from edgeproof.core.errors import UserError
from edgeproof.core.layout import REPOSITORY
from edgeproof.core.seals import SEAL

from .conftest import Job, make_classifier, make_without_weights

PLACE = "results/artifacts/tiny/ort-cpu/host/int8"
FLIPS = 24  # per file, spread from a seed, the first and the last bit included


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Return a root with a configuration, a lock, and one int8 build with its parity; tests put back what they flip."""
    root = tmp_path_factory.mktemp("root")
    for name in ("config/presets", "envs"):
        shutil.copytree(REPOSITORY / name, root / name)
    job = Job(root, make_classifier())
    job.build("int8", folder=PLACE)
    job.check("int8", folder=PLACE, thresholds={"min_cosine": 0.9})
    return root


def faults(root, **options):
    checks = validate_manifest(root / PLACE / "manifest.json", **options)
    return {check.subject: check for check in checks if check.status in ("differs", "missing")}


def flip(path, position):
    data = bytearray(path.read_bytes())
    data[position // 8] ^= 1 << position % 8
    path.write_bytes(data)


def test_an_untouched_build_has_no_fault(built):
    checks = validate_manifest(built / PLACE / "manifest.json")
    assert not has_faults(checks)
    assert [check.subject for check in checks if check.status == "ok"] == [
        "manifest",
        "artifact",
        "source",
        "calibration set",
        "preset file",
        "toolchain lock",
        "parity",
        "evaluation set",
        "reference outputs",
    ]


@pytest.mark.parametrize(
    ("file", "subject"),
    [
        (f"{PLACE}/artifact.onnx", "artifact"),
        (f"{PLACE}/manifest.json", "manifest"),
        ("calibration.npz", "calibration set"),
        ("config/presets/ort-cpu.yaml", "preset file"),
        ("envs/edgeproof.lock", "toolchain lock"),
        ("model.onnx", "source"),
        ("evaluation.npz", "evaluation set"),
        (f"{PLACE}/reference.npz", "reference outputs"),
    ],
)
def test_every_flipped_bit_is_found_and_named(built, file, subject):
    path = built / file
    original, bits = path.read_bytes(), 8 * path.stat().st_size
    chosen = [0, bits - 1, *random.Random(file).sample(range(bits), FLIPS)]
    for position in chosen:
        flip(path, position)
        found = faults(built)
        path.write_bytes(original)
        assert subject in found, position
        assert found[subject].file and found[subject].message
    assert not faults(built)


def test_a_flipped_bit_of_the_manifest_is_found_without_any_other_file(built, tmp_path):
    copy = Path(shutil.copy(built / PLACE / "manifest.json", tmp_path))
    original = copy.read_bytes()
    for position in random.Random(1).sample(range(8 * len(original)), 200):
        flip(copy, position)
        assert validate_manifest(copy)[0].status == "differs", position
        copy.write_bytes(original)


@pytest.mark.parametrize(
    "file", [f"{PLACE}/artifact.onnx", "calibration.npz", "config/presets/ort-cpu.yaml", "model.onnx"]
)
def test_a_missing_file_is_named(built, file):
    path = built / file
    path.rename(path.with_suffix(".away"))
    found = faults(built)
    path.with_suffix(".away").rename(path)
    assert [check.status for check in found.values()] == ["missing"]
    assert path.name in next(iter(found.values())).file


@pytest.mark.parametrize(
    ("old", "new", "expected", "lenient_finds"),
    [
        ("per_channel: true", "per_channel: false", "build.per_channel is False, was True at the build", True),
        ("one thread per core", "a thread per core", "the options that decide the build are the same", False),
        (
            "graph_optimization: all",
            "graph_optimization: none",
            "the options that decide the build are the same",
            False,
        ),
        ("precisions:", "precision:", "unknown key 'precision'", True),
    ],
)
def test_what_changed_in_a_preset_is_said(built, old, new, expected, lenient_finds):
    path = built / "config/presets/ort-cpu.yaml"
    original = path.read_text()
    path.write_text(original.replace(old, new))
    strict, lenient = faults(built), faults(built, lenient=True)
    path.write_text(original)
    assert expected in strict["preset file"].message
    assert ("preset file" in lenient) == lenient_finds


def test_versions_that_the_lock_does_not_have_are_named(built, tmp_path):
    path = built / PLACE / "manifest.json"
    original = path.read_bytes()
    manifest = {key: value for key, value in read_manifest(path).items() if key != SEAL}
    manifest["toolchain"]["onnx"] = "0.0.1"
    write_manifest(path, manifest)
    found = faults(built)
    path.write_bytes(original)
    assert found["toolchain lock"].message.startswith("onnx 0.0.1 took part in the build, the lock has")
    assert "manifest_sha256" in found["parity"].message


def test_a_lock_that_changed_elsewhere_is_told_from_one_that_matters(built):
    path = built / "envs/edgeproof.lock"
    original = path.read_text()
    path.write_text(original + "# another line\n")
    strict, lenient = faults(built), faults(built, lenient=True)
    path.write_text(original.replace("onnxruntime==", "onnxruntime==0."))
    other = faults(built, lenient=True)
    path.write_text(original)
    assert strict["toolchain lock"].message.endswith("it still has the versions that took part")
    assert "toolchain lock" not in lenient
    assert other["toolchain lock"].message.startswith("onnxruntime ")


def test_pins_are_read_with_their_markers(tmp_path):
    lock = tmp_path / "x.lock"
    lock.write_text("a.b_c==1.0 \\\n    --hash=sha256:00\nd==2 ; python_version < '3'\nd==3\n# e==4\n")
    assert read_locked_versions(lock) == {"a-b-c": {"1.0"}, "d": {"2", "3"}}


def test_a_manifest_in_another_place_is_named(built):
    other = built / "results/artifacts/tiny/ort-cpu/host/fp16"
    shutil.copytree(built / PLACE, other)
    checks = validate_manifest(other / "manifest.json")
    shutil.rmtree(other)
    assert "is about results/artifacts/tiny/ort-cpu/host/int8, but lies in" in checks[0].message
    assert checks[0].status == "differs"


def test_results_may_be_moved(built, tmp_path):
    """Paths of the repository are relative to whatever holds `results/`; only the tests' own sources are absolute."""
    moved = tmp_path / "elsewhere"
    shutil.copytree(built, moved)
    assert find_manifest_root(moved / PLACE / "manifest.json") == moved
    found = faults(moved)
    assert set(found) == {"source", "calibration set", "evaluation set"}
    assert all("is outside the repository" in check.message for check in found.values())
    assert find_manifest_root(tmp_path / "manifest.json") == REPOSITORY


def test_a_failed_build_validates_as_long_as_its_artifact_is_empty(make_job):
    job = make_job(make_without_weights())
    job.build("int8", folder=PLACE)
    assert not has_faults(validate_manifest(job.folder / PLACE / "manifest.json"))
    (job.folder / PLACE / "artifact.onnx").write_bytes(b"x")
    (fault,) = [check for check in validate_manifest(job.folder / PLACE / "manifest.json") if check.status == "differs"]
    assert "build failed" in fault.message


def test_manifests_are_found_in_folders(built, tmp_path):
    assert find_manifests(built) == [built / PLACE / "manifest.json"]
    with pytest.raises(UserError, match=r"no manifest\.json below"):
        find_manifests(tmp_path)
    with pytest.raises(UserError, match="is missing"):
        find_manifests(tmp_path / "none")
    broken = tmp_path / "manifest.json"
    broken.write_text(json.dumps({"schema": "edgeproof.manifest.v1"}))
    assert [check.subject for check in validate_manifest(broken)] == ["manifest"]


@pytest.mark.parametrize(
    ("place", "file", "subject"),
    [
        (("preset_file", "file"), "/dev/zero", "preset file"),
        (("preset_file", "file"), "a\0b", "preset file"),
        (("source", "file"), "/dev/zero", "source"),
        (("source", "file"), "../../etc/passwd", "source"),
        (("source", "file"), "x" * 5000, "source"),
        (("calibration", "file"), "x/" * 5000, "calibration set"),
    ],
)
def test_a_manifest_may_name_what_is_no_file(built, place, file, subject):
    """What cannot be a file is missing, what is elsewhere is not read, and nothing hangs or breaks."""
    path = built / PLACE / "manifest.json"
    original = path.read_bytes()
    document = {key: value for key, value in read_manifest(path).items() if key != SEAL}
    document.setdefault(place[0], {"sha256": "0" * 64})[place[1]] = file
    write_manifest(path, document)
    try:
        found = faults(built)
    finally:
        path.write_bytes(original)
    status = "differs" if file in ("/dev/zero", "../../etc/passwd") else "missing"
    assert (found[subject].status, found[subject].file) == (status, file)


@pytest.mark.parametrize("text", ["[" * 200_000, '{"a": "\\ud800"}', '{"a": 1, "a": 2}', "{"])
def test_a_manifest_that_is_no_json_is_one_line(tmp_path, text):
    (tmp_path / "manifest.json").write_text(text)
    (check,) = validate_manifest(tmp_path / "manifest.json")
    assert check.status == "differs" and check.message.startswith("not valid JSON: ")
