"""A real link to a board: what is lost, what is kept, and who is let in."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from edgeproof.agent.machine import describe_machine
from edgeproof.bench.remote_overhead import measure_overhead
from edgeproof.core.attempts import list_attempts
from edgeproof.core.clock import now
from edgeproof.core.documents import validate
from edgeproof.core.errors import UserError
from edgeproof.core.keys import compose_key
from edgeproof.remote.ssh_link import LinkLost, SshLink
from edgeproof.runs.paired_sessions import PairPlace, list_sessions, measure_session
from edgeproof.runs.sessions import SessionSetup, run_session

from .network_boards import run

PROTOCOL = {"warmup_runs": 1, "warmup_seconds": 0, "min_samples": 5, "min_seconds": 0, "max_timer_share": 0.05}
PAIRS_PROTOCOL = PROTOCOL | {"block_seconds": 0.0005, "block_pairs": 10}
KEY = compose_key({"of": "a test"})
FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")


class Bench:
    """Measures a fake arm on a board, from the folder of a test."""

    def __init__(self, root):
        self.root = root
        self.artifact = root / "artifact.json"
        self.write_artifact("")
        np.savez(root / "inputs.npz", **{"inputs/x": np.zeros((2, 4), "float32")})

    def write_artifact(self, padding):
        known = {"seed": "s", "latency_ms": 1.0, "outputs": [["y", [1, 3]]]}
        self.artifact.write_text(json.dumps(known) + " " * padding if padding else json.dumps(known))

    def arm(self):
        return {"backend": "fake", "precision": "fp32", "artifact": str(self.artifact), "runtime": {}}

    def run(self, board, index=0, **options):
        device = {"name": board.name, **board.describe(**options)}
        setup = SessionSetup(self.root / "inputs.npz", device, PROTOCOL, sys.executable)
        return run_session(self.root / "run", "m/p/d/fp32", {"candidate": self.arm()}, ["candidate"], setup, index)

    def measure_pairs(self, board, goes_on):
        device = {"name": board.name, **board.describe()}
        place = PairPlace(self.root / "inputs.npz", device, PAIRS_PROTOCOL, sys.executable)
        plan = {"budget": {"pairs": 9, "seconds": None}, "first_pair": 0}
        arms = {"left": self.arm(), "right": self.arm()}
        return measure_session(self.root / "c", "c", KEY, arms, place, plan, goes_on)


@pytest.fixture
def bench(surroundings, monkeypatch):
    monkeypatch.chdir(surroundings)
    return Bench(surroundings)


def test_a_board_is_another_machine_and_nothing_is_left_on_it(bench, make_board):
    board = make_board(1)
    session = bench.run(board)
    assert session.machine["id"] not in (None, describe_machine()["id"])
    assert board.list_work() == [] and board.list_disk("edgeproof/sessions/*") == []
    assert bench.run(board).attempt == session.attempt


def test_a_link_that_is_cut_leaves_no_result_and_the_pairs_are_taken_afterwards(bench, make_board):
    board = make_board(1)

    def cut(pairs):
        if len(pairs) == 2:
            board.cut()
        return True

    with pytest.raises(LinkLost, match="the link was lost"):
        bench.measure_pairs(board, cut)
    assert list_sessions([bench.root / "c"], KEY) == []
    board.mend()
    asked = []
    session = bench.measure_pairs(board, lambda pairs: asked.append(len(pairs)) or len(pairs) < 4)
    assert [pair["pair"] for pair in session.record["pairs"]] == list(range(len(session.pairs)))
    assert len(session.pairs) >= 2 and board.list_work() == []
    assert [item.complete for item in list_attempts(bench.root / "c")][:2] == [False, True]


class Cutter:
    """Cuts a board's link before one of the answers that we hear from it; `count`: how many we have heard."""

    def __init__(self, monkeypatch, board):
        self.board, self.moment, self.count, self.started = board, None, 0, 0
        hear = SshLink.hear

        def hear_or_cut(link):
            self.count += 1
            if self.count == self.moment:
                board.cut_at_once()
            answer = hear(link)
            self.started += "started" in answer
            return answer

        monkeypatch.setattr(SshLink, "hear", hear_or_cut)

    def begin(self, moment=None):
        """Begin to count; `moment`: which answer is not heard any more."""
        self.moment, self.count = moment, 0


