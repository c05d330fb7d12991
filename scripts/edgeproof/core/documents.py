"""Strict JSON and YAML: every document is checked against the schema of its kind when written and when read.

A schema lives in `config/schemas/{kind}.schema.json` (JSON Schema 2020-12). Result files carry their kind in
`"schema": "edgeproof.{kind}.v{n}"`; configuration files have no marker, their folder tells the kind.
"""

import copy
import functools
import json
import math
import re
from pathlib import Path

import jsonschema
import yaml

from .errors import UserError
from .files import atomic_write, sha256_bytes

SCHEMAS = Path(__file__).resolve().parents[3] / "config" / "schemas"
# Digests of kinds and texts that this process has found valid: whoever judges a campaign reads most files many times.
_VALID = set()


def read_json(path, kind):
    """Return the JSON document at `path`, validated as `kind`; UserError names file, key, value and the rule broken."""
    text = _read_text(path)
    try:
        document = json.loads(text, object_pairs_hook=_unique_object, parse_constant=_refuse_constant)
    except ValueError as error:
        raise UserError(f"{path}: not valid JSON: {error}") from error
    return _validate_once(document, kind, path, text)


def write_json(path, document, kind):
    """Validate `document` as `kind`, then write it in one step (two-space indent, keys in the order given)."""
    validate(document, kind, path)
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    atomic_write(path, text)
    _VALID.add(_digest_text(kind, text))


def read_yaml(path, kind):
    """Return the YAML document at `path`, validated as `kind`; duplicate keys, NaN and unknown keys are errors."""
    text = _read_text(path)
    try:
        document = copy.deepcopy(_parse_yaml(text))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" line {mark.line + 1}:" if mark else ""
        raise UserError(f"{path}:{line} {getattr(error, 'problem', None) or error}") from error
    return _validate_once(document, kind, path, text)


def validate(document, kind, where):
    """Return `document` if it satisfies the schema of `kind`; otherwise raise UserError with the first broken rule."""
    _refuse_unordered_numbers(document, where)
    error = jsonschema.exceptions.best_match(_validator(kind).iter_errors(document))
    if error is not None:
        raise UserError(f"{where}: {_describe(error)}")
    return document


def _validate_once(document, kind, where, text):
    """Validate a document read from `text`, unless the same text was found valid before."""
    digest = _digest_text(kind, text)
    if digest not in _VALID:
        validate(document, kind, where)
        _VALID.add(digest)
    return document


def _digest_text(kind, text):
    return sha256_bytes(f"{kind}\n{text}".encode())


@functools.lru_cache(maxsize=64)
def _parse_yaml(text):
    return yaml.load(text, Loader=_StrictLoader)


def digest_json(value):
    """Return the sha256 of the canonical form of a JSON value: keys sorted, no spaces, UTF-8."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return sha256_bytes(text.encode())


@functools.cache
def load_schema(kind):
    """Return the JSON Schema of one kind of document."""
    return json.loads((SCHEMAS / f"{kind}.schema.json").read_text())


@functools.cache
def _validator(kind):
    """The schemas are ours: a test checks them, and no job spends the tenth of a second that this takes."""
    return jsonschema.Draft202012Validator(load_schema(kind))


def _read_text(path):
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 text (byte {error.start})") from error


def _unique_object(pairs):
    document = {}
    for key, value in pairs:
        if key in document:
            raise ValueError(f"key {key!r} occurs twice in one object")
        document[key] = value
    return document


def _refuse_constant(name):
    raise ValueError(f"{name} is not a number in JSON")


def _refuse_unordered_numbers(value, where, path=()):
    """NaN satisfies every `minimum`, and infinity is no measurement: refuse both before the schema looks."""
    if isinstance(value, float) and not math.isfinite(value):
        raise UserError(f"{where}: {_key(path)} is {value}; a finite number or null is needed")
    if isinstance(value, dict):
        for key, item in value.items():
            _refuse_unordered_numbers(item, where, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _refuse_unordered_numbers(item, where, (*path, index))


def _describe(error):
    value = json.dumps(error.instance, default=str)
    shown = value if len(value) <= 60 else value[:57] + "..."
    rule, key = error.validator, _key(error.absolute_path)
    if rule == "additionalProperties":
        known = ", ".join(sorted(error.schema.get("properties", {})))
        unknown = sorted(set(error.instance) - set(error.schema.get("properties", {})))
        return f"{key}: unknown key {unknown[0]!r}; known keys are {known}"
    if rule == "required":
        missing = next(name for name in error.validator_value if name not in error.instance)
        return f"{key}: key {missing!r} is missing"
    if rule == "enum":
        return f"{key} is {shown}; allowed: {', '.join(map(str, error.validator_value))}"
    if rule == "const":
        return f"{key} is {shown}; it must be {json.dumps(error.validator_value)}"
    if rule == "type":
        return f"{key} is {shown}; a value of type {error.validator_value} is needed"
    if rule == "pattern":
        return f"{key} is {shown}; it must match {error.validator_value}"
    if rule in ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"):
        sign = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}[rule]
        return f"{key} is {shown}; it must be {sign} {error.validator_value}"
    return f"{key} is {shown}; {error.message.splitlines()[0][:200]}"


def _key(path):
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.lstrip(".") or "the document"


class _StrictLoader(yaml.SafeLoader):
    """YAML without surprises: duplicate keys are errors, and 1e-3 is a number as in YAML 1.2 and JSON."""


def _construct_unique_mapping(loader, node, deep=False):
    seen = set()
    for key_node, _ in node.value:
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, str):
            raise yaml.constructor.ConstructorError(
                None, None, f"key {key!r} is not a string; quote it", key_node.start_mark
            )
        if key in seen:
            raise yaml.constructor.ConstructorError(None, None, f"key {key!r} occurs twice", key_node.start_mark)
        seen.add(key)
    return loader.construct_mapping(node, deep)


_StrictLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _construct_unique_mapping)
_StrictLoader.yaml_implicit_resolvers = {
    first: [pair for pair in pairs if pair[0] not in ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:float")]
    for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_StrictLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\d+\.\d*([eE][-+]?\d+)?|\.\d+([eE][-+]?\d+)?|\d+[eE][-+]?\d+|\.(inf|nan))$", re.IGNORECASE),
    list("-+0123456789."),
)
