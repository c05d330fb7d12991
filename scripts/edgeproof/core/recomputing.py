"""Recompute what a document claims when it is read, and name the first difference."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple, cast

from .configuration import Json
from .errors import UserError
from .files import FilePath

_SCALARS = frozenset((str, int, float, bool, type(None)))


class _Difference(NamedTuple):
    key: str
    claimed: Any
    computed: Any


def must_follow(claimed: Any, computed: Any, key: str, path: FilePath, source: str) -> None:
    """Compare what a document claims with what recomputing gave; UserError at the first value that differs.

    `key`: where the values are in the file at `path`, empty for the whole document. `source`: what `computed` comes
    from, as the subject of "… give". Floats may differ by rounding (another numpy); everything else must be equal.
    A digest that differs is named before anything else: every other difference may follow from it.
    """
    if not (found := _find_difference(claimed, computed)):
        return
    replaced = _find_replaced(claimed, computed)
    found = replaced or found
    place = f"{key}{found.key}" if key else found.key.removeprefix(".")
    remedy = "; that file or this digest has changed since: run the workflow again" if replaced else ""
    raise UserError(f"{path}: {place} is {found.claimed!r}, {source} give {found.computed!r}{remedy}")


def _find_replaced(claimed: Any, computed: Any) -> _Difference | None:
    """Return the first `…sha256` that both values have and that differs, None for none; keys as in `_find_difference`.

    Another campaign's run may replace the view of a result between two jobs of this one. Nothing was edited then, and
    the document is made again from what is there.
    """
    pairs: list[tuple[str, Any, Any]]
    if isinstance(claimed, dict) and isinstance(computed, dict):
        said = cast(Json, claimed)
        pairs = [(f".{name}", said[name], value) for name, value in cast(Json, computed).items() if name in said]
    elif isinstance(claimed, list) and isinstance(computed, list | tuple):
        items = zip(cast("list[Any]", claimed), cast(Sequence[Any], computed), strict=False)
        pairs = [(f"[{index}]", left, right) for index, (left, right) in enumerate(items)]
    else:
        return None
    for key, left, right in pairs:
        if key.endswith("sha256") and isinstance(left, str) and isinstance(right, str) and left != right:
            return _Difference(key, left, right)
        if found := _find_replaced(left, right):
            return found._replace(key=f"{key}{found.key}")
    return None


def _find_difference(claimed: Any, computed: Any) -> _Difference | None:
    """Return the first difference, its key relative to the two values (`.name`, `[index]`), None for none."""
    if type(claimed) is type(computed) and type(computed) in _SCALARS and claimed == computed:
        return None  # most values of most documents
    if isinstance(computed, dict):
        if not isinstance(claimed, dict) or claimed.keys() != computed.keys():
            return _Difference("", claimed, computed)
        for name, value in cast(Json, computed).items():
            if found := _find_difference(claimed[name], value):
                return found._replace(key=f".{name}{found.key}")
        return None
    if isinstance(computed, list | tuple):
        items = cast(Sequence[Any], computed)
        if not isinstance(claimed, list) or len(cast("list[Any]", claimed)) != len(items):
            return _Difference("", claimed, items)
        for index, value in enumerate(items):
            if found := _find_difference(claimed[index], value):
                return found._replace(key=f"[{index}]{found.key}")
        return None
    if isinstance(claimed, bool) == isinstance(computed, bool):
        if claimed == computed:
            return None
        numbers = isinstance(computed, float) and isinstance(claimed, int | float)
        if numbers and math.isclose(claimed, computed, rel_tol=1e-9, abs_tol=1e-12):
            return None
    return _Difference("", claimed, computed)
