"""The registry: what files say, no more and no less, however it came to know it."""

import contextlib
import json
import os
import shutil
import sqlite3
from pathlib import Path

import pytest
from edgeproof.bench.made_up_campaigns import write_wanted
from edgeproof.bench.made_up_cells import write_cell
from edgeproof.core.errors import UserError
from edgeproof.core.made_files import note_job, note_made, take_made
from edgeproof.core.program_start import run_program
from edgeproof.registry import index, run_rows
from edgeproof.registry.index import REGISTRY, open_registry, rebuild_registry, update_run
from edgeproof.registry.queries import (
    find_failed,
    find_run,
    list_attempts_of,
    list_failed,
    list_metrics_of,
    list_resources,
    list_runs,
)

from ..bundles.conftest import write_failed

CELLS = [
    {"count": 40},
    {"precision": "int8", "median_ms": 0.6, "count": 40},
    {"model": "squeezenet", "kind": "noisy", "count": 40},
    {"model": "squeezenet", "precision": "fp16", "kind": "no_artifact"},
    {"preset": "fake", "kind": "simulated", "count": 40},
]
FP32 = "digits-cnn/ort-cpu/desk/fp32"
NOTHING = dict.fromkeys(
    ("model", "preset", "device", "precision", "status", "runtime", "machine", "origin", "campaign")
)


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """A folder with the results of five cells, a failed attempt and a campaign of two of the cells."""
    here = tmp_path_factory.mktemp("measured")
    with contextlib.chdir(here):
        rows = [write_cell(**options) for options in CELLS]
        write_failed(f"results/runs/{FP32}")
        write_wanted("results/evidence/two", {"campaign": "two", "cells": rows[:2], "comparisons": [], "plans": []})
    return here


@pytest.fixture
def root(measured, tmp_path):
    """A copy that a test may change."""
    shutil.copytree(measured, tmp_path / "root")
    return tmp_path / "root"


def dump(root):
    """Return everything in the registry but the dates of files."""
    with contextlib.closing(sqlite3.connect(root / REGISTRY)) as connection:
        names = ("runs", "metrics", "attempts", "campaigns")
        return {name: sorted(connection.execute(f"SELECT * FROM {name}"), key=repr) for name in names}


def test_every_result_and_attempt_is_in_it(root):
    assert rebuild_registry(root) == (5, 5)
    with open_registry(root) as connection:
        found = list_runs(connection, NOTHING, None)
        row = find_run(connection, FP32)
        assert [item["status"] for item in list_attempts_of(connection, f"results/runs/{FP32}")] == [
            "complete",
            "failed",
        ]
    result = json.loads((root / "results/runs" / FP32 / "result.json").read_text())
    assert found["total"] == 5
    assert (row["median_ms"], row["low_ms"]) == (result["latency"]["median_ms"], result["latency"]["interval_low_ms"])
    assert (row["p99_ms"], row["samples"], row["sessions"]) == (result["percentiles"]["p99"]["value_ms"], 200, 1)
    assert (row["origin"], row["provenance"], row["machine"]) == (
        "results",
        "measured",
        result["sessions"][0]["machine"]["id"],
    )


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        ({"model": "squeezenet"}, 2),
        ({"precision": "int8"}, 1),
        ({"status": "failed"}, 1),
        ({"preset": "fake"}, 1),
        ({"campaign": "two"}, 2),
        ({"campaign": "two", "precision": "int8"}, 1),
        ({"model": "nothing"}, 0),
        ({"origin": "results"}, 5),
    ],
)
def test_filters(root, filters, count):
    with open_registry(root) as connection:
        found = list_runs(connection, NOTHING | filters, None)
        assert (found["total"], len(found["runs"])) == (count, count)
        assert list_runs(connection, NOTHING | filters, 1)["total"] == count


def test_a_job_that_ended_is_followed_without_reading_the_rest(root, opened):
    rebuild_registry(root)
    with contextlib.chdir(root):
        write_cell(precision="fp16", count=40)
        shutil.rmtree("results/runs/squeezenet/ort-cpu/desk/fp32")
    for name in ("digits-cnn/ort-cpu/desk/fp16", "squeezenet/ort-cpu/desk/fp32"):
        note_job(root / "results/runs" / name / "result.json")
    with opened() as names, open_registry(root) as connection:
        assert find_run(connection, "digits-cnn/ort-cpu/desk/fp16")["status"] == "ok"
        with pytest.raises(UserError, match="no such run"):
            find_run(connection, "squeezenet/ort-cpu/desk/fp32")
    assert {str(Path(name).parent.name) for name in names if name.endswith("result.json")} == {"fp16"}
    assert not (root / "results/registry.pending.taken").exists()
    followed = dump(root)
    rebuild_registry(root)
    assert dump(root) == followed


