"""The differences between two artifacts of one format, member by member, and whether they change the computation.

The members of an ONNX file are its initializers, nodes and attributes. Those of an archive (OpenVINO, Core ML,
TorchScript, the end of a TFLite file) are the files in it.
"""

import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from edgeproof.agent.archive_limits import ARTIFACT, ArchiveRefused, iterate_member, open_archive
from edgeproof.core.errors import UserError
from edgeproof.core.files import sha256_bytes
from edgeproof.core.reader import require_regular

MOST_NAMED = 20  # differences that a record lists one by one
_TEXT_SUFFIXES = (".json", ".xml", ".txt", ".py", ".md")
_MEMBERS_WITHOUT_CONTENT = ("fingerprint.pb",)  # TensorFlow writes a different one each time, and nothing reads it
_DESCRIPTIVE_FIELDS = ("ir_version", "producer_name", "producer_version", "domain", "model_version", "doc_string")


@dataclass(frozen=True)
class Difference:
    """One member that differs. `decisive`: it takes part in the computation; otherwise it only describes."""

    member: str
    detail: str
    decisive: bool = True


def list_artifact_differences(before: str | Path, after: str | Path, kind: str) -> tuple[str, list[Difference]]:
    """Return (verdict, differences) of two artifacts. `kind`: the format, as in a manifest.

    `identical`: the same bytes. `equivalent`: what differs takes no part in the computation. `different`: it does, or
    that cannot be told.
    """
    for path in (before, after):
        require_regular(path)
    left, right = Path(before).read_bytes(), Path(after).read_bytes()
    if left == right:
        return "identical", []
    if kind == "onnx":
        found = _compare_onnx(onnx.load_from_string(left), onnx.load_from_string(right))
    elif kind == "json":
        found = _compare_json(json.loads(left), json.loads(right))
    elif zipfile.is_zipfile(before) and zipfile.is_zipfile(after):
        found = _compare_archives(before, after)
    else:
        found = [Difference("the file", describe_different_bytes(left, right))]
    return ("different" if any(item.decisive for item in found) else "equivalent"), found


def _compare_onnx(left: onnx.ModelProto, right: onnx.ModelProto) -> list[Difference]:
    """Return the Differences of two models: opset, interface, initializers, nodes, functions, then texts."""
    found = []
    opsets = [{item.domain or "ai.onnx": item.version for item in model.opset_import} for model in (left, right)]
    if opsets[0] != opsets[1]:
        found.append(Difference("opset", f"{opsets[0]} became {opsets[1]}"))
    for side in ("input", "output"):
        values = [_serialise(getattr(model.graph, side)) for model in (left, right)]
        if values[0] != values[1]:
            names = [[item.name for item in getattr(m.graph, side)] for m in (left, right)]
            found.append(Difference(f"{side}s", f"{names[0]} became {names[1]} (or their types or shapes changed)"))
    found += _compare_initializers(left.graph, right.graph)
    found += _compare_nodes(left.graph, right.graph)
    for what, items in (
        ("sparse initializers", [model.graph.sparse_initializer for model in (left, right)]),
        ("functions", [model.functions for model in (left, right)]),
    ):
        if _serialise(items[0]) != _serialise(items[1]):
            found.append(Difference(what, "they differ"))
    for field in _DESCRIPTIVE_FIELDS:
        values = [getattr(model, field) for model in (left, right)]
        if values[0] != values[1]:
            found.append(Difference(field, f"{values[0]!r} became {values[1]!r}", decisive=False))
    note = "equal content in other bytes (names of nodes, order or notes)"
    return found or [Difference("serialisation", note, decisive=False)]


def _serialise(items):
    return [item.SerializeToString(deterministic=True) for item in items]


def _compare_json(left: Any, right: Any, key: str = "") -> list[Difference]:
    """Return the Differences of two JSON values, by key."""
    if isinstance(left, dict) and isinstance(right, dict):
        pairs = [(name, left.get(name), right.get(name)) for name in sorted({*left, *right})]
        return [item for name, a, b in pairs for item in _compare_json(a, b, f"{key}.{name}" if key else name)]
    if left == right:
        return []
    return [Difference(key or "the document", f"{_shorten(left)} became {_shorten(right)}")]


