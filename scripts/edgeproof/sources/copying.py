"""Copying a model from a file of yours into the results."""

import shutil
from pathlib import Path

from edgeproof.core.errors import UserError
from edgeproof.core.files import atomic_path, sha256_file


def copy_model(source: str | Path, sha256: str | None, output: str | Path) -> None:
    """Copy the file `source` to `output` in one step; UserError if it cannot be read or its `sha256` differs.

    The digest is taken from the copy, so a change of the file in the meantime is detected.
    """
    with atomic_path(output) as temporary:
        try:
            shutil.copyfile(source, temporary)
        except (OSError, shutil.SpecialFileError) as error:
            raise UserError(f"{source}: cannot be read ({getattr(error, 'strerror', None) or error})") from error
        actual = sha256_file(temporary)
        if sha256 and actual != sha256.lower():
            raise UserError(f"{source}: sha256 is {actual}, but {sha256.lower()} is expected")
