"""Hosts as people write them: `[user@]host[:port]`, an IPv6 address in brackets where a port follows."""

import re
from typing import NamedTuple

_PLACE = re.compile(r"(?:\[(?P<address>[^\[\]]+)\]|(?P<host>[^\[\]]*?))(?::(?P<port>[^:\[\]]*))?", re.ASCII)
_MOST_COLONS = 1  # more of them are an IPv6 address without a port
_LAST_PORT = 65535


class HostName(NamedTuple):
    """A host, and user and port where they are named."""

    host: str
    user: str | None
    port: int | None


def split_host(text: str) -> HostName:
    """Return the parts of a host's name, [user@]host[:port]; ValueError says in words what is wrong with it."""
    user, at, place = text.rpartition("@")
    if at and not user:
        raise ValueError("has an @ and no user before it")
    if place.count(":") > _MOST_COLONS and "[" not in place:
        return HostName(place, user or None, None)
    match = _PLACE.fullmatch(place)
    host = match and (match["address"] or match["host"])
    if match is None or not host:
        raise ValueError("names no host; write [user@]host[:port], and an IPv6 address with a port as [::1]:22")
    port = match["port"]
    if port is None:
        return HostName(host, user or None, None)
    if not (port.isascii() and port.isdigit() and 1 <= int(port) <= _LAST_PORT):
        raise ValueError(f"has the port {port!r}; a port is a number from 1 to {_LAST_PORT}")
    return HostName(host, user or None, int(port))
