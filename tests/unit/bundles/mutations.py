"""Bundles changed at random: bytes of the archive, members, and values of documents with their digests set anew."""

import copy
import io
import json
import re

import numpy as np
from edgeproof.core.files import sha256_bytes
from edgeproof.core.seals import SEAL, seal

from .hostile import read_bytes, write

_STRANGE = (None, True, -1, 0, 1e308, 2**63, "", "x" * 300, "../../etc/passwd", "/etc/passwd", [], {}, [[]], {"a": 1})


def mutate(good, draw):
    """Return the bytes of a bundle with one to three changes of one kind."""
    kind = draw.choice((_change_bytes, _change_values, _change_values, _change_members, _cut))
    return kind(good, draw)


def change_numbers(contents, draw, path):
    """Return (where, contents in which a number of the document `path` is another, sealed again)."""
    document = json.loads(contents[path])
    places = [place for place in _list_places(document) if isinstance(_look(document, place), int | float)]
    place = draw.choice([place for place in places if not isinstance(_look(document, place), bool)])
    value = _look(document, place)
    _put(document, place, value * draw.choice((0.5, 0.99, 1.01, 2)) if value else 1)
    return ".".join(map(str, place)), contents | {path: json.dumps(seal(document)).encode()}


def change_row(data, draw):
    """Return (where, bytes of a table in which a digit of one row is another)."""
    lines = data.split(b"\n")
    rows = [number for number, line in enumerate(lines) if number and re.search(rb"\d", line)]
    row = draw.choice(rows)
    at = draw.choice([match.start() for match in re.finditer(rb"\d", lines[row])])
    digit = (lines[row][at] - ord("0") + draw.randrange(1, 10)) % 10
    lines[row] = b"%s%d%s" % (lines[row][:at], digit, lines[row][at + 1 :])
    return f"row {row}", b"\n".join(lines)


def change_array(data, draw):
    """Return (where, bytes of an array of numbers in which one is another)."""
    array = np.load(io.BytesIO(data))
    at = draw.randrange(array.size)
    array.flat[at] = array.flat[at] * 2 + 1
    stream = io.BytesIO()
    np.save(stream, array)
    return f"number {at}", stream.getvalue()


def forge(manifest, contents, path, text):
    """Return (manifest, contents) with another text of `path`, and with every seal and digest of a file set anew.

    Who forges it knows all of them: a document that names the digest of a changed file gets the new one, and is sealed
    again, until none is left. Only computing again can tell.
    """
    contents, changed = dict(contents), {path: text}
    while changed:
        digests = {}
        for name, data in changed.items():
            digests[sha256_bytes(contents[name]).encode()] = sha256_bytes(data).encode()
            contents[name] = data
        changed = {}
        for name, data in contents.items():
            if name.endswith((".json", ".md", ".html")) and any(old in data for old in digests):
                for old, new in digests.items():
                    data = data.replace(old, new)
                document = json.loads(data) if name.endswith(".json") else {}
                changed[name] = json.dumps(seal(document)).encode() if SEAL in document else data
    return _name_again(manifest, contents), contents


def _change_bytes(good, draw):
    changed = bytearray(good)
    for _ in range(draw.randrange(1, 4)):
        changed[draw.randrange(len(changed))] = draw.randrange(256)
    return bytes(changed)


def _cut(good, draw):
    at, other = sorted((draw.randrange(len(good)), draw.randrange(len(good))))
    return good[:at] + good[other:] if draw.random() < 0.5 else good[:other] + good[at:]


def _change_members(good, draw):
    manifest, contents = read_bytes(good)
    names = list(contents)
    name = draw.choice(names)
    action = draw.randrange(4)
    if action == 0:
        del contents[name]
    elif action == 1:
        contents[name] = contents[draw.choice(names)]
    elif action == 2:
        contents[f"{name}{draw.choice(('x', '/x', '.', ' '))}"] = b"x"
    else:
        contents[name] = draw.randbytes(draw.randrange(200))
    if draw.random() < 0.5:
        manifest = _name_again(manifest, contents)
    return write(manifest, contents)


def _change_values(good, draw):
    """Change values of a document, or of the manifest itself, and set the digests anew."""
    manifest, contents = read_bytes(good)
    name = draw.choice([None, *(path for path in contents if path.endswith(".json"))])
    document = copy.deepcopy(manifest) if name is None else json.loads(contents[name])
    for _ in range(draw.randrange(1, 4)):
        places = list(_list_places(document))
        if places:
            place = draw.choice(places)
            if draw.random() < 0.2:
                _drop(document, place)
            else:
                _put(document, place, copy.deepcopy(draw.choice(_STRANGE)))
    document = seal(document) if SEAL in document and draw.random() < 0.9 else document
    if name is None:
        return write(document, contents)
    contents[name] = json.dumps(document).encode()
    return write(_name_again(manifest, contents), contents)


def _name_again(manifest, contents):
    roles = {entry["path"]: entry["role"] for entry in manifest["files"]}
    files = [
        {"path": path, "sha256": sha256_bytes(data), "bytes": len(data), "role": roles.get(path, "raw")}
        for path, data in contents.items()
    ]
    return seal({**manifest, "files": files})


def _list_places(value, place=()):
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*place, key)
        yield from _list_places(item, (*place, key))


def _look(value, place):
    for key in place:
        value = value[key]
    return value


def _put(document, place, value):
    _look(document, place[:-1])[place[-1]] = value


def _drop(document, place):
    del _look(document, place[:-1])[place[-1]]
