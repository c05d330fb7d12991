"""The tables of configuration keys: every key of a schema, with its type, and references followed."""

from pathlib import Path

from edgeproof.core import schema_tables
from edgeproof.core.schema_tables import render_page, render_table

README = Path(__file__).resolve().parents[3] / "config/README.md"


def test_a_table_shows_name_value_requirement_and_meaning(monkeypatch):
    schema = {
        "required": ["count"],
        "$defs": {"name": {"type": "string", "description": "from the definition"}},
        "properties": {
            "count": {"type": "integer", "minimum": 1, "maximum": 9, "description": "how many | at most"},
            "kind": {"enum": ["a", "b"]},
            "fixed": {"const": True},
            "maybe": {"type": ["number", "null"]},
            "who": {"$ref": "#/$defs/name"},
            "parts": {
                "type": "array",
                "items": {"type": "object", "required": ["x"], "properties": {"x": {"type": "string"}}},
            },
            "inner": {"type": "object", "properties": {"y": {"type": "boolean"}}},
        },
    }
    monkeypatch.setattr(schema_tables, "load_schema", lambda kind: schema)
    assert render_table("any").splitlines() == [
        "| key | value | required | meaning |",
        "|---|---|---|---|",
        "| `count` | integer ≥ 1 ≤ 9 | yes | how many \\| at most |",
        "| `kind` | `a`, `b` |  |  |",
        "| `fixed` | `true` |  |  |",
        "| `maybe` | number or null |  |  |",
        "| `who` | string |  | from the definition |",
        "| `parts` | list of object |  |  |",
        "| `parts[].x` | string | yes |  |",
        "| `inner` | object |  |  |",
        "| `inner.y` | boolean |  |  |",
    ]


def test_the_page_keeps_what_people_wrote_and_is_made_anew_below_the_mark():
    text = README.read_text()
    assert render_page(text) == text
    head = text.split("<!-- From here on")[0]
    assert render_page(head) == render_page(text + "an edit below the mark\n") == text
