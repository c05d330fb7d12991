"""Power mode, clocks and governors on a made-up board with stand-in tools: set, read back, and put back in any case."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from edgeproof.agent.failures import NoVerdict
from edgeproof.agent.power_control import control_power
from edgeproof.agent.session import run_session

from .pair_specs import PROTOCOL, real

# A board in a folder: `mode` holds the power mode, `locked` is there while the clocks are fixed.
NVPMODEL = """
[ "$1" = -q ] && { echo "NV Power Mode: MODE_X"; cat "$BOARD/mode"; exit 0; }
[ "$2" = 9 ] && { echo "NVPM ERROR: mode 9 is not supported"; exit 1; }
[ "$2" = 7 ] || echo "$2" > "$BOARD/mode"
"""
JETSON_CLOCKS = """
case "$1" in
  --show) [ -e "$BOARD/locked" ] && low=1500 || low=100; echo "cpu0: Online=1 Governor=x MinFreq=$low MaxFreq=1500" ;;
  --store) echo stored > "$2" ;;
  --restore) grep -q stored "$2" && rm -f "$BOARD/locked" ;;
  *) touch "$BOARD/locked" ;;
esac
"""


class Board:
    """What the made-up board says now."""

    def __init__(self, folder):
        self.folder = folder
        self.governors = [
            folder / f"root/sys/devices/system/cpu/cpu{number}/cpufreq/scaling_governor" for number in (0, 1)
        ]
        self.boot = folder / "root/proc/sys/kernel/random/boot_id"
        self.state = folder / "state/power-control.json"
        for path, text in ((self.boot, "boot-1"), *((path, "schedutil") for path in self.governors)):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text + "\n")
        (folder / "mode").write_text("2\n")

    def ask(self, **options):
        return {**options, "root": str(self.folder / "root"), "state": str(self.state)}

    def now(self):
        mode = int((self.folder / "mode").read_text())
        return mode, [path.read_text().strip() for path in self.governors], (self.folder / "locked").exists()


FOUND = (2, ["schedutil", "schedutil"], False)
ALL = {"nvpmodel": 0, "jetson_clocks": True, "governor": "performance"}


@pytest.fixture
def board(tmp_path, monkeypatch):
    """A made-up board whose tools are found first in PATH."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for name, body in (("nvpmodel", NVPMODEL), ("jetson_clocks", JETSON_CLOCKS), ("sudo", 'shift; exec "$@"')):
        (tools / name).write_text(f"#!/bin/sh{body if body.startswith(chr(10)) else chr(10) + body}\n")
        (tools / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("BOARD", str(tmp_path))
    return Board(tmp_path)


def test_what_is_asked_for_is_set_read_back_and_put_back(board):
    with control_power(board.ask(**ALL)) as record:
        assert board.now() == (0, ["performance", "performance"], True)
        assert json.loads(board.state.read_text())["nvpmodel"] == 2
    assert board.now() == FOUND and not board.state.exists()
    assert record["asked"] == ALL and not record["left_by_another"]
    assert record["before"]["nvpmodel"] == 2 and record["before"]["clocks_locked"] is False
    assert record["set"]["nvpmodel"] == 0 and record["set"]["clocks_locked"] is True
    assert set(record["set"]["governors"].values()) == {"performance"}


def test_nothing_is_set_where_nothing_is_asked_for(board):
    with control_power({**board.ask()}) as record:
        assert record["set"] == {} and board.now() == FOUND
    with control_power(None) as record:
        assert record is None


def test_an_error_of_the_session_puts_everything_back(board):
    with pytest.raises(KeyError), control_power(board.ask(**ALL)):
        raise KeyError
    assert board.now() == FOUND and not board.state.exists()


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"nvpmodel": 9}, "nvpmodel -m 9 ended with exit code 1: NVPM ERROR: mode 9 is not supported"),
        ({"governor": "performance", "nvpmodel": 7}, r"power_control\.nvpmodel: 7 was asked for, the board says 2"),
    ],
)
def test_a_board_that_does_not_do_as_told_is_no_verdict_and_as_it_was(board, asked, message):
    with pytest.raises(NoVerdict, match=message), control_power(board.ask(**asked)):
        pytest.fail("a session must not begin")
    assert board.now() == FOUND and not board.state.exists()


def test_a_tool_or_a_governor_that_is_not_there_is_said(board, monkeypatch):
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    with pytest.raises(NoVerdict, match="nvpmodel: is not on this board"), control_power(board.ask(nvpmodel=1)):
        pass
    for path in board.governors:
        path.unlink()
    with pytest.raises(NoVerdict, match="no governor that could be set"), control_power(board.ask(governor="x")):
        pass


SESSION = """
import sys, time
from edgeproof.agent.power_control import control_power
import json
with control_power(json.loads(sys.argv[1])):
    print("set", flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("boot", ["boot-1", "boot-2"])
def test_what_a_killed_session_left_is_put_back_by_the_next_one(board, boot):
    command = [sys.executable, "-c", SESSION, json.dumps(board.ask(**ALL))]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "set\n"
    process.send_signal(signal.SIGKILL)
    process.wait(30)
    assert board.now() == (0, ["performance", "performance"], True) and board.state.exists()
    if boot == "boot-2":  # governors and clocks went with the reboot, the mode stays
        board.boot.write_text(boot)
        (board.folder / "locked").unlink()
        for path in board.governors:
            path.write_text("ondemand\n")  # what the new boot has set is not touched
    with control_power(board.ask(governor="powersave")) as record:
        assert record["left_by_another"] and board.now()[0] == 2
    expected = ["schedutil"] * 2 if boot == "boot-1" else ["ondemand"] * 2
    assert board.now() == (2, expected, False) and not board.state.exists()


def test_a_file_that_cannot_be_read_stops_the_next_session(board):
    board.state.parent.mkdir(parents=True)
    board.state.write_text("{")
    with pytest.raises(NoVerdict, match="set the board as it was, and remove this file"), control_power(board.ask()):
        pass


def test_a_session_measures_in_the_mode_that_was_set_and_records_it(board, tmp_path, tiny_model):

    np.savez(tmp_path / "inputs.npz", **{"inputs/x": np.zeros((1, 4), "float32")})
    spec = {
        "label": "trial", "arms": {"a": real(tiny_model)}, "order": ["a"], "inputs": str(tmp_path / "inputs.npz"),
        "protocol": PROTOCOL, "lock": str(tmp_path / "lock"), "board": None, "timeout_s": 60,
        "power_control": board.ask(nvpmodel=0),
    }  # fmt: skip
    out = tmp_path / "out"
    out.mkdir()
    run_session(spec, str(out))
    record = json.loads((out / "session.json").read_text())
    assert record["power_control"]["set"] == {"nvpmodel": 0}
    assert record["environment"]["before"]["power_mode"].endswith(" 0") and board.now() == FOUND
