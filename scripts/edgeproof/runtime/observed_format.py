"""The file that an observer writes: chunks of raw times, so that a process that is killed loses its last seconds only.

    MAGIC, then chunks: kind (4 bytes), CRC-32 of the payload, its length (two little-endian uint32), the payload

The first chunk is HEAD (JSON), then come CALLS (little-endian int64, one row of COLUMNS per call), and at a normal end
DONE (JSON). Times are nanoseconds of the board's monotonic clock.
"""

from __future__ import annotations

import struct
import zlib
from typing import Iterator, NamedTuple

MAGIC = b"edgeproof observed 1\n"
HEAD, CALLS, DONE = b"HEAD", b"CALL", b"DONE"
STAGES = ("input", "pre-processing", "inference", "post-processing")
# `ready`: when the input of the call was there, from which a deadline counts. `failed`: 1 if the call raised. Then the
# nanoseconds of each stage, 0 for one that did not run.
COLUMNS = ("start", "ready", "end", "failed", *STAGES)
_CHUNK = struct.Struct("<4sII")


class Chunk(NamedTuple):
    """One chunk. `whole`: False where the file ends inside it; `sound`: whether its CRC is that of its payload."""

    kind: bytes
    payload: bytes
    whole: bool
    sound: bool


def pack_chunk(kind: bytes, payload: bytes) -> bytes:
    """Return a chunk of raw times in the format of an observed file, as bytes."""
    return _CHUNK.pack(kind, zlib.crc32(payload), len(payload)) + payload


def split_chunks(data: bytes) -> Iterator[Chunk]:
    """Yield the chunks in the format of an observed file, from its bytes after MAGIC, up to the first that is cut or
    not sound; that one is the last.

    ValueError if the bytes do not begin with MAGIC.
    """
    if not data.startswith(MAGIC):
        raise ValueError("does not begin as a file of edgeproof's observer does")
    place = len(MAGIC)
    while place < len(data):
        if len(data) < place + _CHUNK.size:
            yield Chunk(b"", b"", False, True)
            return
        kind, digest, length = _CHUNK.unpack_from(data, place)
        place += _CHUNK.size
        payload = data[place : place + length]
        whole = len(payload) == length
        sound = kind in (HEAD, CALLS, DONE) and (not whole or zlib.crc32(payload) == digest)
        yield Chunk(kind, payload, whole, sound)
        if not whole or not sound:
            return
        place += length
