"""Arrays in files: npz written so that equal arrays give equal bytes, and read without ever unpickling.

The members of an npz carry a time stamp, and whether `numpy.savez` fixes it is numpy's affair. Digests of samples are
part of the evidence, so we write the container ourselves (`numpy.load` reads it): uncompressed, with a fixed time stamp
and fixed attributes, members in the order given.
"""

import zipfile

import numpy as np

from .errors import UserError
from .files import atomic_path

_EARLIEST = (1980, 1, 1, 0, 0, 0)  # what a zip archive can say at the least


def write_tensors(path, arrays):
    """Write `{name: array}` to `path` as an uncompressed npz, in one step and byte-identical for equal arrays.

    Arrays keep shape and dtype; they are stored little-endian in C order. Arrays of Python objects are a TypeError,
    because reading them back would mean to run a pickle.
    """
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
        for name, value in arrays.items():
            array = np.asarray(value)
            if array.dtype.hasobject:
                raise TypeError(f"{path}: {name!r} holds Python objects; only plain numbers and strings are stored")
            array = np.asarray(array, dtype=array.dtype.newbyteorder("<"), order="C")
            member = zipfile.ZipInfo(f"{name}.npy", date_time=_EARLIEST)
            member.create_system = 3  # Unix, wherever this runs
            member.external_attr = 0o644 << 16
            with archive.open(member, "w", force_zip64=True) as stream:
                np.lib.format.write_array(stream, array, version=(2, 0), allow_pickle=False)


def read_tensors(path):
    """Return `{name: array}` of the npz at `path`, in the order of the file.

    UserError when the file is missing, is no npz, is damaged (every member carries a CRC), or holds pickled objects.
    """
    try:
        loaded = np.load(path, allow_pickle=False)
        if not isinstance(loaded, np.lib.npyio.NpzFile):
            raise UserError(f"{path}: one bare array; an npz archive of named arrays is needed")
        with loaded as archive:
            return {name: archive[name] for name in archive.files}
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"{path}: not an npz archive of plain arrays ({error})") from error
