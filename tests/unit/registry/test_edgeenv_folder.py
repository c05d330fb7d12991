"""A folder of EdgeEnv: its runs and failed runs are read, judged by its own rules, and its errors are not repeated."""

import copy
import hashlib
import json
import shutil
import sqlite3

import pytest
from edgeproof.__main__ import main
from edgeproof.core.errors import UserError
from edgeproof.core.layout import REPOSITORY
from edgeproof.registry.edgeenv_runs import read_edgeenv_folder, read_edgeenv_result

RUN = {
    "schema_version": "edgeenv.result.v1",
    "created_at": "2026-05-07T10:00:00+00:00",
    "benchmark_name": "bench",
    "command": "python bench.py",
    "model": {
        "model_name": "yolov8n",
        "model_version": "1",
        "model_format": "onnx",
        "model_path": "models/yolov8n.onnx",
        "model_hash": "a" * 64,
    },
    "runtime": {"runtime": "onnxruntime", "execution_provider": "CPUExecutionProvider"},
    "target": {
        "target_name": "desk",
        "target_type": "local",
        "board_name": "Desk",
        "os": "Linux",
        "runtime_tags": ["cpu"],
    },
    "protocol": {
        "input_shape": [1, 3, 640, 640],
        "input_dtype": "float32",
        "task": "detection",
        "precision": "fp32",
        "batch_size": 1,
        "warmup_runs": 10,
        "repeat_runs": 50,
        "include_preprocess": False,
        "include_postprocess": False,
    },
    "metrics": {
        "latency_mean_ms": 10.0,
        "latency_p50_ms": 9.9,
        "latency_p95_ms": 12.0,
        "latency_p99_ms": 13.0,
        "throughput_fps": 100.0,
    },
    "resource_metrics": {"memory_peak_mb": 1000.0, "power_mean_w": 4.5, "source": "jetson-tegrastats"},
    "env": {"platform": "Linux", "machine": "aarch64"},
}
FAILED = {
    "schema_version": "edgeenv.failed-run.v1",
    "created_at": "2026-05-07T11:00:00+00:00",
    "benchmark_name": "bench",
    "target_name": "desk",
    "target_type": "local",
    "command": "python bench.py",
    "error_type": "LocalRunnerError",
    "error_message": "the command timed out",
    "return_code": None,
}
SAMPLER = {
    "schema_version": "edgeenv.sampler-metadata.v1",
    "sampler_name": "jetson-tegrastats",
    "platform_tool": "tegrastats",
    "sampling_scope": "host",
    "benchmark_window": "sampler-start-before-command-stop-after-command",
    "sample_count": 3,
    "raw_artifacts": ["sampler/tegrastats.log"],
    "fields": {"memory_peak_mb": {"source_field": "RAM", "unit": "mb", "aggregation": "max"}},
    "warnings": [],
}


def name_run(number):
    return f"run-20260507-1000{number:02d}-{hashlib.sha256(str(number).encode()).hexdigest()[:8]}"


def write_run(folder, number, **changes):
    """Write a run; `changes`: values of RUN's sections, wherever they are."""
    run = copy.deepcopy(RUN) | {"run_id": name_run(number)}
    for name, value in changes.items():
        section = next((part for part in run.values() if isinstance(part, dict) and name in part), run)
        section[name] = value
    place = folder / "runs" / run["run_id"]
    place.mkdir(parents=True)
    (place / "result.json").write_text(json.dumps(run))
    return run["run_id"]


@pytest.fixture
def folder(tmp_path):
    """A folder with four runs (one slower, one of another runtime) and a failed one; three are registered."""
    root = tmp_path / ".edgeenv"
    write_run(root, 1)
    write_run(root, 2, latency_mean_ms=12.0, latency_p99_ms=17.0, throughput_fps=83.3)
    write_run(root, 3, runtime="tensorrt")
    write_run(root, 4, precision="FP32")
    sampler = root / "runs" / name_run(1) / "sampler/metadata.json"
    sampler.parent.mkdir()
    sampler.write_text(json.dumps(SAMPLER))
    failed = root / "failed-runs" / name_run(9)
    failed.mkdir(parents=True)
    (failed / "failure.json").write_text(json.dumps({**FAILED, "run_id": name_run(9)}))
    (failed / "stderr.log").write_text("x" * 3000 + "the end")
    with sqlite3.connect(root / "runs.db") as connection:
        connection.execute("CREATE TABLE runs (run_id TEXT)")
        connection.executemany("INSERT INTO runs VALUES (?)", [(name_run(n),) for n in (1, 2, 3, 7)])
    connection.close()
    return root


