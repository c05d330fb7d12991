"""The dry run: every path and digest is named, and nothing is created."""

import re
import shutil

import onnx
import pytest
from edgeproof.artifacts.dry_run import plan_build
from edgeproof.artifacts.records.formats import FORMATS
from edgeproof.core.catalogues import read_catalogue
from edgeproof.core.errors import UserError
from edgeproof.core.files import sha256_file
from edgeproof.core.layout import REPOSITORY
from onnx import helper

from .conftest import make_classifier, make_model

PRESETS = read_catalogue("preset", REPOSITORY / "config")


@pytest.fixture
def root(tmp_path):
    """Return a root with the shipped configuration and locks, and no results."""
    for name in ("config", "envs"):
        shutil.copytree(REPOSITORY / name, tmp_path / name)
    return tmp_path


def list_tree(root):
    return sorted(str(path) for path in root.rglob("*"))


def put_source(root, model):
    path = root / "results/sources/digits-cnn/model.onnx"
    path.parent.mkdir(parents=True)
    onnx.save(model, path)
    return path


def test_paths_and_digests_are_named_and_nothing_is_created(root):
    source = put_source(root, make_classifier())
    before = list_tree(root)
    plan = plan_build(root, "digits-cnn", "ort-cpu", "int8")
    assert list_tree(root) == before
    folder = "results/artifacts/digits-cnn/ort-cpu/host/int8"
    assert plan["outputs"] == [
        f"{folder}/artifact.onnx",
        f"{folder}/manifest.json",
        f"{folder}/parity.json",
        f"{folder}/reference.npz",
    ]
    assert plan["logs"] == [
        "results/logs/build_onnx/digits-cnn/ort-cpu/host/int8.log",
        "results/logs/check_parity/digits-cnn/ort-cpu/host/int8.log",
    ]
    assert plan["inputs"]["source"] == {
        "file": "results/sources/digits-cnn/model.onnx",
        "sha256": sha256_file(source),
    }
    assert plan["inputs"]["calibration"]["sha256"] is None  # not there yet
    assert plan["inputs"]["toolchain_lock"]["sha256"] == sha256_file(root / "envs/edgeproof.lock")
    assert plan["inputs"]["preset"]["sha256"] == sha256_file(root / "config/presets/ort-cpu.yaml")
    assert (plan["existing"], plan["first"]) == ([], [])
    assert plan["preflight"] == {"checked": True, "reason": None, "blockers": []}
    assert plan["command"] == f"snakemake --profile local {folder}/parity.json"


def test_only_int8_reads_a_calibration_set(root):
    assert "calibration" not in plan_build(root, "digits-cnn", "ort-cpu", "fp16")["inputs"]


def test_a_node_that_cannot_run_is_in_the_plan(root):
    nodes = [helper.make_node("Frobnicate", ["x"], ["y"], domain="com.acme", name="frob0")]
    sides = [[(name, onnx.TensorProto.FLOAT, [1, 4])] for name in "xy"]
    put_source(root, make_model(nodes, *sides, domains=["com.acme"]))
    (blocker,) = plan_build(root, "digits-cnn", "ort-cpu", "fp32")["preflight"]["blockers"]
    assert blocker.startswith("node 'frob0', operator Frobnicate, opset com.acme 1")


def test_what_was_not_checked_says_why(root):
    preflight = plan_build(root, "digits-cnn", "ort-cpu", "fp32")["preflight"]
    assert preflight == {"checked": False, "reason": "the source is not there yet", "blockers": []}
    preflight = plan_build(root, "digits-cnn", "fake", "fp32")["preflight"]
    assert preflight["reason"] == "there is no operator table for fake"


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("../digits-cnn", "ort-cpu", "fp32"), "model is '../digits-cnn': a name matches"),
        (("digits-cnn", "../ort-cpu", "fp32"), "preset is '../ort-cpu': a name matches"),
        (("digits-cnn", "/etc/passwd", "fp32"), "preset is '/etc/passwd': a name matches"),
        (("digits-cnn", "ort-gpu", "fp32"), "preset is 'ort-gpu', which is not in config/presets/; it has"),
        (("nothing", "ort-cpu", "fp32"), "model is 'nothing', which is not in config/models/"),
        (("digits-cnn", "ort-cpu", "int8-weights"), "preset 'ort-cpu' does not build 'int8-weights'; it has fp32"),
        (("digits-cnn", "ort-cpu", "../fp32"), "does not build '../fp32'"),
        (("digits-cnn", "ort-cpu", "fp32", "../local"), "device is '../local': a name matches"),
    ],
)
def test_names_that_are_none_are_one_line(root, names, expected):
    with pytest.raises(UserError) as error:
        plan_build(root, *names)
    assert expected in str(error.value) and "\n" not in str(error.value)


def test_a_preset_that_builds_on_the_device_needs_one(root):
    with pytest.raises(UserError, match="builds on the device: write the device's name"):
        plan_build(root, "digits-cnn", "tensorrt-jetson", "fp32")
    plan = plan_build(root, "digits-cnn", "tensorrt-jetson", "fp32", "local")
    place = "digits-cnn/tensorrt-jetson/local/fp32"
    assert plan["outputs"][0] == f"results/artifacts/{place}/artifact.engine"
    assert plan["logs"] == [
        f"results/logs/build_tensorrt/{place}.log",
        f"results/logs/check_parity/{place}.log",
        f"results/logs/build_tensorrt/{place}.converter.log",
    ]


def test_what_is_made_on_the_way_is_planned_with_its_logs(root):
    record = root / "results/toolchains/tensorflow.json"
    assert "results/logs/make_toolchain/tensorflow.log" in plan_build(root, *LITERT)["logs"]
    record.parent.mkdir(parents=True)
    record.touch()
    logs = plan_build(root, *LITERT)["logs"]
    assert "results/logs/make_toolchain/tensorflow.log" not in logs
    saved_model = ["build_saved_model/digits-cnn.log", "build_saved_model/digits-cnn.converter.log"]
    assert [name.removeprefix("results/logs/") for name in logs[-2:]] == saved_model


LITERT = ("digits-cnn", "litert-cpu", "fp32")


def test_the_table_of_rules_is_that_of_the_workflow():
    """Suffix, name of the rule, a log of its converter, and SavedModel, as rules/artifacts.smk has them."""
    text = (REPOSITORY / "rules/artifacts.smk").read_text()
    blocks = re.split(r"(?m)^(?=rule |use rule )", text)
    found = {}
    for block in blocks:
        suffix = re.search(r'presets_of\("([^"]+)"\)', block)
        if suffix:
            name = re.match(r"rule (\w+):|use rule \w+ as (\w+)", block)
            log = 'converter="results/logs' in block
            found[suffix[1]] = (name[1] or name[2], log, "saved_model_of" in block)
    table = {
        suffix: (kind.rule, kind.converter is not None, kind.origin == "saved_model")
        for suffix, kind in FORMATS.items()
    }
    assert table == found


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_every_shipped_preset_can_be_planned(root, name):
    preset = PRESETS[name]
    assert preset["precisions"]
    for precision in preset["precisions"]:
        device = None if preset["built"] == "host" else "local"
        plan = plan_build(root, "digits-cnn", name, precision, device)
        assert plan["outputs"][0].endswith(f"artifact.{preset['artifact']}")
        for item in plan["inputs"].values():
            assert (root / item["file"]).is_file() == (item["sha256"] is not None)
