"""`pairs.csv` is a view: it follows from the sessions, and the entry of a session says where it came from."""

import csv

from edgeproof.bench.made_up_pairs import PairsNoise, write_session
from edgeproof.runs.pair_tables import COLUMNS, describe_session, read_session_at, render_table, write_table


def test_the_table_has_a_row_per_pair_in_order_of_the_sequence(tmp_path, maker):
    sessions = [maker.measure(2), maker.measure(1)]
    write_table(tmp_path / "pairs.csv", sessions)
    assert (tmp_path / "pairs.csv").read_text() == render_table(sessions)
    rows = list(csv.DictReader((tmp_path / "pairs.csv").open()))
    assert list(rows[0]) == list(COLUMNS)
    assert [(row["pair"], row["session"]) for row in rows] == [("1", "1"), ("2", "1"), ("3", "2")]
    pairs = [pair for session in sessions for pair in session.pairs]
    assert [float(row["log_ratio"]) for row in rows] == [pair.log_ratio for pair in pairs]
    assert all((tmp_path / row["folder"] / "pair.json").is_file() for row in rows)


def test_no_session_is_a_table_without_rows():
    assert render_table([]) == ",".join(COLUMNS) + "\n"


def test_the_entry_of_a_session_leads_back_to_it(maker):
    session = maker.measure(1)
    entry = describe_session(session)
    assert entry["attempt"].startswith("c/attempts/0001-") and entry["pairs"] == 1
    assert entry["machine"] == session.attempt.record["machine"]["id"]
    again = read_session_at(entry["attempt"])
    assert [pair.sha256 for pair in again.pairs] == [pair.sha256 for pair in session.pairs]


def test_the_entry_of_a_session_has_its_drift_control_with_the_changes_found(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    state = {"left": {}, "right": {}}
    drift = describe_session(write_session("c", 4, PairsNoise(slowdown=0.1), state))["drift"]
    assert [round(change["ratio"], 2) for change in drift["changes"]] == [1.1]
    assert describe_session(write_session("c", 4, PairsNoise(), state, "fake"))["drift"] is None
