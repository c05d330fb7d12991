"""How many sessions a run wants, and which belong together."""

import pytest
from edgeproof.agent.machine import describe_machine
from edgeproof.core.attempts import open_attempt
from edgeproof.core.errors import UserError
from edgeproof.core.keys import compose_key
from edgeproof.runs.wanted_sessions import ask_for_another, count_asked, count_missing, find_sessions

KEY, ANOTHER = compose_key({"of": "a test"}), compose_key({"of": "another"})
FOREIGN = {"id": "0123456789abcdef", "board": None, "cpu": None}


def add(folder, machine=None, key=KEY):
    with open_attempt(folder, "session", key, machine or describe_machine()) as attempt:
        attempt.complete(samples={}, session="")


@pytest.mark.parametrize(
    ("own", "foreign", "wanted", "missing"),
    [
        (0, 0, 1, 1),
        (1, 0, 1, 0),
        (1, 0, 3, 2),
        (3, 0, 1, 0),
        (0, 1, 1, 0),  # measured elsewhere, and over there wholly
        (0, 1, 2, 2),  # not wholly: all are measured here
        (1, 2, 2, 1),  # two machines are never put together
    ],
)
def test_missing_sessions(tmp_path, own, foreign, wanted, missing):
    for _ in range(foreign):
        add(tmp_path, FOREIGN)
    for _ in range(own):
        add(tmp_path)
    add(tmp_path, key=ANOTHER)
    assert count_missing(tmp_path, KEY, {"sessions": wanted}) == missing
    assert len(find_sessions(tmp_path, KEY)) == (own or foreign)


def test_a_wish_is_of_this_machine_and_of_its_key(tmp_path):
    add(tmp_path, FOREIGN)
    assert ask_for_another(tmp_path, KEY) == 1
    assert (count_missing(tmp_path, KEY, {}), count_asked(tmp_path, KEY)) == (1, 1)
    assert count_asked(tmp_path, ANOTHER) == 0
    add(tmp_path)
    assert (count_missing(tmp_path, KEY, {}), count_asked(tmp_path, KEY)) == (0, 0)


@pytest.mark.parametrize("garbage", [b"\xff\xfe", b"{", b"[]", b'{"schema": "edgeproof.again.v1"}'])
def test_a_wish_that_cannot_be_read_is_named_with_what_to_do(tmp_path, monkeypatch, garbage):
    monkeypatch.chdir(tmp_path)
    place = tmp_path / "attempts" / "again.json"
    place.parent.mkdir()
    place.write_bytes(garbage)
    with pytest.raises(UserError, match=r"again\.json: .*; remove it \(rm -r attempts/again\.json\)"):
        count_asked(tmp_path, KEY)
