"""Recompute what a document claims when it is read, and name the first difference."""

import math
from typing import Any, cast

from .configuration import Json
from .errors import UserError
from .files import FilePath


def must_follow(claimed: Any, computed: Any, key: str, path: FilePath, source: str) -> None:
    """Raise UserError at the first value of `claimed` that is not the one `computed`.

    `key`: where the values are in the file at `path`, empty for the whole document. `source`: what `computed` comes
    from, as the subject of "… give". Floats may differ by rounding (another numpy); everything else must be equal.
    """
    if _have_same_keys(claimed, computed):
        for name, value in computed.items():
            must_follow(claimed[name], value, f"{key}.{name}" if key else name, path, source)
    elif _have_same_length(claimed, computed):
        for index, value in enumerate(computed):
            must_follow(claimed[index], value, f"{key}[{index}]", path, source)
    elif isinstance(computed, float) and isinstance(claimed, (int, float)) and not isinstance(claimed, bool):
        if not math.isclose(claimed, computed, rel_tol=1e-9, abs_tol=1e-12):
            raise UserError(f"{path}: {key} is {claimed}, {source} give {computed}")
    elif claimed != computed or isinstance(claimed, bool) != isinstance(computed, bool):
        raise UserError(f"{path}: {key} is {claimed!r}, {source} give {computed!r}")


def _have_same_keys(claimed: Any, computed: Any) -> bool:
    both = isinstance(claimed, dict) and isinstance(computed, dict)
    return both and cast(Json, claimed).keys() == cast(Json, computed).keys()


def _have_same_length(claimed: Any, computed: Any) -> bool:
    both = isinstance(claimed, list) and isinstance(computed, list | tuple)
    return both and len(cast("list[Any]", claimed)) == len(cast("list[Any]", computed))
