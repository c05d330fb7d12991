"""Strict JSON: every document is checked against the schema of its kind when written and when read.

A schema lives in `config/schemas/{kind}.schema.json` (JSON Schema 2020-12). Result files carry their kind in
`"schema": "edgeproof.{kind}.v{n}"`; configuration files have no marker, their folder tells the kind.
"""

import functools
import json
import math
from pathlib import Path

import jsonschema_rs

from .errors import UserError
from .files import atomic_write, sha256_bytes
from .reader import current_reader, read_once

SEAL = "document_sha256"
SCHEMAS = Path(__file__).resolve().parents[3] / "config" / "schemas"


@read_once
def read_json(path, kind):
    """Return the JSON document at `path`, validated as `kind`; UserError names file, key, value and the rule broken."""
    text = read_text(path)
    try:
        document = json.loads(
            text, object_pairs_hook=_unique_object, parse_float=_parse_finite, parse_constant=_refuse_constant
        )
        _require_characters(text, document)
    except ValueError as error:
        raise UserError(f"{path}: not valid JSON: {error}") from error
    except RecursionError:
        raise UserError(f"{path}: not valid JSON: nested too deep") from None
    return _require_valid(document, kind, path)


def write_json(path, document, kind):
    """Validate `document` as `kind`, then write it in one step (two-space indent, keys in the order given)."""
    validate(document, kind, path)
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    atomic_write(path, text)


def write_sealed(path, document, kind):
    """Write a document as `write_json` does, with its own digest in it: what a hand changes later is noticed."""
    write_json(path, seal(document), kind)


@read_once
def read_sealed(path, kind, remedy):
    """Return the document at `path` as `read_json` does; UserError, with the remedy, where its seal does not hold."""
    document = read_json(path, kind)
    require_sealed(document, path, remedy)
    return document


def seal(document):
    """Return a document with the digest of all that it says (canonical JSON)."""
    rest = {key: value for key, value in document.items() if key != SEAL}
    return {**rest, SEAL: digest_json(rest)}


def require_sealed(document, path, remedy):
    """Raise UserError where a document is not what its seal was set on."""
    if document.get(SEAL) != seal(document)[SEAL]:
        raise UserError(f"{path}: {SEAL} does not match the rest of it; it was edited, {remedy}")


def validate(document, kind, where):
    """Return `document` if it satisfies the schema of `kind`; otherwise raise UserError with the first broken rule."""
    if not _is_finite(document):
        raise UserError(f"{where}: {_describe_broken_rule(document, kind)}")
    return _require_valid(document, kind, where)


def _require_valid(document, kind, where):
    """Do as `validate` for a document all of whose numbers are finite, as those are that were read from JSON."""
    if not _is_valid(document, kind):
        raise UserError(f"{where}: {_describe_broken_rule(document, kind)}")
    return document


def _describe_broken_rule(document, kind):
    from .broken_rules import describe_broken_rule  # jsonschema is slow to import, and most documents are valid

    return describe_broken_rule(document, load_schema(kind))


def _is_valid(document, kind):
    try:
        return _validator(kind).is_valid(document)
    except ValueError:  # what JSON cannot say, as a key that is no string
        return False


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
    """The schemas are ours, and a test checks them: no job need do that."""
    return jsonschema_rs.Draft202012Validator(load_schema(kind))


def read_text(path):
    """Return the text of a file; UserError if it cannot be read or is not UTF-8."""
    try:
        return current_reader().read(path).decode()
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 text (byte {error.start})") from error


def _unique_object(pairs):
    document = dict(pairs)
    if len(document) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"key {twice!r} occurs twice in one object")
    return document


def _require_characters(text, document):
    """Raise ValueError for half of a surrogate pair, which JSON can escape and UTF-8 cannot write."""
    if "\\ud" in text or "\\uD" in text:
        try:
            json.dumps(document, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            raise ValueError(f"{error.object[error.start]!r} is no character") from error


def _parse_finite(text):
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"{text} is too large for a number")
    return number


def _refuse_constant(name):
    raise ValueError(f"{name} is not a number in JSON")


def _is_finite(value):
    """Tell whether all numbers are: NaN satisfies every `minimum`, and infinity is no measurement."""
    rest = [value]
    while rest:
        item = rest.pop()
        if isinstance(item, float):
            if not math.isfinite(item):
                return False
        elif isinstance(item, dict):
            rest.extend(item.values())
        elif isinstance(item, list | tuple):
            rest.extend(item)
    return True
