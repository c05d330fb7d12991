"""Files of the board's end: digests, JSON, and whether a session lives. Python 3.8, standard library."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import signal
import time
from typing import Any, Dict, Iterator, Optional

CHUNK = 1 << 20  # bytes read or sent at once
STOP_S = 10.0  # seconds that an agent may take to end what it has started
ALIVE = "alive"  # locked by whatever lives of a session

Message = Dict[str, Any]


def list_regular_files(place: str) -> Iterator[str]:
    """Yield the regular files at or below a place; sockets and links are none."""
    if os.path.isfile(place):
        yield place
    for folder, _, names in os.walk(place):
        for name in names:
            path = os.path.join(folder, name)
            if os.path.isfile(path) and not os.path.islink(path):
                yield path


def digest_board_file(path: str) -> Optional[str]:
    """Return the sha256 of a file on the board, None where there is no such file."""
    hashed = hashlib.sha256()
    try:
        with open(path, "rb") as stream:
            for chunk in iter(lambda: stream.read(CHUNK), b""):
                hashed.update(chunk)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None
    return hashed.hexdigest()


def read_board_json(path: str) -> Any:
    """Return a JSON document on the board, None where it cannot be read."""
    try:
        with open(path, encoding="utf-8") as stream:
            return json.load(stream)
    except (OSError, ValueError):
        return None


def write_board_json(path: str, document: Any) -> None:
    """Write a JSON document on the board in one step."""
    with open(path + ".part", "w", encoding="utf-8") as stream:
        json.dump(document, stream)
    os.replace(path + ".part", path)


def is_session_alive(folder: str) -> bool:
    """Tell whether supervisor or agent of a session live: they hold the lock on `alive`, whatever a process id says."""
    try:
        with open(os.path.join(folder, ALIVE), "rb+") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def stop_session(folder: str) -> None:
    """End the agent of a session, gently first, and wait until nothing of it lives."""
    pids = read_board_json(os.path.join(folder, "pid"))
    if pids is None or not is_session_alive(folder):
        return
    with contextlib.suppress(ProcessLookupError):
        os.kill(pids["agent"], signal.SIGTERM)
    until = time.monotonic() + STOP_S
    while is_session_alive(folder) and time.monotonic() < until:
        time.sleep(0.02)
    if is_session_alive(folder):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pids["group"], signal.SIGKILL)
        while is_session_alive(folder) and time.monotonic() < until + STOP_S:
            time.sleep(0.02)
