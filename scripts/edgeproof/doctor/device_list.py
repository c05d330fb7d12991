"""`edgeproof devices`: the devices of the configuration, and which of them this machine may be."""

import sys
from collections.abc import Iterator
from pathlib import Path

from edgeproof.agent.environment import read_board
from edgeproof.core.catalogues import read_catalogue
from edgeproof.core.configuration import Json

from .findings import Place


def list_devices(root: Path, place: Place) -> list[Json]:
    """Return one dict per configured device, with `here`: whether this machine's name allows to measure it."""
    board = (read_board(str(place.root)) or "").lower()
    return [
        {
            "device": name,
            "description": device["description"],
            "board": device["board"],
            "board_contains": (wanted := device.get("board_contains")),
            "here": wanted is None or wanted.lower() in board,
            "transport": device["transport"],
            "interpreter": device.get("interpreter") or sys.executable,
            "tags": device.get("tags", []),
            "samplers": [sampler["name"] for sampler in device.get("samplers") or []],
        }
        for name, device in read_catalogue("device", root / "config").items()
    ]


def render_devices(devices: list[Json]) -> Iterator[str]:
    """Yield the lines that people read."""
    width = max(len(device["device"]) for device in devices)
    for device in devices:
        where = "this machine may be it" if device["here"] else f"a board named *{device['board_contains']}*"
        watched = f"; watched by {', '.join(device['samplers'])}" if device["samplers"] else ""
        yield f"{device['device']:<{width}}  {device['description']} [{', '.join(device['tags'])}]; {where}{watched}"


def choose_device(devices: list[Json]) -> str:
    """Return the device that this machine is: the one that names its board most closely, else `local`, or the first."""
    named = [device for device in devices if device["board_contains"] and device["here"]]
    if named:
        return max(named, key=lambda device: len(device["board_contains"]))["device"]
    names = [device["device"] for device in devices]
    return "local" if "local" in names else names[0]
