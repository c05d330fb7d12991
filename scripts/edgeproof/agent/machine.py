"""Which machine this is: a name that stays the same across reboots and tells two boards of one kind apart.

The serial number or machine id itself never leaves the machine; attempts carry a hash of it.
"""

from __future__ import annotations

import hashlib
import os
import platform
from typing import Dict, Optional

# In order of trust: a board's serial number, and what the installation says.
_IDENTITIES = (
    "proc/device-tree/serial-number",
    "sys/firmware/devicetree/base/serial-number",
    "etc/machine-id",
    "var/lib/dbus/machine-id",
)
_BOARDS = ("proc/device-tree/model", "sys/devices/virtual/dmi/id/product_name")


def describe_machine(root: str = "/") -> Dict[str, Optional[str]]:
    """Return {id, board, cpu} of this machine; None for what cannot be read. `id`: 16 hexadecimal digits of a hash."""
    secret = next(filter(None, (_read(root, path) for path in _IDENTITIES)), None)
    return {
        "id": hashlib.sha256(b"edgeproof machine " + secret.encode()).hexdigest()[:16] if secret else None,
        "board": next(filter(None, (_read(root, path) for path in _BOARDS)), None),
        "cpu": _read_cpu(root),
    }


def describe_itself(board: Optional[str]) -> str:
    """Return in words what this machine is: "is called 'NVIDIA Jetson …'", or which processor and system it has."""
    if board:
        return "is called {!r}".format(board)
    return "does not say its name ({}, {})".format(platform.machine() or "unknown processor", platform.system())


def _read_cpu(root: str) -> Optional[str]:
    """Return the name of the processor: x86 says `model name`, many Arm kernels say `Model` or a part number."""
    text = _read(root, "proc/cpuinfo", lines=True) or ""
    fields: Dict[str, str] = {}
    for line in text.split("\n"):
        name, _, value = line.partition(":")
        fields.setdefault(name.strip(), value.strip())
    part = fields.get("CPU part")
    return fields.get("model name") or fields.get("Hardware") or (f"Arm part {part}" if part else None)


def _read(root: str, path: str, lines: bool = False) -> Optional[str]:
    try:
        with open(os.path.join(root, path), encoding="utf-8", errors="replace") as stream:
            text = stream.read().replace("\0", " ")
    except OSError:
        return None
    return text if lines else " ".join(text.split()) or None
