"""Names inside a scenario: unique, found, and links that make sense."""

import pytest
from edgeproof.core.errors import UserError
from edgeproof.plans.scenario.model import Device, Link
from edgeproof.plans.scenario.references import check_link_ends, find_name, index_names

DEVICES = [Device(name, name, 100) for name in ("cpu", "gpu", "npu")]


def test_names_have_an_index_and_are_unique():
    assert index_names(["a", "b"], "stages", "s.json") == {"a": 0, "b": 1}
    with pytest.raises(
        UserError, match=r"^s.json: stages\[2\].name is 'a', as stages\[0\].name; names must be unique$"
    ):
        index_names(["a", "b", "a"], "stages", "s.json")


def test_an_unknown_name_lists_the_known_ones():
    assert find_name({"cpu": 0}, "cpu", "links[0].source", "device", "s.json") == 0
    with pytest.raises(
        UserError, match=r"links\[0\].source names device 'dsp', which is not declared; known: cpu, gpu"
    ):
        find_name({"cpu": 0, "gpu": 1}, "dsp", "links[0].source", "device", "s.json")


@pytest.mark.parametrize(
    ("links", "words"),
    [
        ([Link(0, 0, 1.0)], r"links\[0\] joins 'cpu' to itself; remove it"),
        ([Link(0, 1, 1.0), Link(1, 0, 1.0)], r"links\[1\] declares gpu → cpu again \(links\[0\]\)"),
        ([Link(0, 1, 1.0, bidirectional=False)] * 2, r"links\[1\] declares cpu → gpu again"),
    ],
)
def test_links_that_contradict_each_other_are_refused(links, words):
    with pytest.raises(UserError, match=words):
        check_link_ends(links, DEVICES, "s.json")


def test_two_one_way_links_are_two_channels():
    one_way = [Link(0, 1, 1.0, bidirectional=False), Link(1, 0, 2.0, bidirectional=False), Link(1, 2, 1.0)]
    assert check_link_ends(one_way, DEVICES, "s.json") is None
