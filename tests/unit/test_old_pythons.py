"""What runs on boards uses no grammar and no function that Python 3.8 lacks. No 3.8 runs here; vermin knows them."""

import subprocess
import sys
from pathlib import Path

import pytest
from edgeproof.core.layout import REPOSITORY

PACKAGES = [str(REPOSITORY / "scripts/edgeproof" / name) for name in ("agent", "runtime", "board_end")]


def ask_vermin(*paths):
    """Return vermin's exit code, and the oldest Python that it names."""
    command = [str(Path(sys.executable).with_name("vermin")), "-t=3.8-", "--no-tips", *paths]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    (line,) = (line for line in ended.stdout.splitlines() if line.startswith("Minimum required versions:"))
    return ended.returncode, line.split()[-1]


def test_boards_need_nothing_newer_than_python_3_8():
    assert ask_vermin(*PACKAGES) == (0, "3.8")


@pytest.mark.parametrize(
    ("line", "since"),
    [
        ("print('ab'.removeprefix('a'))", "3.9"),
        ("match 1:\n    case 1: pass", "3.10"),
        ("import math\nmath.lcm(2, 3)", "3.9"),
    ],
)
def test_what_is_newer_is_found(tmp_path, line, since):
    (tmp_path / "newer.py").write_text(f"{line}\n")
    assert ask_vermin(str(tmp_path)) == (1, since)
