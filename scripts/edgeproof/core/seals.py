"""Seals: a document holds the sha256 of everything else in it, so that an edit by hand is noticed.

A seal is not a signature: someone who edits a file and seals it again is not detected by it. Where a document can be
recomputed from raw data, reading it does that, too. Little is imported here: jobs that start in a hurry use it.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from .configuration import Json
from .errors import UserError
from .layout import FilePath

SEAL = "document_sha256"
REMEDY = "remove it and run the workflow again"


def digest_json(value: Any) -> str:
    """Return the digest that a seal holds: the sha256 of a value's canonical JSON (keys sorted, no spaces, UTF-8)."""
    return _digest(_write_canonically(value))


def seal(document: Mapping[str, Any]) -> Json:
    """Return the document with the digest of everything else in it (canonical JSON) under the key SEAL."""
    rest = {key: value for key, value in document.items() if key != SEAL}
    return {**rest, SEAL: digest_json(rest)}


def render_sealed(document: Mapping[str, Any]) -> str:
    """Return a document without a seal as one line of JSON that has its seal. A large one is written out only once."""
    text = _write_canonically(document)
    return f'{text[:-1]},"{SEAL}":"{_digest(text)}"}}\n'


def is_sealed(document: Mapping[str, Any]) -> bool:
    """Tell whether a document is as it was when it was sealed; False without a seal."""
    return document.get(SEAL) == seal(document)[SEAL]


def require_sealed(document: Mapping[str, Any], path: FilePath, remedy: str) -> None:
    """Raise UserError if a document has changed since its seal was set."""
    if not is_sealed(document):
        raise UserError(f"{path}: {SEAL} does not match the rest of it; it was edited, {remedy}")


def _write_canonically(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
