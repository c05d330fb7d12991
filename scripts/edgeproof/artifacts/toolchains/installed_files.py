"""The files of a toolchain's packages against the hashes that their own wheels recorded.

An edit inside an environment, or inside the cache that uv installs from, changes what is built and no version. Every
package has a RECORD with the sha256 of its files. Hashing some GB takes long, so a file that was right once is only
looked at again if its inode, size or times have changed.
"""

import base64
import csv
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from edgeproof.core.files import atomic_write, sha256_bytes
from edgeproof.core.seals import digest_json

from .environment_folder import ROOT

_MOST_NAMED = 3


class _Recorded(NamedTuple):
    path: str  # relative to the folder of the environment
    digest: str  # sha256 in urlsafe base64 without padding, as in RECORD


def find_altered_files(name: str) -> list[str]:
    """Return a toolchain's installed files that are not as their packages recorded them, or are gone; sorted.

    Paths are relative to the environment. What is right is remembered beside the environment. The caller must hold it.
    """
    known, seen, altered = _read_memory(name), {}, []
    for item in _iterate_records(name):
        path = ROOT / name / item.path
        try:
            state = _describe_state(path)
        except OSError:
            altered.append(item.path)
            continue
        if known.get(item.path) != [*state, item.digest] and _digest_as_recorded(path) != item.digest:
            altered.append(item.path)
        else:
            seen[item.path] = [*state, item.digest]
    if seen != known:
        atomic_write(_place_memory(name), json.dumps(seen))
    return sorted(altered)


def describe_altered_files(altered: list[str]) -> str:
    """Return altered installed files of a toolchain in words: the first few, and how many more there are."""
    more = f" and {len(altered) - _MOST_NAMED} more" if len(altered) > _MOST_NAMED else ""
    return ", ".join(altered[:_MOST_NAMED]) + more


def digest_environment(name: str) -> str:
    """Return one digest of all installed files of a toolchain: of the RECORDs of all packages.

    Files that Python or uv make on this machine (bytecode, entry points with paths) are not in it.
    """
    records = {path.parent.name: sha256_bytes(path.read_bytes()) for path in _list_records(name)}
    return digest_json(records)


def _list_records(name: str) -> list[Path]:
    return sorted((ROOT / name).glob("lib/python*/site-packages/*.dist-info/RECORD"))


def _iterate_records(name: str) -> Iterator[_Recorded]:
    for record in _list_records(name):
        place = record.parent.parent.relative_to(ROOT / name)
        with record.open(newline="", encoding="utf-8") as stream:
            for row in csv.reader(stream):
                # Some wheels bring bytecode, and uv compiles it anew from the sources.
                if len(row) >= 2 and row[1].startswith("sha256=") and not row[0].endswith(".pyc"):
                    path = os.path.normpath(place / row[0])
                    if not path.startswith(("..", "/")):
                        yield _Recorded(path, row[1].removeprefix("sha256="))


def _describe_state(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns]


def _digest_as_recorded(path: Path) -> str:
    with path.open("rb") as stream:
        return base64.urlsafe_b64encode(hashlib.file_digest(stream, "sha256").digest()).decode().rstrip("=")


def _place_memory(name: str) -> Path:
    return ROOT / f"{name}.files.json"


def _read_memory(name: str) -> dict[str, list[int | str]]:
    try:
        known = json.loads(_place_memory(name).read_bytes())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}
