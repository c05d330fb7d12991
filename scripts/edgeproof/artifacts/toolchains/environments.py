"""The environments of toolchains, as whoever uses one sees them: held while in use, and made again where they are gone.

An environment is `.toolchains/{name}/` (ignored by git, shared by all results), its record is
`results/toolchains/{name}.json`. Snakemake knows the record; that the environment still is the one of the record is
checked whenever it is used.
"""

import contextlib
import fcntl
import json
from pathlib import Path

from edgeproof.core.errors import UserError

from .stamps import interpreter_path, is_current, locked, read_stamp


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
        from .making import restore_toolchain  # rare, and what installs takes long to import

        restore_toolchain(record_path, record)
    with locked(name, fcntl.LOCK_SH):
        _require_recorded(record_path, record)
        yield str(interpreter_path(name).absolute()), record


def require_toolchains(record_paths):
    """Make sure that the environments of these records are there, as `open_toolchain` does."""
    for path in record_paths:
        with open_toolchain(path):
            pass


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
    from edgeproof.core.documents import read_json

    return read_json(path, "toolchain")
