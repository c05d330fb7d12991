"""Nodes of a cluster: each device of a campaign has one, or nothing is started."""

import pytest
from edgeproof.core.campaign_files import read_campaign_files
from edgeproof.core.campaign_nodes import Node, read_nodes
from edgeproof.core.errors import UserError

KNOWN = ["jetson", "rpi"]


def read(nodes):
    return read_nodes(read_campaign_files(["config/config.yaml"], {"nodes": nodes}), KNOWN, KNOWN)


def test_a_device_is_a_feature_and_all_of_a_node():
    nodes = read({"jetson": {"constraint": "orin", "cpus": 6}, "rpi": {"constraint": "pi", "cpus": 4, "gres": "b:1"}})
    assert nodes == {"jetson": Node("orin", "board:1", 6), "rpi": Node("pi", "b:1", 4)}


def test_a_campaign_without_nodes_is_measured_here():
    assert read(None) == {}


@pytest.mark.parametrize(
    ("nodes", "told"),
    [
        ({"jetsno": {"constraint": "a", "cpus": 1}}, "nodes.jetsno: config/devices/ has no such device; did you mean"),
        ({"rpi": {"constraint": "a", "cpus": 1}}, "jetson has none; name the feature of its node"),
    ],
)
def test_a_device_without_a_node_is_one_line(nodes, told):
    with pytest.raises(UserError, match=told):
        read(nodes)
