"""Arrays from the bytes of npy files, where thousands of small ones are read: most have one of a few headers.

`numpy.load` parses each header as Python source, which takes longer than everything else about a small array.
"""

import functools
import io
import math
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

_VERSION_1 = b"\x93NUMPY\x01\x00"
_LENGTH_END = 10  # magic, version and, in two bytes, the length of the header that follows


class _Header(NamedTuple):
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    size: int  # of the data, in bytes


def parse_array(data: bytes) -> NDArray[Any]:
    """Return the array of an npy file's bytes, as `numpy.load` does without pickle; it may be read-only.

    ValueError where they are not a whole npy file or hold Python objects.
    """
    if data.startswith(_VERSION_1):
        start = _LENGTH_END + int.from_bytes(data[len(_VERSION_1) : _LENGTH_END], "little")
        header = _parse_header(data[:start])
        if header is not None and len(data) - start == header.size:
            return np.frombuffer(data, header.dtype, offset=start).reshape(header.shape)
    stream = io.BytesIO(data)
    if read_declared_bytes(stream) > len(data):
        raise ValueError("the array declares more values than the file holds")
    stream.seek(0)
    return np.load(stream, allow_pickle=False)


def read_declared_bytes(stream: IO[bytes]) -> int:
    """Return how many bytes the header of an npy file declares for its array; 0 where numpy is to say what is wrong."""
    try:
        version = np.lib.format.read_magic(stream)
        if version not in ((1, 0), (2, 0)):
            return 0
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(stream)
    except ValueError:
        return 0
    return math.prod(shape) * dtype.itemsize


@functools.lru_cache(maxsize=256)
def _parse_header(header: bytes) -> _Header | None:
    """Return what a header of version 1 says; None for one that is left to numpy, which also refuses what is wrong."""
    stream = io.BytesIO(header)
    stream.seek(len(_VERSION_1))
    try:
        shape, in_columns, dtype = np.lib.format.read_array_header_1_0(stream)
    except ValueError:
        return None
    size = math.prod(shape) * dtype.itemsize
    if dtype.hasobject or in_columns or not size:
        return None
    return _Header(shape, dtype, size)