def test_nothing_is_measured_twice_whenever_the_link_is_cut(bench, make_board, monkeypatch):
    """Ten moments from the greeting to the last answer; the next run has the result, the board has nothing left."""
    board = make_board(1)
    cutter = Cutter(monkeypatch, board)
    bench.run(board)
    cutter.begin()
    bench.run(board, index=1)
    answers, lost = cutter.count - 1, []  # after the last one all is here, and the board is only told to forget
    for number in range(2, 12):
        cutter.started = 0
        cutter.begin(1 + (number - 2) * (answers - 1) // 9)
        try:
            bench.run(board, index=number)
        except UserError as error:
            lost.append(str(error))
        board.mend()
        cutter.begin()
        assert bench.run(board, index=number).samples
        assert sum(item.complete for item in list_attempts(bench.root / "run")) == number + 1
        assert cutter.started <= 1 and board.list_work() == []
    assert len(lost) >= 8  # what a session says while it measures differs: at the last moments all may be here
    assert all("the link was lost" in text or "cannot be reached" in text for text in lost)
    bench.run(board, index=12)  # what the board could not be told to forget goes with the next session
    assert board.list_disk("edgeproof/sessions/*") == []


def test_an_interpreter_that_is_not_there_is_told(bench, make_board):
    board = make_board(1)
    with pytest.raises(UserError, match="/no/such/python cannot be started there; name a Python as `interpreter`"):
        bench.run(board, interpreter="/no/such/python")
    assert bench.run(board).samples


def test_an_agent_that_was_changed_on_the_board_does_not_run(bench, make_board):
    board = make_board(1)
    bench.run(board)
    (path,) = board.list_disk("edgeproof/agents/*/edgeproof/agent/timing.py")
    ours = path.read_text()
    path.write_text("raise SystemExit(7)")
    assert bench.run(board, index=1).samples and path.read_text() == ours


def test_whole_pairs_survive_a_power_cut(bench, make_board):
    board = make_board(1)
    kept = bench.root / "kept"

    def switch_off(pairs):
        if len(pairs) == 2:
            shutil.copytree(board.disk_here / "edgeproof", kept, ignore=shutil.ignore_patterns("socket"))
            board.switch_off()
        return True

    with pytest.raises(LinkLost):
        bench.measure_pairs(board, switch_off)
    board.start()
    shutil.copytree(kept, board.disk_here / "edgeproof")  # its disk is in memory here
    session = bench.measure_pairs(board, lambda pairs: True)
    assert len(session.pairs) == 2 and session.record["ended_by"] is None


def test_another_host_key_is_refused(bench, make_board):
    board = make_board(1)
    board.switch_off()
    board.renew_host_key()
    board.start()
    with pytest.raises(UserError, match=r"its host key is not in .*known_hosts; compare the fingerprint"):
        bench.run(board)
    board.trust()
    assert bench.run(board).samples


def test_another_user_s_key_is_refused(bench, make_board):
    board = make_board(1)
    (board.keys / "authorized").write_text("")
    with pytest.raises(UserError, match="ssh may not log in"):
        bench.run(board)


def test_a_full_disk_is_told_and_nothing_is_half_there(bench, make_board):
    board = make_board(1, size="4m")
    bench.write_artifact(8 << 20)
    with pytest.raises(UserError, match="No space left on device"):
        bench.run(board)
    assert [path.name for path in board.list_disk("edgeproof/files/*/*")] in ([], ["inputs.npz"])
    assert [attempt.complete for attempt in list_attempts(bench.root / "run")] == [False]
    bench.write_artifact("")
    assert bench.run(board).samples


def test_a_board_s_clock_decides_nothing(bench, make_board):
    board = make_board(1)
    board.switch_off()
    began = now()
    board.start(LD_PRELOAD=FAKETIME, FAKETIME="-900d", FAKETIME_FORCE_MONOTONIC_FIX="1")
    session = bench.run(board)
    (attempt,) = list_attempts(bench.root / "run")
    assert attempt.record["facts"]["board"]["clock_ahead_s"] < -800 * 86400
    assert attempt.record["started_at"] >= began and session.samples


def test_a_board_behind_another_host(bench, make_board):
    desk, board = make_board(1), make_board(2)
    for one, other in ((desk, board), (board, desk)):
        run("ip", "-n", one.space, "route", "add", "default", "via", one.here)
        one.known_hosts.write_text(one.known_hosts.read_text() + other.known_hosts.read_text())
    shutil.copy(board.keys / "authorized", desk.keys / "authorized")
    before = Path("/proc/sys/net/ipv4/ip_forward").read_text()
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
    try:
        session = bench.run(board, jump=f"root@{desk.host}")
    finally:
        Path("/proc/sys/net/ipv4/ip_forward").write_text(before)
    assert session.samples
    said = subprocess.run(["ip", "netns", "pids", desk.space], capture_output=True, text=True, check=True).stdout
    assert len(said.split()) > 1  # the connection goes through it


def test_what_ssh_costs_is_measured_on_a_host_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    found = validate(measure_overhead(1), "bench-remote", "test")
    assert found["first_ssh_s"] > 0 and found["ssh_s"] > 0
    assert os.environ["XDG_CACHE_HOME"] == str(tmp_path)
