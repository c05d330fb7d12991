"""Zip archives from somebody else: what may be in one, and how much, before a byte of it is written anywhere.

One implementation for artifacts that are archives and for bundles of evidence. Names, sizes and places of all members
are checked first; what is read afterwards is held against them, so that memory and time are bounded by the limits.
"""

from __future__ import annotations

import os
import re
import stat
import struct
import unicodedata
import zipfile
import zlib
from typing import IO, Dict, Iterable, List, NamedTuple, Tuple

_CHUNK = 1 << 20
_LOCAL = struct.Struct("<4s5H3L2H")
_END = struct.Struct("<4s4H2LH")
_LOCATOR = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LONGEST_COMMENT = 65_535
_ENCRYPTED = 0x1 | 0x40 | 0x2000
_DESCRIPTOR = 0x8
_METHODS = {zipfile.ZIP_STORED: "stored", zipfile.ZIP_DEFLATED: "deflated"}
_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?")
# Beginnings of archives, which a bundle has none of (but `.npz`, numpy's own format, which has readers of its own).
_NESTED = {
    b"PK\x03\x04": "zip",
    b"PK\x05\x06": "zip",
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"Rar!\x1a\x07": "rar",
    b"\x28\xb5\x2f\xfd": "zstd",
}
_TAR = (257, b"ustar")
HEAD = 264  # bytes at the start of a member that tell whether it is an archive


class ArchiveRefused(ValueError):
    """What is wrong with an archive, in words for people."""


class Limits(NamedTuple):
    """What an archive may hold.

    `ratio`: of a member's size to its packed size, from `ratio_from` bytes on. `exact`: nothing before, between and
    after the members, no comments, no nested archives: then every byte of the file is accounted for.
    """

    members: int
    member_bytes: int
    total_bytes: int
    ratio: int
    ratio_from: int
    name_bytes: int
    depth: int
    exact: bool


BUNDLE = Limits(200_000, (2 << 30) - 1, 16 << 30, 200, 1 << 20, 512, 24, True)
ARTIFACT = Limits(20_000, 16 << 30, 32 << 30, 2000, 1 << 24, 512, 24, False)


def open_archive(stream: IO[bytes], limits: Limits) -> Tuple[zipfile.ZipFile, List[zipfile.ZipInfo]]:
    """Open a zip archive from somebody else and check its members against the limits; return (archive, members).

    ArchiveRefused names the first member that may not be there. The file is read through `stream` alone, so that nobody
    can put another one into its place meanwhile.
    """
    count = _check_directory(stream, limits)
    try:
        archive = zipfile.ZipFile(stream)
        members = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, EOFError, OSError, struct.error) as error:
        raise ArchiveRefused("not a zip archive ({})".format(error)) from error
    if len(members) != count:
        raise ArchiveRefused("the archive has {} members and says {}".format(len(members), count))
    _check_members(members, limits)
    if limits.exact and archive.comment:
        raise ArchiveRefused("the archive has a comment; a bundle has none")
    _check_places(stream, archive, members, limits)
    return archive, members


def _check_members(members: Iterable[zipfile.ZipInfo], limits: Limits) -> None:
    """Raise ArchiveRefused for the first member whose name, kind or size is refused."""
    seen: Dict[str, str] = {}
    names: Dict[str, str] = {}
    total = 0
    for member in members:
        name = member.orig_filename
        if name in names:
            raise ArchiveRefused("{!r} occurs twice".format(name))
        names[name] = name
        check_name(name, limits)
        _check_kind(member, name)
        total += member.file_size
        _check_size(member, name, total, limits)
        _check_collision(name, seen)


