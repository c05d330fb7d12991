"""`edgeproof new forge-build`: a build of InferEdgeForge's becomes a supplied artifact, if all that it says holds."""

import json
import shutil

import pytest
import yaml
from edgeproof.artifacts.builds.build_job import BuildJob
from edgeproof.artifacts.builds.tensorrt_engines import build_tensorrt
from edgeproof.artifacts.cli import main as artifacts_main
from edgeproof.artifacts.records.forge import describe_forge_build
from edgeproof.artifacts.records.manifests import read_manifest
from edgeproof.core.cells import Cells
from edgeproof.core.errors import UserError
from edgeproof.core.exit_codes import ExitCode
from edgeproof.core.files import sha256_file
from edgeproof.core.layout import REPOSITORY, Cell
from edgeproof.core.yaml_files import read_yaml
from edgeproof.scaffolding.cli import main
from edgeproof.sources.identity import identify_model

BUILD = "resnet18__jetson__tensorrt__jetson_fp16"
NAME = "resnet18-jetson-tensorrt-jetson-fp16"


@pytest.fixture
def forge(tmp_path):
    """Forge's folder: a build whose source is a model that can be read."""
    folder = shutil.copytree(REPOSITORY / "tests/data/forge", tmp_path / "forge")
    shutil.copyfile(REPOSITORY / "config/models/digits-cnn.onnx", folder / "models/resnet18.onnx")
    change(folder, "source_model", sha256=sha256_file(folder / "models/resnet18.onnx"))
    return folder


def change(folder, section, **values):
    path = folder / "builds" / BUILD / "manifest.json"
    document = json.loads(path.read_text())
    document[section].update(values)
    path.write_text(json.dumps(document))


def take(root, forge, *options):
    return main(["forge-build", str(forge / "builds" / BUILD), *options], root)


def build(root, forge):
    """Build as the workflow would: the entry that the command wrote takes the place of trtexec."""
    model = read_yaml(root / f"config/models/{NAME}.yaml", "model")
    preset = read_yaml(root / "config/presets/tensorrt-jetson.yaml", "preset")
    cell = Cell(NAME, "tensorrt-jetson", "jetson", "fp16")
    entry = Cells({"model": {NAME: model}, "preset": {cell.preset: preset}, "device": {}, "pipeline": {}}).supplied_of(
        cell
    )
    folder = root / "results/artifacts" / NAME / "tensorrt-jetson/jetson/fp16"
    folder.mkdir(parents=True)
    identify_model(NAME, model["source"]["path"], root / "identity.json")
    build_tensorrt(
        BuildJob(
            script="test",
            argv=[],
            cell={"model": NAME, "preset": cell.preset, "builder": "jetson", "precision": "fp16"},
            source=model["source"]["path"],
            identity=root / "identity.json",
            preset={key: preset[key] for key in ("backend", "artifact")}
            | {"build": {key: preset["build"][key] for key in ("workspace_mb", "timeout_s")}},
            precision="fp16",
            artifact=folder / "artifact.engine",
            manifest=folder / "manifest.json",
            log=folder / "log",
            supplied=entry,
        )
    )
    return folder / "manifest.json"


def test_a_build_becomes_a_model_whose_artifact_is_supplied(root, forge, capsys):
    (root / "profiles/jetson").mkdir(parents=True)
    assert take(root, forge) == ExitCode.GOOD
    assert "--profile jetson" in capsys.readouterr().out
    campaign = yaml.safe_load((root / f"config/{NAME}.yaml").read_text())
    assert campaign["matrices"] == [{"models": [NAME], "presets": ["tensorrt-jetson"], "precisions": ["fp16"]}]
    assert campaign["devices"] == ["jetson"]
    manifest = read_manifest(build(root, forge))
    assert manifest["artifact"]["sha256"] == sha256_file(forge / "builds" / BUILD / "model.engine")
    assert manifest["precision"]["basis"] == "declared" and manifest["precision"]["share"] is None
    record = manifest["supplied"]["record"]
    assert record["build_id"] == "resnet18-tensorrt-tensorrtjetson_fp16-20260102T030405Z"
    assert (record["options"]["workspace_mb"], record["tool"]["python_version"]) == (2048, "3.10.12")


@pytest.mark.parametrize(
    ("section", "values", "message"),
    [
        ("artifact", {"sha256": "0" * 64}, "artifact differs: sha256 is"),
        ("source_model", {"sha256": "0" * 64}, "source differs: sha256 is"),
        ("source_model", {"format": "caffe"}, "source_model.format is 'caffe'"),
        ("build", {"target": "orin"}, "manifest differs: build.target is 'orin'"),
    ],
)
def test_what_does_not_hold_is_refused_and_nothing_is_written(root, forge, section, values, message):
    change(forge, section, **values)
    with pytest.raises(UserError, match=message):
        take(root, forge)
    assert not (root / f"config/models/{NAME}.yaml").exists()


