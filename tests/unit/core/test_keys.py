"""Keys say in which part they differ."""

import pytest
from edgeproof.core.keys import compose_key, list_differences

PARTS = {"arm": {"backend": "onnxruntime", "runtime": {"intra_op_threads": 0}}, "inputs": "a" * 64, "sides": [1, 2]}


def test_equal_parts_have_one_digest_whatever_their_order():
    assert compose_key(PARTS) == compose_key(dict(reversed(PARTS.items())))
    assert list_differences(PARTS, dict(PARTS)) == []


def test_a_difference_names_its_part_with_both_values():
    other = {**PARTS, "arm": {"backend": "onnxruntime", "runtime": {"intra_op_threads": 1}}}
    (found,) = list_differences(PARTS, other)
    assert str(found) == "arm.runtime.intra_op_threads: 0 → 1"
    assert compose_key(PARTS)["sha256"] != compose_key(other)["sha256"]


def test_what_came_or_went_is_named():
    found = list_differences({"a": 1}, {"b": 2})
    assert [str(item) for item in found] == ["a: 1 → none", "b: none → 2"]


def test_digests_are_shortened_and_lists_compared_whole():
    found = list_differences(PARTS, {**PARTS, "inputs": "b" * 64, "sides": [2, 1]})
    assert [str(item) for item in found] == ["inputs: aaaaaaaa… → bbbbbbbb…", "sides: [1, 2] → [2, 1]"]


@pytest.mark.parametrize(("old", "new"), [(1, True), (1, 1.0), ("1", 1), (None, 0)])
def test_values_of_two_types_are_two_values(old, new):
    assert list_differences({"a": old}, {"a": new})


def test_swapping_the_values_of_two_parts_is_seen():
    assert len(list_differences({"a": 1, "b": 2}, {"a": 2, "b": 1})) == 2
