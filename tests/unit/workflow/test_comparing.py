"""`edgeproof compare`: what its two sides stand for, the campaign that it writes, and what it says meanwhile."""

import io
import json
import re
import shutil
from pathlib import Path

import onnx
import pytest
import yaml
from edgeproof.core.campaign_files import expand_campaign_files, read_campaign_files
from edgeproof.core.campaign_models import add_models
from edgeproof.core.catalogues import CATALOGUES, read_catalogue
from edgeproof.core.command_line import read_options
from edgeproof.core.errors import UserError
from edgeproof.core.layout import REPOSITORY
from edgeproof.workflow.comparing.cli import build_compare_parser
from edgeproof.workflow.comparing.comparing import Told
from edgeproof.workflow.comparing.quick_campaigns import read_question, write_campaign
from edgeproof.workflow.comparing.running import SnakemakeRun
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


@pytest.mark.parametrize("option", [["--within", "soon"], ["--within", "0s"], ["--margin", "60%"], ["--margin", "0"]])
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
