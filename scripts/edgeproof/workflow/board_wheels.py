"""What the agent needs on boards: the pins of each operating system, resolved here, and a folder of their wheels.

A lock `envs/boards/NAME.lock` holds for one Python on one kind of Linux, so that a board without network can be given
what it lists: `make wheelhouse`. The conda environment beside it has the same Python and the same pins.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import uv

from edgeproof.core.errors import UserError
from edgeproof.core.layout import REPOSITORY

from .runtime_wheel import pack_runtime

_FOLDER = REPOSITORY / "envs" / "boards"
_OLDEST_GLIBC = 17  # 2.17: manylinux2014, the oldest wheels of aarch64


class BoardSystem(NamedTuple):
    """An operating system of boards. `python`: its own; `glibc`: the minor version after 2."""

    name: str
    python: str
    glibc: int

    @property
    def lock(self) -> Path:
        """Its lock."""
        return _FOLDER / f"{self.name}.lock"

    def list_platforms(self) -> list[str]:
        """Return the platform tags of wheels that run there, the newest first; pip derives none from another."""
        newer = [f"manylinux_2_{minor}_aarch64" for minor in range(self.glibc, _OLDEST_GLIBC - 1, -1)]
        return [*newer, "manylinux2014_aarch64", "linux_aarch64"]


SYSTEMS = {
    system.name: system
    for system in (
        BoardSystem("jetpack-5", "3.8", 31),
        BoardSystem("jetpack-6", "3.10", 35),
        BoardSystem("jetpack-7", "3.12", 39),
        BoardSystem("rpi-os-12", "3.11", 36),
        BoardSystem("rpi-os-13", "3.13", 40),  # it has 2.41, and uv knows 2.40
    )
}
_Run = Callable[[Sequence[str]], None]


def _run(command: Sequence[str]) -> None:
    """Run a command; UserError with its last line if it fails."""
    environment = {**os.environ, "UV_PYTHON_DOWNLOADS": "never"}
    ended = subprocess.run(command, cwd=_FOLDER, env=environment, capture_output=True, text=True, check=False)
    if ended.returncode:
        lines = ended.stderr.strip().splitlines() or ["it said nothing"]
        raise UserError(f"{Path(command[0]).name} {command[1]} {command[2]}: {lines[-1]}")


def lock_system(system: BoardSystem, output: Path, run: _Run = _run) -> None:
    """Lock the wheels of a board's system: resolve what `envs/boards/NAME.in` asks for, into `output`, for it alone."""
    target = ["--python-version", system.python, "--python-platform", f"aarch64-manylinux_2_{system.glibc}"]
    form = ["--generate-hashes", "--no-emit-index-url", "--no-header", "--only-binary", ":all:"]
    run([uv.find_uv_bin(), "pip", "compile", "-q", f"{system.name}.in", "--python", sys.executable, *target, *form,
         "-o", str(output)])  # fmt: skip


def collect_wheels(system: BoardSystem, folder: Path, run: _Run = _run) -> str:
    """Fill a folder with the wheels in the lock of a board's system, and ours; return the command for the board.

    Only what the lock's digests allow is taken. The folder is new, or an earlier one made anew.
    """
    if folder.exists() and not (folder / "requirements.txt").exists():
        raise UserError(f"{folder}: is there and is no folder of wheels; name another")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    platforms = [option for tag in system.list_platforms() for option in ("--platform", tag)]
    pip = [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps"]
    form = ["--only-binary", ":all:", "--require-hashes", "--implementation", "cp", "--python-version", system.python]
    run([*pip, *form, *platforms, "-d", str(folder.absolute()), "-r", str(system.lock)])
    shutil.copy(system.lock, folder / "requirements.txt")
    own = pack_runtime(folder)
    install = "python3 -m pip install --no-index --no-deps"
    return f"{install} --find-links . --require-hashes -r requirements.txt && {install} {own.name}"
