"""Folders as one file: zip archives whose bytes follow from their members alone; uncompressed, so reading is free."""

import zipfile
from pathlib import Path

_EARLIEST = (1980, 1, 1, 0, 0, 0)  # what a zip archive can say at the least


def pack_folder(folder, target, leave_out=()):
    """Write the files below `folder` to the archive `target`, in order of name; `leave_out`: relative paths."""
    folder = Path(folder)
    members = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    pack_members(target, {name: (folder / name).read_bytes() for name in members if name not in set(leave_out)})


def pack_members(target, members, mode="w"):
    """Write `{name: bytes}` to the archive `target`; mode `a` appends an archive to whatever the file holds."""
    with zipfile.ZipFile(target, mode, zipfile.ZIP_STORED) as archive:
        for name, data in members.items():
            member = zipfile.ZipInfo(name, date_time=_EARLIEST)
            member.create_system = 3  # Unix, wherever this runs
            member.external_attr = 0o644 << 16
            archive.writestr(member, data)


def unpack(archive, folder):
    """Unpack an archive into `folder` and return it as a Path."""
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(folder)
    return Path(folder)
