"""`edgeproof compare`: what its two sides stand for, the campaign that it writes, and what it says meanwhile."""

import io
import json
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import onnx
import pytest
import yaml
from edgeproof.core.campaign_files import expand_campaign_files, read_campaign_files
from edgeproof.core.campaign_models import add_models
from edgeproof.core.catalogues import CATALOGUES, read_catalogue
from edgeproof.core.command_line import read_options
from edgeproof.core.errors import UserError
from edgeproof.core.exit_codes import ExitCode
from edgeproof.core.layout import REPOSITORY, Cell
from edgeproof.workflow.comparing import comparing
from edgeproof.workflow.comparing.cli import build_compare_parser
from edgeproof.workflow.comparing.comparing import Told, compare, describe_end, render_end
from edgeproof.workflow.comparing.quick_campaigns import QuickCampaign, read_question, write_campaign
from edgeproof.workflow.comparing.running import SnakemakeRun
from edgeproof.workflow.comparing.spending import list_attempts
from onnx import TensorProto, helper


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A folder with the shipped configuration."""
    shutil.copytree(REPOSITORY / "config", tmp_path / "config")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(root, *argv):
    """Return (the campaign that a call writes, its document)."""
    campaign = write_campaign(read_question(read_options(build_compare_parser(), [*argv])), root)
    return campaign, yaml.safe_load((root / campaign.file).read_text())


@pytest.mark.parametrize(
    ("left", "right", "cells", "varies"),
    [
        ("digits-cnn/ort-cpu/local/fp32", "int8", ["digits-cnn/ort-cpu/local/int8"], ["precision"]),
        ("digits-cnn", "litert-cpu", ["digits-cnn/litert-cpu/local/fp32"], []),
        ("digits-cnn/fake", "fake/int8", ["digits-cnn/fake/local/int8"], ["precision"]),
        ("digits-cnn/int8", "digits-cnn-retrained", ["digits-cnn-retrained/ort-cpu/local/int8"], ["model"]),
    ],
)
def test_right_takes_from_left_what_it_leaves_out(root, left, right, cells, varies):
    campaign, document = write(root, left, right)
    assert [str(campaign.cells[1])] == cells
    (comparison,) = document["comparisons"]
    assert (comparison["varies"], comparison["pairs"], comparison["margin"]) == (varies, 60, 0.02)


@pytest.mark.parametrize(
    ("sides", "message"),
    [
        (("digits-cnn", "int9"), "'int9' is no model, preset, device or precision; did you mean 'int8'"),
        (("int8", "fp32"), "no model is named"),
        (("fp32/digits-cnn", "int8"), "'digits-cnn' is not in its place"),
        (("gone.onnx", "int8"), "gone.onnx: there is no such file"),
        (("digits-cnn", "baseline:gone"), "no baseline 'gone' in results/baselines/; there is none"),
        (("digits-cnn", "sha256:00000000"), "looked in results/baselines/"),
        (("digits-cnn/ort-cuda", "int8-weights"), "'int8-weights'"),
    ],
)
def test_a_side_that_is_nothing_is_refused_in_a_line(root, sides, message):
    with pytest.raises(UserError) as caught:
        write(root, *sides)
    assert message in str(caught.value)
    assert not list(root.glob("results/**/campaign.yaml"))


def write_version(root, name):
    """Write the shipped model under another name, with other bytes."""
    model = onnx.load(root / "config/models/digits-cnn.onnx")
    model.doc_string = name
    onnx.save(model, root / name)


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"hello", "new.onnx: not an ONNX model"), (None, "leaves axes of [1, 'k', 8] open; size them once with")],
)
def test_a_file_that_cannot_be_compared_is_one_line_before_anything_is_built(root, content, said):
    shape = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, "k", 8]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", shape[:1], shape[1:])
    opset = [helper.make_opsetid("", 17)]
    (root / "new.onnx").write_bytes(content or helper.make_model(graph, opset_imports=opset).SerializeToString())
    write_version(root, "old.onnx")
    with pytest.raises(UserError, match=re.escape(said)):
        write(root, "old.onnx", "new.onnx")
    assert not (root / "results/compare").exists()


def write_relu(path, name, shape, operator="Relu"):
    """Write a model of one operator with one input."""
    values = [helper.make_tensor_value_info(item, TensorProto.FLOAT, shape) for item in (name, "y")]
    graph = helper.make_graph([helper.make_node(operator, [name], ["y"])], "g", values[:1], values[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString())


def run_compare(root, *argv):
    """Return the exit code of a call; nothing may be started by it."""
    return compare(read_options(build_compare_parser(), [*argv]), root)


@pytest.fixture
def started(monkeypatch):
    """Return the list of Snakemake's runs that were asked for; none is started, and each says that it failed."""
    runs = []
    monkeypatch.setattr(comparing, "run_campaign", lambda campaign, *_: runs.append(campaign) or ExitCode.NOT_GOOD)
    return runs


