"""Where a campaign reaches its devices: `hosts` names the host of a board, which is then measured over ssh.

Without it the same campaign runs in the board's own shell, so one file with the host's name is all that a desk adds.
"""

from collections.abc import Mapping
from typing import Any, cast

from .campaign_files import CampaignFiles
from .configuration import Json
from .documents import validate
from .errors import UserError
from .host_names import split_host
from .suggestions import suggest_words


def reach_hosts(files: CampaignFiles, catalogues: Mapping[str, Mapping[str, Json]]) -> dict[str, dict[str, Json]]:
    """Return the catalogues with the devices that a campaign's `hosts` names reached over ssh.

    UserError names file and line. A value is a host, [user@]host[:port], or the keys of a device that say how it is
    reached.
    """
    devices = dict(catalogues["device"])
    hosts = files.config.get("hosts")
    for name, value in (cast(Json, hosts) if isinstance(hosts, dict) else {}).items():  # else the schema says so
        place = f"{files.locate(f'hosts.{name}')}: hosts.{name}"
        if name not in devices:
            raise UserError(f"{place}: config/devices/ has no such device{suggest_words(name, devices)}")
        link: Any = _read_host(value, place) if isinstance(value, str) else value
        if isinstance(link, dict):
            devices[name] = validate({**devices[name], "transport": "ssh", **cast(Json, link)}, "device", place)
    return {**{kind: dict(documents) for kind, documents in catalogues.items()}, "device": devices}


def _read_host(text: str, place: str) -> Json:
    """Return {user, host, port} of [user@]host[:port], without what it does not say."""
    try:
        told = split_host(text)
    except ValueError as error:
        raise UserError(f"{place}: {text!r} {error}") from error
    return {name: value for name, value in told._asdict().items() if value is not None}
