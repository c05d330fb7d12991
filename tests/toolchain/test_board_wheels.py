"""Locks of boards resolve to themselves for their Python and platform, and a folder of wheels is all a board needs."""

import subprocess
import sys

import pytest
import uv
from edgeproof.workflow.board_wheels import SYSTEMS, collect_wheels, lock_system

pytestmark = pytest.mark.toolchain


@pytest.mark.parametrize("system", SYSTEMS.values(), ids=SYSTEMS)
def test_a_lock_resolves_to_itself_for_its_python_and_platform(tmp_path, system):
    output = tmp_path / "lock"
    output.write_bytes(system.lock.read_bytes())  # what is pinned stays, as long as it is to be had
    lock_system(system, output)
    pins = [
        [line.split()[0] for line in path.read_text().splitlines() if "==" in line] for path in (output, system.lock)
    ]
    assert pins[0] == pins[1]


def test_a_folder_of_wheels_installs_without_a_network(tmp_path):
    system, folder = SYSTEMS["jetpack-5"], tmp_path / "wheels"
    collect_wheels(system, folder)
    platform = ["--python-version", system.python, "--python-platform", f"aarch64-manylinux_2_{system.glibc}"]
    install = [uv.find_uv_bin(), "pip", "install", "-q", "--offline", "--no-index", "--no-cache", "--no-deps"]
    where = ["--python", sys.executable, "--target", str(tmp_path / "site"), "--find-links", str(folder)]
    for what in (["--require-hashes", "-r", str(folder / "requirements.txt")], ["edgeproof_runtime"]):
        subprocess.run([*install, *platform, *where, *what], check=True)
    names = {path.name for path in (tmp_path / "site").iterdir()}
    assert {"onnxruntime", "numpy", "edgeproof_runtime"} <= names