def test_files_with_other_inputs_are_refused_before_anything_is_built(root, started, capsys):
    write_relu(root / "left.onnx", "image", [1, 3, 8, 8])
    write_relu(root / "right.onnx", "tokens", [1, 3, 8, 8])
    assert run_compare(root, "left.onnx", "right.onnx") == ExitCode.NOT_GOOD
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "Not comparable: left and right differ in input names."
    assert "export both models with the inputs image float32" in told[1]
    assert not started and not (root / "results").exists()


def test_what_may_differ_is_an_option_on_the_command_line(root, started, capsys):
    write_relu(root / "small.onnx", "x", ["n", 3, 8, 8])
    write_relu(root / "large.onnx", "x", ["n", 3, 16, 16])
    assert run_compare(root, "small.onnx", "large.onnx", "--json") == ExitCode.NOT_GOOD
    document = json.loads(capsys.readouterr().out)
    assert [(reason["field"], reason["left"], reason["right"]) for reason in document["reasons"]] == [
        ("input_shape", [1, 3, 8, 8], [1, 3, 16, 16])
    ]
    remedy = document["reasons"][0]["remedy"]
    assert remedy.startswith("give `--varies input_shape`, or export") and "declare" not in remedy
    assert not started
    run_compare(root, "small.onnx", "large.onnx", "--varies", "input_shape")
    run_compare(root, "small.onnx", "large.onnx", "--waive", "input_shape:tried")
    assert len(started) == 2  # these go on


def test_models_of_the_configuration_are_judged_by_their_files_too(root, started, capsys):
    assert run_compare(root, "digits-cnn", "diabetes-mlp") == ExitCode.NOT_GOOD
    assert capsys.readouterr().out.startswith(
        "Not comparable: digits-cnn and diabetes-mlp differ in input shape, task."
    )
    run_compare(root, "digits-cnn", "int8")
    run_compare(root, "digits-cnn", "digits-cnn-retrained")  # its file is not made yet: the workflow judges
    assert len(started) == 2


def add_entry(root, name, path):
    entry = read_catalogue("model")["digits-cnn"]
    entry = entry | {"source": {"kind": "file", "path": path}}
    (root / f"config/models/{name}.yaml").write_text(yaml.safe_dump(entry))


def test_of_several_models_with_a_files_bytes_the_choice_is_stated(root, started, capsys):
    """Its own path first, then its name, then the alphabet, whatever order the folder has."""
    write_version(root, "net.onnx")
    write_version(root, "other.onnx")
    add_entry(root, "zebra", "net.onnx")
    add_entry(root, "net", "net.onnx")
    add_entry(root, "alpha", "net.onnx")
    campaign, _ = write(root, "net.onnx", "other.onnx")
    assert campaign.cells[0].model == "net"
    assert campaign.notes == ["net.onnx is taken for the model net; the same file is alpha, zebra, too"]
    shutil.copy(root / "net.onnx", root / "copy.onnx")
    assert write(root, "copy.onnx", "other.onnx")[0].cells[0].model == "alpha"
    run_compare(root, "copy.onnx", "other.onnx")
    assert "copy.onnx is taken for the model alpha; the same file is net, zebra, too" in capsys.readouterr().err


OLD, NEW = (f"results/comparability/c/n/attempts/000{number}-key" for number in (1, 2))
SECONDS = {"all": 30.0, "measure_pairs": 20.0, "measure_run": 2.0, "build_onnx": 3.0, "check_parity": 1.0}


