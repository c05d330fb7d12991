"""Names in a scenario document: checked for being unique, and looked up where another part refers to them."""

from collections.abc import Sequence
from pathlib import Path

from edgeproof.core.errors import UserError

from .model import Device, Link


def index_names(names: list[str], key: str, where: str | Path) -> dict[str, int]:
    """Return `{name: index}` for the references in a scenario document; UserError when a name occurs twice."""
    index = {}
    for i, name in enumerate(names):
        if name in index:
            raise UserError(f"{where}: {key}[{i}].name is {name!r}, as {key}[{index[name]}].name; names must be unique")
        index[name] = i
    return index


def find_name(index: dict[str, int], name: str, key: str, noun: str, where: str | Path) -> int:
    """Return the index of `name`, a reference in a scenario document; UserError lists the names that are declared.

    `key`: who refers to it; `noun`: what it is.
    """
    if name not in index:
        raise UserError(f"{where}: {key} names {noun} {name!r}, which is not declared; known: {', '.join(index)}")
    return index[name]


def check_link_ends(links: Sequence[Link], devices: Sequence[Device], where: str | Path) -> None:
    """Raise UserError where the references of links to their ends are wrong.

    A link may not join one device to itself, nor the same two again.
    """
    seen = {}
    for i, link in enumerate(links):
        if link.source == link.target:
            name = devices[link.source].name
            raise UserError(
                f"{where}: links[{i}] joins {name!r} to itself; remove it, staying on a device costs nothing"
            )
        pairs = [(link.source, link.target)] + ([(link.target, link.source)] if link.bidirectional else [])
        for pair in pairs:
            if pair in seen:
                names = " → ".join(devices[d].name for d in pair)
                raise UserError(
                    f"{where}: links[{i}] declares {names} again (links[{seen[pair]}]); one link per direction"
                )
            seen[pair] = i
