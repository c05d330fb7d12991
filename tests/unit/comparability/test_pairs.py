"""Measuring pairs on the fake backend: only on the machine that the verdict is about, and kept from then on."""

import json
import sys

import numpy as np
import pytest
from edgeproof.comparability.pairs import PairsPaths, measure_pairs
from edgeproof.core.documents import read_json
from edgeproof.core.errors import UserError
from edgeproof.runs.sessions import SessionSetup

PROTOCOL = {"warmup_runs": 3, "warmup_seconds": 0.0, "min_samples": 20, "min_seconds": 0.0, "max_timer_share": 0.01}


@pytest.fixture
def measure(room):
    """Return a function that measures so many pairs of a fake artifact with itself and returns `pairs.json`."""
    room.make(ratio=0.6)
    for path in room.folder.glob("attempts"):
        path.rename(room.root / "specimens")
    artifact, inputs = room.root / "artifact.json", room.root / "inputs.npz"
    artifact.write_text(json.dumps({"seed": "s", "latency_ms": 2.0, "outputs": [["y", [1, 3]]]}))
    np.savez(inputs, **{"inputs/x": np.zeros((2, 4), "float32")})
    arm, device = {"backend": "fake", "precision": "fp32", "runtime": {}}, {"name": "desk", "lock": "lock"}

    def run(pairs):
        setup = SessionSetup(inputs, device, PROTOCOL, sys.executable)
        table, record = room.folder / "pairs.csv", room.folder / "pairs.json"
        paths = PairsPaths(room.folder / "verdict.json", artifact, artifact, table, record)
        measure_pairs("pair", dict.fromkeys(("left", "right"), arm), setup, pairs, paths)
        return read_json(room.folder / "pairs.json", "pairs")

    return run


def test_a_machine_that_is_not_the_verdicts_is_refused_and_nothing_is_written(room, measure):
    before = (room.folder / "pairs.json").read_bytes()
    with pytest.raises(UserError, match=r"pair: \w+ of left is .*, and was .* when its result was measured"):
        measure(1)
    assert (room.folder / "pairs.json").read_bytes() == before


def enter_state(room):
    """Write into the verdict the state that the last session met."""
    (record,) = sorted(room.folder.glob("attempts/*/pairs-of-session.json"))[-1:]
    state = json.loads(record.read_text())["state"]
    room.edit(room.folder / "verdict.json", lambda verdict: [verdict[side].update(state=state[side]) for side in state])


def test_pairs_are_kept_while_the_machine_is_the_same(room, measure):
    with pytest.raises(UserError):
        measure(1)
    enter_state(room)
    first = measure(1)
    more = measure(2)
    assert more["sessions"][0] == first["sessions"][0] and [item["pairs"] for item in more["sessions"]] == [1, 1]
    record = json.loads((room.folder / "attempts/0002/pairs-of-session.json").read_text())
    record["state"]["right"]["governors"] = ["powersave"]  # as if somebody had measured it under another governor
    (room.folder / "attempts/0002/pairs-of-session.json").write_text(json.dumps(record))
    again = measure(2)
    assert [item["attempt"][-4:] for item in again["sessions"]] == ["0003", "0004"]


def test_where_the_cells_met_two_states_of_the_machine_a_session_may_meet_a_third(room, measure):
    """A policy that ignores the machine lets them meet; no session could be in both states."""
    with pytest.raises(UserError):
        measure(1)
    enter_state(room)
    room.edit(room.folder / "verdict.json", lambda verdict: verdict["left"]["state"].update(kernel="6.1-other"))
    first = measure(1)
    assert first["status"] == "measured" and measure(1)["sessions"] == first["sessions"]