def make_end(verdict, left="passed", right="passed", made=(NEW,), **changes):
    """Return (report, document) of a comparison of digits-cnn in fp32 and int8 that is over."""
    sides = [{"model": "m", "preset": "p", "device": "d", "precision": word} for word in ("fp32", "int8")]
    effect = {"ratio": 1.12, "interval_low": 1.1, "interval_high": 1.14, "confidence": 0.95, "pairs": 5}
    report = {
        "verdict": verdict,
        "comparable": "conditional",
        "reason": None,
        "reasons": [],
        "per": "call",
        "left": sides[0],
        "right": sides[1],
        "effect": effect,
        "between_sessions": None,
        "builds": None,
        "waived": None,
        "alone": None,
        "accuracy": None,
        "pairs": 6,
        "seconds": 20.0,
        "sessions": [{"attempt": OLD, "pairs": 4}, {"attempt": NEW, "pairs": 2}],
        "further_pairs": None,
        "further_seconds": None,
        "design": {"margin": 0.02},
    }
    parity = {
        side: {
            "status": status,
            "reason": None if status == "passed" else "output 'score': …",
            "fine": status == "passed",
        }
        for side, status in (("left", left), ("right", right))
    }
    campaign = QuickCampaign("compare-0", "fp32-vs-int8", "f.yaml", tuple(Cell(**side) for side in sides))
    report |= changes
    return report, describe_end(report, parity, campaign, SECONDS, made)


def test_wrong_outputs_are_said_after_the_verdict(root):
    report, document = make_end("slower", right="failed")
    told = [*render_end(report, document)]
    assert told[0] == "int8 takes 1.12 times as long as fp32 (1.10–1.14, 95 %), 20 s, the first 5 of 6 pairs."
    assert told[1] == "But the outputs of int8 are not right: parity failed: output 'score': …"
    assert document["parity"]["right"] == {"status": "failed", "reason": "output 'score': …", "fine": False}
    assert not any("not right" in line for line in render_end(*make_end("slower")))


@pytest.mark.parametrize(
    ("made", "sentence"),
    [
        ((), "Took 30.0 s: nothing was built or measured; 6 pairs kept from before."),
        ((NEW,), "Took 30.0 s: 20.0 s measuring pairs; 4 pairs kept from before."),
        (
            (OLD, NEW, "results/artifacts/m/p/host/fp32/attempts/0001-x", "results/runs/m/p/d/fp32/attempts/0001-x"),
            "Took 30.0 s: 4.0 s building, 2.0 s measuring each alone, 20.0 s measuring pairs.",
        ),
    ],
)
def test_what_was_kept_from_before_is_no_time_spent(root, made, sentence):
    assert sentence in [*render_end(*make_end("slower", made=made))]


def test_what_a_run_adds_is_what_it_has_made(root):
    before = list_attempts(root)
    for name in (OLD, "results/runs/m/p/d/fp32/attempts/0001-x", "results/runs/m/p/d/fp32/attempts/.0002-x.part"):
        (root / name).mkdir(parents=True)
    assert list_attempts(root) - before == {OLD, "results/runs/m/p/d/fp32/attempts/0001-x"}


def test_a_collapse_of_accuracy_and_what_would_decide_are_said(root):
    figures = {"left": 0.93, "right": 0.11, "count": 100, "difference": -0.82, "low": -0.88, "high": -0.73}
    told = [*render_end(*make_end("slower", accuracy=figures | {"two_models": True, "reason": None}))]
    assert told[1].startswith("Accuracy 93.0 % → 11.0 % on 100 samples (difference -82.0 points, -88.0 to -73.0)")
    told = [*render_end(*make_end("undecided", reason="budget"))]
    assert "Further pairs would probably not decide: ask for a larger margin, or measure on a quieter machine." in told


@pytest.mark.parametrize(
    ("verdict", "right", "code"),
    [("slower", "passed", 0), ("undecided", "passed", 3), ("slower", "failed", 1), ("undecided", "failed", 1)],
)
def test_wrong_outputs_are_exit_code_1(root, monkeypatch, verdict, right, code):
    report, document = make_end(verdict, right=right)
    monkeypatch.setattr(comparing, "run_campaign", lambda *_: SimpleNamespace(seconds={"all": 1.0}))
    monkeypatch.setattr(comparing, "read_comparison", lambda _: report)
    monkeypatch.setattr(comparing, "read_both_parities", lambda _: document["parity"])
    assert run_compare(root, "digits-cnn", "int8") == code


def test_two_model_files_are_models_of_the_campaign_alone(root):
    write_version(root, "new.onnx")
    campaign, document = write(root, "config/models/digits-cnn.onnx", "new.onnx", "--preset", "fake")
    assert [str(cell) for cell in campaign.cells] == ["digits-cnn/fake/local/fp32", "new/fake/local/fp32"]
    assert document["models"] == {
        "new": {
            "description": "the file new.onnx",
            "source": {"kind": "file", "path": "new.onnx"},
            "task": "classification",  # of the model that the other file is
            "samples": {"kind": "digits"},
        }
    }
    catalogues = {kind: read_catalogue(kind) for kind in CATALOGUES}
    files, catalogues = add_models(read_campaign_files([campaign.file]), catalogues, root)
    assert expand_campaign_files(files, catalogues).cells == campaign.cells


