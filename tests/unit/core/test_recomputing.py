"""What a document claims is compared with what is computed, and the first difference is named by its key."""

import copy

import pytest
from edgeproof.core.errors import UserError
from edgeproof.core.recomputing import must_follow

COMPUTED = {"a": 1, "b": {"c": [1.0, None, "x"]}, "d": True, "e": (2, 3)}
CLAIMED = {"a": 1, "b": {"c": [1.0 + 1e-12, None, "x"]}, "d": True, "e": [2, 3]}


def change(keys, value):
    document = copy.deepcopy(CLAIMED)
    place = document
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    return document


def test_equal_up_to_rounding_follows():
    must_follow(CLAIMED, COMPUTED, "", "f.json", "the samples")
    must_follow(1, 1.0, "", "f.json", "the samples")


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        (["a"], 2, "a is 2, the samples give 1"),
        (["a"], True, "a is True, the samples give 1"),
        (["a"], None, "a is None"),
        (["b", "c", 0], 1.0 + 1e-6, r"b\.c\[0\] is 1\.000001, the samples give 1\.0"),
        (["b", "c", 0], True, r"b\.c\[0\] is True"),
        (["b", "c", 0], "1.0", r"b\.c\[0\] is '1\.0'"),
        (["b", "c", 1], 0, r"b\.c\[1\] is 0, the samples give None"),
        (["b", "c", 2], "y", r"b\.c\[2\] is 'y'"),
        (["b", "c"], [1.0], r"b\.c is \[1\.0\]"),
        (["b"], {}, r"b is \{\}"),
        (["d"], 1, "d is 1, the samples give True"),
        (["e", 1], 4, r"e\[1\] is 4"),
    ],
)
def test_first_difference_is_named(keys, value, message):
    with pytest.raises(UserError, match=rf"f\.json: {message}"):
        must_follow(change(keys, value), COMPUTED, "", "f.json", "the samples")


def test_key_of_a_part_stands_before_it():
    with pytest.raises(UserError, match=r"f\.json: part\.b\.c\[2\] is"):
        must_follow(change(["b", "c", 2], "y"), COMPUTED, "part", "f.json", "the samples")
    with pytest.raises(UserError, match=r"f\.json: part is 1, "):
        must_follow(1, 2, "part", "f.json", "the samples")
