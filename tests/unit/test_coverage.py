"""docs/coverage.md answers everything that the contracts of other projects name, and what it calls ours exists."""

import json
import re
from functools import cache
from pathlib import Path

import pytest
import yaml
from edgeproof.__main__ import build_program_parser

ROOT = Path(__file__).resolve().parents[2]
ITEMS = yaml.safe_load((ROOT / "tests/data/contract_items.yaml").read_text(encoding="utf-8"))
WANTED = {item: theirs for items in ITEMS.values() for item, theirs in items.items()}
ANSWERS = ("ours: ", "differs because ", "out because ")
_ROW = re.compile(r"^\| ([a-z]+-[a-z0-9-]+) \| (.+?) \| (.+) \|$", re.MULTILINE)
_SPAN = re.compile(r"`([^`]+)`")


def read_rows():
    """Return the rows of the page as (id, theirs, answer)."""
    return _ROW.findall((ROOT / "docs/coverage.md").read_text(encoding="utf-8"))


@cache
def list_targets():
    """Return what `make` and `snakemake` take: names of targets and rules."""
    text = "".join(path.read_text() for path in (ROOT / "Snakefile", *(ROOT / "rules").glob("*.smk")))
    makefile = (ROOT / "Makefile").read_text()
    return {
        "snakemake": set(re.findall(r"^rule (\w+):", text, re.MULTILINE)),
        "make": set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE)),
    }


@cache
def read_parser():
    """Return the parser of the whole command."""
    return build_program_parser()


@cache
def read_schema(name):
    """Return a schema, None if there is none of this name."""
    path = ROOT / f"config/schemas/{name}.schema.json"
    return json.loads(path.read_text()) if path.is_file() else None


def has_keys(node, keys, whole, seen=()):
    """Return whether a schema has a property keys[0] somewhere, keys[1] somewhere below it, and so on."""
    if not keys:
        return True
    if isinstance(node, list):
        return any(has_keys(item, keys, whole, seen) for item in node)
    if not isinstance(node, dict):
        return False
    if (reference := node.get("$ref", "")).startswith("#/") and reference not in seen:
        target = whole
        for part in reference[2:].split("/"):
            target = target[part]
        if has_keys(target, keys, whole, (*seen, reference)):
            return True
    properties = node.get("properties", {})
    if keys[0] in properties and has_keys(properties[keys[0]], keys[1:], whole):
        return True
    return any(has_keys(value, keys, whole, seen) for name, value in node.items() if name != "$ref")


def find_missing(span):
    """Return what of a span of code in an answer does not exist, None if all of it does."""
    words = span.split()
    if words[0] == "edgeproof":
        parser = read_parser()
        rest = words[1:]
        while rest and rest[0] in parser.verbs:
            parser = parser.verbs[rest.pop(0)]
        options = {option for action in parser.arguments for option in action.option_strings}
        named = {action.metavar for action in parser.arguments}
        wrong = [word for word in rest if word not in (options if word.startswith("-") else named)]
        return wrong or None
    if words[0] in list_targets():
        return [word for word in words[1:] if word not in list_targets()[words[0]]] or None
    if match := re.fullmatch(r"([a-z0-9-]+):([a-z_.]+)", span):
        schema = read_schema(match[1])
        found = schema is not None and has_keys(schema, match[2].split("."), schema)
        return None if found else span
    if span.startswith("results/"):
        name = Path(span).name
        layout = (ROOT / "scripts/edgeproof/core/layout.py").read_text() + (ROOT / "docs/architecture.md").read_text()
        return None if name in layout else span
    return None if (ROOT / span).is_file() else span


def test_there_is_one_row_for_everything_that_a_contract_names():
    rows = read_rows()
    assert [item for item, _, _ in rows] == list(WANTED)
    assert {item: theirs for item, theirs, _ in rows} == WANTED


def test_every_row_has_an_answer():
    unanswered = [item for item, _, answer in read_rows() if not answer.startswith(ANSWERS) or len(answer) < 20]
    assert unanswered == []


def test_what_a_row_names_exists():
    named = [(item, span) for item, _, answer in read_rows() for span in _SPAN.findall(answer)]
    assert [(item, span) for item, span in named if find_missing(span)] == []


def test_every_row_that_says_ours_names_something():
    assert [item for item, _, answer in read_rows() if answer.startswith("ours: ") and not _SPAN.search(answer)] == []


@pytest.mark.parametrize(
    "span",
    [
        *("edgeproof artifacts frobnicate", "edgeproof verify --no-such-option", "make nothing", "snakemake nowhere"),
        *("result:no_such_key", "result:energy.no_such_key", "no-such-schema:energy", "scripts/edgeproof/nowhere.py"),
    ],
)
def test_the_check_notices_what_does_not_exist(span):
    assert find_missing(span)
