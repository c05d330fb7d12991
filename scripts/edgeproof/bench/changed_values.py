"""Keys of a document that its schema knows, and other values that they may have."""

import copy
import re
from collections.abc import Iterable, Iterator
from typing import Any

import jsonschema

from edgeproof.core.configuration import Json

Place = tuple[Any, ...]  # keys and indices from the top of a document
_GONE = object()


def list_keys_set(document: Any, schema: Json) -> Iterator[tuple[Place, str, Json]]:
    """Yield every key of a document whose value can be changed: (path in it, pointer in its schema, schema of the
    value).
    """
    yield from _visit(document, schema, "", (), schema)


def list_keys_known(schema: Json) -> set[str]:
    """Return the schema pointers, as of `list_keys_set`, of every key whose value can be changed."""
    return set(_list_pointers(schema, ""))


def propose_values(document: Any, path: Place, node: Json, names: Iterable[str]) -> Iterator[Any]:
    """Yield values to which a key may be changed, the likeliest to be allowed first; `drop` last: it is taken away.

    `names`: of other documents, for keys that name one.
    """
    value = document
    for part in path:
        value = value[part]
    yield from (item for item in _propose(value, node, list(names)) if item != value or type(item) is not type(value))
    yield _GONE


def put(document: Any, path: Place, value: Any) -> Any:
    """Return a copy of a document with a changed value, `value`, at `path`."""
    changed = copy.deepcopy(document)
    inner = changed
    for part in path[:-1]:
        inner = inner[part]
    if value is _GONE:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return changed


def _propose(value: Any, node: Json, names: list[str]) -> Iterator[Any]:
    yield from node.get("enum", ())
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int | float):
        yield from (value + 1, value - 1, value * 2, value / 2, 0.05)
    elif isinstance(value, str):
        yield from (f"{value}x", f"{value}-x", *names, value[::-1], ("0" * 64))
    elif value is None:
        yield from ("other", 1, False)
    elif isinstance(value, list):
        yield from (value[:-1], value[::-1], [*value, *value], [*value, "other"], [])
        yield from ([item] for item in node.get("items", {}).get("enum", ()))
    elif isinstance(value, dict):
        yield from ({**value, name: 7} for name in ("other",))


def _visit(value: Any, node: Json, pointer: str, path: Place, schema: Json) -> Iterator[tuple[Place, str, Json]]:
    if "$ref" in node:
        pointer, target = node["$ref"][1:], schema
        for part in pointer.strip("/").split("/"):
            target = target[part]
        yield from _visit(value, target, pointer, path, schema)
    if "then" in node:
        holds = jsonschema.Draft202012Validator({**node["if"], "$defs": schema.get("$defs", {})}).is_valid(value)
        word = "then" if holds else "else"
        yield from _visit(value, node.get(word, {}), f"{pointer}/{word}", path, schema)
    for word in ("allOf", "oneOf", "anyOf"):
        for number, branch in enumerate(node.get(word, ())):
            inner, place = branch, f"{pointer}/{word}/{number}"
            if "if" in branch:
                if not jsonschema.Draft202012Validator({**branch["if"], "$defs": schema.get("$defs", {})}).is_valid(
                    value
                ):
                    continue
                inner, place = branch.get("then", {}), f"{place}/then"
            yield from _visit(value, inner, place, path, schema)
    if isinstance(value, list) and isinstance(node.get("items"), dict):
        for number, item in enumerate(value):
            yield from _visit(item, node["items"], f"{pointer}/items", (*path, number), schema)
    if not isinstance(value, dict):
        return
    for key, item in value.items():
        children = {f"properties/{key}": node.get("properties", {}).get(key)}
        children |= {
            f"patternProperties/{p}": v for p, v in node.get("patternProperties", {}).items() if re.search(p, key)
        }
        if not any(children.values()) and isinstance(node.get("additionalProperties"), dict):
            children = {"additionalProperties": node["additionalProperties"]}
        for place, child in children.items():
            if isinstance(child, dict) and child:
                free = isinstance(_resolve(child, schema).get("additionalProperties"), dict)
                if free or not isinstance(item, dict | list) or not _is_container(item):
                    yield (*path, key), f"{pointer}/{place}", _resolve(child, schema)
                yield from _visit(item, child, f"{pointer}/{place}", (*path, key), schema)


def _is_container(item: Any) -> bool:
    """Tell whether a value holds keys of its own, which have rows of their own."""
    return isinstance(item, dict) or any(isinstance(inner, dict) for inner in item)


def _resolve(node: Json, schema: Json) -> Json:
    while "$ref" in node:
        target: Any = schema
        for part in node["$ref"][2:].split("/"):
            target = target[part]
        node = target
    return node


def _list_pointers(node: Any, pointer: str) -> Iterator[str]:
    if isinstance(node, list):
        for number, item in enumerate(node):
            yield from _list_pointers(item, f"{pointer}/{number}")
    elif isinstance(node, dict):
        for key, child in node.get("properties", {}).items() if isinstance(node.get("properties"), dict) else ():
            if isinstance(child, dict) and child and "if" not in pointer.split("/"):
                yield f"{pointer}/properties/{key}"
        for key, item in node.items():
            if key != "if":
                yield from _list_pointers(item, f"{pointer}/{key}")