def spoil_artifact(folder):
    (folder / "model.engine").write_text("another")


def spoil_metadata(folder):
    (folder / "metadata.json").write_text("null")


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda folder: (folder / "model.engine").unlink(), r": artifact missing: .*model\.engine; .*source missing: "),
        (spoil_artifact, r": artifact differs: sha256 is .*; source missing: "),
        (
            lambda folder: (folder / "metadata.json").unlink(),
            r": metadata note: there is no metadata\.json .*; source",
        ),
        (spoil_metadata, r": metadata differs: metadata\.json is none of InferEdgeForge's; source missing: "),
    ],
)
def test_every_fault_of_a_build_is_told_and_the_worst_first(root, forge, spoil, told):
    (forge / "models/resnet18.onnx").unlink()
    spoil(forge / "builds" / BUILD)
    with pytest.raises(UserError, match=told) as caught:
        take(root, forge)
    assert "\n" not in str(caught.value) and not (root / f"config/models/{NAME}.yaml").exists()


def test_a_build_whose_metadata_is_another_file_is_refused(root, forge):
    spoil_metadata(forge / "builds" / BUILD)
    with pytest.raises(UserError, match=r"metadata differs: "):
        take(root, forge)
    (forge / "builds" / BUILD / "metadata.json").unlink()
    assert take(root, forge) == ExitCode.GOOD


def test_a_target_that_is_no_device_and_a_preset_that_does_not_fit(root, forge):
    with pytest.raises(UserError, match=r"--preset ort-cpu: does not take model\.engine in fp16; tensorrt-jetson "):
        take(root, forge, "--preset", "ort-cpu")
    for section, key in (("build", "target"), ("runtime", "device")):
        change(forge, section, **{key: "orin"})
    with pytest.raises(UserError, match="the build is for 'orin', which is not in config/devices/; give --device"):
        take(root, forge)
    assert take(root, forge, "--device", "jetson", "--name", "mine") == ExitCode.GOOD


def test_another_file_than_the_record_is_about(forge):
    with pytest.raises(UserError, match=r"artifact.sha256 is a6fbf5a0.*, the file has 1111"):
        describe_forge_build(forge / "builds" / BUILD / "manifest.json", "1" * 64)


def test_its_run_answers_forge(root, forge, capsys):
    manifest_path = forge / "builds" / BUILD / "manifest.json"
    with pytest.raises(UserError, match="this build was not taken over"):
        artifacts_main(["run-summary", str(manifest_path)], json.loads, root)
    take(root, forge)
    path = build(root, forge)
    with pytest.raises(UserError, match=r"no run of it counts \(not measured\); measure it with: snakemake"):
        artifacts_main(["run-summary", str(manifest_path)], json.loads, root)
    manifest, place = read_manifest(path), root / "results/runs" / NAME / "tensorrt-jetson/jetson/fp16/result.json"
    place.parent.mkdir(parents=True)
    digests = {
        "model": manifest["source"]["sha256"],
        "artifact": manifest["artifact"]["sha256"],
        "manifest": sha256_file(path),
    }
    result = {
        "status": "ok",
        "reason": None,
        "provenance": "measured",
        "digests": digests,
        "processes": [{"samples": 100, "mean_ms": 2.0}, {"samples": 300, "mean_ms": 4.0}],
        "percentiles": {"p99": {"value_ms": 5.0}},
        "latency": {"median_ms": 3.25},
    }
    place.write_text(json.dumps(result))
    capsys.readouterr()
    output = root / "run_summary.json"
    read = lambda item: json.loads(item.read_text())  # noqa: E731
    assert artifacts_main(["run-summary", str(manifest_path), "--output", str(output)], read, root) == ExitCode.GOOD
    summary = json.loads(output.read_text())
    assert (summary["mean_ms"], summary["p99_ms"], summary["median_ms"]) == (3.5, 5.0, 3.25)
    assert (summary["preset_name"], summary["target"], summary["returncode"]) == ("tensorrt/jetson_fp16", "jetson", 0)
    assert summary["primary_artifact"]["sha256"] == digests["artifact"]
    assert summary["structured_result_path"] == f"results/runs/{NAME}/tensorrt-jetson/jetson/fp16/result.json"


def test_a_rebuild_says_what_the_build_is(root, forge):
    with pytest.raises(
        UserError, match=r"is the build resnet18-.* of InferEdgeForge 0.1.0, by its preset tensorrt/jets"
    ):
        artifacts_main(["rebuild", str(forge / "builds" / BUILD / "manifest.json")], json.loads, root)
    take(root, forge)
    with pytest.raises(
        UserError, match=r"model.engine, InferEdgeForge's build resnet18-.*; there is no build to repeat"
    ):
        artifacts_main(["rebuild", str(build(root, forge))], json.loads, root)
