"""Histories of telemetry: those of our own runs follow from their tables, those of EdgeEnv are read as they are."""

import json

import pytest
from edgeproof.__main__ import main
from edgeproof.bench.made_up_cells import write_cell
from edgeproof.core.errors import UserError
from edgeproof.core.files import sha256_bytes
from edgeproof.registry.telemetry_history import read_history

from ..runs.watched import store_watched
from .test_edgeenv_folder import name_run, write_run

WATCHED, UNWATCHED = "m/p/d/fp32", "digits-cnn/ort-cpu/desk/fp32"
PRINTED = {"schema_version": "seed.v1", "telemetry_timestamp": "2026-05-07T10:00:02+00:00", "execution_sequence_id": 2}


@pytest.fixture
def ask(tmp_path, capsys):
    """Return a function that runs a verb and gives (exit code, its JSON)."""

    def ask(*words):
        code = main(["runs", "telemetry", *words, "--json"], tmp_path)
        return code, json.loads(capsys.readouterr().out)

    return ask


@pytest.fixture
def measured(tmp_path, monkeypatch):
    """A checkout with two runs, of which samplers watched one."""
    monkeypatch.chdir(tmp_path)
    write_cell()
    place = tmp_path / "results/runs" / WATCHED
    place.mkdir(parents=True)
    store_watched(place)
    return tmp_path


@pytest.fixture
def folder(tmp_path):
    """A folder of EdgeEnv: telemetry of two runs, the later one first; one run without, one that is broken."""
    root = tmp_path / ".edgeenv"
    write_run(root, 1, runtime_telemetry=PRINTED)
    earlier = {"telemetry_timestamp": "2026-05-07T10:00:01+00:00", "execution_sequence_id": 1, "queue_depth": 3}
    write_run(root, 2, runtime_telemetry=earlier)
    write_run(root, 3)
    write_run(root, 4, latency_mean_ms=-1)
    return root


def test_the_figures_of_our_runs_are_computed_again_from_the_file_alone(measured, ask):
    code, found = ask("export-history", "--output", str(measured / "history.json"))
    assert (code, found["summary"]["telemetry_runs"], found["summary"]["requested_runs"]) == (0, 1, None)
    (gap,) = found["missing_telemetry"]
    assert (gap["run_id"], gap["reason"]) == (UNWATCHED, "runtime_telemetry_missing") and "sampler" in gap["detail"]
    history = json.loads((measured / "history.json").read_text())
    (entry,) = history["runs"]
    result = json.loads((measured / "results/runs" / WATCHED / "result.json").read_text())
    assert entry["runtime_telemetry"]["power"] == result["power"] and result["power"]["mean_w"] > 6
    assert entry["metrics"]["latency_p50_ms"] == result["percentiles"]["p50"]["value_ms"]
    table = next((measured / "results/runs" / WATCHED).rglob("telemetry.csv")).read_text()
    assert entry["runtime_telemetry"]["sessions"][0]["telemetry"]["table"] == table
    code, seen = ask("inspect-history", str(measured / "history.json"))
    assert (code, seen["valid"], seen["replay"]["evidence_gap_count"]) == (0, True, 1)
    (run,) = seen["runs"]
    assert (run["word"], run["sessions"]) == ("recomputed", 1) and "hwmon/total_w" in run["fields"]


def change_figure(telemetry):
    telemetry["power"]["mean_w"] *= 0.9


def change_table(telemetry):
    told = telemetry["sessions"][0]["telemetry"]
    told["table"] = told["table"].replace(",6.1\n", ",3.1\n")


def change_table_and_digest(telemetry):
    change_table(telemetry)
    told = telemetry["sessions"][0]["telemetry"]
    told["sha256"] = sha256_bytes(told["table"].encode())


def break_table(telemetry):
    told = telemetry["sessions"][0]["telemetry"]
    told["table"] += "1,hwmon,total_w,nan\n"
    told["sha256"] = sha256_bytes(told["table"].encode())


