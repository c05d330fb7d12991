"""Tables of configuration keys, rendered from the schemas, so that the documentation says what is checked.

Keys that exist only with a certain value of another key (`source.path` with `kind: file`) get rows of their own. What
a value demands of keys that exist anyway (`artifact: onnx` demands `backend: onnxruntime`) is listed below the table.
"""

import json
from collections.abc import Iterator
from typing import NamedTuple

from .configuration import Json
from .documents import load_schema

_PAGES = {
    "campaign": "`config.yaml`: the campaign",
    "model": "`models/{model}.yaml`",
    "preset": "`presets/{preset}.yaml`",
    "device": "`devices/{device}.yaml`",
    "protocol": "`protocols/{protocol}.yaml`",
    "policy": "`policies/{policy}.yaml`",
    "regression-policy": "`regressions/{policy}.yaml`",
    "criteria": "`criteria/{criteria}.yaml`",
    "pipeline": "`pipelines/{pipeline}.yaml`",
    "family": "`families/{family}.yaml`",
    "selection": "`selection/{policy}.yaml`",
    "trace": "`traces/{trace}.yaml`",
}
KINDS = tuple(_PAGES)
_BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤"}
_MARK = "<!-- From here on generated from schemas/ by `make docs`. -->"


class Key(NamedTuple):
    """One key of a configuration file. `conditions`: values of other keys with which it exists, none for always."""

    name: str
    value: str
    required: bool
    meaning: str
    conditions: tuple[str, ...] = ()


def render_page(text: str) -> str:
    """Return `config/README.md` with the tables of the schemas, below its mark, rendered again."""
    head = text.split(_MARK)[0]
    return head + _MARK + "\n" + "".join(f"\n## {title}\n\n{render_table(kind)}" for kind, title in _PAGES.items())


def render_table(kind: str) -> str:
    """Return the Markdown table of a schema's keys: name, type or values, whether required, meaning."""
    schema = load_schema(kind)
    rows = ["| key | value | required | meaning |", "|---|---|---|---|"]
    for key in list_keys(kind):
        rows.append(f"| `{key.name}` | {key.value} | {'yes' if key.required else ''} | {_describe(key)} |")
    demands = [f"- {line}" for line in _list_demands(schema, schema)]
    return "\n".join([*rows, *(["", "What goes together:", "", *demands] if demands else [])]) + "\n"


def list_keys(kind: str) -> list[Key]:
    """Return the rows of a schema's table: every key that a configuration file of this kind may have, in order,
    variants joined.
    """
    schema = load_schema(kind)
    joined: dict[tuple[str, str, bool, str], tuple[str, ...]] = {}
    for key in _walk(schema, schema, "", ()):
        joined[key[:4]] = (*joined.get(key[:4], ()), *key.conditions)
    return [Key(*same, conditions) for same, conditions in joined.items()]


def _describe(key: Key) -> str:
    text = key.meaning.replace("|", "\\|")
    if not key.conditions:
        return text
    first, *others = key.conditions
    values = "".join(f" or `{condition.split(': ', 1)[1]}`" for condition in others)
    return f"Only with `{first}`{values}. {text}".strip()


def _walk(node: Json, schema: Json, prefix: str, conditions: tuple[str, ...]) -> Iterator[Key]:
    """Yield the keys below a node of the schema: its properties, their own keys, and those of its variants."""
    entries = {name: _resolve(entry, schema) for name, entry in _list_properties(node)}
    for name, entry in entries.items():
        if entry:  # a variant repeats a key with {} only to allow it
            needed = name in node.get("required", ())
            yield Key(prefix + name, _type(entry, schema), needed, entry.get("description", ""), conditions)
            yield from _walk(entry, schema, f"{prefix}{name}.", conditions)
            items = _resolve(entry.get("items", {}), schema)
            if items.get("type") == "object":
                yield from _walk(items, schema, f"{prefix}{name}[].", conditions)
    for condition, then in _list_variants(node, schema):
        extra = {name: _resolve(entry, schema) for name, entry in then.get("properties", {}).items()}
        where = (prefix + condition,)
        new = {name: entry for name, entry in extra.items() if name not in entries}
        yield from _walk({**then, "properties": new}, schema, prefix, where)
        for name in extra.keys() & entries.keys():
            if "properties" not in entries[name]:  # else the variant only says which of its keys it takes
                yield from _walk(extra[name], schema, f"{prefix}{name}.", where)