def _compare_archives(before: str | Path, after: str | Path) -> list[Difference]:
    """Return the Differences of two zip archives: in their members, and in what comes before the archive."""
    sides, fronts = [], []
    for path in (before, after):
        try:
            with open(path, "rb") as stream:
                archive, items = open_archive(stream, ARTIFACT)
                sides.append({item.filename: b"".join(iterate_member(archive, item)) for item in items})
        except ArchiveRefused as error:
            raise UserError(f"{path}: {error}") from error
        start = min((item.header_offset for item in items), default=0)
        fronts.append(Path(path).read_bytes()[:start])
    left, right = sides
    found = []
    if fronts[0] != fronts[1]:
        found.append(Difference("the bytes before the archive", describe_different_bytes(*fronts)))
    for name in sorted({*left, *right}):
        decisive = Path(name).name not in _MEMBERS_WITHOUT_CONTENT
        if name not in left or name not in right:
            found.append(Difference(name, "was added" if name in right else "is gone", decisive))
        elif left[name] != right[name]:
            found.append(Difference(name, _describe_member(name, left[name], right[name]), decisive))
    note = "equal members, packed differently (times, order or compression)"
    return found or [Difference("the archive", note, decisive=False)]


def describe_different_bytes(left: bytes, right: bytes) -> str:
    """Return the differences between two artifacts' members, as bytes, in words: lengths, first place, and how many."""
    common = min(len(left), len(right))
    unequal = np.frombuffer(left[:common], "uint8") != np.frombuffer(right[:common], "uint8")
    first = int(unequal.argmax()) if unequal.any() else common
    lengths = "" if len(left) == len(right) else f"{len(left)} bytes became {len(right)}; "
    return f"{lengths}{int(unequal.sum())} of {common} bytes differ, the first at {first}"


def _describe_member(name, left, right):
    if name.endswith(_TEXT_SUFFIXES):
        lines = [data.decode(errors="replace").splitlines() for data in (left, right)]
        for number, (a, b) in enumerate(zip(*lines, strict=False), 1):
            if a != b:
                return f"line {number}: {_shorten(a.strip())} became {_shorten(b.strip())}"
    return describe_different_bytes(left, right)


def _compare_initializers(left, right):
    sides = [{item.name: item for item in graph.initializer} for graph in (left, right)]
    for name in sorted({*sides[0], *sides[1]}):
        a, b = (side.get(name) for side in sides)
        if a is None or b is None:
            yield Difference(f"initializer {name!r}", "was added" if a is None else "is gone")
            continue
        before, after = numpy_helper.to_array(a), numpy_helper.to_array(b)
        if before.dtype != after.dtype or before.shape != after.shape:
            change = f"{before.dtype} {list(before.shape)} became {after.dtype} {list(after.shape)}"
            yield Difference(f"initializer {name!r}", change)
        elif before.tobytes() != after.tobytes():
            yield Difference(f"initializer {name!r}", _describe_values(before, after))


def _describe_values(before, after):
    if before.dtype.kind not in "fiub":
        return "values differ"
    unequal = before != after
    gap = np.abs(after.astype(np.float64) - before.astype(np.float64)).max()
    return f"{int(unequal.sum())} of {before.size} values differ, by up to {gap:.6g}"


def _compare_nodes(left: onnx.GraphProto, right: onnx.GraphProto) -> Iterator[Difference]:
    """Yield the differences between the nodes of two graphs; a node is identified by its outputs."""
    sides = [{tuple(node.output): node for node in graph.node} for graph in (left, right)]
    for outputs in dict.fromkeys([*sides[0], *sides[1]]):
        a, b = (side.get(outputs) for side in sides)
        if a is not None and b is not None:
            yield from _compare_node(_name_node(a), a, b)
        elif b is not None:
            yield Difference(_name_node(b), "was added")
        elif a is not None:
            yield Difference(_name_node(a), "is gone")


def _name_node(node: onnx.NodeProto) -> str:
    return f"node {node.name or ', '.join(node.output)!r} ({node.op_type})"


def _compare_node(label: str, a: onnx.NodeProto, b: onnx.NodeProto) -> Iterator[Difference]:
    for what, before, after in (
        ("operator", f"{a.domain}.{a.op_type}", f"{b.domain}.{b.op_type}"),
        ("inputs", list(a.input), list(b.input)),
    ):
        if before != after:
            yield Difference(f"{label}, {what}", f"{before} became {after}")
    sides = [{item.name: item for item in node.attribute} for node in (a, b)]
    for name in sorted({*sides[0], *sides[1]}):
        texts = [_show_attribute(side.get(name)) for side in sides]
        raw = [side[name].SerializeToString(deterministic=True) if name in side else None for side in sides]
        if raw[0] != raw[1]:
            yield Difference(f"{label}, attribute {name!r}", f"{texts[0]} became {texts[1]}")


def _show_attribute(attribute):
    if attribute is None:
        return "nothing"
    value = onnx.helper.get_attribute_value(attribute)
    if isinstance(value, onnx.TensorProto):
        return f"a tensor ({sha256_bytes(value.SerializeToString(deterministic=True))[:12]})"
    if isinstance(value, onnx.GraphProto):
        return f"a graph of {len(value.node)} nodes"
    return _shorten(value)


def _shorten(value):
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
