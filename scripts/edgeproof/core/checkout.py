"""Whose `.venv` this is: one that came along with a copied checkout is mended, that of another checkout is refused."""

import os
import sys
from pathlib import Path

from .errors import UserError
from .files import atomic_write

PLACE = "edgeproof.place"  # in .venv: where it was when its scripts were written


def settle_environment(root: Path) -> str | None:
    """Make the scripts in a checkout's `.venv` name this place; return a sentence if they named another, else None.

    pip writes the absolute path of `.venv` into every script, so a copy's `snakemake` would run the original's Python.
    UserError when the Python in `.venv` is that of another environment.
    """
    venv = (root / ".venv").resolve()
    _require_own_python(venv)
    note = venv / PLACE
    before, here = note.read_text().strip() if note.exists() else str(venv), str(venv)
    if before != here:
        for script in (venv / "bin").iterdir():
            _replace_path(script, before, here)
    if not note.exists() or before != here:
        atomic_write(note, here + "\n")
    return None if before == here else f".venv came from {Path(before).parent}; its scripts name this checkout now"


def require_own_environment(root: Path, prefix: Path | str = sys.prefix) -> None:
    """Raise UserError if the checkout at `root` has a `.venv` and this process runs in that of another (`prefix`)."""
    venv, running = root / ".venv", Path(prefix)
    if running.name != ".venv" or not (venv / "pyvenv.cfg").exists() or venv.resolve() == running.resolve():
        return
    if (running.parent / "Snakefile").exists():
        raise UserError(f"this Python is that of another checkout, {running.parent}; run `make setup` here")


def _require_own_python(venv: Path) -> None:
    python = venv / "bin" / "python"
    for _ in range(8):  # links of links
        if not python.is_symlink():
            return
        python = python.parent / os.readlink(python)
        other = Path(os.path.normpath(python)).parent.parent
        if (other / "pyvenv.cfg").exists() and other.resolve() != venv:
            raise UserError(f".venv: its Python is that of another environment, {other}; remove .venv and run `make`")


def _replace_path(script: Path, before: str, here: str) -> None:
    if script.is_symlink() or not script.is_file():
        return
    data = script.read_bytes()
    if before.encode() in data and b"\0" not in data[:4096]:  # a script, not a program
        mode = script.stat().st_mode
        atomic_write(script, data.replace(before.encode(), here.encode()))
        script.chmod(mode)
