"""Archives that nobody should take in, by name: each is a valid bundle but for one thing."""

import copy
import io
import json
import zipfile

from edgeproof.core.seals import seal

from .raw_zips import DEFLATED, Entry, pack

NAMES = {
    "absolute": "/results/x",
    "two slashes first": "//results/x",
    "backslash": "results\\x",
    "backslashes up": "..\\..\\x",
    "up": "../x",
    "up inside": "results/../../x",
    "dot": "results/./x",
    "empty part": "results//x",
    "drive": "C:/results/x",
    "drive without slash": "c:x",
    "stream": "results/x:hidden",
    "device": "results/con",
    "device with an end": "results/NUL.json",
    "serial port": "results/com1.log",
    "printer": "results/LPT9",
    "dot at the end": "results/x.",
    "space at the end": "results/x ",
    "space first": " results/x",
    "zero byte": "results/x\0.json",
    "escape": "results/\x1b[2J",
    "newline": "results/x\ny",
    "right to left": "results/\u202enosj.x",
    "zero width": "results/x\u200b",
    "not normal": "results/e\u0301",
    "kelvin": "results/\u212a",
    "private": "results/\ue000",
    "folder": "results/x/",
    "long": "results/" + "x" * 600,
    "long part": "results/" + "é" * 140,
    "deep": "/".join(["results", *"abcdefghijklmnopqrstuvwxyz", "x"]),
    "empty": "",
    "outside": "README.md",
    "own cache": ".edgeproof/files.json",
    "beside": "resultsx/x",
}
COLLISIONS = {
    "twice": ("results/x", "results/x"),
    "case": ("results/x", "results/X"),
    "case of a folder": ("results/a/x", "results/A/y"),
    "sharp s": ("results/straße", "results/strasse"),
    "ligature": ("results/\ufb01le", "results/file"),
    "full width": ("results/\uff41", "results/a"),
    "superscript": ("results/x\u00b2", "results/x2"),
    "file and folder": ("results/x", "results/x/y"),
    "file and folder by case": ("results/X", "results/x/y"),
    "final sigma": ("results/\u03c2", "results/\u03c3"),
}
MEMBERS = {
    "symbolic link": {"mode": 0o120777, "data": b"/etc/passwd"},
    "folder by mode": {"mode": 0o040755},
    "folder by flag": {"dos": 0x10},
    "pipe": {"mode": 0o010644},
    "device": {"mode": 0o020644},
    "block device": {"mode": 0o060644},
    "socket": {"mode": 0o140644},
    "encrypted": {"flags": 0x801},
    "strongly encrypted": {"flags": 0x841},
    "masked": {"flags": 0x2800},
    "encrypted in its own header": {"local_flags": 0x801},
    "bzip2": {"method": 12},
    "lzma": {"method": 14},
    "deflate64": {"method": 9},
    "zstandard": {"method": 93},
    "AES": {"method": 99},
    "shrunk": {"method": 1},
    "bomb": {"method": DEFLATED, "data": bytes(5 << 20)},
    "bomb that lies": {"method": DEFLATED, "data": bytes(5 << 20), "size": 10},
    "fewer bytes than it says": {"method": DEFLATED, "data": b"x" * 50, "size": 60},
    "stored with two sizes": {"size": 5, "packed_size": 1},
    "wrong checksum": {"crc": 1},
    "four gigabytes": {"method": DEFLATED, "size": (1 << 32) - 2, "packed_size": (1 << 31)},
    "packed beyond the end": {"packed_size": 1 << 20, "size": 1 << 20},
    "no deflate stream": {"method": DEFLATED, "data": b"", "packed_size": 0, "size": 4},
    "another name in front": {"local_name": b"results/other"},
    "another method in front": {"local_method": DEFLATED},
    "another size in front": {"local_size": 2},
    "descriptor": {"flags": 0x808},
    "descriptor in front": {"local_flags": 0x808},
    "place beyond the end": {"offset": 1 << 20},
    "place of the manifest": {"offset": 0},
    "bytes in front": {"before": b"hidden"},
    "nested zip": {"data": b"PK\x03\x04" + bytes(30)},
    "nested empty zip": {"data": b"PK\x05\x06" + bytes(18)},
    "nested gzip": {"data": b"\x1f\x8b" + bytes(20)},
    "nested tar": {"data": bytes(257) + b"ustar" + bytes(250)},
    "nested 7z": {"data": b"7z\xbc\xaf\x27\x1c"},
    "nested xz": {"data": b"\xfd7zXZ\x00"},
    "nested rar": {"data": b"Rar!\x1a\x07\x00"},
}
ENDS = {
    "nothing": b"",
    "text": b"hello",
    "end record alone": pack([]),
    "gzip": b"\x1f\x8b\x08" + bytes(40),
    "tar": bytes(257) + b"ustar" + bytes(1000),
    "end record of too many": pack([], count=65_000, length=0),
    "directory too long": pack([], count=1, length=1 << 30),
    "several disks": pack([], disk=1),
    "64 bits without a record": pack([], count=0xFFFF, length=0xFFFFFFFF),
}