def empty_sampler(telemetry):
    telemetry["sessions"][0]["telemetry"]["samplers"] = [{}]


EDITS = {
    "a figure": (change_figure, "power.mean_w"),
    "a table": (change_table, "sha256"),
    "a table and its digest": (change_table_and_digest, "the tables of its sessions give"),
    "a value that is not finite": (break_table, "not finite"),
    "a sampler without a name": (empty_sampler, "malformed"),
}


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_of_our_telemetry_is_refuted(name, measured, ask, capsys):
    change, said = EDITS[name]
    path = measured / "history.json"
    ask("export-history", WATCHED, "--output", str(path))
    history = json.loads(path.read_text())
    change(history["runs"][0]["runtime_telemetry"])
    path.write_text(json.dumps(history))
    code, seen = ask("inspect-history", str(path))
    assert (code, seen["valid"], seen["runs"][0]["word"]) == (1, False, "refuted") and said in seen["fault"]
    assert main(["runs", "telemetry", "inspect-history", str(path)], measured) == 1
    assert "not to be believed: m/p/d/fp32: " in capsys.readouterr().out


def test_a_run_whose_document_was_edited_is_a_gap_with_the_reason(measured, ask):
    path = measured / "results/runs" / WATCHED / "result.json"
    path.write_text(path.read_text().replace('"peak_w": 6', '"peak_w": 7'))
    _, found = ask("export-history", "--output", str(measured / "history.json"))
    reasons = {gap["run_id"]: gap["reason"] for gap in found["missing_telemetry"]}
    assert reasons == {UNWATCHED: "runtime_telemetry_missing", WATCHED: "result_refuted"}


def test_telemetry_of_edgeenv_is_kept_in_order_and_only_asserted(folder, ask, tmp_path):
    path = str(tmp_path / "history.json")
    code, found = ask("export-history", "-o", path, "--edgeenv-root", str(folder))
    assert (code, found["source"]["registry"]) == (0, f"{folder}/runs.db")
    assert {gap["run_id"]: gap["reason"] for gap in found["missing_telemetry"]} == {
        name_run(3): "runtime_telemetry_missing",
        name_run(4): "result_unreadable",
    }
    history = json.loads((tmp_path / "history.json").read_text())
    assert [entry["run_id"] for entry in history["runs"]] == [name_run(2), name_run(1)]
    assert history["runs"][1]["runtime_telemetry"] == PRINTED and history["runs"][1]["target"]["target_name"] == "desk"
    code, seen = ask("inspect-history", path)
    assert code == 0 and {run["word"] for run in seen["runs"]} == {"asserted"}
    replay = seen["replay"]
    assert (replay["execution_sequence_ids"], replay["sequence_monotonic"]) == ([1, 2], True)
    assert "queue_depth" in replay["telemetry_fields"] and replay["missing_run_ids"] == [name_run(3), name_run(4)]
    assert replay["last_telemetry_timestamp"] == PRINTED["telemetry_timestamp"]


def test_runs_that_are_named_are_the_only_ones(folder, ask, tmp_path):
    words = ("export-history", name_run(2), name_run(2), name_run(3), "-o", str(tmp_path / "x.json"))
    _, found = ask(*words, "--edgeenv-root", str(folder))
    assert found["summary"] == {
        "requested_runs": 2,
        "registered_runs": 2,
        "telemetry_runs": 1,
        "missing_telemetry_runs": 1,
    }
    with pytest.raises(UserError, match="latency_mean_ms"):
        ask("export-history", name_run(4), "-o", str(tmp_path / "y.json"), "--edgeenv-root", str(folder))
    with pytest.raises(UserError, match="no such run"):
        ask("export-history", name_run(9), "-o", str(tmp_path / "y.json"), "--edgeenv-root", str(folder))
    with pytest.raises(UserError, match="not both"):
        ask("export-history", name_run(1), "--device", "d", "-o", str(tmp_path / "y.json"))
    assert not (tmp_path / "y.json").exists()


