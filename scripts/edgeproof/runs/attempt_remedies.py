"""What to do about a file of an attempt that cannot be read, or was changed: the end of the message that names it."""

import contextlib
import shlex
from collections.abc import Generator
from pathlib import Path

from edgeproof.core.attempts import FOLDER
from edgeproof.core.errors import UserError
from edgeproof.core.files import FilePath
from edgeproof.core.layout import relative_to_repository


def name_remedy(path: FilePath) -> str:
    """Return what to do about a file in the store of attempts, with a `; ` before it; nothing for any other file."""
    path = Path(path)
    attempt = next((place for place in (path, *path.parents) if place.parent.name == FOLDER), None)
    if attempt is None:
        return ""
    removal = shlex.quote(str(relative_to_repository(attempt)))
    return f"; remove this attempt (rm -r {removal}) and run again: it is measured again"


@contextlib.contextmanager
def naming_remedy(path: FilePath) -> Generator[None]:
    """Add to a UserError of the block what to do about an attempt; `path`: its folder, or a file in it."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{error}{name_remedy(path)}") from error
