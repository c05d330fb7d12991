"""How a device is reached: its host and what ssh needs to know. None of it is in a key, for it decides no result.

The workflow gives it to its jobs in an environment variable, because a campaign may name the hosts; a script that is
started by hand reads the device's file.
"""

import json
import os
from collections.abc import Mapping
from typing import Any, cast

from edgeproof.core.catalogues import read_catalogue_entry
from edgeproof.core.configuration import LINK_KEYS, Device, Json
from edgeproof.core.errors import UserError

VARIABLE = "EDGEPROOF_LINKS"


def describe_links(devices: Mapping[str, Device]) -> str:
    """Return the devices' links as text for the environment: JSON, {device: how it is reached} of all behind a link."""
    links = {name: _select_link(device) for name, device in devices.items() if device["transport"] == "ssh"}
    return json.dumps(links, sort_keys=True)


def _select_link(device: Device) -> Json:
    """Return what of a device says how it is reached."""
    return {name: value for name, value in device.items() if name in LINK_KEYS}


def complete_device(device: Device) -> Device:
    """Return a device with its link, which says how it is reached; UserError where nothing names its host."""
    if device.get("host"):
        return device
    name = cast(Json, device).get("name", "")
    links: Json = json.loads(os.environ.get(VARIABLE) or "{}")
    link: Any = links[name] if name in links else _select_link(cast(Any, read_catalogue_entry("device", name)))
    if not link.get("host"):
        raise UserError(f"device {name}: no host is known; name it: --config 'hosts={{{name}: HOST}}'")
    return cast(Any, {**device, **link})


def find_remote_device(name: str) -> Device | None:
    """Return a device with its link if it builds behind one; None for `host`, and for what is built on this machine."""
    links: Json = json.loads(os.environ.get(VARIABLE) or "{}")
    if name not in links:
        return None
    return cast(Any, {**read_catalogue_entry("device", name), "transport": "ssh", **links[name], "name": name})