def _list_properties(node: Json) -> list[tuple[str, Json]]:
    """Return (name, schema) of a node's keys; keys whose names follow a pattern are one entry."""
    found = list(node.get("properties", {}).items())
    for pattern, entry in node.get("patternProperties", {}).items():
        if not pattern.startswith("^("):  # any name of the user's; a plain value is described with the key above
            found += [("{name}", {**entry, "x-value": "object, by name"})] if entry.get("type") == "object" else []
            continue
        names = pattern.removeprefix("^(").removesuffix(")$").split("|")
        value = "object for each of " + ", ".join(f"`{name}`" for name in names)
        found.append((f"{{{names[0]} …}}", {**entry, "x-value": value}))
    return found


def _list_variants(node: Json, schema: Json) -> list[tuple[str, Json]]:
    """Return (condition, schema) of what a node demands where one of its keys has a certain value."""
    found: list[tuple[str, Json]] = []
    for entry in node.get("allOf", []):
        entry = _resolve(entry, schema)
        if "if" in entry:
            then = _resolve(entry["then"], schema)
            for name, test in entry["if"].get("properties", {}).items():
                values = test.get("enum", [test["const"]] if "const" in test else [])
                found += [(f"{name}: {_show(value)}", then) for value in values]
        else:
            found += _list_variants(entry, schema)
    return found


def _list_demands(node: Json, schema: Json, prefix: str = "") -> list[str]:
    """Return a line for each value of a key that narrows other keys beside it."""
    known, demands = node.get("properties", {}), dict[str, list[str]]()
    for condition, then in _list_variants(node, schema):
        narrowed = then.get("properties", {}).items()
        parts = [text for name, entry in narrowed if name in known and (text := _narrow(prefix + name, entry))]
        needed = [name for name in then.get("required", ()) if name in known and name not in node.get("required", ())]
        demands.setdefault(condition, []).extend([*parts, *(f"`{prefix}{name}` is required" for name in needed)])
    lines = [f"`{prefix}{condition}`: " + "; ".join(parts) + "." for condition, parts in demands.items() if parts]
    for name, entry in known.items():
        lines += _list_demands(_resolve(entry, schema), schema, f"{prefix}{name}.")
    return lines


def _narrow(name: str, entry: Json) -> str:
    """Return what a variant demands of one key, or nothing where it only allows it."""
    if "const" in entry:
        return f"`{name}` is `{_show(entry['const'])}`"
    if "enum" in entry.get("items", {}):
        return f"`{name}` from {', '.join(f'`{value}`' for value in entry['items']['enum'])}"
    if entry.get("additionalProperties") is False:
        keys = ", ".join(f"`{key}`" for key in entry.get("properties", {}))
        return f"`{name}` may have {keys}" if keys else f"`{name}` is empty"
    return ""


def _show(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _resolve(entry: Json, schema: Json) -> Json:
    if "$ref" in entry:
        target = schema
        for part in entry["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        return {**target, **{key: value for key, value in entry.items() if key != "$ref"}}
    return entry


def _type(entry: Json, schema: Json) -> str:
    if "x-value" in entry:
        return entry["x-value"]
    if "enum" in entry:
        return ", ".join(f"`{_show(value)}`" for value in entry["enum"])
    if "const" in entry:
        return f"`{json.dumps(entry['const'])}`"
    names = entry.get("type", "object" if "properties" in entry else "")
    kind: str = names if isinstance(names, str) else " or ".join(names)
    if kind == "array":
        items = _resolve(entry.get("items", {}), schema)
        return f"list of {_type(items, schema) or 'values'}"
    bounds = [f"{sign} {entry[key]}" for key, sign in _BOUNDS.items() if key in entry]
    return " ".join([kind, *bounds]).strip()
