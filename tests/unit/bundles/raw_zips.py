"""Zip archives written byte by byte, so that each can be wrong in one place that no library would get wrong."""

import struct
import zlib
from dataclasses import dataclass, field

STORED, DEFLATED = 0, 8


@dataclass
class Entry:
    """A member. What is None is as it should be; the rest is written as given, whether it fits or not."""

    name: bytes
    data: bytes = b"x"
    method: int = STORED
    flags: int = 0x800
    mode: int = 0o100644
    dos: int = 0
    local_name: bytes | None = None
    local_method: int | None = None
    local_flags: int | None = None
    local_size: int | None = None
    size: int | None = None
    packed_size: int | None = None
    crc: int | None = None
    offset: int | None = None
    before: bytes = b""
    extra: bytes = field(default=b"")


def pack(entries, prefix=b"", suffix=b"", comment=b"", **end):
    """Return an archive of entries. `end`: fields of the end record that lie: count, length, place, disk."""
    body, directory = bytearray(prefix), bytearray()
    for entry in entries:
        packed = _deflate(entry.data) if entry.method == DEFLATED else entry.data
        crc = zlib.crc32(entry.data) if entry.crc is None else entry.crc
        size = len(entry.data) if entry.size is None else entry.size
        packed_size = len(packed) if entry.packed_size is None else entry.packed_size
        body += entry.before
        offset = len(body) if entry.offset is None else entry.offset
        local_name = entry.name if entry.local_name is None else entry.local_name
        method = entry.method if entry.local_method is None else entry.local_method
        flags = entry.flags if entry.local_flags is None else entry.local_flags
        local_size = size if entry.local_size is None else entry.local_size
        head = (20, flags, method, 0, 33, crc, packed_size, local_size, len(local_name), len(entry.extra))
        if entry.offset is None:
            body += struct.pack("<4s5H3L2H", b"PK\x03\x04", *head) + local_name + entry.extra + packed
        directory += (
            struct.pack(
                "<4s4B4H3L5H2L",
                b"PK\x01\x02",
                *(20, 3, 20, 0, entry.flags, entry.method, 0, 33, crc, packed_size, size, len(entry.name)),
                *(0, 0, 0, 0, entry.mode << 16 | entry.dos, offset),
            )
            + entry.name
        )
    count = end.get("count", len(entries))
    length, place = end.get("length", len(directory)), end.get("place", len(body))
    disk = end.get("disk", 0)
    record = struct.pack("<4s4H2LH", b"PK\x05\x06", disk, 0, count, count, length, place, len(comment))
    return bytes(body) + bytes(directory) + record + comment + suffix


def _deflate(data):
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()
