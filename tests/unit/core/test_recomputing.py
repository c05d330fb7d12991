"""Claims against what is computed: the first difference is named, and only rounding is forgiven."""

import copy
import re

import pytest
from edgeproof.core.errors import UserError
from edgeproof.core.recomputing import must_follow
from hypothesis import given
from hypothesis import strategies as st

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=3), children, max_size=3),
    max_leaves=8,
)


def claim(claimed, computed):
    """Check a claim; return what the check says of it, None if nothing."""
    try:
        must_follow(claimed, computed, "", "a.json", "the samples")
    except UserError as error:
        return str(error)
    return None


@given(VALUES)
def test_every_value_follows_from_itself(value):
    assert claim(copy.deepcopy(value), value) is None


@pytest.mark.parametrize(
    ("claimed", "computed", "message"),
    [
        ({"a": {"b": 1.0}}, {"a": {"b": 2.0}}, r"a\.json: a\.b is 1\.0, the samples give 2\.0"),
        ({"a": [1, 2]}, {"a": [1, 3]}, r"a\[1\] is 2, the samples give 3"),
        ({"a": [1]}, {"a": [1, 2]}, r"a is \[1\], the samples give \[1, 2\]"),
        ({"a": 1}, {"a": 1, "b": 2}, "the samples give"),
        ({"a": 1, "b": 2}, {"a": 1}, "the samples give"),
        ({"a": True}, {"a": 1}, "a is True"),
        ({"a": 1}, {"a": True}, "a is 1"),
        ({"a": True}, {"a": 1.0}, "a is True"),
        ({"a": "1"}, {"a": 1.0}, "a is '1'"),
        ({"a": None}, {"a": 0.0}, "a is None"),
        ({"a": 1.00001}, {"a": 1.0}, "a is 1.00001"),
    ],
)
def test_the_first_difference_is_named(claimed, computed, message):
    assert re.search(message, claim(claimed, computed))


def test_a_source_that_was_replaced_is_named_before_what_follows_from_it():
    claimed = {"verdict": "no", "sides": [{"result_sha256": "a" * 64}]}
    computed = {"verdict": "yes", "sides": [{"result_sha256": "b" * 64}]}
    assert re.search(r"a\.json: sides\[0\]\.result_sha256 is .* run the workflow again", claim(claimed, computed))
    assert "workflow" not in claim({"verdict": "no", "sha256": "a"}, {"verdict": "yes", "sha256": "a"})


def test_rounding_and_whole_numbers_written_as_such_are_forgiven():
    assert claim({"a": 1.0 + 1e-12, "b": 2, "c": [3]}, {"a": 1.0, "b": 2.0, "c": (3,)}) is None