def test_an_update_that_is_interrupted_is_made_again(root, monkeypatch):
    rebuild_registry(root)
    before = dump(root)
    with contextlib.chdir(root):
        write_cell(precision="fp16", count=40)
    note_made(root / "results", "runs/digits-cnn/ort-cpu/desk/fp16/result.json")

    def fail(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("edgeproof.registry.index.update_run", fail)
        with pytest.raises(KeyboardInterrupt), open_registry(root):
            pass
    assert dump(root) == before
    with open_registry(root) as connection:
        assert find_run(connection, "digits-cnn/ort-cpu/desk/fp16")["precision"] == "fp16"


def test_what_is_noted_while_the_registry_reads_is_not_lost(root):
    note_made(root / "results", "runs/a/b/c/d/result.json")
    with take_made(root / "results") as paths:
        assert paths == ["runs/a/b/c/d/result.json"]
        note_made(root / "results", "runs/a/b/c/e/result.json")
    with take_made(root / "results") as paths:
        assert paths == ["runs/a/b/c/e/result.json"]


def test_every_job_notes_what_it_makes_whether_it_succeeds_or_not(root, monkeypatch):
    made = root / "results/runs" / FP32 / "result.json"
    monkeypatch.setattr("os._exit", lambda code: None)
    monkeypatch.setattr("sys.argv", ["job", "--key", "{}", "--made", str(made)])
    for code in (0, 1):
        run_program(lambda argv, code=code: code)
        with take_made(root / "results") as paths:
            assert paths == [f"runs/{FP32}/result.json"]


def test_a_registry_that_is_lost_or_broken_is_made_again(root):
    rebuild_registry(root)
    whole = dump(root)
    told = []
    for text in (b"no database", b""):
        (root / REGISTRY).write_bytes(text)
        with open_registry(root, told.append):
            pass
        assert dump(root) == whole
    (root / REGISTRY).unlink()
    with open_registry(root, told.append) as connection:
        assert find_run(connection, FP32)["id"] == FP32
    assert told == ["results/registry.sqlite: made from the files below results/"] * 3


def test_a_result_that_cannot_be_read_is_listed_with_the_reason(root):
    (root / "results/runs" / FP32 / "result.json").write_text('{"schema": "edgeproof.result.v2"}')
    with open_registry(root) as connection:
        row = find_run(connection, FP32)
    assert row["status"] == "unreadable" and "schema" in row["reason"] and row["median_ms"] is None


def test_an_update_of_one_run_leaves_the_others(root):
    rebuild_registry(root)
    before = dump(root)
    with open_registry(root) as connection:
        update_run(connection, root, f"results/runs/{FP32}")
    assert dump(root) == before


def test_resources(root):
    with open_registry(root) as connection:
        (metric,) = list_metrics_of(connection, FP32)
        assert (metric["metric_name"], metric["unit"]) == ("memory_peak_mb", "mb")
        assert metric["metric_value"] == pytest.approx(60_000_000 / 2**20)
        found = list_resources(connection, {"metric": "memory_peak_mb"}, None)
        assert found["count"] == len(found["results"]) == sum(entry["count"] for entry in found["sources"]) == 4
        assert set(found["results"][0]) == {
            *("run_id", "created_at", "target_name", "model_name", "metric_name", "metric_value", "unit", "source")
        }
        value = found["results"][0]["metric_value"]
        for limits, count in (({"min_value": value}, 4), ({"max_value": value}, 4), ({"min_value": value + 1}, 0)):
            assert list_resources(connection, limits, None)["count"] == count
        assert list_resources(connection, {"model": "squeezenet"}, None)["count"] == 1
        with pytest.raises(UserError, match=r"--metric memory_pek_mb: is not one of .*did you mean"):
            list_resources(connection, {"metric": "memory_pek_mb"}, None)


def test_failed_attempts(root):
    with open_registry(root) as connection:
        (failed,) = list_failed(connection, {}, None)["attempts"]
        assert (failed["reason"], failed["message"]) == ("connection_lost", "the board is gone")
        assert list_failed(connection, {"target": FP32}, None)["total"] == 1
        assert list_failed(connection, {"target": "digits-cnn"}, None)["total"] == 1
        assert list_failed(connection, {"target": "squeezenet"}, None)["total"] == 0
        assert list_failed(connection, {"reason": "other"}, None)["total"] == 0
        assert find_failed(connection, Path(failed["path"]).name) == failed
        with pytest.raises(UserError, match="no failed attempt"):
            find_failed(connection, "0009-00000000")


def test_a_folder_without_results_is_a_mistake(tmp_path):
    with pytest.raises(UserError, match="there is no such folder"), open_registry(tmp_path):
        pass


def test_a_run_that_is_mistyped_gets_a_suggestion(root):
    with open_registry(root) as connection, pytest.raises(UserError, match=f"did you mean '{FP32}'"):
        find_run(connection, "digits-cnn/ort-cpu/desk/fp23")


def test_another_machine_makes_it_again_and_says_what_was_measured_elsewhere(root, monkeypatch):
    with open_registry(root) as connection:
        assert not find_run(connection, FP32)["elsewhere"]
    for module in (index, run_rows):
        monkeypatch.setattr(module, "name_this_machine", lambda: "f" * 16)
    told = []
    with open_registry(root, told.append) as connection:
        assert find_run(connection, FP32)["elsewhere"]
    assert len(told) == 1


def test_results_that_cannot_be_written_are_indexed_in_memory(root, monkeypatch):
    """As on a medium that is mounted to be read; root may write everywhere else."""
    with open_registry(root) as connection:
        kept = list_runs(connection, NOTHING, None)
    (root / REGISTRY).unlink()
    asked = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: asked(path, mode) and Path(path) != root / "results")
    told = []
    with open_registry(root, told.append) as connection:
        assert list_runs(connection, NOTHING, None) == kept
    assert "cannot be written" in told[0] and not (root / REGISTRY).exists()
