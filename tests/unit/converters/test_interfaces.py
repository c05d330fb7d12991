"""Tensors of a file that somebody else made are those of the source by name, else by order; channels may be last."""

import pytest
from edgeproof.converters.interfaces import match_tensors
from edgeproof.converters.protocol import ConversionError


def tensor(name, *shape):
    return {"name": name, "shape": list(shape)}


@pytest.mark.parametrize(
    ("source", "found", "axes"),
    [
        (tensor("x", 1, 3, 8, 9), tensor("a", 1, 3, 8, 9), [0, 1, 2, 3]),
        (tensor("x", 1, 3, 8, 9), tensor("a", 1, 8, 9, 3), [0, 2, 3, 1]),
        (tensor("x", "n", 3, "h", 9), tensor("a", 1, 8, 9, 3), [0, 2, 3, 1]),
        (tensor("x", "n", 10), tensor("a", 1, 10), [0, 1]),
        (tensor("x"), tensor("a"), []),
    ],
)
def test_axes_follow_from_the_shapes(source, found, axes):
    assert match_tensors("inputs", [source], [found]) == [{"source": "x", "name": "a", "axes": axes}]


def test_names_come_before_the_order():
    source, found = [tensor("x", 1, 2), tensor("y", 1, 2)], [tensor("y", 1, 2), tensor("x", 1, 2)]
    assert [item["name"] for item in match_tensors("inputs", source, found)] == ["x", "y"]


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ([], "the file has 0 outputs, the source model has 1"),
        ([tensor("a", 1, 7)], r"of the outputs, 'a' has the shape \[1, 7\], 'x' of the source \[1, 10\]"),
    ],
)
def test_what_does_not_fit_is_refused(found, message):
    with pytest.raises(ConversionError, match=message):
        match_tensors("outputs", [tensor("x", 1, 10)], found)
