"""One file with the host's name: the same cells from the board's shell and from a desk."""

import pytest
from edgeproof.core.errors import UserError
from edgeproof.core.host_names import split_host
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


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("orin:22", ("orin", None, 22)),
        ("[::1]:22", ("::1", None, 22)),
        ("me@[fe80::1%eth0]:2222", ("fe80::1%eth0", "me", 2222)),
        ("[::1]", ("::1", None, None)),
        ("me@fe80::1", ("fe80::1", "me", None)),
    ],
)
def test_user_host_and_port_are_taken_apart(text, parts):
    assert split_host(text) == parts


@pytest.mark.parametrize(
    "text",
    ["@orin", "me@", "", ":22", "orin:", "orin:٣", "orin:0", "orin:65536", "orin:ssh", "[::1", "[]:22", "a[b]:22"],
)
def test_a_host_that_is_none_is_refused_and_nothing_is_dropped(text):
    with pytest.raises(UserError, match=r"--config:1: hosts\.jetson: ") as caught:
        read_workflow(FILES, {"hosts": {"jetson": text}})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("host", ["[::1]:22", "me@orin", "orin:22"])
def test_a_device_s_host_holds_neither_user_nor_port(host):
    with pytest.raises(UserError, match=r"hosts\.jetson: .*host"):
        read_workflow(FILES, {"hosts": {"jetson": {"host": host}}})
