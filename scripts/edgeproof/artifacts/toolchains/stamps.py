"""The stamp of a toolchain's environment, its interpreter, and the lock that holds it."""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path

from edgeproof.core.configuration import Json
from edgeproof.core.layout import toolchain_interpreter

ROOT = Path(".toolchains")
STAMP = "edgeproof.json"  # written last: an environment without it is not complete


def is_current(name: str, digest: str) -> bool:
    """Tell whether the environment of a toolchain is complete, made from the lock with this sha256, and unchanged."""
    try:
        stamp = read_stamp(name)
    except (OSError, ValueError):
        return False
    made = (stamp["lock_sha256"], stamp.get("distributions"))
    return made == (digest, list_distributions(name)) and os.access(interpreter_path(name), os.X_OK)


def read_stamp(name: str) -> Json:
    """Return the stamp of an environment; OSError or ValueError if it is not complete."""
    return json.loads((ROOT / name / STAMP).read_text())


def list_distributions(name: str) -> list[str]:
    """Return the names of the folders that describe installed packages, with their versions, sorted."""
    return sorted(path.name for path in (ROOT / name).glob("lib/python*/site-packages/*.dist-info"))


def interpreter_path(name: str) -> Path:
    """Return the interpreter of a toolchain, relative to the repository."""
    return Path(toolchain_interpreter(name))


@contextlib.contextmanager
def locked(name: str, mode: int) -> Iterator[None]:
    """Hold a toolchain: LOCK_EX to change it, LOCK_SH to use it. The kernel releases it with the process."""
    ROOT.mkdir(exist_ok=True)
    with open(ROOT / f"{name}.lock", "w") as stream:
        fcntl.flock(stream, mode)
        yield
