"""Git LFS pointers: the short texts that git leaves in place of large files which were not fetched."""

from .errors import UserError
from .files import read_head
from .layout import FilePath

_LFS_POINTER = b"version https://git-lfs.github.com/spec/"


def describe_pointer(path: FilePath) -> str | None:
    """Return what to tell about a Git LFS pointer, the text that git leaves in place of a large file.

    None for any other file; UserError if it cannot be read.
    """
    if read_head(path, len(_LFS_POINTER)) != _LFS_POINTER:
        return None
    return f"{path}: a Git LFS pointer instead of the file; fetch it: git lfs pull --include {path}"


def require_no_pointer(path: FilePath) -> None:
    """Raise UserError if a file is a Git LFS pointer."""
    if told := describe_pointer(path):
        raise UserError(told)
