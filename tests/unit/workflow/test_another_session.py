"""`edgeproof runs again`: the wish stands beside the attempts, and Snakemake is told what to make again."""

import json
import sys
from pathlib import Path

import pytest
from edgeproof.__main__ import main
from edgeproof.core.errors import UserError
from edgeproof.workflow import another_session
from edgeproof.workflow.another_session import compose_command, run_command

CELL = "digits-cnn/ort-cpu/local/fp32"
KEY = {"sha256": "a" * 64, "parts": {}}


@pytest.fixture
def again(root, monkeypatch, capsys):
    """Return a function that asks and returns (exit code, answer, commands that were started)."""
    monkeypatch.setattr(another_session, "compose_run_key", lambda *_: KEY)
    started = []

    def start(command, _):
        started.append(command)
        return start.code

    start.code = 0
    monkeypatch.setattr(another_session, "run_command", start)

    def ask(*words):
        code = main(["runs", "again", *words, "--json"], root)
        return code, json.loads(capsys.readouterr().out), started

    ask.start = start
    return ask


def wish_of(cell):
    return json.loads(Path("results/runs", cell, "attempts/again.json").read_text())


def test_one_session_more_than_there_is_and_snakemake_is_started(again):
    code, answer, started = again(CELL)
    document = f"results/runs/{CELL}/result.json"
    assert (code, answer["asked"]) == (0, [{"document": document, "sessions": 1}])
    assert wish_of(CELL) == {"schema": "edgeproof.again.v1", "key": "a" * 64, "sessions": 1}
    assert [command[1:] for command in started] == [["-m", "snakemake", "--profile", "local", "--forcerun", document]]
    assert again(CELL)[1]["asked"][0]["sessions"] == 1  # the same wish, since nothing was measured


def test_later_only_leaves_the_wish(again, root):
    fake = [f"digits-cnn/fake/local/{precision}" for precision in ("fp32", "int8")]
    code, answer, started = again(*fake, "--later", "--configfile", "config/fake.yaml")
    assert (code, started) == (0, []) and wish_of(fake[1])["sessions"] == 1
    assert f"--configfile {root / 'config/fake.yaml'} --forcerun results/runs/{fake[0]}" in answer["command"]


def test_a_run_that_fails_is_said_by_the_exit_code(again):
    again.start.code = 1
    assert again(CELL)[0] == 1


def test_what_has_no_sessions_of_its_own_is_refused_and_leaves_no_wish(again, root):
    for words, message in (
        (("digits-aa",), "its pairs are measured on one device"),
        (("results/sources/digits-cnn/identity.json",), "only runs have sessions to add"),
        (("digits-cnn/ort-cpu/local/fp33",), "no job of the campaign"),
        ((CELL, "digits-aa"), "its pairs are measured on one device"),
    ):
        with pytest.raises(UserError, match=message):
            main(["runs", "again", *words], root)
    assert not list(Path("results").rglob("again.json"))


def test_a_comparison_of_two_devices_stands_for_its_cells(again, root):
    Path("config/two.yaml").write_text(
        "comparisons:\n"
        "  - name: boards\n"
        "    left: {model: digits-cnn, preset: ort-cpu, device: local, precision: fp32}\n"
        "    right: {device: rpi}\n"
    )
    documents = [
        entry["document"] for entry in again("boards", "--later", "--configfile", "config/two.yaml")[1]["asked"]
    ]
    assert documents == [f"results/runs/digits-cnn/ort-cpu/{device}/fp32/result.json" for device in ("local", "rpi")]


def test_the_command_is_run_in_the_folder(tmp_path):
    place = "import os, sys; sys.exit(0 if os.path.realpath('.') == sys.argv[1] else 1)"
    assert run_command([sys.executable, "-c", place, str(tmp_path.resolve())], tmp_path) == 0
    assert compose_command(["a"], "rpi", ["f.yaml"], True)[1:] == [
        *("-m", "snakemake", "--profile", "rpi", "--configfile", "f.yaml"),
        *("--replace-workflow-config", "--forcerun", "a"),
    ]
