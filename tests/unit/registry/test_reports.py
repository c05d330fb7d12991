"""Two runs side by side, and what the verbs print of runs, for people and as JSON."""

import contextlib
import json
import shutil

import pytest
from edgeproof.__main__ import main
from edgeproof.bench.made_up_cells import write_cell
from edgeproof.core.errors import UserError
from edgeproof.core.layout import REPOSITORY
from edgeproof.registry.index import open_registry

from ..bundles.conftest import write_failed

FP32, INT8, SLOW = (f"digits-cnn/{name}" for name in ("ort-cpu/desk/fp32", "ort-cpu/desk/int8", "ort-cpu-1t/desk/fp32"))


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    here = tmp_path_factory.mktemp("reports")
    with contextlib.chdir(here):
        write_cell()
        write_cell(precision="int8", median_ms=0.6)
        write_cell(preset="ort-cpu-1t", median_ms=1.5)
        write_failed(f"results/runs/{FP32}")
    (here / "config").symlink_to(REPOSITORY / "config")
    return here


@pytest.fixture
def ask(measured, capsys):
    """Return a function that runs a command and gives (exit code, its JSON)."""

    def ask(*words):
        code = main([*words, "--json"], measured)
        return code, json.loads(capsys.readouterr().out)

    return ask


@pytest.fixture
def say(measured, capsys):
    """Return a function that runs a command and gives its text."""

    def say(*words):
        main([*words], measured)
        return capsys.readouterr().out

    return say


@pytest.fixture
def ask_registry(measured):
    """Return a function that runs a command on a registry in which a campaign is noted."""
    with open_registry(measured, lambda line: None) as connection:
        connection.execute("INSERT OR IGNORE INTO campaigns VALUES ('demo', ?)", (FP32,))
        connection.commit()
    return lambda *words: main([*words, "--json"], measured)


def test_two_precisions_may_not_be_compared(ask):
    code, found = ask("report", "compare", FP32, INT8)
    assert (code, found["comparable"], found["deltas"]) == (1, "no", None)
    assert [(r["field"], r["left"], r["right"]) for r in found["reasons"]] == [("precision", "fp32", "int8")]


def test_two_runs_in_one_condition_have_deltas_and_a_note(ask, say):
    code, found = ask("report", "compare", FP32, SLOW)
    assert (code, found["comparable"], found["mode"]) == (0, "yes", "same-condition")
    assert found["deltas"]["latency_mean_ms"]["delta_pct"] == pytest.approx(50, abs=2)
    assert "two runs at two times" in found["notes"][0]
    text = say("report", "compare", FP32, SLOW)
    assert f"{FP32} and {SLOW} may be compared (same-condition), policy strict" in text and "latency_mean_ms" in text


def test_a_regression_has_its_code_and_its_files(ask, say, tmp_path):
    page, document = tmp_path / "report.md", tmp_path / "report.json"
    words = ("report", "regression", FP32, SLOW, "--output-json", str(document), "--output-md", str(page))
    code, found = ask(*words)
    assert (code, found["status"], found["severity"], found["recommendation"]) == (
        *(1, "regression", "high"),
        "review_required",
    )
    assert json.loads(document.read_text())["regression_detected"] is True
    assert (
        page.read_text().startswith("# Regression report: regression\n")
        and "| mean_latency_review |" in page.read_text()
    )
    assert ask("report", "regression", FP32, FP32)[0] == 0
    code, found = ask("report", "regression", FP32, INT8)
    assert (code, found["status"], found["mode"]) == (3, "blocked", "protocol_mismatch")
    assert "recommendation: review_required" in say("report", "regression", FP32, SLOW)


def test_policies_are_named_and_those_that_need_pairs_are_refused(ask):
    for words, said in (
        (("compare", FP32, SLOW, "--policy", "strikt"), "did you mean 'strict'"),
        (("regression", FP32, SLOW, "--policy", "strict"), "needs a comparison of a campaign"),
    ):
        with pytest.raises(UserError, match=said):
            ask("report", *words)


def test_a_run_is_shown_with_what_it_rests_on(ask, say, measured):
    code, found = ask("runs", "show", FP32)
    assert (code, found["fault"], [item["status"] for item in found["attempts"]]) == (0, None, ["complete", "failed"])
    text = say("runs", "show", FP32)
    assert "latency 0.999" in text and "every figure was computed again from its samples" in text
    assert "5 fresh processes" in text and "the board is gone" in text


def test_a_run_that_was_edited_is_not_believed(ask, measured):
    path = measured / "results/runs" / INT8 / "samples.csv"
    before = path.read_bytes()
    path.write_bytes(before.replace(b"0,0,6", b"0,0,7", 1))
    try:
        code, found = ask("runs", "show", INT8)
    finally:
        path.write_bytes(before)
    assert code == 1 and "samples.csv" in found["fault"]


def test_lists_for_people(say):
    text = say("runs", "list")
    assert text.splitlines()[0].split()[:2] == ["run", "status"] and text.splitlines()[-1] == "3 runs"
    assert say("runs", "list", "--limit", "1").splitlines()[-1].startswith("3 runs, the newest 1 shown")
    assert "no effect on whether two runs may be compared" in say("runs", "resources")
    assert "connection_lost" in say("failed-runs", "list")


def test_a_failed_run_is_shown_with_the_end_of_its_log(ask, say):
    (failed,) = ask("failed-runs", "list")[1]["attempts"]
    name = failed["path"].rpartition("/")[2]
    code, found = ask("failed-runs", "show", name, "--log-chars", "15")
    assert (code, found["logs"]["agent.log"]) == (0, "lost the board\n")
    assert found["failure"]["kind"] == "connection_lost"
    assert "hunter2" in say("failed-runs", "show", name)


