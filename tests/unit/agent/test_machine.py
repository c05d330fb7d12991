"""A machine has one name across reboots, two boards have two, and the serial number stays secret."""

import pytest
from edgeproof.agent.machine import describe_machine


@pytest.fixture
def board(tmp_path):
    """A function that writes files of a made-up board and returns its root."""

    def write(**files):
        for name, text in files.items():
            path = tmp_path / name.replace("__", "/").replace("_", "-")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return str(tmp_path)

    return write


def test_a_board_is_known_by_its_serial_number_and_does_not_tell_it(board):
    root = board(
        proc__device_tree__serial_number="1421322085711\0", proc__device_tree__model="Orin Nano\0", etc__machine_id="a"
    )
    first = describe_machine(root)
    assert first["board"] == "Orin Nano" and len(first["id"]) == 16 and "1421322085711" not in str(first)
    board(etc__machine_id="another installation")
    assert describe_machine(root) == first
    board(proc__device_tree__serial_number="1421322085712\0")
    assert describe_machine(root)["id"] != first["id"]


def test_elsewhere_the_installation_has_an_id(board):
    root = board(etc__machine_id="0123456789abcdef\n", proc__cpuinfo="processor\t: 0\nmodel name\t: A CPU @ 2 GHz\n")
    assert describe_machine(root)["id"] and describe_machine(root)["cpu"] == "A CPU @ 2 GHz"


def test_an_arm_kernel_names_a_part(board):
    assert describe_machine(board(proc__cpuinfo="CPU part\t: 0xd0b\n"))["cpu"] == "Arm part 0xd0b"


def test_nothing_is_guessed(tmp_path):
    assert describe_machine(str(tmp_path)) == {"id": None, "board": None, "cpu": None}


def test_this_machine_says_the_same_twice():
    assert describe_machine() == describe_machine()
