"""Which machine a device is: this one, or the board behind its link, which is asked once and remembered.

A board's host key is checked on every connection, so the same host stays the same machine. Remembering it lets results
be read, and computed again, while the board is switched off.
"""

import contextlib
import json
import os
from pathlib import Path

from edgeproof.agent.machine import describe_machine
from edgeproof.core.configuration import Device, Json
from edgeproof.core.files import atomic_write, sha256_bytes

from .device_links import complete_device


def is_remote(device: Device) -> bool:
    """Tell which machine a device is known to be: True for a board behind a link, False for this machine."""
    return device.get("transport") == "ssh"


def recall_board(device: Device) -> Json | None:
    """Return {id, board, cpu} of the known board that a device is, or of this machine; None if it was never reached."""
    if not is_remote(device):
        return describe_machine()
    with contextlib.suppress(OSError, ValueError):
        return json.loads(_place_of(device).read_text(encoding="utf-8"))
    return None


def remember_board(device: Device, machine: Json) -> None:
    """Remember which board a device is, so that it is known while it is switched off."""
    if recall_board(device) != machine:
        with contextlib.suppress(OSError):  # then it is asked every time
            atomic_write(_place_of(device), json.dumps(machine) + "\n")


def _place_of(device: Device) -> Path:
    device = complete_device(device)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    where = f"{device.get('user')} {device.get('host')} {device.get('port')} {device.get('jump')}"
    return cache / "edgeproof" / "boards" / f"{sha256_bytes(where.encode())[:16]}.json"