def test_what_nothing_sampled_says_so(ask):
    with pytest.raises(UserError, match="nothing sampled it beside the timing"):
        ask("runs", "sampler", FP32)


def test_a_run_is_exported_verified_and_imported_by_commands(ask, measured, tmp_path, capsys):
    bundle = tmp_path / "run.zip"
    code, made = ask("runs", "export", FP32, "--output", str(bundle))
    assert (code, made["kind"], made["name"]) == (0, "run", FP32)
    code, found = ask("verify", str(bundle))
    assert (code, found["holds"], found["first_refuted"], found["signed_by"]) == (0, True, None, None)
    other = tmp_path / "other"
    (other / "results").mkdir(parents=True)
    assert main(["runs", "import", str(bundle), "--json"], other) == 0
    imported = json.loads(capsys.readouterr().out)
    assert main(["runs", "list", "--json"], other) == 0
    (row,) = json.loads(capsys.readouterr().out)["runs"]
    assert row["elsewhere"] == 1 and imported["folder"].endswith(row["origin"])
    again = tmp_path / "again.zip"
    assert main(["runs", "export", row["id"], "--output", str(again)], other) == 0
    assert again.read_bytes() == bundle.read_bytes()


def test_a_failed_run_travels_too(ask, tmp_path, capsys):
    bundle = tmp_path / "failed.zip"
    (failed,) = ask("failed-runs", "list")[1]["attempts"]
    assert ask("failed-runs", "export", failed["path"], "--output", str(bundle))[0] == 0
    other = tmp_path / "other"
    shutil.copytree(REPOSITORY / "config", other / "config")
    (other / "results").mkdir()
    assert main(["failed-runs", "import", str(bundle), "--json"], other) == 0
    capsys.readouterr()
    assert main(["failed-runs", "list", "--json"], other) == 0
    assert json.loads(capsys.readouterr().out)["attempts"][0]["reason"] == "connection_lost"


def test_a_summary_says_what_it_found_and_not_what_was_expected(ask, measured, tmp_path):
    page = tmp_path / "summary.md"
    words = ("report", "bundle-summary", "--scenario", f"same:{FP32}:{SLOW}", "--scenario", f"other:{FP32}:{INT8}")
    code, found = ask(*words, "-o", str(page), "--note", "by hand", "--source-device", "a desk")
    assert code == 0
    assert [(item["label"], item["comparable"], bool(item["deltas"])) for item in found["comparisons"]] == [
        ("same", "yes", True),
        ("other", "no", False),
    ]
    assert {run["integrity"]["word"] for run in found["runs"]} == {"recomputed"}
    text = page.read_text()
    for title in ("Scope", "Bundles", "Imported compare results", "Evidence integrity", "Notes", "Warnings"):
        assert f"## {title}\n" in text
    assert "- by hand" in text and "measured on a desk" in text
    path = measured / "results/runs" / INT8 / "samples.csv"
    before = path.read_bytes()
    path.write_bytes(before.replace(b"0,0,6", b"0,0,7", 1))
    try:
        code, found = ask(*words)
    finally:
        path.write_bytes(before)
    assert (code, found["comparisons"][1]["comparable"]) == (1, "not judged")


@pytest.mark.parametrize("scenario", [["a:b"], ["a:b:c:d"], ["a::b"], [f"a:{FP32}:{INT8}", f"a:{FP32}:{SLOW}"]])
def test_a_scenario_of_another_form_is_refused(scenario, ask):
    with pytest.raises(UserError, match="--scenario"):
        ask("report", "bundle-summary", *(word for item in scenario for word in ("--scenario", item)))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("runs", "list", "--campaign", "nope"), r"--campaign nope: is not known here; there are "),
        (("runs", "list", "--status", "nope"), r"there are failed, ok, throttled, unreadable, unsupported"),
        (("runs", "list", "--status", "faild"), r"--status faild: is not known here; did you mean 'failed'\?"),
        (("runs", "list", "--model", "digit-cnn"), r"did you mean 'digits-cnn'\?"),
        (("runs", "list", "--preset", "ort"), r"--preset ort: "),
        (("runs", "list", "--device", "dsk"), r"--device dsk: .*desk"),
        (("runs", "list", "--precision", "fp8"), r"--precision fp8: .*fp16"),
        (("runs", "list", "--runtime", "onnx"), r"--runtime onnx: .*onnxruntime"),
        (("runs", "list", "--machine", "mine"), r"--machine mine: "),
        (("runs", "list", "--origin", "moon"), r"--origin moon: .*results"),
        (("runs", "resources", "--source", "nobody"), r"--source nobody: "),
        (("runs", "resources", "--model", "digit-cnn"), r"did you mean 'digits-cnn'\?"),
        (("failed-runs", "list", "--kind", "sesion"), r"did you mean 'session'\?"),
        (("failed-runs", "list", "--reason", "nope"), r"--reason nope: is not known here; "),
    ],
)
def test_a_filter_that_nobody_knows_is_a_mistake(ask_registry, words, told):
    with pytest.raises(UserError, match=told) as caught:
        ask_registry(*words)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "words", [("--status", "throttled"), ("--precision", "int8-weights"), ("--model", "squeezenet")]
)
def test_a_filter_that_is_known_and_fits_nothing_is_an_answer(ask, words):
    code, found = ask("runs", "list", *words)
    assert code == 0 and found["total"] == 0