def check_name(name: str, limits: Limits) -> None:
    """Check the name of an archive's member against the limits: ArchiveRefused unless it is a relative path that every
    file system takes for the same.
    """
    told = repr(name[:80])
    if not name or name.startswith("/"):
        raise ArchiveRefused("{} is an absolute path".format(told))
    if "\\" in name:
        raise ArchiveRefused("{} has a backslash".format(told))
    try:
        encoded = name.encode("utf-8")
    except UnicodeEncodeError:
        raise ArchiveRefused("{} is not text".format(told)) from None
    if len(encoded) > limits.name_bytes or any(len(part.encode("utf-8")) > 255 for part in name.split("/")):
        raise ArchiveRefused("{}… is too long".format(told))
    parts = name.split("/")
    if len(parts) > limits.depth:
        raise ArchiveRefused("{} is nested too deep".format(told))
    if any(unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp") for character in name):
        raise ArchiveRefused("{} has characters that nobody sees".format(told))
    if name.endswith("/"):
        raise ArchiveRefused("{} is a folder; only files are packed".format(told))
    for part in parts:
        if part in ("", ".", ".."):
            raise ArchiveRefused("{} has the part {!r}".format(told, part))
        if ":" in part:
            raise ArchiveRefused("{} names a drive or a stream".format(told))
        if part != part.strip() or part.endswith("."):
            raise ArchiveRefused("{} has a part with a space or a dot at its end".format(told))
        if _RESERVED.fullmatch(part):
            raise ArchiveRefused("{} is a device on Windows".format(told))
    if unicodedata.normalize("NFC", name) != name:
        raise ArchiveRefused("{} is not in the normal form NFC".format(told))


def read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, most: int) -> bytes:
    """Return the bytes of an archive's member, limited to `most`; ArchiveRefused if larger or not what it claims."""
    if member.file_size > most:
        raise ArchiveRefused("{!r} has {} bytes; at most {} are read".format(member.filename, member.file_size, most))
    return b"".join(iterate_member(archive, member))


def iterate_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Iterable[bytes]:
    """Yield an archive member's bytes within its limits; ArchiveRefused as soon as they are not what it claims."""
    left = member.file_size
    try:
        with archive.open(member) as stream:
            while True:
                piece = stream.read(_CHUNK)
                if not piece:
                    break
                left -= len(piece)
                if left < 0:
                    raise ArchiveRefused("{!r} has more bytes than it claims".format(member.filename))
                yield piece
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError, OSError) as error:
        raise ArchiveRefused("{!r} cannot be unpacked ({})".format(member.filename, error)) from error
    if left:
        raise ArchiveRefused("{!r} has fewer bytes than it claims".format(member.filename))


def extract_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, folder: str) -> str:
    """Extract one member of an archive whose limits `open_archive` has checked, below `folder`; return its path.

    Nobody else writes to `folder`; an existing file is an error.
    """
    path = os.path.join(folder, *member.filename.split("/"))
    os.makedirs(os.path.dirname(path), exist_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o644)
    with open(handle, "wb") as stream:
        for piece in iterate_member(archive, member):
            stream.write(piece)
    return path


def extract_archive(path: str, folder: str, limits: Limits) -> None:
    """Extract a whole archive below `folder`; ArchiveRefused, before anything is written, if it breaks the limits."""
    with open(path, "rb") as stream:
        archive, members = open_archive(stream, limits)
        for member in members:
            extract_member(archive, member, folder)


def name_nested(head: bytes) -> str:
    """Return which archive kind begins with these bytes (`HEAD`), for the limit on nested archives; empty for none."""
    for beginning, kind in _NESTED.items():
        if head.startswith(beginning):
            return kind
    return "tar" if head[_TAR[0] : _TAR[0] + len(_TAR[1])] == _TAR[1] else ""


def _check_directory(stream: IO[bytes], limits: Limits) -> int:
    """Return how many members an archive says it has; a directory beyond the limits is refused before it is read."""
    size = stream.seek(0, os.SEEK_END)
    stream.seek(max(0, size - _LONGEST_COMMENT - _END.size))
    tail = stream.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) - at < _END.size:
        raise ArchiveRefused("not a zip archive (it has no end record)")
    _, disk, first_disk, here, count, length, _, comment = _END.unpack(tail[at : at + _END.size])
    if limits.exact and len(tail) - at - _END.size != comment:
        raise ArchiveRefused("bytes follow the end of the archive")
    if disk or first_disk or here != count:
        raise ArchiveRefused("the archive is one of several disks")
    if count == 0xFFFF or length == 0xFFFFFFFF:
        count, length = _read_zip64(tail, at, stream)
    if count > limits.members:
        raise ArchiveRefused("the archive has {} members; at most {} are read".format(count, limits.members))
    if length > count * (46 + 3 * limits.name_bytes) or length > size:
        raise ArchiveRefused("the directory of the archive has {} bytes for {} members".format(length, count))
    stream.seek(0)
    return count


