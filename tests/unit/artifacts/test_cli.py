"""The verbs of `edgeproof artifacts`, as a person or a script calls them: output, exit codes, one line per mistake."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from edgeproof.__main__ import main as edgeproof
from edgeproof.artifacts.cli import main
from edgeproof.artifacts.records import rebuilding
from edgeproof.core.documents import read_json, validate
from edgeproof.core.layout import REPOSITORY
from edgeproof.core.program_start import run

from .conftest import BUILD, RUNTIME, Job, make_classifier
from .test_comparable_builds import put_result, read_result

PLACE = "results/artifacts/tiny/ort-cpu/host"
FORGE = Path(__file__).resolve().parents[2] / "data/forge/builds/resnet18__jetson__tensorrt__jetson_fp16"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A root with the shipped configuration, a model `tiny` in it, and three builds, two of them measured."""
    root = tmp_path_factory.mktemp("root")
    for name in ("config", "envs"):
        shutil.copytree(REPOSITORY / name, root / name)
    shutil.copy(root / "config/models/digits-cnn.yaml", root / "config/models/tiny.yaml")
    folder = root / "results/sources/tiny"
    folder.mkdir(parents=True)
    job = Job(folder, make_classifier())
    (folder / "samples").mkdir()
    shutil.copy(job.evaluation, folder / "samples/evaluation.npz")
    for precision in ("fp32", "fp16", "int8"):
        options = {"cell": {"model": "tiny", "preset": "ort-cpu", "builder": "host", "precision": precision}}
        options |= {"source": job.source, "identity": job.identity, "precision": precision}
        options |= {"preset": {"backend": "onnxruntime", "artifact": "onnx", "build": BUILD}}
        options |= {"calibration": job.calibration} if precision == "int8" else {}
        options |= {name: f"{PLACE}/{precision}/{name}" for name in ("artifact", "manifest")}
        texts = {key: json.dumps(value) if isinstance(value, dict) else str(value) for key, value in options.items()}
        command = ["scripts/build_onnx.py", *(part for key, text in texts.items() for part in (f"--{key}", text))]
        job.folder = root
        job.build(precision, folder=f"{PLACE}/{precision}", script=command[0], argv=command[1:])
        job.check(precision, folder=f"{PLACE}/{precision}", thresholds={"min_cosine": 0.9})
    for precision in ("fp32", "fp16"):
        put_result(root, precision)
    return root


@pytest.fixture
def call(prepared, capsys):
    """Return a function that runs a verb and returns (exit code, stdout, stderr)."""

    def run_verb(*argv):
        code = run(lambda arguments: main(arguments, read_result, prepared), [str(item) for item in argv])
        return code, *capsys.readouterr()

    return run_verb


def manifest_of(root, precision):
    return root / PLACE / precision / "manifest.json"


def test_presets_are_listed_and_shown(call, prepared):
    code, out, _ = call("presets")
    assert code == 0 and "ort-cpu" in out and out.splitlines()[0].startswith("preset")
    assert set(json.loads(call("presets", "--json")[1])) == {
        p.stem for p in (prepared / "config/presets").glob("*.yaml")
    }
    assert json.loads(call("presets", "ort-cpu", "--json")[1])["build"] == BUILD
    code, out, _ = call("presets", "ort-cpu")
    assert code == 0 and ["build.per_channel", "True"] in [line.split() for line in out.splitlines()]


@pytest.mark.parametrize(
    "argv",
    [
        (),
        ("lst",),
        ("list", "--modell", "tiny"),
        ("presets", "../config"),
        ("presets", "nothing"),
        ("presets", "/etc/passwd"),
        ("dry-run", "../x/ort-cpu/host/fp32"),
        ("dry-run", "tiny/../../x/fp32"),
        ("dry-run", "tiny/ort-cpu/host/fp64"),
        ("dry-run", "tiny/ort-cpu/nowhere/fp32"),
        ("dry-run", "tiny/tensorrt-jetson/host/fp32"),
        ("dry-run", "tiny"),
        ("list", "--model", "../tiny"),
        ("candidates", "--model", ".."),
        ("compare-command", "--left", "../../etc/passwd"),
        ("explain", "tiny/../ort-cpu/int8"),
        ("explain", "tiny/fake/host/int8"),
        ("explain", "tiny/ort-cpu/host/int8-dynamic"),
        ("explain", "tiny/ort-cpu/host/int8", "--runs", "0"),
        ("inspect", "nothing.json"),
        ("validate", "nothing.json"),
        ("rebuild", "nothing.json"),
        ("summary", "nothing.json"),
    ],
)
def test_a_mistake_is_one_line_and_exit_2(call, argv):
    code, out, err = call(*argv)
    assert (code, out) == (2, "")
    assert err.startswith("error: ") and err.count("\n") == 1


