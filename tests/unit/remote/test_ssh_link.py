"""The command line of ssh: strict keys, nothing asked, one master; and where a device is."""

import json
import tempfile
from pathlib import Path

import pytest
from edgeproof.core.errors import UserError
from edgeproof.remote.device_links import VARIABLE, complete_device, describe_links
from edgeproof.remote.ssh_link import compose_ssh_command, find_known_hosts, name_host

DEVICE = {"name": "d", "transport": "ssh", "host": "board.example"}


def options_of(command):
    return {word.partition("=")[0]: word.partition("=")[2] for word in command if "=" in word}


@pytest.fixture(autouse=True)
def runtime_folder(monkeypatch):
    with tempfile.TemporaryDirectory(prefix="ep-") as folder:  # short, as for sockets it must be
        monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
        yield Path(folder)


def test_keys_are_strict_and_nothing_is_asked():
    options = options_of(compose_ssh_command(DEVICE, "true"))
    wanted = {"BatchMode": "yes", "StrictHostKeyChecking": "yes", "GlobalKnownHostsFile": "/dev/null"}
    assert wanted.items() <= options.items() and options["UserKnownHostsFile"].endswith("/config/known_hosts")
    assert options["ControlMaster"] == "auto" and options["ForwardAgent"] == "no"


def test_host_user_port_and_key_are_given():
    device = {**DEVICE, "user": "pi", "port": 2222, "identity": "~/keys/board", "known_hosts": "/etc/boards"}
    command = compose_ssh_command(device, "true")
    assert command[-2:] == ["board.example", "true"] and name_host(device) == "pi@board.example:2222"
    words = " ".join(command)
    assert "-p 2222 -l pi" in words and "/keys/board -o IdentitiesOnly=yes" in words and "~" not in words
    assert str(find_known_hosts(device)) == "/etc/boards"


@pytest.mark.parametrize(("jump", "words"), [("desk", "desk"), ("me@desk:22022", "-p 22022 me@desk")])
def test_a_jump_host_is_checked_as_strictly(jump, words):
    proxy = options_of(compose_ssh_command({**DEVICE, "jump": jump}, "true"))["ProxyCommand"]
    assert proxy.endswith(f"-W '[%h]:%p' {words}") and "StrictHostKeyChecking" not in proxy.split("ProxyCommand")[0][:3]
    (command,) = [word for word in compose_ssh_command({**DEVICE, "jump": jump}, "true") if "ProxyCommand" in word]
    assert "StrictHostKeyChecking=yes" in command and "UserKnownHostsFile=" in command


def test_sockets_go_into_a_folder_of_our_own(runtime_folder):
    compose_ssh_command(DEVICE, "true")
    (folder,) = runtime_folder.glob("edgeproof-*")
    assert folder.stat().st_mode & 0o077 == 0
    folder.chmod(0o755)
    with pytest.raises(UserError, match="is not yours alone"):
        compose_ssh_command(DEVICE, "true")


def test_how_a_device_is_reached_comes_from_the_workflow(monkeypatch):
    devices = {"d": {**DEVICE, "user": "pi", "tags": []}, "e": {"transport": "local", "board": "b"}}
    text = describe_links(devices)
    assert json.loads(text) == {"d": {"host": "board.example", "user": "pi"}}
    monkeypatch.setenv(VARIABLE, text)
    assert complete_device({"name": "d", "transport": "ssh"})["user"] == "pi"


def test_a_device_without_a_host_is_one_line(monkeypatch):
    monkeypatch.setenv(VARIABLE, "{}")
    with pytest.raises(UserError, match=r"device jetson: no host is known; name it: --config 'hosts="):
        complete_device({"name": "jetson", "transport": "ssh"})
