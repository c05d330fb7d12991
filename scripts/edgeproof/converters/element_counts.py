"""Counts of the elements that a converter has stored, by their type: part of its facts.

It must work in Python 3.8, as `protocol` says.
"""

from collections.abc import Iterable
from typing import Any


def count_elements(shape: "Iterable[Any]") -> int:
    """Return the number of elements of a shape that a converter counts."""
    elements = 1
    for size in shape:
        elements *= int(size)
    return elements


def add_element_count(counted: "dict[str, dict[str, int]]", dtype: str, elements: int) -> None:
    """Add a tensor that a converter has stored to its counts `{dtype: {"tensors", "elements"}}`."""
    item = counted.setdefault(dtype, {"tensors": 0, "elements": 0})
    item["tensors"] += 1
    item["elements"] += int(elements)