def test_unknown_files_of_one_name_keep_apart(root):
    for folder in ("old", "new"):
        (root / folder).mkdir()
        write_version(root, f"{folder}/Net v2.onnx")
    campaign, document = write(root, "old/Net v2.onnx", "new/Net v2.onnx")
    names = [cell.model for cell in campaign.cells]
    assert len(set(names)) == 2 and all(name.startswith("net-v2-") for name in names)
    assert {entry["samples"]["kind"] for entry in document["models"].values()} == {"random"}


def test_a_model_of_the_campaign_may_not_hide_one_of_the_configuration(root):
    campaign, document = write(root, "digits-cnn", "int8")
    document["models"] = {"digits-cnn": read_catalogue("model")["squeezenet"]}
    Path("own.yaml").write_text(yaml.safe_dump(document))
    with pytest.raises(UserError, match=r"own.yaml:\d+: models.digits-cnn: config/models/ has a model of this name"):
        add_models(read_campaign_files(["own.yaml"]), {kind: read_catalogue(kind) for kind in CATALOGUES}, root)
    assert campaign.name != "own"


def test_the_budget_is_in_no_name_and_grows_by_what_was_spent(root):
    first, document = write(root, "digits-cnn", "int8", "--within", "30s")
    assert document["comparisons"][0]["seconds"] == 30
    session = root / first.folder / "attempts/0001-00000000/session/session.json"
    session.parent.mkdir(parents=True)
    session.write_text(json.dumps({"seconds": 25.5}))
    again, document = write(root, "digits-cnn", "int8", "--within", "2m")
    assert again == first and document["comparisons"][0]["seconds"] == 145.5
    (root / first.folder / "report.json").write_text(json.dumps({"verdict": "faster"}))
    assert write(root, "digits-cnn", "int8", "--within", "5s")[1] == document  # decided: nothing changes
    other, _ = write(root, "digits-cnn", "int8", "--margin", "5%")
    assert other.name != first.name


@pytest.mark.parametrize(
    "option",
    [
        ["--within", "soon"],
        ["--within", "0s"],
        ["--within", "2"],
        ["--margin", "60%"],
        ["--margin", "0%"],
        ["--margin", "2"],
    ],
)
def test_a_budget_or_margin_that_is_none_is_refused(option):
    with pytest.raises(UserError, match=option[1]):
        read_options(build_compare_parser(), ["digits-cnn", "int8", *option])


def test_a_terminal_gets_one_line_and_a_file_gets_lines():
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    streams = Terminal(), io.StringIO()
    for stream in streams:
        told = Told(stream, False)
        for text in ("one", "two", "two"):
            told.say(text)
        told.end()
    assert streams[0].getvalue() == "\r\x1b[Kone\r\x1b[Ktwo\r\x1b[K"
    assert streams[1].getvalue() == "one\ntwo\n"


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Return a function that runs a script in place of Snakemake and gives (the run, what it yielded, its code)."""

    def run(script):
        monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
        (tmp_path / "python").write_text("#!/bin/sh\n" + script)
        (tmp_path / "python").chmod(0o755)
        started = SnakemakeRun([], tmp_path, False)
        return started, [line for line in started.follow() if line], started

    return run


def test_of_what_snakemake_says_jobs_times_and_mistakes_are_kept(run):
    text = "x: the device is busy: waiting for cell b, process 7 of a, which began 3 s ago\n"
    text += "Building DAG\nJob 3: Building a\nReason: none\nFinished jobid: 3 (Rule: build_onnx)\nerror: no\nerror: no"
    started, lines, _ = run(f"cat <<'END'\n{text}\nEND\nexit 2\n")
    assert (lines, started.wait(), started.told) == (
        ["Waiting for the device: cell b, process 7", "Building a"],
        2,
        ["error: no"],
    )
    assert set(started.seconds) == {"build_onnx", "all"}


def test_a_folder_that_nobody_holds_any_more_names_the_remedy(run):
    started, _, _ = run("echo 'Error: Directory cannot be locked. Please make'; exit 1\n")
    with pytest.raises(UserError, match="locked by a Snakemake that is gone; unlock it: snakemake"):
        started.wait()
