"""Arrays in npz files: equal arrays give equal bytes, and reading never unpickles.

The members of an npz carry a time stamp, and numpy does not promise to fix it. Digests of samples are part of the
evidence, so we write the archive ourselves: uncompressed, with a fixed time stamp and fixed attributes, members in the
order given. `numpy.load` reads it.
"""

import os
import zipfile
from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from .errors import UserError
from .files import FilePath, atomic_path
from .npy_arrays import read_declared_bytes
from .reader import require_regular
from .world_errors import explain_unreadable

_DEFLATE_RATIO = 1032  # the most that deflate can save: https://zlib.net/zlib_tech.html
_EARLIEST = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip archive can hold


def write_tensors(path: FilePath, arrays: Mapping[str, npt.ArrayLike]) -> None:
    """Write `{name: array}` to `path` as an uncompressed npz, in one step and byte-identical for equal arrays.

    Arrays keep shape and dtype; they are stored little-endian in C order. Arrays of Python objects are a TypeError,
    because reading them back would need pickle.
    """
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
        for name, value in arrays.items():
            array: npt.NDArray[Any] = np.asarray(value)
            if array.dtype.hasobject:
                raise TypeError(f"{path}: {name!r} holds Python objects; only plain numbers and strings are stored")
            array = np.asarray(array, dtype=array.dtype.newbyteorder("<"), order="C")
            member = zipfile.ZipInfo(f"{name}.npy", date_time=_EARLIEST)
            member.create_system = 3  # Unix, on every machine
            member.external_attr = 0o644 << 16
            with archive.open(member, "w", force_zip64=True) as stream:
                np.lib.format.write_array(stream, array, version=(2, 0), allow_pickle=False)


def read_tensors(path: FilePath) -> dict[str, npt.NDArray[Any]]:
    """Return `{name: array}` of the npz at `path`, in the order of the file.

    UserError when the file is missing, is not an npz, is damaged (every member carries a CRC), holds pickled objects,
    or an array declares more than the file can hold, which would be allocated before it is read.
    """
    require_regular(path)
    try:
        _require_contained(path)
        loaded: Any = np.load(path, allow_pickle=False)
        if not isinstance(loaded, np.lib.npyio.NpzFile):
            raise UserError(f"{path}: one bare array; an npz archive of named arrays is needed")
        with cast("np.lib.npyio.NpzFile[Any]", loaded) as archive:
            return {name: archive[name] for name in archive.files}
    except OSError as error:
        raise UserError(f"{path}: {explain_unreadable(error)}") from error
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"{path}: not an npz archive of plain arrays ({error})") from error


def _require_contained(path: FilePath) -> None:
    """Raise UserError if a member of an npz, or the array in it, is larger than the bytes of the file can be."""
    room = os.path.getsize(path)
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            most = room if member.compress_type == zipfile.ZIP_STORED else room * _DEFLATE_RATIO
            declared = member.file_size
            if declared <= most and member.filename.endswith(".npy"):
                with archive.open(member) as stream:
                    declared = max(declared, read_declared_bytes(stream))
            if declared > most:
                raise UserError(
                    f"{path}: {member.filename} declares {declared} bytes, and the file has {room}; it is damaged, or "
                    "was made to fill the memory"
                )
