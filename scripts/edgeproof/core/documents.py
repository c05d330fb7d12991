"""Strict JSON: every document is checked against the schema of its kind when it is written and when it is read.

The schemas are `config/schemas/{kind}.schema.json` (JSON Schema 2020-12). Result files carry their kind in
`"schema": "edgeproof.{kind}.v{n}"`; a configuration file has no such key, its folder gives the kind.
"""

import functools
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn, TypeVar, cast

import jsonschema_rs

from .configuration import Json
from .errors import UserError
from .files import FilePath, atomic_write
from .reader import current_reader, read_once
from .seals import REMEDY, require_sealed, seal

D = TypeVar("D", bound=Mapping[str, Any])

# Documents whose seal is checked wherever they are read. The others are recomputed from raw data first, which names the
# very value that was edited, and check their seals themselves.
_SEALED = ("bundle", "cut", "export", "gate", "identity", "links", "samples", "saved-model", "toolchain", "wanted")
_LARGEST_DOCUMENT = 256 * 2**20  # bytes; the largest of ours, a parity with many layers, has some hundred thousand
SCHEMAS = Path(__file__).resolve().parents[3] / "config" / "schemas"


@read_once
def read_json(path: FilePath, kind: str) -> Json:
    """Return the JSON document at `path`, validated as `kind`; UserError names file, key, value and the rule broken.

    A document of a kind in `_SEALED` must also be as it was when it was written.
    """
    text = read_text(path)
    try:
        document = json.loads(
            text, object_pairs_hook=_unique_object, parse_float=_parse_finite, parse_constant=_refuse_constant
        )
        _require_characters(text, document)
    except ValueError as error:
        raise UserError(f"{path}: not valid JSON: {_name_unfit_number(text) or error}") from error
    except RecursionError:
        raise UserError(f"{path}: not valid JSON: nested too deep") from None
    _require_valid(document, kind, path)
    if kind in _SEALED:
        require_sealed(document, path, REMEDY)
    return document


def write_json(path: FilePath, document: Mapping[str, Any], kind: str) -> None:
    """Validate `document` as `kind`, then write it as JSON in one step (two-space indent, keys in the order given).

    A document of a kind in `_SEALED` is sealed first.
    """
    document = seal(document) if kind in _SEALED else document
    validate(document, kind, path)
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    atomic_write(path, text)


def write_sealed(path: FilePath, document: Mapping[str, Any], kind: str) -> None:
    """Write a JSON document as `write_json` does, with its own digest in it, so that an edit by hand is noticed."""
    write_json(path, seal(document), kind)


@read_once
def read_sealed(path: FilePath, kind: str, remedy: str) -> Json:
    """Return the JSON document at `path` as `read_json` does; UserError with the remedy if its seal does not match."""
    document = read_json(path, kind)
    require_sealed(document, path, remedy)
    return document


def validate(document: D, kind: str, where: FilePath) -> D:
    """Return a JSON document if it satisfies the schema of `kind`; else raise UserError with the first broken rule."""
    if not _is_finite(document):
        raise UserError(f"{where}: {_describe_broken_rule(document, kind)}")
    return _require_valid(document, kind, where)


def _require_valid(document: D, kind: str, where: FilePath) -> D:
    """Validate a document whose numbers are known to be finite, such as one that was read from JSON."""
    if not is_valid(document, kind):
        raise UserError(f"{where}: {_describe_broken_rule(document, kind)}")
    return document


def _describe_broken_rule(document: Mapping[str, Any], kind: str) -> str:
    from .broken_rules import describe_broken_rule  # slow to import, and most documents are valid

    return describe_broken_rule(document, load_schema(kind))


def is_valid(document: Mapping[str, Any], kind: str) -> bool:
    """Tell whether a JSON document with finite numbers satisfies the schema of `kind`; `validate` says why not."""
    try:
        return _validator(kind).is_valid(document)
    except ValueError:  # not JSON at all, for instance a key that is not a string
        return False


@functools.cache
def load_schema(kind: str) -> Json:
    """Return the JSON Schema that documents of one kind are checked by.

    `preset#snapshot`: the part `snapshot` of its `$defs`.
    """
    name, _, part = kind.partition("#")
    schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text())
    return {**schema["$defs"][part], "$defs": schema["$defs"]} if part else schema


@functools.cache
def _validator(kind: str) -> jsonschema_rs.Draft202012Validator:
    """Return the validator of a kind; a test checks that the schemas themselves are valid, so no job has to."""
    return jsonschema_rs.Draft202012Validator(load_schema(kind))


def read_text(path: FilePath) -> str:
    """Return the text of a document; UserError if it cannot be read, is not UTF-8 or is larger than any document."""
    try:
        size = os.path.getsize(path)
    except OSError:
        size = 0  # the reader says why
    if size > _LARGEST_DOCUMENT:
        raise UserError(f"{path}: has {size} bytes; no document has more than {_LARGEST_DOCUMENT}")
    try:
        return current_reader().read(path).decode()
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 text (byte {error.start})") from error


def _unique_object(pairs: list[tuple[str, Any]]) -> Json:
    document = dict(pairs)
    if len(document) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"key {twice!r} occurs twice in one object")
    return document


def _require_characters(text: str, document: Json) -> None:
    """Raise ValueError for half of a surrogate pair: JSON can escape it, but UTF-8 cannot hold it."""
    if "\\ud" in text or "\\uD" in text:
        try:
            json.dumps(document, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            raise ValueError(f"{error.object[error.start]!r} is not a character") from error


class _Unfit(str):
    """The text of a number that no program can hold."""


def _name_unfit_number(text: str) -> str | None:
    """Return key, size and remedy of the first number that nothing can hold, None where a text has another fault."""
    try:
        rest: list[tuple[str, Any]] = [("", json.loads(text, parse_int=_parse_number, parse_float=_parse_number))]
    except (ValueError, RecursionError):
        return None
    while rest:
        where, item = rest.pop()
        if isinstance(item, _Unfit):
            return f"{where or 'it'} is {describe_unfit_number(item)}"
        if isinstance(item, dict):
            rest += [(f"{where}.{key}".lstrip("."), value) for key, value in reversed(cast(Json, item).items())]
        elif isinstance(item, list):
            rest += [(f"{where}[{place}]", value) for place, value in reversed([*enumerate(cast("list[Any]", item))])]
    return None


def describe_unfit_number(text: str) -> str:
    """Return what is said of a number in a document that is too large for any number, with the remedy."""
    shown = text if len(text) <= 20 else f"a number of {len(text):,} characters"
    return f"{shown}, which is too large for a number; write the true value"


def _parse_number(text: str) -> float | _Unfit:
    number = float(text)
    return _Unfit(text) if math.isinf(number) else number


def _parse_finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"{text} is too large for a number")
    return number


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number in JSON")


def _is_finite(value: Any) -> bool:
    """Return whether all numbers are finite; a schema cannot check it, since NaN passes every `minimum`."""
    rest = [value]
    while rest:
        item = rest.pop()
        if isinstance(item, float):
            if not math.isfinite(item):
                return False
        elif isinstance(item, dict):
            rest.extend(cast(Json, item).values())
        elif isinstance(item, list | tuple):
            rest.extend(cast("list[Any]", item))
    return True