def test_the_list_shows_what_was_built_and_what_cannot_be_read(call, prepared):
    broken = prepared / PLACE / "int8-dynamic"
    broken.mkdir()
    (broken / "manifest.json").write_text("{")
    code, out, _ = call("list")
    entries = json.loads(call("list", "--json", "--model", "tiny")[1])
    shutil.rmtree(broken)
    assert code == 0 and len(out.splitlines()) == 6 and "int8-dynamic: not valid JSON" in out.splitlines()[-1]
    assert [item["status"] for item in entries] == ["ok", "ok", "ok", "unreadable"]
    assert entries[2]["parity"] == "passed"


def test_a_changed_artifact_is_inspected_from_within_its_folder(call, prepared, tmp_path, monkeypatch):
    shutil.copytree(prepared / PLACE / "fp16", tmp_path / "fp16")
    with open(tmp_path / "fp16/artifact.onnx", "ab") as stream:
        stream.write(b"!")
    monkeypatch.chdir(tmp_path / "fp16")
    code, out, err = call("inspect", "manifest.json")
    assert (code, err) == (0, "") and "was changed after the build" in out
    assert out.splitlines()[-1].endswith("edgeproof artifacts validate manifest.json")


def test_a_manifest_is_inspected_with_its_next_step(call, prepared):
    code, out, _ = call("inspect", manifest_of(prepared, "fp16"))
    assert code == 0 and "parity " in out and "tiny/ort-cpu/local/fp16: ready" in out
    assert out.splitlines()[-1].split()[1:] == [
        "edgeproof", "artifacts", "compare-command", "--left", "tiny/ort-cpu/local/fp16",
    ]  # fmt: skip
    document = json.loads(call("inspect", manifest_of(prepared, "int8"), "--json")[1])
    assert document["next"] == "snakemake --profile local results/runs/tiny/ort-cpu/local/int8/result.json"
    assert document["manifest"]["cell"]["precision"] == "int8" and document["parity"]["status"] == "passed"
    assert json.loads(call("inspect", FORGE / "manifest.json", "--json")[1])["checks"][0]["status"] == "ok"
    assert call("inspect", FORGE / "manifest.json")[1].splitlines()[-1].endswith("nothing differs")


@pytest.mark.parametrize("target", ["all", "folder", "file"])
def test_what_holds_exits_0_and_what_was_edited_exits_1(call, prepared, target):
    path = {"all": "all", "folder": prepared / PLACE, "file": manifest_of(prepared, "fp16")}[target]
    code, out, _ = call("validate", path)
    assert code == 0 and out.splitlines()[-1].endswith("nothing differs")
    artifact = prepared / PLACE / "fp16/artifact.onnx"
    original = artifact.read_bytes()
    artifact.write_bytes(original[:-1] + bytes([original[-1] ^ 1]))
    code, out, _ = call("validate", path)
    _, listed, _ = call("validate", path, "--json")
    artifact.write_bytes(original)
    assert code == 1 and "differs artifact: artifact.onnx: sha256 is" in out
    faults = [check for item in json.loads(listed) for check in item["checks"] if check["status"] == "differs"]
    assert [check["subject"] for check in faults] == ["artifact"]


def test_forges_manifests_are_validated_too(call, tmp_path):
    assert call("validate", FORGE / "manifest.json")[0] == 0
    moved = shutil.copytree(FORGE, tmp_path / "moved")
    code, out, _ = call("validate", moved)
    assert code == 1 and "missing source: models/resnet18.onnx" in out
    (tmp_path / "manifest.json").write_text('{"schema_version": "inferedgeforge-manifest-v1"')
    code, out, _ = call("validate", tmp_path / "manifest.json")
    assert code == 1 and "not valid JSON" in out


def test_verbose_shows_what_holds(call, prepared):
    out = call("validate", manifest_of(prepared, "int8"), "--verbose")[1]
    for subject in ("manifest", "artifact", "source", "calibration set", "preset file", "toolchain lock", "parity"):
        assert f"  ok      {subject}: " in out


def test_a_rebuild_shows_its_verdict(call, prepared, tmp_path):
    code, out, _ = call("rebuild", manifest_of(prepared, "int8"), "--output", tmp_path / "again")
    assert code == 0 and out.startswith("identical: ")
    assert read_json(tmp_path / "again/rebuild.json", "rebuild")["verdict"] == "identical"
    code, _, err = call("rebuild", manifest_of(prepared, "int8"), "--output", tmp_path / "again")
    assert code == 2 and "never overwrites" in err


def test_many_rebuilds_are_told_apart(call, prepared, tmp_path):
    """One that is refused stops no other, and shows in the exit code."""
    code, out, _ = call("rebuild", prepared / PLACE)
    assert code == 0 and out.count("identical: ") == 3
    assert call("rebuild", prepared / PLACE, "--output", tmp_path / "x")[0] == 2
    artifact = prepared / PLACE / "fp16/artifact.onnx"
    original = artifact.read_bytes()
    artifact.write_bytes(b"edited")
    code, out, _ = call("rebuild", "all", "--json")
    artifact.write_bytes(original)
    assert code == 2
    assert sorted(item["verdict"] for item in json.loads(out)) == ["identical", "identical", "refused"]


