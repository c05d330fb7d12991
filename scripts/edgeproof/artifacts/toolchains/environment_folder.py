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


def is_folder_current(name: str, digest: str) -> bool:
    """Tell whether the environment folder of a toolchain is complete, unchanged, and made from the lock `digest`."""
    try:
        stamp = read_stamp(name)
    except (OSError, ValueError):
        return False
    made = (stamp["lock_sha256"], stamp.get("distributions"))
    return made == (digest, list_distributions(name)) and os.access(find_interpreter(name), os.X_OK)


def read_stamp(name: str) -> Json:
    """Return the stamp in the folder of an environment; OSError or ValueError if it is not complete."""
    return json.loads((ROOT / name / STAMP).read_text())


def list_distributions(name: str) -> list[str]:
    """Return the packages in the environment folder of a toolchain: the names of their dist-info folders, sorted.

    These names have the versions.
    """
    return sorted(path.name for path in (ROOT / name).glob("lib/python*/site-packages/*.dist-info"))


def find_interpreter(name: str) -> Path:
    """Return the interpreter in the environment folder of a toolchain, relative to the repository."""
    return Path(toolchain_interpreter(name))


@contextlib.contextmanager
def hold_environment_folder(name: str, mode: int) -> Iterator[int]:
    """Hold the environment folder of a toolchain: LOCK_EX to change it, LOCK_SH to use it; yield the descriptor.

    The kernel releases it with the last process that has the descriptor.
    """
    ROOT.mkdir(exist_ok=True)
    with open(ROOT / f"{name}.lock", "w") as stream:
        fcntl.flock(stream, mode)
        yield stream.fileno()
