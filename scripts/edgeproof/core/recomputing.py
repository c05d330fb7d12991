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
    """Raise UserError at the first value of `claimed` that is not the one `computed`.

    `key`: where the values are in the file at `path`, empty for the whole document. `source`: what `computed` comes
    from, as the subject of "… give". Floats may differ by rounding (another numpy); everything else must be equal.
    """
    if found := _find_difference(claimed, computed):
        place = f"{key}{found.key}" if key else found.key.removeprefix(".")
        raise UserError(f"{path}: {place} is {found.claimed!r}, {source} give {found.computed!r}")


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