def test_a_supplied_artifact_among_many_is_told_and_is_no_mistake(call, prepared, monkeypatch):
    rebuild = rebuilding.rebuild_artifact

    def refuse_int8(path, output=None):
        if path.parent.name == "int8":
            raise rebuilding.NothingToRepeat(f"{path}: the artifact was supplied")
        return rebuild(path, output)

    monkeypatch.setattr(rebuilding, "rebuild_artifact", refuse_int8)
    code, out, _ = call("rebuild", "all")
    assert code == 0 and out.count("identical: ") == 2 and "supplied: " in out and "was supplied" in out
    assert call("rebuild", manifest_of(prepared, "int8"))[0] == 2  # asked for by itself, it is one


def test_a_summary_is_printed_or_written(call, prepared, tmp_path):
    printed = json.loads(call("summary", manifest_of(prepared, "fp16"), "--json")[1])
    assert validate(printed, "runtime-summary", "test") and printed["height"] == 8
    output = tmp_path / "runtime-summary.json"
    assert call("summary", manifest_of(prepared, "fp16"), "--output", output)[1] == f"wrote {output}\n"
    assert read_json(output, "runtime-summary") == printed
    assert json.loads(call("summary", FORGE / "manifest.json", "--json")[1])["preset_name"] == "tensorrt/jetson_fp16"
    assert "preset_name          tensorrt/jetson_fp16" in call("summary", FORGE / "manifest.json")[1].splitlines()


def test_candidates_and_the_command_that_compares_them(call):
    code, out, _ = call("candidates")
    assert code == 0 and "2 ready, 1 pending, 1 pairs" in out and "pending tiny/ort-cpu/host/int8" in out
    assert json.loads(call("candidates", "--json")[1])["sources"][0]["models"] == ["tiny"]
    code, out, _ = call("compare-command", "--model", "tiny")
    assert code == 0 and "varies: [precision]" in out
    assert out.splitlines()[-1].startswith(
        "snakemake --profile local results/comparability/demo/tiny-ort-cpu-local-fp32-vs-"
    )
    code, _, err = call("compare-command", "--left", "tiny/ort-cpu/local/int8")
    assert code == 2 and "is not measured; did you mean 'tiny/ort-cpu/local/fp" in err and "snakemake --profile" in err
    out = call("compare-command", "--left", "tiny/ort-cpu/host/fp16")[1]
    assert out.splitlines()[-1].split("/")[-2] == "tiny-ort-cpu-local-fp16-vs-fp32"


def test_operators_are_explained(call, prepared, tmp_path):
    code, out, _ = call("explain", "tiny/ort-cpu/host/int8", "--runs", "3")
    assert code == 0 and "times as" in out.splitlines()[0] and "profiling cost" in out
    output = tmp_path / "operators.json"
    assert call("explain", manifest_of(prepared, "int8"), "--runs", "2", "--output", output)[0] == 0
    assert read_json(output, "operators")["cell"]["precision"] == "int8"
    assert set(RUNTIME) <= set(read_json(output, "operators")["runtime"]["options"])


def test_a_dry_run_is_shown_by_name_and_by_path(call):
    document = json.loads(call("dry-run", "tiny/ort-cpu/host/int8", "--json")[1])
    assert document["preflight"]["checked"] and len(document["existing"]) == 4
    assert json.loads(call("dry-run", f"{PLACE}/int8/manifest.json", "--json")[1]) == document
    code, out, _ = call("dry-run", "tiny/ort-cpu/host/int8")
    assert code == 0 and out.splitlines()[-1].split(maxsplit=1) == ["command", document["command"]]
    assert f"{PLACE}/int8/artifact.onnx  (is there)" in out and "all can run" in out


def test_the_command_knows_its_rooms(capsys):
    for argv in ([], ["--help"]):
        assert run(edgeproof, argv) == 0 and "edgeproof ROOM VERB" in capsys.readouterr().out
    assert run(edgeproof, ["artefacts"]) == 2
    assert "'artefacts' is not a room" in (error := capsys.readouterr().err) and "did you mean 'artifacts'?" in error
    with pytest.raises(SystemExit) as leave:
        edgeproof(["plans", "--help"])
    assert leave.value.code == 0 and "edgeproof plans" in capsys.readouterr().out


def test_the_command_runs_as_a_program():
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "scripts")}
    command = [sys.executable, "-m", "edgeproof", "artifacts", "presets", "../x"]
    process = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert process.returncode == 2
    assert process.stderr == "error: preset is '../x': a name matches [a-z0-9][a-z0-9-]*; a path is not a name\n"
