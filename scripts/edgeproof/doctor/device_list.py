"""`edgeproof devices`: the devices of the configuration, and which of them this machine may be."""

import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

from edgeproof.agent.environment import read_board
from edgeproof.core.catalogues import read_catalogue
from edgeproof.core.configuration import Json

from .findings import Place

# What a tag says of the machine: as Python calls its processor and its system.
_PROCESSORS = {"arm64": ("aarch64", "arm64"), "x86-64": ("x86_64", "AMD64"), "armv7": ("armv7l",)}
_SYSTEMS = {"android": "Android", "macos": "Darwin", "windows": "Windows"}
_EMULATED = "emulated"  # a tag: this machine makes the processor up
_WIDTH = 100
_GAP = "  "


def list_devices(root: Path, place: Place) -> list[Json]:
    """Return the list of configured devices, one dict each, with `here`: whether a job on this machine may measure it,
    and `elsewhere`: why not, in words, None where it may.
    """
    board = read_board(str(place.root)) or ""
    return [
        {
            "device": name,
            "description": device["description"],
            "board": device["board"],
            "board_contains": device.get("board_contains"),
            "here": (elsewhere := _explain_elsewhere(device, board, place)) is None,
            "elsewhere": elsewhere,
            "transport": device["transport"],
            "interpreter": device.get("interpreter") or sys.executable,
            "tags": device.get("tags", []),
            "samplers": [sampler["name"] for sampler in device.get("samplers") or []],
        }
        for name, device in read_catalogue("device", root / "config").items()
    ]


def _explain_elsewhere(device: Json, board: str, place: Place) -> str | None:
    """Return why a device is not this machine, by its link, system, processor and board; None where it may be."""
    if device["transport"] == "manual":
        return "no job reaches it; you carry a kit there"
    if device["transport"] == "ssh":
        return f"over ssh, {device['host']}"
    tags = device.get("tags", [])
    for tag in tags:
        if tag in _SYSTEMS and place.system != _SYSTEMS[tag]:
            return f"{tag}; this is {place.system}"
        if tag in _PROCESSORS and _EMULATED not in tags and place.machine not in _PROCESSORS[tag]:
            return f"{tag}; this is {place.machine}"
    wanted = device.get("board_contains")
    return None if wanted is None or wanted.lower() in board.lower() else f"a board named *{wanted}*"


def render_devices(devices: list[Json]) -> Iterator[str]:
    """Yield the lines that people read of the list of devices: a table, and what `--json` has besides."""
    heads = ("device", "board", "tags", "this machine?")
    rows = [
        (item["device"], item["board"], " ".join(item["tags"]), "yes" if item["here"] else f"no: {item['elsewhere']}")
        for item in devices
    ]
    widths = [max(len(row[column]) for row in (heads, *rows)) for column in range(len(heads) - 1)]
    before = sum(widths) + len(_GAP) * len(widths)
    for *cells, last in (heads, *rows):
        line = _GAP.join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        first, *more = textwrap.wrap(last, max(_WIDTH - before, len(heads[-1])))
        yield f"{line}{_GAP}{first}"
        yield from (" " * before + rest for rest in more)
    yield ""
    yield "edgeproof doctor --device DEVICE says what is missing; --json has descriptions and samplers."


def choose_device(devices: list[Json]) -> str:
    """Return the list's device that is this machine: it names its board most closely, else `local`, or the first."""
    named = [device for device in devices if device["board_contains"] and device["here"]]
    if named:
        return max(named, key=lambda device: len(device["board_contains"]))["device"]
    names = [device["device"] for device in devices]
    return "local" if "local" in names else names[0]
