"""What a user has set for another Python (PYTHONPATH, PYTHONHOME, own packages) does not reach our processes."""

import subprocess
import sys

import pytest
from edgeproof.core.processes import FOREIGN, SCRIPTS, child_environment, shell_prefix

ASK = "import json, sys, os, site; print(json.dumps([sys.path, site.ENABLE_USER_SITE, sys.flags.no_user_site]))"


@pytest.fixture
def hostile(monkeypatch, tmp_path):
    """An environment in which `import numpy` and `import site` would find something else, or Python would not start."""
    for name in ("numpy", "edgeproof", "sitecustomize"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('a foreign module')\n")
    for name in FOREIGN:
        monkeypatch.setenv(name, str(tmp_path))


def test_a_process_of_ours_imports_ours(hostile):
    code = (
        "import numpy, edgeproof.core.processes as ours, sys; print(ours.__file__, sys.flags.no_user_site, sep=chr(10))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], env=child_environment(sys.executable), capture_output=True, text=True
    )
    assert ended.stdout.splitlines() == [str(SCRIPTS / "edgeproof/core/processes.py"), "1"], ended.stderr


def test_a_boards_own_python_keeps_the_packages_of_its_user(hostile, monkeypatch):
    monkeypatch.delenv("PYTHONNOUSERSITE", raising=False)
    environment = child_environment("/usr/bin/python3", {"PYTHONUNBUFFERED": "1"})
    assert "PYTHONNOUSERSITE" not in environment and environment["PYTHONUNBUFFERED"] == "1"
    assert {name for name in FOREIGN if name in environment} == {"PYTHONPATH"}


def test_the_shell_of_a_rule_is_as_clean(hostile):
    script = f"{shell_prefix()}\"{sys.executable}\" -c 'import numpy, sys; print(sys.flags.no_user_site)'"
    ended = subprocess.run(["bash", "-euc", script], capture_output=True, text=True)
    assert ended.stdout == "1\n", ended.stderr


def test_only_the_helper_sets_the_path_of_a_process():
    """Who starts a Python asks `child_environment`, so that no start is forgotten."""
    places = [
        str(path.relative_to(SCRIPTS / "edgeproof"))
        for path in (SCRIPTS / "edgeproof").rglob("*.py")
        if "PYTHONPATH" in path.read_text()
        and path.relative_to(SCRIPTS / "edgeproof").parts[0]
        not in ("agent", "bench", "board_end", "runtime")  # not our Python
    ]
    assert places == ["core/processes.py"]