def _read_zip64(tail: bytes, at: int, stream: IO[bytes]) -> Tuple[int, int]:
    """Return (members, bytes of the directory) of an archive with 64-bit sizes."""
    if at < _LOCATOR.size:
        raise ArchiveRefused("not a zip archive (it has no 64-bit record)")
    mark, _, place, _ = _LOCATOR.unpack(tail[at - _LOCATOR.size : at])
    if mark != b"PK\x06\x07":
        raise ArchiveRefused("not a zip archive (it has no 64-bit record)")
    try:
        stream.seek(place)
        record = stream.read(_END64.size)
    except (OSError, OverflowError, ValueError):
        record = b""
    if len(record) < _END64.size or not record.startswith(b"PK\x06\x06"):
        raise ArchiveRefused("not a zip archive (its 64-bit record is elsewhere)")
    fields = _END64.unpack(record)
    return fields[7], fields[8]


def _check_kind(member: zipfile.ZipInfo, name: str) -> None:
    mode = member.external_attr >> 16
    if stat.S_ISLNK(mode):
        raise ArchiveRefused("{!r} is a symbolic link".format(name))
    if (mode and stat.S_IFMT(mode) not in (0, stat.S_IFREG)) or member.external_attr & 0x10:
        raise ArchiveRefused("{!r} is no regular file".format(name))
    if member.flag_bits & _ENCRYPTED:
        raise ArchiveRefused("{!r} is encrypted".format(name))
    if member.compress_type not in _METHODS:
        raise ArchiveRefused("{!r} is packed by method {}".format(name, member.compress_type))


def _check_size(member: zipfile.ZipInfo, name: str, total: int, limits: Limits) -> None:
    if member.file_size > limits.member_bytes:
        raise ArchiveRefused(
            "{!r} has {} bytes; at most {} are read".format(name, member.file_size, limits.member_bytes)
        )
    if total > limits.total_bytes:
        raise ArchiveRefused("the members have more than {} bytes together".format(limits.total_bytes))
    if member.compress_type == zipfile.ZIP_STORED and member.compress_size != member.file_size:
        raise ArchiveRefused("{!r} is stored with two sizes".format(name))
    if member.file_size > limits.ratio_from and member.file_size > limits.ratio * max(1, member.compress_size):
        raise ArchiveRefused("{!r} unpacks to more than {} times its size".format(name, limits.ratio))


def _check_collision(name: str, seen: Dict[str, str]) -> None:
    """Refuse names that some file system takes for one, and files that are folders of others."""
    parts = name.split("/")
    for end in range(1, len(parts) + 1):
        spelt = "/".join(parts[:end])
        kind = "file" if end == len(parts) else "folder"
        folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", spelt).casefold())
        known = seen.setdefault(folded, kind + ":" + spelt)
        if known != kind + ":" + spelt:
            raise ArchiveRefused("{!r} and {!r} are one name on some systems".format(known.split(":", 1)[1], name))


def _check_places(stream: IO[bytes], archive: zipfile.ZipFile, members: List[zipfile.ZipInfo], limits: Limits) -> None:
    """Refuse members that overlap, whose own header says something else, and bytes that belong to no member."""
    end = 0
    for member in sorted(members, key=lambda item: item.header_offset):
        name = member.orig_filename
        begin = member.header_offset
        if begin < end:
            raise ArchiveRefused("{!r} overlaps another member".format(name))
        if limits.exact and begin != end:
            raise ArchiveRefused("{} bytes before {!r} belong to no member".format(begin - end, name))
        stream.seek(begin)
        head = stream.read(_LOCAL.size)
        if len(head) < _LOCAL.size or not head.startswith(b"PK\x03\x04"):
            raise ArchiveRefused("{!r} is not where the archive says".format(name))
        _, _, flags, method, _, _, crc, packed, size, length, extra = _LOCAL.unpack(head)
        spelt = stream.read(length)
        if spelt != name.encode("utf-8" if member.flag_bits & 0x800 else "cp437", "replace"):
            raise ArchiveRefused("{!r} has another name in front of its content".format(name))
        if method != member.compress_type or (flags & _ENCRYPTED) or (flags ^ member.flag_bits) & _DESCRIPTOR:
            raise ArchiveRefused("{!r} is described twice, and differently".format(name))
        if limits.exact and (
            flags & _DESCRIPTOR or (crc, packed, size) != (member.CRC, member.compress_size, member.file_size)
        ):
            raise ArchiveRefused("{!r} is described twice, and differently".format(name))
        end = begin + _LOCAL.size + length + extra + member.compress_size
    if limits.exact and end != archive.start_dir:
        raise ArchiveRefused("bytes before the directory belong to no member")
    if end > archive.start_dir:
        raise ArchiveRefused("a member overlaps the directory")
