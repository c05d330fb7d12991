"""The command line of ssh: strict keys, nothing asked, one master; and where a device is."""

import json
import shlex
import subprocess
import tempfile
from pathlib import Path

import pytest
from edgeproof.core.errors import UserError
from edgeproof.remote.device_links import VARIABLE, complete_device, describe_links
from edgeproof.remote.ssh_link import compose_ssh_command, find_known_hosts, name_host, open_link

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
    assert wanted.items() <= options.items() and options["UserKnownHostsFile"].endswith('/config/known_hosts"')
    assert options["ControlMaster"] == "auto" and options["ForwardAgent"] == "no"


def test_host_user_port_and_key_are_given():
    device = {**DEVICE, "user": "pi", "port": 2222, "identity": "~/keys/board", "known_hosts": "/etc/boards"}
    command = compose_ssh_command(device, "true")
    assert command[-2:] == ["board.example", "true"] and name_host(device) == "pi@board.example:2222"
    words = " ".join(command)
    assert "-p 2222 -l pi" in words and '/keys/board" -o IdentitiesOnly=yes' in words and "~" not in words
    assert str(find_known_hosts(device)) == "/etc/boards"


@pytest.mark.parametrize(("jump", "words"), [("desk", "desk"), ("me@desk:22022", "-p 22022 me@desk")])
def test_a_jump_host_is_checked_as_strictly(jump, words):
    proxy = options_of(compose_ssh_command({**DEVICE, "jump": jump}, "true"))["ProxyCommand"]
    assert proxy.endswith(f"-W '[%h]:%p' {words}") and "StrictHostKeyChecking" not in proxy.split("ProxyCommand")[0][:3]
    (command,) = [word for word in compose_ssh_command({**DEVICE, "jump": jump}, "true") if "ProxyCommand" in word]
    assert "StrictHostKeyChecking=yes" in command and "UserKnownHostsFile=" in command


@pytest.mark.parametrize("name", ["two  spaces", "100%h", 'a "quote"', "back\\slash", "#hash"])
def test_ssh_itself_reads_every_path_as_it_is(tmp_path, monkeypatch, name):
    """As OpenSSH's client understands the command line, also through a jump host."""
    place = tmp_path / name
    place.mkdir()
    (place / "key").touch()
    runtime = Path(tempfile.mkdtemp(prefix="ep-")) / name
    runtime.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    device = {**DEVICE, "known_hosts": str(place / "known"), "identity": str(place / "key"), "jump": "me@desk:22022"}
    found = read_client(compose_ssh_command(device, "true")[:-1])
    assert found["userknownhostsfile"] in (str(place / "known"), str(place / "known").replace("%", "%%"))
    assert found["controlpath"].startswith(str(runtime))
    assert found["identityfile"].replace("%%", "%") == str(place / "key")
    inner = shlex.split(found["proxycommand"].replace("%%", "%").replace("[%h]:%p", "[board.example]:22"))
    through = read_client([word for word in inner if word not in ("-W", "[board.example]:22")])
    assert through["userknownhostsfile"] in (str(place / "known"), str(place / "known").replace("%", "%%"))


def read_client(command):
    """Return the options that `ssh -G` takes from a command line."""
    told = subprocess.run([command[0], "-G", *command[1:]], capture_output=True, text=True, check=True).stdout
    return dict(line.partition(" ")[::2] for line in reversed(told.splitlines()))  # the first of several


def fail_to_reach(monkeypatch, device, said):
    """Return what a user reads when ssh says this and ends with 255."""
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder, "ssh")
        program.write_text(f"#!/bin/sh\necho '{said}' >&2; exit 255\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", folder, prepend=":")
        with pytest.raises(UserError) as caught, open_link(device) as link:
            link.ask("hello")
    return str(caught.value)


@pytest.mark.parametrize(
    ("said", "program"), [("root@h: Permission denied (publickey).", "ssh-copy-id"), ("connect: timed out", "ssh")]
)
def test_what_to_try_by_hand_names_key_port_user_and_jump_host(monkeypatch, tmp_path, said, program):
    key = tmp_path / "my key"
    key.touch()
    device = {**DEVICE, "user": "root", "port": 2222, "identity": str(key), "jump": "me@desk"}
    told = fail_to_reach(monkeypatch, device, said)
    assert told.endswith(f": {program} -i '{key}' -p 2222 -o ProxyJump=me@desk root@board.example")


def test_the_remedy_for_an_unknown_host_key_works_with_a_space_in_the_path(monkeypatch, tmp_path):
    known = tmp_path / "a folder" / "known hosts"
    told = fail_to_reach(
        monkeypatch, {**DEVICE, "port": 2222, "known_hosts": str(known)}, "Host key verification failed."
    )
    assert told.endswith(f"ssh-keyscan -t ed25519 -p 2222 board.example >> '{known}'")


def test_a_key_that_is_not_there_is_named_before_ssh_is_started(tmp_path):
    with (
        pytest.raises(UserError, match=r"identity .*/gone is not there; .*ssh-keygen -t ed25519 -f .*/gone"),
        open_link({**DEVICE, "identity": str(tmp_path / "gone")}),
    ):
        pass


@pytest.mark.parametrize("jump", ["@desk", "desk:x", "[::1"])
def test_a_jump_host_that_is_none_is_one_line(jump):
    with pytest.raises(UserError, match="jump: "):
        compose_ssh_command({**DEVICE, "jump": jump}, "true")


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
