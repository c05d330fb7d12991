"""YAML of a configuration entry in which every key is explained by the words of its schema."""

import json
import textwrap
from typing import Any

from edgeproof.core.configuration import Json
from edgeproof.core.documents import load_schema, validate

_WIDTH = 110


def render_entry(document: Json, kind: str, head: str, where: str) -> str:
    """Return a configuration entry as YAML with comments on every key; UserError if its schema refuses it.

    `head`: first comment. `where`: name of the file, for messages.
    """
    validate(document, kind, where)
    return f"# {head}\n" + "".join(_render(document, load_schema(kind), 0))


def _render(document: Json, schema: Json, depth: int) -> list[str]:
    pad, lines = "  " * depth, []
    for key, value in document.items():
        entry = schema.get("properties", {}).get(key, {})
        nested = isinstance(value, dict) and bool(value) and bool(entry.get("properties"))
        if words := entry.get("description"):
            lines += [f"{pad}# {line}\n" for line in textwrap.wrap(words, _WIDTH)]
        if nested:
            lines += [f"{pad}{key}:\n", *_render(value, entry, depth + 1)]
        elif isinstance(value, dict) and value:
            lines.append(f"{pad}{key}:\n")
            lines += [f"{pad}  {name}: {_inline(item)}\n" for name, item in value.items()]
        else:
            lines.append(f"{pad}{key}: {_inline(value)}\n")
    return lines


def _inline(value: Any) -> str:
    """Return a value as YAML on one line; JSON is YAML, and plain words look better without quotes."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_inline(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_inline, value)) + "]"
    return json.dumps(value, ensure_ascii=False)
