"""A document that claims what can be computed is computed again when it is read; the first difference is named."""

import math

from .errors import UserError


def must_follow(claimed, computed, key, path, source):
    """Raise UserError at the first value of `claimed` that is not the one `computed`.

    `key`: where the values are in the file at `path`, empty for the whole document. `source`: what `computed` comes
    from, as the subject of "… give". Floats may differ by the rounding of another numpy, everything else must be equal.
    """
    if isinstance(computed, dict) and isinstance(claimed, dict) and claimed.keys() == computed.keys():
        for name, value in computed.items():
            must_follow(claimed[name], value, f"{key}.{name}" if key else name, path, source)
    elif isinstance(computed, (list, tuple)) and isinstance(claimed, list) and len(claimed) == len(computed):
        for index, value in enumerate(computed):
            must_follow(claimed[index], value, f"{key}[{index}]", path, source)
    elif isinstance(computed, float) and isinstance(claimed, (int, float)) and not isinstance(claimed, bool):
        if not math.isclose(claimed, computed, rel_tol=1e-9, abs_tol=1e-12):
            raise UserError(f"{path}: {key} is {claimed}, {source} give {computed}")
    elif claimed != computed or isinstance(claimed, bool) != isinstance(computed, bool):
        raise UserError(f"{path}: {key} is {claimed!r}, {source} give {computed!r}")
