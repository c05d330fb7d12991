"""Say in one line what is wrong with a document that its schema refuses: the key, its value and what is allowed."""

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

import jsonschema
import jsonschema_rs
from jsonschema.exceptions import (
    ValidationError,
    best_match,  # pyright: ignore[reportUnknownVariableType]
)

from .configuration import Json
from .seals import REMEDY
from .suggestions import suggest_words

_VERSION = re.compile(r"(?P<kind>edgeproof\.[a-z-]+)\.v(?P<n>\d+)")
_TYPES = {
    "array": "a list, as [a, b],",
    "object": "a mapping of keys to values",
    "string": "a text",
    "integer": "a whole number",
}
_SIGNS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
Key = tuple[str | int, ...]  # where a value is in a document: names and list indexes from the outside in


def describe_broken_rule(document: Mapping[str, Any], schema: Json) -> str:
    """Return in one line the first rule of its schema that an invalid document has broken: key, value, what may be."""
    for path, number in _list_non_finite_numbers(document):
        return f"{_name_key(path)} is {number}; a finite number or null is needed"
    if older := _find_older_version(document, schema):
        return f"schema is {older!r}, which an earlier edgeproof wrote; {REMEDY}"
    errors = cast("Iterable[ValidationError]", jsonschema.Draft202012Validator(schema).iter_errors(document))  # pyright: ignore[reportUnknownMemberType]
    error = cast("ValidationError | None", best_match(errors))
    return _describe_error(error) if error else _describe_refusal(document, schema)


def _find_older_version(document: object, schema: Json) -> str | None:
    """Return the `schema` of a document of the same kind and an earlier version, else None."""
    said = cast(Json, document).get("schema") if isinstance(document, dict) else None
    wanted = schema.get("properties", {}).get("schema", {}).get("const")
    found = [_VERSION.fullmatch(text) if isinstance(text, str) else None for text in (said, wanted)]
    if found[0] and found[1] and found[0]["kind"] == found[1]["kind"] and int(found[0]["n"]) < int(found[1]["n"]):
        return found[0][0]
    return None


def _describe_refusal(document: Mapping[str, Any], schema: Json) -> str:
    """Return what only the stricter validator refuses: a line break after a pattern's end, a key that is no string."""
    try:
        jsonschema_rs.Draft202012Validator(schema).validate(document)
    except jsonschema_rs.ValidationError as error:
        return f"{_name_key(error.instance_path)}: {error.message}"
    except ValueError as error:
        return str(error)
    raise RuntimeError("a document that its schema allows was refused")


def _list_non_finite_numbers(value: Any, path: Key = ()) -> Iterator[tuple[Key, float]]:
    if isinstance(value, float) and not math.isfinite(value):
        yield path, value
    items: Iterable[tuple[str | int, Any]] = ()
    if isinstance(value, dict):
        items = cast(Json, value).items()
    elif isinstance(value, list | tuple):
        items = enumerate(cast("list[Any]", value))
    for key, item in items:
        yield from _list_non_finite_numbers(item, (*path, key))


def _describe_error(error: ValidationError) -> str:
    instance, schema, wanted = cast(Any, error.instance), cast(Json, error.schema), cast(Any, error.validator_value)
    value = json.dumps(instance, default=str)
    shown = value if len(value) <= 60 else value[:57] + "..."
    rule, key = error.validator, _name_key(error.absolute_path)
    if rule == "additionalProperties":
        known = schema.get("properties", {})
        unknown = sorted(set(instance) - set(known))
        meant = suggest_words(str(unknown[0]), known)
        return f"{key}: unknown key {unknown[0]!r}; known keys are {', '.join(sorted(known))}{meant}"
    if rule == "required":
        missing = next(name for name in wanted if name not in instance)
        return f"{key}: key {missing!r} is missing{_condition(schema)}"
    if rule == "enum":
        meant = suggest_words(str(instance), [item for item in wanted if isinstance(item, str)])
        return f"{key} is {shown}; allowed{_condition(schema)}: {', '.join(map(str, wanted))}{meant}"
    if rule == "const":
        return f"{key} is {shown}; it must be {json.dumps(wanted)}{_condition(schema)}"
    if rule == "type":
        return f"{key} is {shown}; {_TYPES.get(str(wanted), f'a value of type {wanted}')} is needed"
    if rule == "minItems" and not instance:
        return f"{key} is empty; at least {wanted} is needed"
    if rule == "maxLength":
        return f"{key} has {len(instance)} characters; {wanted} are allowed"
    if rule == "uniqueItems":
        return f"{key} is {shown}; each may occur once"
    if rule == "pattern":
        return f"{key} is {shown}; it must match {wanted}"
    if rule in _SIGNS:
        return f"{key} is {shown}; it must be {_SIGNS[str(rule)]} {wanted}"
    return f"{key} is {shown}; {error.message.splitlines()[0][:200]}"


def _condition(schema: Json) -> str:
    """Return ` with …` if the branch of the schema says when its rule applies."""
    said = schema.get("$comment")
    return f" {said}" if said else ""


def _name_key(path: Iterable[str | int]) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.lstrip(".") or "the document"
