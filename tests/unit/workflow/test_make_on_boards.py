"""`make` on a board whose Python is older than ours: one line that says how to get another, and nothing is made."""

import shutil
import subprocess
import sys

import pytest
from edgeproof.core.layout import REPOSITORY

OLD = """#!/bin/sh
exec '{python}' -c 'import sys; sys.version_info = {version}; exec(sys.argv.pop(2))' "$@"
"""


@pytest.mark.parametrize(("version", "said"), [((3, 8, 10), "3.8"), ((3, 10, 12), "3.10"), ((3, 6, 9), "3.6")])
def test_an_older_python_is_told_how_to_get_another(tmp_path, version, said):
    shutil.copy(REPOSITORY / "Makefile", tmp_path)
    shutil.copytree(REPOSITORY / "envs", tmp_path / "envs")
    old = tmp_path / "old-python"
    old.write_text(OLD.format(python=sys.executable, version=version))
    old.chmod(0o755)
    command = ["make", "setup", f"PYTHON={old}"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode != 0 and not (tmp_path / ".venv").exists()
    told = [line for line in ended.stderr.splitlines() if not line.startswith("make")]
    assert len(told) == 1 and told[0].startswith(f"edgeproof needs Python 3.11 or newer, and {old} is {said}. ")
    assert "conda create -y -p .python python=3.11 && make PYTHON=.python/bin/python" in told[0]
    assert "interpreter: /usr/bin/python3 in config/devices/" in told[0]
