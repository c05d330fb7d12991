"""Completion in bash and zsh: rooms, verbs, options, choices, and the names that are there."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from edgeproof.__main__ import COMMANDS, build_program_parser, list_completions, main
from edgeproof.artifacts.artifact_verbs import RUN as ARTIFACT_VERBS
from edgeproof.core.layout import REPOSITORY

from .tiny_checkout import ARTIFACT, fill_checkout, walk


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A checkout with little in it."""
    folder = tmp_path_factory.mktemp("root")
    fill_checkout(folder)
    return folder


def environment():
    return {**os.environ, "PYTHONPATH": str(REPOSITORY / "scripts")}


@pytest.fixture
def program(tmp_path, root):
    """A program `edgeproof` that works in the prepared root."""
    path = tmp_path / "bin" / "edgeproof"
    path.parent.mkdir()
    path.write_text(
        f"#!/bin/sh\n'''exec' '{sys.executable}' \"$0\" \"$@\"\n' '''\n"
        "from pathlib import Path\nfrom edgeproof.__main__ import main\n"
        "from edgeproof.core.program_start import run_program\n"
        f"run_program(lambda argv: main(argv, Path({str(root)!r})))\n"
    )
    path.chmod(0o755)
    return path


def complete_in_bash(program, *words):
    """Return what bash offers for the last of `words`, by calling the function that the script defines."""
    script = """
        source <("$1" completion bash) || exit 9
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
        _edgeproof
        printf '%s\\n' "${COMPREPLY[@]}"
        complete -p edgeproof >&2
    """
    ended = subprocess.run(["bash", "-u", "-c", script, "bash", program, *words], env=environment(), text=True,
                           capture_output=True, check=True)  # fmt: skip
    assert ended.stderr == "complete -o default -F _edgeproof edgeproof\n"
    return ended.stdout.split()


def complete_in_zsh(program, *words):
    """Return what zsh offers: `compadd` is replaced by a function that prints what fits, as zsh's own would."""
    script = """
        compadd() { shift; print -l -- ${(M)@:#${words[CURRENT]}*} }
        _files() { : }
        source <("$1" completion zsh) || exit 9
        words=("$@") CURRENT=$#
        _edgeproof
    """
    ended = subprocess.run(["zsh", "-f", "-c", script, "zsh", program, *words], env=environment(), text=True,
                           capture_output=True, check=True)  # fmt: skip
    assert ended.stderr == ""
    return ended.stdout.split()


@pytest.fixture(params=["bash", "zsh"])
def complete(request, program):
    """Return a function that completes in one shell."""
    if shutil.which(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    function = complete_in_bash if request.param == "bash" else complete_in_zsh
    return lambda *words: function(str(program), *words)


def test_rooms_verbs_options_and_choices_are_completed(complete):
    assert set(complete("")) == set(COMMANDS)
    assert complete("compare", "ti") == ["tiny/ort-cpu/local/int8", "tiny"]
    assert complete("artifacts", "") == list(ARTIFACT_VERBS)
    assert complete("artifacts", "in") == ["inspect"]
    assert complete("artifacts", "validate", "--") == ["--help", "--json", "--lenient", "--verbose"]
    assert complete("plans", "solve", "x.json", "--format", "") == ["text", "json", "csv", "html", "pareto-csv"]
    assert complete("artifacts", "list", "--model", "ti") == ["tiny"]
    assert complete("artifacts", "nothing", "") == list(ARTIFACT_VERBS)


def test_names_of_artifacts_and_plans_are_completed(complete):
    for verb in ("inspect", "rebuild"):
        assert complete("artifacts", verb, "") == [ARTIFACT]
    assert complete("artifacts", "inspect", "--json", "tiny/ort") == [ARTIFACT]
    assert complete("artifacts", "dry-run", "tiny/ort-cpu/host/int8") == [ARTIFACT, f"{ARTIFACT}-dynamic"]
    assert complete("plans", "solve", "") == ["vision"]
    assert complete("plans", "verify", "vi") == ["vision/balanced"]
    assert "throughput" in complete("plans", "solve", "vision", "--goal", "")


def test_every_kind_of_name_is_one_that_some_argument_takes():
    used = {action.metavar for _, verb in walk(build_program_parser()) for action in verb.arguments}
    assert set(list_completions(Path("."))) <= used


def test_report_says_in_its_help_and_completion_that_it_takes_a_campaign(complete, capsys):
    with pytest.raises(SystemExit):
        main(["report", "--help"])
    assert "edgeproof report CAMPAIGN" in " ".join(capsys.readouterr().out.split())
    assert {"trial", "compare", "regression"} <= set(complete("report", ""))
