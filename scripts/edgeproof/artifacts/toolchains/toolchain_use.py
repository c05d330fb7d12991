"""Using the environment of a toolchain: it is held while in use, and made again if it is gone.

An environment is `.toolchains/{name}/` (ignored by git, shared by all results); its record is
`results/toolchains/{name}.json`. Snakemake knows the record only, so every use checks whether the environment still is
the recorded one.
"""

import contextlib
import fcntl
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from edgeproof.core.configuration import Json
from edgeproof.core.errors import UserError
from edgeproof.core.seals import is_sealed

from .environment_folder import find_interpreter, hold_environment_folder, is_folder_current, read_stamp
from .installed_files import find_altered_files


@contextlib.contextmanager
def open_toolchain(record_path: str | Path) -> Iterator[tuple[str, Json]]:
    """Yield (absolute path of the interpreter, record) of a toolchain to use, and hold it while in the context.

    If the environment was deleted, edited, or something was installed into it, it is made again from its lock.
    UserError if that lock has changed since, or the new environment is not as recorded (another Python).
    """
    record = _read_record(record_path)
    name, lock = record["toolchain"], record["lock"]
    with hold_environment_folder(name, fcntl.LOCK_SH):
        current = is_folder_current(name, lock["sha256"]) and not find_altered_files(name)
    if not current:
        from .toolchain_making import make_toolchain_again  # rare, and uv takes long to import

        make_toolchain_again(record_path, record)
    with hold_environment_folder(name, fcntl.LOCK_SH):
        _require_recorded(record_path, record)
        yield str(find_interpreter(name).absolute()), record


def require_toolchains(record_paths: Iterable[str | Path]) -> None:
    """Make sure that toolchains are ready for use: their environments exist, as with `open_toolchain`."""
    for path in record_paths:
        with open_toolchain(path):
            pass


def _require_recorded(path, record):
    """Raise UserError unless the environment is the one that the record at `path` describes."""
    stamp = read_stamp(record["toolchain"])
    for what in ("interpreter", "packages"):
        there, said = stamp[what], record[what]
        if other := sorted(key for key in there if said.get(key) != there[key]):
            raise UserError(
                f"{path}: says {what} {other[0]} {said.get(other[0])}, the environment has {there[other[0]]}; delete "
                "this file, and run the workflow"
            )


def _read_record(path):
    """Return the record of a toolchain; UserError if it is not valid.

    Importing the schema checker takes as long as starting a Python, so the schema is checked later, by
    `describe_toolchain`. Here only its seal and the fields used must be right; since the name must be the file's, it
    cannot lead to another folder.
    """
    try:
        record = json.loads(Path(path).read_text())
        whole = all(isinstance(record[key], dict) for key in ("lock", "interpreter", "packages"))
        if whole and record["toolchain"] == Path(path).stem and is_sealed(record) and record["lock"]["sha256"]:
            return record
    except (OSError, ValueError, KeyError, TypeError):
        pass
    from edgeproof.core.documents import read_json

    return read_json(path, "toolchain")