def test_a_history_that_edgeenv_wrote_is_read(ask, tmp_path):
    """Its revisions add keys, and one of them lists a run whose telemetry is null."""
    entry = {"run_id": "a", "runtime_telemetry": {"depth": 1}, "telemetry_timestamp": 5, "execution_sequence_id": 2}
    runs = [entry, {"run_id": "b", "execution_sequence_id": 1}, {"run_id": "c", "runtime_telemetry": None}]
    history = {
        "schema_version": "edgeenv.runtime-telemetry-history.v1",
        "summary": {"telemetry_runs": 3, "history_seed_runs": 0},
        "telemetry_coverage": {"runs_with_coverage": 0},
        "runs": runs,
    }
    (tmp_path / "history.json").write_text(json.dumps(history))
    code, seen = ask("inspect-history", str(tmp_path / "history.json"))
    assert (code, seen["replay"]["missing_run_ids"], seen["replay"]["sequence_monotonic"]) == (0, ["b", "c"], False)
    assert seen["replay"]["first_telemetry_timestamp"] == 5


GOOD = {
    "schema_version": "edgeenv.runtime-telemetry-history.v1",
    "summary": {"telemetry_runs": 1, "missing_telemetry_runs": 1},
    "runs": [{"run_id": "a", "runtime_telemetry": {}}],
    "missing_telemetry": [{"run_id": "b", "reason": "runtime_telemetry_missing"}],
}
MALFORMED = {
    "no object": ([], "a mapping of keys to values is needed"),
    "another version": ({**GOOD, "schema_version": "edgeenv.runtime-telemetry-history.v2"}, "schema_version"),
    "no version": ({key: value for key, value in GOOD.items() if key != "schema_version"}, "schema_version"),
    "no summary": ({key: value for key, value in GOOD.items() if key != "summary"}, "summary"),
    "summary that is no object": ({**GOOD, "summary": []}, "summary"),
    "runs that are no list": ({**GOOD, "runs": {}}, "runs"),
    "gaps that are no list": ({**GOOD, "missing_telemetry": {}}, "missing_telemetry"),
    "coverage that is no object": ({**GOOD, "telemetry_coverage": []}, "telemetry_coverage"),
    "run that is no object": ({**GOOD, "runs": ["a"]}, r"runs\[0\]"),
    "run without a name": ({**GOOD, "runs": [{"run_id": ""}]}, "run_id"),
    "telemetry that is no object": ({**GOOD, "runs": [{"run_id": "a", "runtime_telemetry": []}]}, "runtime_telemetry"),
    "gap that is no object": ({**GOOD, "missing_telemetry": ["b"]}, r"missing_telemetry\[0\]"),
    "gap without a reason": ({**GOOD, "missing_telemetry": [{"run_id": "b"}]}, "reason"),
    "run twice": ({**GOOD, "missing_telemetry": [{"run_id": "a", "reason": "x"}]}, "'a' occurs twice"),
    "count of runs": ({**GOOD, "summary": {"telemetry_runs": 2}}, "summary.telemetry_runs is 2"),
    "count of gaps": ({**GOOD, "summary": {"missing_telemetry_runs": 0}}, "summary.missing_telemetry_runs is 0"),
    "telemetry of ours without sessions": (
        {**GOOD, "runs": [{"run_id": "a", "runtime_telemetry": {"schema_version": "edgeproof.run-telemetry.v1"}}]},
        "runtime_telemetry",
    ),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_what_is_malformed_is_named(name, tmp_path):
    document, said = MALFORMED[name]
    path = tmp_path / "history.json"
    path.write_text(json.dumps(document))
    with pytest.raises(UserError, match=said) as raised:
        read_history(path)
    assert "\n" not in str(raised.value)


def test_a_file_that_is_missing_or_no_json_is_named(tmp_path):
    with pytest.raises(UserError, match=r"gone\.json"):
        read_history(tmp_path / "gone.json")
    (tmp_path / "x.json").write_text('{"schema_version": NaN}')
    with pytest.raises(UserError, match="not valid JSON"):
        read_history(tmp_path / "x.json")
