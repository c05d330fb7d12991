"""What runs on boards uses no grammar and no function that Python 3.8 lacks. No 3.8 runs here; vermin knows them."""

import subprocess
import sys

import pytest
from edgeproof.core.layout import REPOSITORY

PACKAGES = [str(REPOSITORY / "scripts/edgeproof" / name) for name in ("agent", "runtime", "board_end")]


def ask_vermin(*paths):
    command = [sys.executable, "-m", "vermin", "-q", "-t=3.8-", "--no-tips", "--violations", *paths]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_boards_need_nothing_newer_than_python_3_8():
    ended = ask_vermin(*PACKAGES)
    assert (ended.returncode, ended.stdout) == (0, "")


@pytest.mark.parametrize(
    "line", ["print('ab'.removeprefix('a'))", "match 1:\n    case 1: pass", "import math\nmath.lcm(2, 3)"]
)
def test_what_is_newer_is_found(tmp_path, line):
    (tmp_path / "newer.py").write_text(f"{line}\n")
    assert ask_vermin(str(tmp_path)).returncode == 1
