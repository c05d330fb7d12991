"""Which tensor of a file that somebody else has made is which of the source model.

Tensors belong together by name, else by their order. Images may have their channels last in the file.
"""

from typing import Any

from .protocol import ConversionError


def match_tensors(side: str, source: "list[dict[str, Any]]", found: "list[dict[str, Any]]") -> "list[dict[str, Any]]":
    """Match the interface of a file with the source's: return `[{source, name, axes}]`, per input or output of the
    source that of the file, and the source's axes in the order of the file.

    `side`: inputs or outputs. `source`, `found`: name and shape of each; open sizes match any. ConversionError if
    there are more of one, or their shapes do not fit.
    """
    if len(source) != len(found):
        raise ConversionError(
            "unsupported_model", f"the file has {len(found)} {side}, the source model has {len(source)}"
        )
    names = {item["name"] for item in found}
    by_name = all(item["name"] in names for item in source)
    pairs = [
        (item, next(other for other in found if other["name"] == item["name"]) if by_name else found[place])
        for place, item in enumerate(source)
    ]
    return [
        {"source": item["name"], "name": other["name"], "axes": _match_axes(side, item, other)} for item, other in pairs
    ]


def _match_axes(side: str, item: "dict[str, Any]", other: "dict[str, Any]") -> "list[int]":
    """Return the source's axes in the order of the file: as they are, or with the channels last."""
    shape, rank = item["shape"], len(item["shape"])
    orders = [list(range(rank))] + ([[0, *range(2, rank), 1]] if rank > 2 else [])
    for axes in orders:
        if len(other["shape"]) == rank and all(
            _fit(shape[axis], size) for axis, size in zip(axes, other["shape"], strict=True)
        ):
            return axes
    raise ConversionError(
        "unsupported_model",
        f"of the {side}, {other['name']!r} has the shape {other['shape']}, {item['name']!r} of the source {shape}",
    )


def _fit(wanted: Any, size: Any) -> bool:
    return not isinstance(wanted, int) or not isinstance(size, int) or wanted == size
