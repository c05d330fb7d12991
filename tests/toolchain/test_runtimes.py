"""Every runtime that builds here, with its real toolchain: artifacts, parity, runs, and what makes them stale."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from .conftest import CELLS, CONFIG, TARGETS

pytestmark = pytest.mark.toolchain

RUNNABLE = [cell for cell in CELLS if cell[0] != "coreml"]


def ids(cell):
    return "-".join(cell)


def forget_builds(converted):
    """Remove the store of builds, so that the next one starts a converter."""
    kept = list(converted.root.glob("results/artifacts/**/attempts"))
    for folder in kept:
        shutil.rmtree(folder)


@pytest.mark.parametrize("cell", CELLS, ids=ids)
def test_every_artifact_is_what_it_says_and_names_its_toolchain(load, cell):
    preset, precision = cell
    manifest = load(f"artifacts/digits-cnn/{preset}/host/{precision}/manifest.json")
    assert manifest["status"] == "ok" and manifest["exit_code"] == 0
    assert manifest["precision"]["share"] > 0.9
    toolchain = {"litert-cpu": "tensorflow", "openvino-cpu": "openvino", "torchscript-cpu": "torch", "coreml": "coreml"}
    record = load(f"toolchains/{toolchain[preset]}.json")
    assert manifest["toolchain_lock_sha256"] == record["lock"]["sha256"]
    assert (manifest["calibration"] is not None) == (precision == "int8")


@pytest.mark.parametrize("cell", RUNNABLE, ids=ids)
def test_every_artifact_computes_what_the_source_computes(load, cell):
    parity = load("artifacts/digits-cnn/{}/host/{}/parity.json".format(*cell))
    assert parity["status"] == "passed", parity["reason"]
    assert parity["metrics"]["relative_l2"] < {"fp32": 1e-5, "fp16": 1e-3}.get(cell[1], 0.05)
    result = load("runs/digits-cnn/{}/local/{}/result.json".format(*cell))
    assert result["status"] == "ok"
    assert result["output_check"]["passed"]


def test_core_ml_is_built_and_its_run_is_unsupported_where_there_is_no_macos(load):
    if sys.platform == "darwin":
        pytest.skip("here it runs")
    for precision in ("fp32", "fp16", "int8-weights"):
        result = load(f"runs/digits-cnn/coreml/local/{precision}/result.json")
        assert (result["status"], result["reason"]["kind"]) == ("unsupported", "provider_unavailable")
        assert load(f"artifacts/digits-cnn/coreml/host/{precision}/parity.json")["status"] == "not_run"
        manifest = load(f"artifacts/digits-cnn/coreml/host/{precision}/manifest.json")
        assert [item["dtype"] for item in (*manifest["inputs"], *manifest["outputs"])] == ["float32", "float32"]


def test_two_runtimes_are_compared_as_two_runtimes(load):
    verdict = load("comparability/converters/digits-ort-vs-litert/verdict.json")
    assert (verdict["verdict"], verdict["mode"]) == ("conditional", "runtime-comparison")


def test_second_run_does_nothing(converted):
    assert converted.remade_by(*TARGETS, config=CONFIG) == set()


@pytest.mark.parametrize(
    ("lock", "remade"),
    [
        ("tensorflow", {"make_toolchain", "build_saved_model", "build_tflite", "build_coreml"}),
        ("coreml", {"make_toolchain", "build_coreml"}),
        ("openvino", {"make_toolchain", "build_openvino"}),
        ("litert", {"make_toolchain"}),
    ],
)
def test_a_changed_lock_rebuilds_what_its_toolchain_makes(converted, lock, remade):
    path = converted.root / f"envs/{lock}.lock"
    before = path.read_bytes()
    path.write_bytes(before + b"# changed\n")
    try:
        listing = converted.snakemake("-n", *TARGETS, config=CONFIG).stdout
    finally:
        path.write_bytes(before)
    rules = {line.split()[0] for line in listing.splitlines() if len(line.split()) == 2 and line.split()[1].isdigit()}
    assert {rule for rule in rules if rule.startswith(("build_", "make_"))} == remade


def test_a_changed_calibration_sample_rebuilds_int8_only(converted):
    path = converted.root / "results/sources/digits-cnn/samples/calibration.npz"
    before = path.read_bytes()
    path.write_bytes(before[:-1] + bytes([before[-1] ^ 1]))
    try:
        listing = converted.snakemake("-n", *TARGETS, config=CONFIG).stdout
    finally:
        path.write_bytes(before)
    built = {line.split(" as ")[1].strip() for line in listing.splitlines() if "Building digits-cnn as " in line}
    assert built == {"int8 for litert-cpu", "int8 for openvino-cpu"}


@pytest.mark.parametrize(
    "cell",
    [("litert-cpu", "int8"), ("openvino-cpu", "int8"), ("torchscript-cpu", "fp32"), ("coreml", "int8-weights")],
    ids=ids,
)
def test_a_second_build_gives_the_same_bytes(converted, cell):
    folder = converted.root / "results/artifacts/digits-cnn/{}/host/{}".format(*cell)
    (artifact,) = folder.glob("artifact.*")
    before = artifact.read_bytes()
    forget_builds(converted)  # or the first one would be put back into place
    target = f"{folder.relative_to(converted.root)}/manifest.json"
    saved_model = "results/artifacts/digits-cnn/saved_model/saved_model.json"
    forced = [target, *([saved_model] if cell[0] in ("litert-cpu", "coreml") else [])]
    done = converted.snakemake(*forced, "--force", config=CONFIG)
    assert done.returncode == 0, done.stdout[-3000:]
    assert artifact.read_bytes() == before


def test_every_artifact_is_rebuilt_to_the_same_bytes_and_nothing_is_overwritten(converted):
    command = [sys.executable, "-m", "edgeproof", "artifacts"]
    options = {
        "cwd": converted.root,
        "env": {**os.environ, "PYTHONPATH": str(converted.root / "scripts")},
        "text": True,
    }
    before = {path: path.read_bytes() for path in converted.root.glob("results/artifacts/*/*/*/*/artifact.*")}
    rebuilt = subprocess.run([*command, "rebuild", "all", "--json"], stdout=subprocess.PIPE, **options)
    assert rebuilt.returncode == 0, rebuilt.stdout[-2000:]
    verdicts = [record["verdict"] for record in json.loads(rebuilt.stdout)]
    assert verdicts == ["identical"] * len(before) and len(before) == len(CELLS) + 1  # and ONNX Runtime's
    assert {path: path.read_bytes() for path in before} == before


def test_no_artifact_knows_where_it_was_made(converted):
    """So that another clone makes the same one, and nobody's folders are published with a model."""
    made = converted.root.glob("results/artifacts/**/*")
    artifacts = [path for path in made if path.suffix not in ("", ".json") and "attempts" not in path.parts]
    assert len(artifacts) > len(CELLS)
    for path in artifacts:
        data = path.read_bytes()
        assert not any(place.encode() in data for place in (str(converted.root), "site-packages", "edgeproof-build-"))


def test_a_toolchain_deleted_by_hand_is_made_again(converted):
    shutil.rmtree(converted.root / ".toolchains/openvino")
    forget_builds(converted)
    done = converted.snakemake(
        "results/artifacts/digits-cnn/openvino-cpu/host/fp32/manifest.json", "--force", config=CONFIG
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert "making it again" in done.stdout
    assert (converted.root / ".toolchains/openvino/bin/python").exists()


def test_the_runtime_of_a_tflite_file_is_small(converted):
    listing = subprocess.run(
        [converted.root / ".toolchains/litert/bin/python", "-c", "import tensorflow"], capture_output=True, text=True
    )
    assert "No module named 'tensorflow'" in listing.stderr