@pytest.fixture
def ask(folder, tmp_path, capsys):
    """Return a function that runs a verb on the folder and gives (exit code, its JSON)."""
    shutil.copytree(REPOSITORY / "config", tmp_path / "config")

    def ask(*words):
        code = main([*words, "--edgeenv-root", str(folder), "--json"], tmp_path)
        return code, json.loads(capsys.readouterr().out)

    return ask


def test_runs_and_database_are_held_against_each_other(folder):
    found = read_edgeenv_folder(folder)
    assert len(found.runs) == 4 and len(found.failed) == 1
    told = "\n".join(found.notes)
    assert f"{name_run(7)} is registered, and its folder is missing" in told
    assert f"{name_run(4)} has a folder, and is not registered" in told
    (folder / "runs.db").write_text("broken")
    assert "cannot be read" in read_edgeenv_folder(folder).notes[0]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"latency_mean_ms": -1}, "latency_mean_ms"),
        ({"latency_mean_ms": True}, "latency_mean_ms"),
        ({"latency_mean_ms": "12.5"}, "latency_mean_ms"),
        ({"latency_p50_ms": 99.0}, "must not fall"),
        ({"latency_p99_ms": float("nan")}, "NaN"),
        ({"memory_peak_mb": -5}, "memory_peak_mb"),
        ({"batch_size": 0}, "batch_size"),
        ({"schema_version": "edgeenv.result.v2"}, "schema_version"),
        ({"more": 1}, "more"),
    ],
)
def test_what_edgeenv_lets_through_is_named(folder, changes, said):
    run = write_run(folder, 8, **changes)
    with pytest.raises(UserError, match=said):
        read_edgeenv_result(folder / "runs" / run / "result.json")
    row = next(row.run for row in read_edgeenv_folder(folder).runs if row.run["id"] == run)
    assert row["status"] == "unreadable" and said in row["reason"]


def test_a_run_without_a_marker_counts_as_the_first_version(folder):
    path = folder / "runs" / name_run(1) / "result.json"
    path.write_text(
        json.dumps({key: value for key, value in json.loads(path.read_text()).items() if key != "schema_version"})
    )
    assert read_edgeenv_result(path)["run_id"] == name_run(1)


def test_lists_and_shows(ask):
    code, found = ask("runs", "list")
    assert code == 0 and {row["id"] for row in found["runs"]} == {name_run(number) for number in (1, 2, 3, 4)}
    assert ask("runs", "list", "--runtime", "tensorrt")[1]["total"] == 1
    code, shown = ask("runs", "show", name_run(1))
    assert code == 0 and shown["checked"].startswith("asserted") and len(shown["resource_metrics"]) == 2
    code, found = ask("runs", "resources", "--metric", "power_mean_w")
    assert (found["count"], found["sources"]) == (4, [{"source": "jetson-tegrastats", "count": 4}])
    assert ask("runs", "sampler", name_run(1))[1]["sampler"]["sample_count"] == 3
    with pytest.raises(UserError, match=r"metadata\.json: is missing"):
        ask("runs", "sampler", name_run(2))
    code, found = ask("failed-runs", "list")
    assert [row["message"] for row in found["attempts"]] == ["the command timed out"]
    code, shown = ask("failed-runs", "show", name_run(9), "--log-chars", "20")
    assert shown["logs"]["stderr.log"] == "x" * 13 + "the end"


def test_reports_are_edgeenvs(ask):
    code, found = ask("report", "compare", name_run(1), name_run(2))
    assert (code, found["comparable"], found["mode"]) == (0, "yes", "same-condition")
    assert found["deltas"]["latency_mean_ms"]["delta_pct"] == 20.0
    code, found = ask("report", "compare", name_run(1), name_run(3))
    assert (code, found["comparable"], found["deltas"]) == (0, "conditional", None)
    code, found = ask("report", "compare", name_run(1), name_run(4))
    assert (code, found["comparable"]) == (1, "no")
    assert (found["reasons"][0]["left"], found["reasons"][0]["right"]) == ("fp32", "FP32")
    code, found = ask("report", "regression", name_run(1), name_run(2))
    assert (code, found["status"], found["severity"]) == (1, "regression", "high")
    triggered = [line["name"] for line in found["edgeenv"]["evidence"]["triggered_thresholds"]]
    assert triggered == ["mean_latency_review", "p99_latency_high"]
    assert ask("report", "regression", name_run(2), name_run(1))[0] == 0
    code, found = ask("report", "regression", name_run(1), name_run(3))
    assert (code, found["status"], found["mode"]) == (3, "blocked", "runtime-comparison")


def test_a_folder_of_something_else_is_a_mistake(tmp_path):
    with pytest.raises(UserError, match="is no folder of EdgeEnv"):
        read_edgeenv_folder(tmp_path)
