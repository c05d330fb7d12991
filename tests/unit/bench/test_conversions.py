"""The benchmark of conversions: what it measures, what it leaves out, and that every preset has its counterpart."""

import json
import shutil
from pathlib import Path

import bench_convert
import pytest
from edgeproof.bench.conversions import measure_conversions
from edgeproof.bench.conversions_by_hand import STEPS, list_steps
from edgeproof.core.catalogues import read_catalogue
from edgeproof.core.documents import read_json
from edgeproof.core.program_start import run

from ..artifacts.conftest import Job, make_classifier

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A folder with the configuration, the scripts and the sources of one tiny model, and no toolchain."""
    for name in ("config", "scripts", "envs"):
        (tmp_path / name).symlink_to(ROOT / name)
    folder = tmp_path / "results/sources/tiny"
    (folder / "samples").mkdir(parents=True)
    job = Job(folder, make_classifier())
    shutil.copyfile(job.calibration, folder / "samples/calibration.npz")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.campaign
def test_both_sides_are_measured_and_what_is_not_there_is_left_out(repository):
    lines = []
    report = measure_conversions({"tiny": ["ort-cpu", "openvino-cpu"]}, 1, lines.append)
    (repository / "report.json").write_text(json.dumps(report))
    assert read_json(repository / "report.json", "bench-convert") == report
    assert [(case["preset"], case["precision"]) for case in report["cases"]] == [
        ("ort-cpu", "fp16"),
        ("ort-cpu", "int8"),
        ("ort-cpu", "int8-dynamic"),
    ]
    for case in report["cases"]:
        assert case["ratio"] == case["seconds"] / case["seconds_by_hand"] > 0
        assert case["model"] == "tiny"
        assert min(case["memory_peak_bytes"], case["memory_peak_bytes_by_hand"]) > 10_000_000
    reasons = {(item["preset"], item["precision"]): item["reason"] for item in report["left_out"]}
    assert reasons["ort-cpu", "fp32"] == "nothing is converted"
    assert reasons["openvino-cpu", "fp16"] == "the toolchain openvino is not there"
    assert len(lines) == 7


def test_a_model_without_sources_is_a_mistake(repository, capsys):
    assert run(bench_convert.main, ["--model", "nothing"]) == 2
    assert "snakemake --profile local results/sources/nothing/model.onnx" in capsys.readouterr().err
    assert run(bench_convert.main, ["--model", "tiny", "--presets", "magic"]) == 2
    assert "'magic' is not in config/presets/" in capsys.readouterr().err


def test_every_conversion_of_the_benchmark_has_been_written_by_hand():
    presets = read_catalogue("preset", ROOT / "config")
    wanted = [(name, p) for name in bench_convert.WANTED["squeezenet"] for p in presets[name]["precisions"]]
    missing = [(name, p) for name, p in wanted if list_steps(presets[name]["artifact"], p) is None]
    assert missing == [("ort-cpu", "fp32")]  # nothing is converted


@pytest.mark.parametrize("key", STEPS)
def test_what_was_written_by_hand_compiles(key):
    steps = list_steps(*key)
    assert steps and {where for where, _ in steps} <= {"host", "toolchain"}
    assert all(compile(program, "by hand", "exec") for _, program in steps)
