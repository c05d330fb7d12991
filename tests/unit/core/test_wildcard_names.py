import re

from edgeproof.core.wildcard_names import one_of
from hypothesis import given
from hypothesis import strategies as st


@given(st.lists(st.text("ab-.1", min_size=1, max_size=5), max_size=30), st.text("ab-.1", max_size=5))
def test_a_wildcard_takes_these_names_and_no_other(names, other):
    pattern = re.compile(one_of(names))
    assert all(pattern.fullmatch(name) for name in names)
    assert bool(pattern.fullmatch(other)) == (other in names)


def test_names_that_start_alike_make_a_short_expression():
    assert one_of(["ort-cpu", "ort-xnnpack", "tflite"]) == r"(?:ort\-(?:cpu|xnnpack)|tflite)"
