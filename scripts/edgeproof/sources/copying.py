"""Models from a file of the user's."""

import shutil

from edgeproof.core.errors import UserError
from edgeproof.core.files import atomic_path, sha256_file


def copy_model(source, sha256, output):
    """Copy the file `source` to `output` in one step; UserError when it is missing or its sha256 is another.

    The digest is taken of the copy, so that a file changed meanwhile cannot slip through.
    """
    with atomic_path(output) as temporary:
        try:
            shutil.copyfile(source, temporary)
        except (OSError, shutil.SpecialFileError) as error:
            raise UserError(f"{source}: cannot be read ({getattr(error, 'strerror', None) or error})") from error
        actual = sha256_file(temporary)
        if sha256 and actual != sha256.lower():
            raise UserError(f"{source}: sha256 is {actual}, but {sha256.lower()} is expected")
