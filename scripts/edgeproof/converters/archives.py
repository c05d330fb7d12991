"""Folders in one file: uncompressed zip archives, the same bytes for the same members."""

import zipfile
from collections.abc import Sequence
from pathlib import Path

_EARLIEST = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip archive can hold
_CHUNK = 1 << 20
# Limits of what is unpacked: an archive may come from somebody else.
_MOST_MEMBERS, _MOST_BYTES, _HIGHEST_RATIO = 10_000, 64 << 30, 100


def pack_folder(folder: "str | Path", target: "str | Path", leave_out: "Sequence[str]" = ()) -> None:
    """Write a folder's files to a converter's archive `target` in order of name, without `leave_out` (relative)."""
    folder = Path(folder)
    members = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    pack_files(target, {name: folder / name for name in members if name not in set(leave_out)})


def pack_files(target: "str | Path", members: "dict[str, Path]") -> None:
    """Write `{name: path of a file}` to a converter's archive `target`, without holding a file in memory."""
    buffer = memoryview(bytearray(_CHUNK))  # one for all: to allocate memory for each part takes as long as to copy it
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for name, path in members.items():
            member = _describe_member(name)
            member.file_size = path.stat().st_size
            with path.open("rb") as stream, archive.open(member, "w") as packed:
                while size := stream.readinto(buffer):
                    packed.write(buffer[:size])


def append_members(target: "str | Path", members: "dict[str, bytes]") -> None:
    """Append a converter's archive of `{name: bytes}` to the file `target`, after its present content."""
    with zipfile.ZipFile(target, "a", zipfile.ZIP_STORED) as archive:
        for name, data in members.items():
            archive.writestr(_describe_member(name), data)


def unpack(archive: "str | Path", folder: "str | Path") -> Path:
    """Unpack an archive that a converter packed into `folder` and return it as a Path.

    ValueError if it was not packed as ours are: members that lead out of the folder, or many, or that unpack to far
    more than the archive has.
    """
    with zipfile.ZipFile(archive) as opened:
        members = opened.infolist()
        total, packed = sum(item.file_size for item in members), Path(archive).stat().st_size
        for item in members:
            if Path(item.filename).is_absolute() or ".." in Path(item.filename).parts:
                raise ValueError(f"{archive}: member {item.filename!r} leads out of the folder")
        if len(members) > _MOST_MEMBERS or total > _MOST_BYTES or total > packed * _HIGHEST_RATIO:
            raise ValueError(f"{archive}: {len(members)} members of {total} bytes in {packed}; it is not unpacked")
        opened.extractall(folder)
    return Path(folder)


def _describe_member(name):
    member = zipfile.ZipInfo(name, date_time=_EARLIEST)
    member.create_system = 3  # Unix, wherever this runs
    member.external_attr = 0o644 << 16
    return member
