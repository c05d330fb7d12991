"""What is wrong with a document that its schema refuses, in one line: the key, its value and what would be right."""

import json
import math

import jsonschema
import jsonschema_rs


def describe_broken_rule(document, schema):
    """Return the first thing that is wrong with a document which is not valid."""
    for path, number in _list_unordered_numbers(document):
        return f"{_name_key(path)} is {number}; a finite number or null is needed"
    error = jsonschema.exceptions.best_match(jsonschema.Draft202012Validator(schema).iter_errors(document))
    return _describe_error(error) if error else _describe_refusal(document, schema)


def _describe_refusal(document, schema):
    """What only the stricter of the two validators minds: a line break after the end of a pattern, a key that is no
    string.
    """
    try:
        jsonschema_rs.Draft202012Validator(schema).validate(document)
    except jsonschema_rs.ValidationError as error:
        return f"{_name_key(error.instance_path)}: {error.message}"
    except ValueError as error:
        return str(error)
    raise RuntimeError("a document that its schema allows was refused")


def _list_unordered_numbers(value, path=()):
    if isinstance(value, float) and not math.isfinite(value):
        yield path, value
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list | tuple) else ()
    for key, item in items:
        yield from _list_unordered_numbers(item, (*path, key))


def _describe_error(error):
    value = json.dumps(error.instance, default=str)
    shown = value if len(value) <= 60 else value[:57] + "..."
    rule, key = error.validator, _name_key(error.absolute_path)
    if rule == "additionalProperties":
        known = ", ".join(sorted(error.schema.get("properties", {})))
        unknown = sorted(set(error.instance) - set(error.schema.get("properties", {})))
        return f"{key}: unknown key {unknown[0]!r}; known keys are {known}"
    if rule == "required":
        missing = next(name for name in error.validator_value if name not in error.instance)
        return f"{key}: key {missing!r} is missing{_condition(error)}"
    if rule == "enum":
        return f"{key} is {shown}; allowed{_condition(error)}: {', '.join(map(str, error.validator_value))}"
    if rule == "const":
        return f"{key} is {shown}; it must be {json.dumps(error.validator_value)}{_condition(error)}"
    if rule == "type":
        return f"{key} is {shown}; a value of type {error.validator_value} is needed"
    if rule == "pattern":
        return f"{key} is {shown}; it must match {error.validator_value}"
    if rule in ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"):
        sign = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}[rule]
        return f"{key} is {shown}; it must be {sign} {error.validator_value}"
    return f"{key} is {shown}; {error.message.splitlines()[0][:200]}"


def _condition(error):
    """Return ` with …`, where a branch of a schema says when it demands this."""
    said = error.schema.get("$comment")
    return f" {said}" if said else ""


def _name_key(path):
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.lstrip(".") or "the document"
