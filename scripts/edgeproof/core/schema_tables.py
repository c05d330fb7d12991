"""Tables of configuration keys, rendered from the schemas, so that the documentation says what is checked."""

import json
from collections.abc import Iterator

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
}
_BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤"}
_MARK = "<!-- From here on generated from schemas/ by `make docs`. -->"


def render_page(text: str) -> str:
    """Return the page with everything below the mark rendered again."""
    head = text.split(_MARK)[0]
    return head + _MARK + "\n" + "".join(f"\n## {title}\n\n{render_table(kind)}" for kind, title in _PAGES.items())


def render_table(kind: str) -> str:
    """Return the Markdown table of a schema's keys: name, type or values, whether required, meaning."""
    schema = load_schema(kind)
    rows = ["| key | value | required | meaning |", "|---|---|---|---|"]
    rows += [
        f"| `{key}` | {value} | {needed} | {meaning} |" for key, value, needed, meaning in _rows(schema, schema, "")
    ]
    return "\n".join(rows) + "\n"


def _rows(node: Json, schema: Json, prefix: str) -> Iterator[tuple[str, str, str, str]]:
    for key, entry in node.get("properties", {}).items():
        entry = _resolve(entry, schema)
        needed = "yes" if key in node.get("required", ()) else ""
        yield prefix + key, _type(entry, schema), needed, entry.get("description", "").replace("|", "\\|")
        yield from _rows(entry, schema, f"{prefix}{key}.")
        items = _resolve(entry.get("items", {}), schema)
        if items.get("type") == "object":
            yield from _rows(items, schema, f"{prefix}{key}[].")


def _resolve(entry: Json, schema: Json) -> Json:
    if "$ref" in entry:
        target = schema
        for part in entry["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        return {**target, **{key: value for key, value in entry.items() if key != "$ref"}}
    return entry


def _type(entry: Json, schema: Json) -> str:
    if "enum" in entry:
        return ", ".join(f"`{value}`" for value in entry["enum"])
    if "const" in entry:
        return f"`{json.dumps(entry['const'])}`"
    names = entry.get("type", "")
    kind: str = names if isinstance(names, str) else " or ".join(names)
    if kind == "array":
        items = _resolve(entry.get("items", {}), schema)
        return f"list of {_type(items, schema) or 'values'}"
    bounds = [f"{sign} {entry[key]}" for key, sign in _BOUNDS.items() if key in entry]
    return " ".join([kind, *bounds]).strip()
