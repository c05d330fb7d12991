"""From `make` on the desk to verified results of two boards that have no network but the link, word for word."""

import os
import re
import subprocess
import sys

import pytest
import yaml

from ..workflow.conftest import copy_repository
from .network_boards import run

NAMES = {"numpy", "onnxruntime"}  # what the agent imports there
CAMPAIGN = {
    "campaign": "boards",
    "protocol": "quick",
    "policy": "strict",
    "matrices": [{"models": ["digits-cnn"], "presets": ["ort-cpu-1t"], "precisions": ["fp32", "int8"]}],
    "calibration": None,
}


@pytest.fixture
def desk(surroundings):
    """A fresh clone and its user's shell: `make` has set it up, and nothing of this test's environment is seen."""
    clone = copy_repository(surroundings / "edgeproof").root
    variables = {name: os.environ[name] for name in ("PATH", "HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR")}

    def type_command(words):
        """Run a line in a shell there whose .venv is activated; return what it printed."""
        line = f"test ! -d .venv || . .venv/bin/activate; {words}"
        done = subprocess.run(
            ["bash", "-c", line], cwd=clone, env=variables, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        assert done.returncode == 0, f"{words}:\n{done.stdout}"
        return done.stdout

    type_command(f"make setup PYTHON='{sys.executable}'")
    return clone, type_command


@pytest.fixture
def wheels(desk, surroundings):
    """A folder of the wheels that a board of this machine's kind needs, as the lock has them."""
    clone, type_command = desk
    entries = re.split(r"\n(?=\S)", (clone / "envs/edgeproof.lock").read_text())
    pins = [entry for entry in entries if re.split(r"[=\[]", entry)[0] in NAMES]
    assert {re.split(r"[=\[]", entry)[0] for entry in pins} == NAMES
    folder = surroundings / "wheels"
    folder.mkdir()
    (folder / "requirements.txt").write_text("\n".join(pins) + "\n")
    type_command(f"pip download -q --no-deps --require-hashes -r {folder}/requirements.txt -d {folder}")
    return folder


def install_on(board, wheels):
    """Make a Python on the board from the folder of wheels, over ssh, and return its path."""
    python = board.disk / "python"
    words = f"'{sys.executable}' -m venv {python} && {python}/bin/pip install -q --no-index --no-deps --no-compile"
    options = [f"-oUserKnownHostsFile={board.known_hosts}", "-oStrictHostKeyChecking=yes", "-i", board.keys / "client"]
    run("ssh", "-F", "none", *options, f"root@{board.host}", f"{words} --find-links {wheels} {' '.join(sorted(NAMES))}")
    return f"{python}/bin/python"


@pytest.mark.timeout(1200)
def test_from_make_to_verified_results_of_two_boards(desk, wheels, make_board):
    clone, type_command = desk
    boards = [make_board(number, hidden=[clone], size="1g") for number in (5, 6)]
    for board in boards:
        device = board.describe(interpreter=install_on(board, wheels))
        (clone / f"config/devices/{board.name}.yaml").write_text(yaml.safe_dump(device))
    names = [board.name for board in boards]
    cell = {"model": "digits-cnn", "preset": "ort-cpu-1t", "precision": "fp32"}
    pairs = {"right": {"precision": "int8"}, "varies": ["precision"], "pairs": 6}
    comparisons = [{"name": name, "left": cell | {"device": name}, **pairs} for name in names]
    campaign = CAMPAIGN | {"devices": names, "comparisons": comparisons}
    (clone / "config/boards.yaml").write_text(yaml.safe_dump(campaign))
    for name in names:
        assert "answers" in type_command(f"edgeproof doctor --device {name}")
    options = "--profile local --cores 4 --configfile config/boards.yaml --replace-workflow-config"
    said = type_command(f"snakemake {options}")
    assert list_parallel(said) == {frozenset(names)}
    type_command("edgeproof key new ann && edgeproof evidence bundle boards --key ann.key")
    verified = type_command("edgeproof verify --all results/evidence/boards/bundle.zip --keys ann.pub")
    assert "refuted" not in verified
    for name in names:
        assert re.search(rf"recomputed +digits-cnn/ort-cpu-1t/{name}/int8 result", verified), verified
    assert "Nothing to be done" in type_command(f"snakemake {options}")


def list_parallel(said):
    """Return the sets of boards that Snakemake began to measure at the same time."""
    found = set()
    for batch in re.split(r"^Execute \d+ jobs?\.\.\.$", said, flags=re.M)[1:]:
        begun = re.findall(r"^(?:local)?(?:rule|Job \d+:) ?Measuring (?:the pairs of )?(\S+)", batch, flags=re.M)
        boards = [word for each in begun for word in each.split("/") if word.startswith("board-")]
        assert len(boards) == len(set(boards)), batch  # each is alone on its board
        found |= {frozenset(boards)} if len(boards) > 1 else set()
    return found
