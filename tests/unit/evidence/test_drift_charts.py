"""The drift control over time: a strip per session, levels that step where the machine changed, words beside it."""

import numpy as np
import pytest
from edgeproof.bench.made_up_pairs import make_drift
from edgeproof.evidence.drift_charts import HEIGHT, DriftOfSession, draw_drift
from edgeproof.runs.drift_records import describe_drift


def session(slowdown, name="Session 1", points=12):
    record = describe_drift(make_drift(110.0, slowdown, np.random.default_rng(5), points))
    return DriftOfSession(name, "today", record)


def test_a_step_is_two_levels_with_a_line_between_them():
    row = draw_drift([session(0.25)])["rows"][0]
    assert (row["state"], row["length"]) == ("changed", "110\u202fs")
    assert row["words"].startswith("The machine became 25\u202f% slower after 50 to 60")
    first, second = row["levels"]
    assert first["y"] == HEIGHT / 2 and second["y"] < 10  # up is slower
    assert row["changes"] == [first["end"]] == [second["x"]] and row["changes"][0] == pytest.approx(50, abs=1)
    assert len(row["dots"]) == 12 and row["dots"][0][0] == 2 and row["dots"][-1][0] == 98
    assert all(0 <= y <= HEIGHT for _, y in row["dots"])


def test_sessions_share_one_scale_of_heights():
    drawing = draw_drift([session(0.0), session(0.25, "Session 2")])
    steady, changed = drawing["rows"]
    assert (steady["state"], steady["words"], len(steady["levels"])) == ("held", "Held its speed", 1)
    assert max(abs(y - HEIGHT / 2) for _, y in steady["dots"]) < 2 and changed["state"] == "changed"
    assert drawing["reach"].startswith("25")


def test_a_quiet_session_does_not_fill_the_strip():
    drawing = draw_drift([session(0.0)])
    assert drawing["reach"] == "2.0\u202f%"
    assert max(abs(y - HEIGHT / 2) for _, y in drawing["rows"][0]["dots"]) < HEIGHT / 4


def test_too_few_points_to_tell_are_drawn_all_the_same():
    row = draw_drift([session(0.25, points=3)])["rows"][0]
    assert (row["state"], row["words"]) == ("unknown", "3 points are too few; 5 are needed")
    assert len(row["dots"]) == 3


def test_nothing_is_drawn_without_points():
    empty = describe_drift(make_drift(1.0, 0.0, np.random.default_rng(1))) | {"points": []}
    assert draw_drift([]) is None and draw_drift([DriftOfSession("a", "b", empty)]) is None