def list_hostile(manifest, contents):
    """Yield (name, bytes) of archives, made from a valid bundle: its manifest and {path: bytes} of its files."""
    good = write(manifest, contents)
    yield from ENDS.items()
    yield "cut off", good[:-30]
    yield "cut in the middle", good[: len(good) // 2]
    yield "bytes in front of it", b"#!/bin/sh\n" + good
    yield "bytes behind it", good + b"more"
    yield "two in one file", good + good
    entries = list_entries(manifest, contents)
    yield "comment", pack(entries, comment=b"hello")
    yield "no manifest", pack(entries[1:])
    yield "end record that counts less", pack(entries, count=1)
    yield "end record with another place", pack(entries, place=3)
    for name, path in NAMES.items():
        yield f"name: {name}", pack([*list_entries(add(manifest, path), contents), Entry(path.encode())])
    for name, paths in COLLISIONS.items():
        found = manifest
        for path in dict.fromkeys(paths):
            found = add(found, path)
        yield f"collision: {name}", pack([*list_entries(found, contents), *(Entry(path.encode()) for path in paths)])
    for name, fields in MEMBERS.items():
        data = fields.get("data", b"x")
        named = list_entries(add(manifest, "results/added", data, fields.get("size")), contents)
        yield f"member: {name}", pack([*named, Entry(b"results/added", **fields)])
    yield "name that is no UTF-8", pack([*entries, Entry(b"results/\xff\xfe")])
    for name, text in list_manifests(manifest):
        yield f"manifest: {name}", pack([Entry(b"bundle.json", text), *entries[1:]])


def list_manifests(manifest):
    """Yield (name, text) of manifests that are refused."""
    first = manifest["files"][0]
    yield "no JSON", b"{"
    yield "a list", b"[]"
    yield "nothing", b""
    yield "not UTF-8", b"\xff\xfe{}"
    yield "nested deep", b"[" * 100_000
    yield "not a number", json.dumps(manifest).replace(str(first["bytes"]), "NaN", 1).encode()
    yield "key twice", json.dumps(manifest).replace("{", '{"kind": "run", ', 1).encode()
    yield "not sealed again", json.dumps({**manifest, "name": "another"}).encode()
    changes = {
        "another marker": {"schema": "edgeproof.bundle.v0"},
        "another kind": {"kind": "everything"},
        "another name": {"name": "results/runs/a/b/c/d/attempts/0001-00000000"},
        "unknown key": {"more": 1},
        "no files": {"files": []},
        "one file less": {"files": manifest["files"][1:]},
        "one file twice": {"files": [*manifest["files"], first]},
        "a file that is not there": {"files": [*manifest["files"], {**first, "path": "results/gone"}]},
        "another size": {"files": [{**first, "bytes": first["bytes"] + 1}, *manifest["files"][1:]]},
        "a negative size": {"files": [{**first, "bytes": -1}, *manifest["files"][1:]]},
        "another digest": {"files": [{**first, "sha256": "0" * 64}, *manifest["files"][1:]]},
        "another role": {"files": [{**first, "role": "program"}, *manifest["files"][1:]]},
        "absent and there": {"absent": [{name: first[name] for name in ("path", "sha256", "bytes")}]},
        "absent outside": {"absent": [{"path": "../x", "sha256": "0" * 64, "bytes": 1}]},
    }
    for name, change in changes.items():
        yield name, json.dumps(seal({**copy.deepcopy(manifest), **change})).encode()


def add(manifest, path, data=b"x", size=None):
    """Return a manifest that names one more file."""
    import hashlib

    entry = {"path": path or "x", "sha256": hashlib.sha256(data).hexdigest(), "role": "raw"}
    entry["bytes"] = len(data) if size is None else size
    if len(entry["path"]) > 512:
        entry["path"] = path[:512]
    return seal({**manifest, "files": [*manifest["files"], entry]})


def list_entries(manifest, contents):
    """Return the entries of a valid bundle: its manifest and its files."""
    return [
        Entry(b"bundle.json", json.dumps(manifest).encode()),
        *(Entry(path.encode(), data) for path, data in contents.items()),
    ]


def write(manifest, contents):
    """Return the bytes of a valid bundle."""
    return pack(list_entries(manifest, contents))


def read(path):
    """Return (manifest, {path: bytes}) of a bundle."""
    with zipfile.ZipFile(path) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    return json.loads(contents.pop("bundle.json")), contents


def read_bytes(data):
    """Return what `read` does of the bytes of a bundle."""
    return read(io.BytesIO(data))
