"""The wheel for boards: what is in it, and that another Python can import all of it."""

import subprocess
import sys
import tomllib
import zipfile

import uv
from edgeproof.core.layout import REPOSITORY
from edgeproof.workflow.runtime_wheel import pack_runtime

LIBRARY = REPOSITORY / "scripts/edgeproof"


def test_the_wheel_holds_agent_and_runtime_and_the_same_code_gives_the_same_bytes(tmp_path):
    wheel, again = pack_runtime(tmp_path / "one"), pack_runtime(tmp_path / "two")
    assert wheel.name == again.name and wheel.read_bytes() == again.read_bytes()
    with zipfile.ZipFile(wheel) as archive:
        packed = {name.removeprefix("edgeproof_runtime/") for name in archive.namelist() if name.endswith(".py")}
        code = {name: archive.read(f"edgeproof_runtime/{name}") for name in packed}
    files = [path for room in ("agent", "runtime") for path in (LIBRARY / room).rglob("*.py")]
    assert code == {"__init__.py": b""} | {str(path.relative_to(LIBRARY)): path.read_bytes() for path in files}


def test_the_wheel_has_the_version_of_the_project():
    versions = [
        tomllib.loads((REPOSITORY / name).read_text())["project"]["version"]
        for name in ("pyproject.toml", "envs/runtime/pyproject.toml")
    ]
    assert versions[0] == versions[1]


def test_an_environment_with_nothing_else_runs_the_agent_of_the_wheel(tmp_path):
    wheel = pack_runtime(tmp_path)
    python = make_environment(tmp_path / "fresh", wheel)
    ended = subprocess.run([python, "-m", "edgeproof_runtime.agent"], capture_output=True, text=True, check=False)
    assert ended.returncode == 2 and ended.stderr.startswith("usage: python -m edgeproof.agent session")


def make_environment(folder, wheel):
    """Make an environment of our Python with the wheel and nothing else, and return its interpreter."""
    run = [uv.find_uv_bin(), "-q"]
    subprocess.run([*run, "venv", "--offline", "--no-project", "--python", sys.executable, folder], check=True)
    python = folder / "bin/python"
    install = [*run, "pip", "install", "--offline", "--no-deps", "--python", python, wheel]
    subprocess.run(install, check=True)
    return python
