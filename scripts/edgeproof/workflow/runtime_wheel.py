"""The runtime package as a wheel: the agent, and what goes into an application on a board (`make wheel`).

Inside the wheel both are sub-packages of `edgeproof_runtime`; their imports are relative, so nothing is rewritten.
"""

import shutil
import subprocess
import tempfile
from pathlib import Path

import uv

from edgeproof.core.errors import UserError
from edgeproof.core.layout import REPOSITORY

_PACKAGE = "edgeproof_runtime"
_PACKED = ("agent", "runtime")


def pack_runtime(output: Path) -> Path:
    """Build the wheel of the runtime in the folder `output`; return its path. UserError, with uv's words, on failure.

    uv brings its own build backend, so no network is needed. The same code gives the same bytes.
    """
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="edgeproof-wheel-") as folder:
        project = Path(folder)
        package = project / "src" / _PACKAGE
        package.mkdir(parents=True)
        (package / "__init__.py").touch()
        for name in _PACKED:
            source = REPOSITORY / "scripts" / "edgeproof" / name
            shutil.copytree(source, package / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(REPOSITORY / "envs" / "runtime" / "pyproject.toml", project)
        shutil.copy(REPOSITORY / "LICENSE", project)
        made = project / "made"
        command = [uv.find_uv_bin(), "build", "--wheel", "--offline", "--out-dir", str(made), str(project)]
        ended = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        if ended.returncode:
            said = " ".join(ended.stderr.split())[-400:] or "no message"
            raise UserError(f"uv build: exited with {ended.returncode}: {said}")
        wheel = next(made.glob("*.whl"))
        return Path(shutil.copy(wheel, output / wheel.name))
