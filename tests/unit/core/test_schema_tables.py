"""The tables of configuration keys: every key of a schema, with its type, and references followed."""

from pathlib import Path

import pytest
from edgeproof.core import schema_tables
from edgeproof.core.schema_tables import KINDS, list_keys, render_page, render_table

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


def variant(key, value, then):
    return {"if": {"required": [key], "properties": {key: {"const": value}}}, "then": then}


def test_keys_of_a_variant_say_with_which_value_they_exist_and_equal_ones_are_one_row(monkeypatch):
    seed = {"type": "integer", "description": "Seed."}
    schema = {
        "$defs": {"file": {"required": ["path"], "properties": {"kind": {}, "path": {"type": "string"}}}},
        "properties": {
            "source": {
                "type": "object",
                "properties": {"kind": {"enum": ["file", "a", "b"]}, "options": {"type": "object"}},
                "allOf": [
                    variant("kind", "file", {"$ref": "#/$defs/file"}),
                    variant("kind", "a", {"properties": {"options": {"properties": {"seed": seed}}}}),
                    variant(
                        "kind",
                        "b",
                        {"required": ["options"], "properties": {"options": {"properties": {"seed": seed}}}},
                    ),
                ],
            },
        },
    }
    monkeypatch.setattr(schema_tables, "load_schema", lambda kind: schema)
    assert render_table("any").splitlines()[2:] == [
        "| `source` | object |  |  |",
        "| `source.kind` | `file`, `a`, `b` |  |  |",
        "| `source.options` | object |  |  |",
        "| `source.path` | string | yes | Only with `source.kind: file`. |",
        "| `source.options.seed` | integer |  | Only with `source.kind: a` or `b`. Seed. |",
        "",
        "What goes together:",
        "",
        "- `source.kind: b`: `source.options` is required.",
    ]


def test_what_a_value_demands_of_other_keys_stands_below_the_table(monkeypatch):
    narrow = {"backend": {"const": "x"}, "precisions": {"items": {"enum": ["fp32"]}}}
    options = {"additionalProperties": False, "properties": {"threads": True}}
    schema = {
        "properties": {
            "artifact": {"enum": ["onnx", "pt"]},
            "backend": {"enum": ["x", "y"]},
            "precisions": {"type": "array", "items": {"enum": ["fp32", "int8"]}},
            "build": {"type": "object", "properties": {"threads": {"type": "integer"}}},
        },
        "patternProperties": {"^(fp32|int8)$": {"type": "object", "properties": {"limit": {"type": "number"}}}},
        "allOf": [
            variant("artifact", "onnx", {"properties": {**narrow, "build": options}}),
            variant("artifact", "pt", {"properties": {"build": {"additionalProperties": False}}}),
        ],
    }
    monkeypatch.setattr(schema_tables, "load_schema", lambda kind: schema)
    lines = render_table("any").splitlines()
    assert "| `{fp32 …}` | object for each of `fp32`, `int8` |  |  |" in lines
    assert "| `{fp32 …}.limit` | number |  |  |" in lines
    assert lines[-2:] == [
        "- `artifact: onnx`: `backend` is `x`; `precisions` from `fp32`; `build` may have `threads`.",
        "- `artifact: pt`: `build` is empty.",
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_every_key_of_the_configuration_has_a_meaning(kind):
    assert [key.name for key in list_keys(kind) if not key.meaning] == []


def test_keys_that_a_model_has_only_with_one_kind_are_in_its_table():
    names = {key.name for key in list_keys("model")}
    assert {"source.path", "source.sha256", "source.url", "source.options.seed", "samples.calibration_sha256"} <= names
