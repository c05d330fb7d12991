"""What a toolchain's environment says of itself: its stamp, its interpreter, and the lock that holds it."""

import contextlib
import fcntl
import json
import os
from pathlib import Path

from edgeproof.core.layout import toolchain_interpreter

ROOT = Path(".toolchains")
STAMP = "edgeproof.json"  # written last: an environment without it is not finished


def is_current(name, digest):
    """Tell whether the environment of a toolchain is finished, made from the lock with this sha256, and as it was."""
    try:
        stamp = read_stamp(name)
    except (OSError, ValueError):
        return False
    made = (stamp["lock_sha256"], stamp.get("distributions"))
    return made == (digest, list_distributions(name)) and os.access(interpreter_path(name), os.X_OK)


def read_stamp(name):
    """Return what an environment says of itself; OSError or ValueError where it is not finished."""
    return json.loads((ROOT / name / STAMP).read_text())


def list_distributions(name):
    """Return the names of the folders that say what is installed, and in which version, sorted."""
    return sorted(path.name for path in (ROOT / name).glob("lib/python*/site-packages/*.dist-info"))


def interpreter_path(name):
    """Return the interpreter of a toolchain, relative to the repository."""
    return Path(toolchain_interpreter(name))


@contextlib.contextmanager
def locked(name, mode):
    """Hold a toolchain: LOCK_EX to change it, LOCK_SH to use it. The kernel releases it with the process."""
    ROOT.mkdir(exist_ok=True)
    with open(ROOT / f"{name}.lock", "w") as stream:
        fcntl.flock(stream, mode)
        yield
