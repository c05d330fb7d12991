"""Where a campaign reaches its devices: `hosts` names the host of a board, which is then measured over ssh.

Without it the same campaign runs in the board's own shell, so one file with the host's name is all that a desk adds.
"""

from collections.abc import Mapping
from typing import Any, cast

from .campaign_files import CampaignFiles
from .configuration import Json
from .documents import validate
from .errors import UserError
from .suggestions import suggest_words


def reach_hosts(files: CampaignFiles, catalogues: Mapping[str, Mapping[str, Json]]) -> dict[str, dict[str, Json]]:
    """Return the catalogues with the devices that `hosts` names reached over ssh; UserError names file and line.

    A value is a host, [user@]host[:port], or the keys of a device that say how it is reached.
    """
    devices = dict(catalogues["device"])
    hosts = files.config.get("hosts")
    for name, value in (cast(Json, hosts) if isinstance(hosts, dict) else {}).items():  # else the schema says so
        place = f"{files.locate(f'hosts.{name}')}: hosts.{name}"
        if name not in devices:
            raise UserError(f"{place}: config/devices/ has no such device{suggest_words(name, devices)}")
        link: Any = _split_host(value) if isinstance(value, str) else value
        if isinstance(link, dict):
            devices[name] = validate({**devices[name], "transport": "ssh", **cast(Json, link)}, "device", place)
    return {**{kind: dict(documents) for kind, documents in catalogues.items()}, "device": devices}


def _split_host(text: str) -> Json:
    """Return {user, host, port} of [user@]host[:port], without what it does not say."""
    user, _, place = text.rpartition("@")
    host, colon, port = place.rpartition(":")
    if not (colon and port.isdigit() and ":" not in host):  # an IPv6 address has more colons than one
        host, port = place, ""
    return {"host": host} | ({"user": user} if user else {}) | ({"port": int(port)} if port else {})
