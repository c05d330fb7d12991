"""A copied or moved checkout works by itself, and another checkout's `.venv` is refused in one line."""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from edgeproof.core.checkout import PLACE, require_own_environment, settle_environment
from edgeproof.core.errors import UserError
from edgeproof.core.layout import REPOSITORY

SCRIPT = """#!/bin/sh
'''exec' "{python}" "$0"
'''
import sys
print(sys.prefix)
"""  # as pip writes it where a path has a space
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "MAKE", "MFLAGS"))}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A checkout with a `.venv` that has our packages (by a path file, so that nothing is installed) and one script."""
    root = tmp_path_factory.mktemp("place with space") / "first"
    ignore = shutil.ignore_patterns("__pycache__")
    for name in ("scripts", "config", "envs"):
        shutil.copytree(REPOSITORY / name, root / name, ignore=ignore)
    for name in ("Makefile", "Snakefile"):
        shutil.copy(REPOSITORY / name, root)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", root / ".venv"], check=True, timeout=60)
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(root / ".venv")}))
    (packages / "ours.pth").write_text(sysconfig.get_path("purelib") + "\n")
    script = root / ".venv/bin/where"
    script.write_text(SCRIPT.format(python=root / ".venv/bin/python"))
    script.chmod(0o755)
    (root / ".venv/edgeproof.stamp").touch()
    return root


def make(root, **variables):
    return subprocess.run(
        ["make", "setup"], cwd=root, env={**CLEAN, **variables}, capture_output=True, text=True, timeout=60
    )


def edgeproof(root, *arguments, program=".venv/bin/edgeproof", **variables):
    return subprocess.run(
        [root / program, *arguments], cwd="/", env={**CLEAN, **variables}, capture_output=True, text=True, timeout=60
    )


@pytest.fixture
def copied(checkout, tmp_path):
    """A copy of a checkout that was set up; the original is still there."""
    made = make(checkout)
    assert (made.returncode, made.stdout, made.stderr) == (0, "", "")
    shutil.copytree(checkout, tmp_path / "second", symlinks=True)
    return tmp_path / "second"


def test_the_command_finds_its_own_checkout(checkout, copied):
    (copied / "config/presets/of-the-copy.yaml").write_text((copied / "config/presets/fake.yaml").read_text())
    assert "of-the-copy" in edgeproof(copied, "names", "PRESET").stdout.split()
    assert "of-the-copy" not in edgeproof(checkout, "names", "PRESET").stdout.split()
    (copied / "link").symlink_to(copied / ".venv/bin/edgeproof")
    assert "of-the-copy" in edgeproof(copied, "names", "PRESET", program="link").stdout.split()


def test_make_mends_the_scripts_of_a_copy(checkout, copied):
    assert edgeproof(copied, program=".venv/bin/where").stdout == f"{checkout}/.venv\n"
    made = make(copied)
    assert made.returncode == 0 and made.stderr == ""
    assert made.stdout == f".venv came from {checkout}; its scripts name this checkout now\n"
    assert edgeproof(copied, program=".venv/bin/where").stdout == f"{copied}/.venv\n"
    assert make(copied).stdout == ""
    assert edgeproof(checkout, program=".venv/bin/where").stdout == f"{checkout}/.venv\n"


def test_another_checkouts_python_is_refused_by_make_and_by_the_command(checkout, copied):
    for name in ("python", "python3"):
        (copied / ".venv/bin" / name).unlink()
        (copied / ".venv/bin" / name).symlink_to(checkout / ".venv/bin/python")
    for ended in (make(copied), edgeproof(copied, "names", "PRESET")):
        assert ended.returncode == 2 and ended.stdout == ""
        assert ended.stderr.count("\n") == 1 and "remove" in ended.stderr and ".venv" in ended.stderr
        assert str(checkout) in ended.stderr or "another checkout" in ended.stderr


def test_a_python_that_is_gone_is_one_line(copied):
    (copied / ".venv/bin/python").unlink()
    (copied / ".venv/bin/python").symlink_to("/nowhere/python3")
    ended = edgeproof(copied, "names", "PRESET")
    told = f"error: {copied} is no checkout with a .venv that runs; run make in it\n"
    assert (ended.returncode, ended.stderr) == (2, told)
    made = make(copied)
    assert made.returncode == 2 and made.stderr.count("\n") == 1


def test_variables_of_another_python_do_not_matter(checkout, tmp_path, copied):
    (tmp_path / "json.py").write_text("raise SystemExit('a foreign module')\n")
    foreign = {"PYTHONHOME": str(tmp_path), "PYTHONPATH": str(tmp_path)}
    assert "ort-cpu" in edgeproof(copied, "names", "PRESET", **foreign).stdout.split()
    assert make(copied, **foreign).returncode == 0


def test_snakemake_of_the_original_is_refused_in_the_copy(checkout, copied):
    with pytest.raises(UserError, match=r"this Python is that of another checkout, .*first; run `make setup` here"):
        require_own_environment(copied, checkout / ".venv")
    require_own_environment(copied, copied / ".venv")
    require_own_environment(copied, "/usr")  # one that the user brings
    shutil.rmtree(copied / ".venv")
    require_own_environment(copied, checkout / ".venv")
    (copied / ".venv").symlink_to(checkout / ".venv")  # a link is meant
    require_own_environment(copied, checkout / ".venv")
    assert settle_environment(copied) is None and (checkout / ".venv" / PLACE).read_text() == f"{checkout}/.venv\n"
