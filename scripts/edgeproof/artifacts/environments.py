"""The environments of toolchains, as whoever uses one sees them: held while in use, and made again where they are gone.

An environment is `.toolchains/{name}/` (ignored by git, shared by all results), its record is
`results/toolchains/{name}.json`. Snakemake knows the record; that the environment still is the one of the record is
checked whenever it is used.
"""

import contextlib
import fcntl
import json
import os
from pathlib import Path

from ..core.errors import UserError
from ..core.layout import toolchain_interpreter

ROOT = Path(".toolchains")
STAMP = "edgeproof.json"  # written last: an environment without it is not finished


@contextlib.contextmanager
def open_toolchain(record_path):
    """Yield (absolute path of the interpreter, record) of a toolchain that is there and as recorded, held while in use.

    An environment that was deleted, or in which somebody has installed something, is made again from its lock;
    UserError if that lock has changed since, or what was made is not what the record says (another Python).
    """
    record = _read_record(record_path)
    name, lock = record["toolchain"], record["lock"]
    with locked(name, fcntl.LOCK_SH):
        current = is_current(name, lock["sha256"])
    if not current:
        from .toolchains import restore_toolchain  # rare, and what installs takes long to import

        restore_toolchain(record_path, record)
    with locked(name, fcntl.LOCK_SH):
        _require_recorded(record_path, record)
        yield str(interpreter_path(name).absolute()), record


def require_toolchains(record_paths):
    """Make sure that the environments of these records are there, as `open_toolchain` does."""
    for path in record_paths:
        with open_toolchain(path):
            pass


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


def _require_recorded(path, record):
    """Raise UserError unless the environment that is there is the one that the record at `path` describes."""
    stamp = read_stamp(record["toolchain"])
    for what in ("interpreter", "packages"):
        there, said = stamp[what], record[what]
        if other := sorted(key for key in there if said.get(key) != there[key]):
            raise UserError(
                f"{path}: says {what} {other[0]} {said.get(other[0])}, the environment has {there[other[0]]}; delete "
                "this file, and run the workflow"
            )


def _read_record(path):
    """Return the record of a toolchain; UserError if it is none.

    What checks a schema takes as long to import as a Python to start, so whoever describes the toolchain asks it later.
    Here only what is used must be right: a name that is the file's own cannot lead to another folder.
    """
    try:
        record = json.loads(Path(path).read_text())
        whole = all(isinstance(record[key], dict) for key in ("lock", "interpreter", "packages"))
        if whole and record["toolchain"] == Path(path).stem and isinstance(record["lock"]["sha256"], str):
            return record
    except (OSError, ValueError, KeyError, TypeError):
        pass
    from ..core.documents import read_json

    return read_json(path, "toolchain")
