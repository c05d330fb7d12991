"""Pins of boards: lock, conda environment and wheels agree, and pip and uv are asked for what fits the board."""

import re

import pytest
import yaml
from edgeproof.core.errors import UserError
from edgeproof.core.layout import REPOSITORY
from edgeproof.workflow.board_wheels import SYSTEMS, collect_wheels, lock_system

FOLDER = REPOSITORY / "envs/boards"
systems = pytest.mark.parametrize("system", SYSTEMS.values(), ids=SYSTEMS)


def test_every_file_is_of_a_system_that_is_known():
    assert {path.stem for path in FOLDER.iterdir()} == set(SYSTEMS)


@systems
def test_the_lock_has_what_is_asked_for_with_digests(system):
    asked = {line for line in (FOLDER / f"{system.name}.in").read_text().splitlines() if not line.startswith("#")}
    entries = re.split(r"\n(?=\S)", system.lock.read_text())
    pins = {entry.split()[0] for entry in entries if "==" in entry}
    assert asked <= pins and all("--hash=sha256:" in entry for entry in entries if "==" in entry)


@systems
def test_the_conda_environment_has_the_same_python_and_installs_the_lock(system):
    environment = yaml.safe_load((FOLDER / f"{system.name}.yaml").read_text())
    python, pip, by_pip = environment["dependencies"]
    assert (python, pip) == (f"python={system.python}", "pip")
    assert by_pip == {"pip": [f"-r {system.lock.name}"]}
    assert environment["channels"] == ["conda-forge"]


def test_a_lock_is_resolved_for_the_board_and_not_for_this_machine(tmp_path):
    commands = []
    lock_system(SYSTEMS["jetpack-5"], tmp_path / "lock", commands.append)
    ((*_, output),) = commands
    text = " ".join(map(str, commands[0]))
    assert output == str(tmp_path / "lock") and "--only-binary :all:" in text and "--generate-hashes" in text
    assert "--python-version 3.8 --python-platform aarch64-manylinux_2_31" in text


def test_wheels_are_collected_with_ours_and_the_command_for_the_board(tmp_path):
    commands, folder = [], tmp_path / "wheels"
    for _ in range(2):  # an earlier folder is made anew
        said = collect_wheels(SYSTEMS["jetpack-6"], folder, commands.append)
    tags = [value for key, value in zip(commands[0], commands[0][1:], strict=False) if key == "--platform"]
    assert tags[0] == "manylinux_2_35_aarch64" and "manylinux2014_aarch64" in tags and len(set(tags)) == len(tags)
    assert "manylinux_2_36_aarch64" not in tags and "--require-hashes" in commands[0]
    assert (folder / "requirements.txt").read_bytes() == SYSTEMS["jetpack-6"].lock.read_bytes()
    (wheel,) = folder.glob("edgeproof_runtime-*.whl")
    assert "--no-index" in said and said.endswith(wheel.name)


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match="is no folder of wheels"):
        collect_wheels(SYSTEMS["jetpack-6"], tmp_path, lambda _: None)
    assert (tmp_path / "mine.txt").exists()
