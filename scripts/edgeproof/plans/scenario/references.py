"""Names inside a scenario document: each is unique, and what refers to one finds it."""

from edgeproof.core.errors import UserError


def index_names(names, key, where):
    """Return `{name: index}`; UserError when a name occurs twice."""
    index = {}
    for i, name in enumerate(names):
        if name in index:
            raise UserError(f"{where}: {key}[{i}].name is {name!r}, as {key}[{index[name]}].name; names must be unique")
        index[name] = i
    return index


def find_name(index, name, key, noun, where):
    """Return the index of `name`; UserError lists what is declared."""
    if name not in index:
        raise UserError(f"{where}: {key} names {noun} {name!r}, which is not declared; known: {', '.join(index)}")
    return index[name]


def check_links(links, devices, where):
    """Refuse a link from a device to itself and a second link for an ordered pair of devices."""
    seen = {}
    for i, link in enumerate(links):
        if link.source == link.target:
            name = devices[link.source].name
            raise UserError(f"{where}: links[{i}] joins {name!r} to itself; staying on a device is free")
        pairs = [(link.source, link.target)] + ([(link.target, link.source)] if link.bidirectional else [])
        for pair in pairs:
            if pair in seen:
                names = " → ".join(devices[d].name for d in pair)
                raise UserError(
                    f"{where}: links[{i}] declares {names} again (links[{seen[pair]}]); one link per direction"
                )
            seen[pair] = i
