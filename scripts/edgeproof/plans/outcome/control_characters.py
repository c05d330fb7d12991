"""Control characters in the names of scenarios and plans: a terminal would obey them, so people see escapes."""

import re

from edgeproof.core.configuration import Json

_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def escape_controls(text: str) -> str:
    """Return a text in which control characters, which could steer a terminal, are written as escapes."""
    return _CONTROLS.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def make_printable(document: Json) -> Json:
    """Return a document without control characters in its strings and keys, to print it or to put it on a page."""
    return {escape_controls(key): _clean(item) for key, item in document.items()}


def _clean(value):
    if isinstance(value, str):
        return escape_controls(value)
    if isinstance(value, dict):
        return {_clean(key): _clean(item) for key, item in value.items()}
    return [_clean(item) for item in value] if isinstance(value, list) else value
