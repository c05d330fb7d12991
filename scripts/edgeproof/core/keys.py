"""Keys: what a document or an attempt follows from, as named parts, so that two keys can say in which part they differ.

A key is found again by its digest and never by a date. The *attempt's* key holds what decides the raw data; the
*document's* key holds the attempts that were used and the code that derived it.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple, cast

from .configuration import Json
from .seals import digest_json

_SHOWN = 60  # characters of a value in a message
_ABSENT = object()


class Difference(NamedTuple):
    """One part in which two keys differ, as a dotted name, with both values; None where the part is absent."""

    part: str
    old: Any
    new: Any

    def __str__(self) -> str:
        return f"{self.part}: {_show(self.old)} → {_show(self.new)}"


def compose_key(parts: Json) -> Json:
    """Return a key made of its named parts, as documents and attempts keep it: {sha256, parts}."""
    return {"sha256": digest_json(parts), "parts": parts}


def list_differences(old: Any, new: Any, part: str = "") -> list[Difference]:
    """Return where two keys' parts differ, in order of name; objects are entered, lists are compared whole."""
    return list(_differ(old, new, part))


def _differ(old: Any, new: Any, part: str) -> Iterator[Difference]:
    before, after = _object_or_none(old), _object_or_none(new)
    if before is not None and after is not None:
        for name in sorted({*before, *after}):
            dotted = f"{part}.{name}" if part else name
            yield from _differ(before.get(name, _ABSENT), after.get(name, _ABSENT), dotted)
    elif type(old) is not type(new) or old != new:
        yield Difference(part, *(None if value is _ABSENT else value for value in (old, new)))


def _object_or_none(value: Any) -> Json | None:
    return cast(Json, value) if isinstance(value, dict) else None


def _show(value: Any) -> str:
    """Return a value for a message; digests are cut to eight digits, long values in the middle."""
    text = "none" if value is None else value if isinstance(value, str) else str(value)
    if len(text) == 64 and set(text) <= set("0123456789abcdef"):
        return f"{text[:8]}…"
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN // 2]}…{text[-_SHOWN // 2 :]}"
