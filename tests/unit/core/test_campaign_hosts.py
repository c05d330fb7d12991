"""One file with the host's name: the same cells from the board's shell and from a desk."""

import pytest
from edgeproof.core.errors import UserError
from edgeproof.runs.timing_keys import UNRELATED
from edgeproof.workflow.workflow_reading import read_workflow

FILES = ["config/config.yaml", "config/jetson.yaml"]


def test_a_desk_plans_what_the_board_s_shell_plans():
    shell, desk = read_workflow(FILES), read_workflow(FILES, {"hosts": {"jetson": "nvidia@orin.example:2222"}})
    assert desk.campaign.cells == shell.campaign.cells and desk.campaign.comparisons == shell.campaign.comparisons
    (cell, *_) = desk.campaign.cells
    keys = [reading.keys.measure_run(cell) for reading in (shell, desk)]
    assert keys[1]["device"]["transport"] == "ssh" and "orin" not in str(keys[1])
    assert keys[0]["arm"] == keys[1]["arm"]
    decisive = [{name: value for name, value in key["device"].items() if name not in UNRELATED} for key in keys]
    assert decisive[0] == decisive[1]
    device = desk.catalogues["device"]["jetson"]
    assert (device["host"], device["user"], device["port"]) == ("orin.example", "nvidia", 2222)


@pytest.mark.parametrize(
    ("value", "link"),
    [
        ("orin", {"host": "orin"}),
        ("me@orin", {"host": "orin", "user": "me"}),
        ("fe80::1", {"host": "fe80::1"}),
        ({"host": "orin", "jump": "desk", "folder": "/data/edgeproof"}, {"host": "orin", "jump": "desk"}),
    ],
)
def test_a_host_is_a_name_or_the_keys_of_a_device(value, link):
    assert link.items() <= read_workflow(FILES, {"hosts": {"jetson": value}}).catalogues["device"]["jetson"].items()


@pytest.mark.parametrize(
    ("hosts", "told"),
    [
        ({"jetsno": "orin"}, r"--config:1: hosts\.jetsno: config/devices/ has no such device; did you mean 'jetson'"),
        ({"jetson": {"host": "orin", "prot": 1}}, r"hosts\.jetson: .*prot"),
        ({"jetson": {"port": 22}}, r"hosts\.jetson: .*host"),
        ({"jetson": "-oProxyCommand=x"}, r"hosts\.jetson: .*host"),
        (["orin"], "hosts"),
    ],
)
def test_a_mistake_in_hosts_is_one_line(hosts, told):
    with pytest.raises(UserError, match=told) as caught:
        read_workflow(FILES, {"hosts": hosts})
    assert "\n" not in str(caught.value)
