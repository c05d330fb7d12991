"""Where a plan goes: a file that is written in one step, standard output, or something that must not be replaced."""

import os
import stat
import sys
from pathlib import Path

from edgeproof.core.errors import UserError
from edgeproof.core.files import atomic_write

STANDARD = "-"


def check_output(output: str | None) -> None:
    """Raise UserError if the output of a plan (`--output`) cannot take it, before a plan is looked for."""
    if output in (None, STANDARD):
        return
    path = Path(output)
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        if path.is_symlink():
            raise UserError(f"--output {output}: a link to a file that does not exist; name the file itself") from None
        return
    except OSError as error:
        raise UserError(f"--output {output}: cannot be written ({error.strerror})") from error
    if stat.S_ISDIR(mode):
        raise UserError(f"--output {output}: cannot be written (Is a directory)")
    if stat.S_ISREG(mode) and (not mode & 0o222 or not os.access(path, os.W_OK)):
        raise UserError(f"--output {output}: the file is read-only; remove it or name another one")


def write_output(output: str | None, text: str) -> None:
    """Write a plan to its output (`--output`); None and `-` are standard output.

    A regular file is replaced in one step, behind links too; a device or a pipe is written to and stays what it is.
    """
    if output in (None, STANDARD):
        sys.stdout.write(text)
        return
    check_output(output)
    path = Path(output)
    try:
        if path.exists() and not path.is_file():
            with path.open("w", encoding="utf-8") as stream:
                stream.write(text)
            return
        atomic_write(path.resolve(), text)
    except OSError as error:
        raise UserError(f"--output {output}: cannot be written ({error.strerror})") from error
