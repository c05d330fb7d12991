"""Arrays through a pipe: a line of JSON that describes them, then their bytes."""

from __future__ import annotations

import json
from typing import IO, Any, Dict, List, Tuple

import numpy

from ..agent.specs import Array

_MOST_HEADER_BYTES = 1 << 20


def write_frame(stream: IO[bytes], document: Dict[str, Any], arrays: List[Array]) -> None:
    """Write a frame, a document and arrays, into a pipe; BrokenPipeError where nobody reads."""
    whole = [numpy.ascontiguousarray(value).reshape(numpy.shape(value)) for value in arrays]
    described = [[value.dtype.str, list(value.shape)] for value in whole]
    stream.write(json.dumps({**document, "arrays": described}).encode() + b"\n")
    for value in whole:
        stream.write(value.tobytes())
    stream.flush()


def read_frame(stream: IO[bytes]) -> Tuple[Dict[str, Any], List[Array]]:
    """Return the document and the arrays of a frame from a pipe; EOFError where the other side has ended."""
    line = stream.readline(_MOST_HEADER_BYTES)
    if not line.endswith(b"\n"):
        raise EOFError("the other side has ended")
    document = json.loads(line)
    arrays: List[Array] = []
    for dtype, shape in document.pop("arrays"):
        size = numpy.dtype(dtype).itemsize * int(numpy.prod(shape, dtype="int64"))
        data = stream.read(size)
        if len(data) < size:
            raise EOFError("the other side has ended")
        arrays.append(numpy.frombuffer(data, dtype).reshape(shape))
    return document, arrays
