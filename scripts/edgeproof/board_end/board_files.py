"""Files of the board's end of a link: which there are, digests, JSON. Python 3.8, standard library."""

from __future__ import annotations

import hashlib
import json
import os
from typing import Any, Dict, Iterator, Optional

CHUNK = 1 << 20  # bytes read or sent at once

Message = Dict[str, Any]


def list_regular_files(place: str) -> Iterator[str]:
    """Yield the regular files at or below a place at the board's end of a link; sockets and links are none."""
    if os.path.isfile(place):
        yield place
    for folder, _, names in os.walk(place):
        for name in names:
            path = os.path.join(folder, name)
            if os.path.isfile(path) and not os.path.islink(path):
                yield path


def digest_board_file(path: str) -> Optional[str]:
    """Return the sha256 of a file at the board's end of a link, None where there is no such file."""
    hashed = hashlib.sha256()
    try:
        with open(path, "rb") as stream:
            for chunk in iter(lambda: stream.read(CHUNK), b""):
                hashed.update(chunk)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None
    return hashed.hexdigest()


def read_board_json(path: str) -> Any:
    """Return a JSON document from a file at the board's end of a link, None where it cannot be read."""
    try:
        with open(path, encoding="utf-8") as stream:
            return json.load(stream)
    except (OSError, ValueError):
        return None


def write_board_json(path: str, document: Any) -> None:
    """Write a JSON document to a file at the board's end of a link, in one step."""
    with open(path + ".part", "w", encoding="utf-8") as stream:
        json.dump(document, stream)
    os.replace(path + ".part", path)
