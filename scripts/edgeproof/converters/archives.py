"""Folders as one file: zip archives whose bytes follow from their members alone; uncompressed, so reading is free."""

import zipfile
from pathlib import Path

_EARLIEST = (1980, 1, 1, 0, 0, 0)  # what a zip archive can say at the least
_CHUNK = 1 << 20


def pack_folder(folder, target, leave_out=()):
    """Write the files below `folder` to the archive `target`, in order of name; `leave_out`: relative paths."""
    folder = Path(folder)
    members = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    pack_files(target, {name: folder / name for name in members if name not in set(leave_out)})


def pack_files(target, members):
    """Write `{name: path of a file}` to the archive `target`; no file is held in memory."""
    buffer = memoryview(bytearray(_CHUNK))  # one for all: fresh memory for each part takes as long as the copying
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for name, path in members.items():
            member = _describe_member(name)
            member.file_size = path.stat().st_size
            with path.open("rb") as stream, archive.open(member, "w") as packed:
                while size := stream.readinto(buffer):
                    packed.write(buffer[:size])


def append_members(target, members):
    """Append an archive of `{name: bytes}` to whatever the file `target` holds."""
    with zipfile.ZipFile(target, "a", zipfile.ZIP_STORED) as archive:
        for name, data in members.items():
            archive.writestr(_describe_member(name), data)


def unpack(archive, folder):
    """Unpack an archive into `folder` and return it as a Path."""
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(folder)
    return Path(folder)


def _describe_member(name):
    member = zipfile.ZipInfo(name, date_time=_EARLIEST)
    member.create_system = 3  # Unix, wherever this runs
    member.external_attr = 0o644 << 16
    return member
