"""Sessions of interleaved pairs, on the fake backend: what is kept, what counts, and what is refused when read."""

import json
import sys

import numpy as np
import pytest
from edgeproof.core.errors import UserError
from edgeproof.core.files import sha256_file
from edgeproof.runs import pairing
from edgeproof.runs.sessions import SessionSetup
from hypothesis import given
from hypothesis import strategies as st

PROTOCOL = {"warmup_runs": 3, "warmup_seconds": 0.0, "min_samples": 20, "min_seconds": 0.0, "max_timer_share": 0.01}


@given(st.integers(1, 30), st.text())
def test_every_pair_holds_both_arms_and_the_seed_decides_the_order(pairs, seed):
    order = pairing.interleave(pairs, seed)
    assert all(set(order[2 * i : 2 * i + 2]) == {"left", "right"} for i in range(pairs))
    assert order == pairing.interleave(pairs, seed)


def test_orders_are_mixed():
    order = pairing.interleave(100, "seed")
    firsts = [order[2 * i] for i in range(100)]
    assert 30 < firsts.count("left") < 70


@pytest.fixture
def measure(tmp_path, monkeypatch):
    """Return a function that measures so many pairs of a fake artifact with itself, in a repository of its own."""
    monkeypatch.chdir(tmp_path)
    artifact = tmp_path / "artifact.json"
    artifact.write_text(json.dumps({"seed": "s", "latency_ms": 2.0, "outputs": [["y", [1, 3]]]}))
    np.savez(tmp_path / "inputs.npz", **{"inputs/x": np.zeros((2, 4), "float32")})
    arm = {"backend": "fake", "precision": "fp32", "artifact": str(artifact), "runtime": {}}

    def run(pairs, key="k", **runtime):
        arms = {"left": arm, "right": {**arm, "runtime": runtime}}
        device = {"name": "d", "lock": str(tmp_path / "lock")}
        setup = SessionSetup(tmp_path / "inputs.npz", device, PROTOCOL, sys.executable)
        return pairing.measure_session_of_pairs(tmp_path / "c", "c", arms, pairs, setup, key, "seed")

    return run


def test_sessions_are_kept_by_key_and_their_table_reads_back(tmp_path, measure):
    measure(2)
    measure(1, key="other")
    measure(1)
    sessions = pairing.find_sessions(tmp_path / "c", "k")
    assert [session["pairs"] for session in sessions] == [2, 1]
    records = pairing.write_pairs(tmp_path / "pairs.csv", sessions)
    assert all("rows" not in record for record in records)
    table = pairing.read_pairs(tmp_path / "pairs.csv", sha256_file(tmp_path / "pairs.csv"))
    medians = pairing.medians_of(table)
    assert len(medians["left"]) == len(medians["right"]) == 3
    assert [row["session"] for row in table] == [1, 1, 1, 1, 2, 2]
    np.testing.assert_allclose(medians["left"], 2e6, rtol=0.02)


def test_failed_session_is_kept_and_does_not_count(tmp_path, measure):
    session = measure(1, fail="out_of_memory")
    assert session["failure"]["kind"] == "out_of_memory" and session["rows"] == []
    assert pairing.find_sessions(tmp_path / "c", "k") == []
    assert (tmp_path / "c/attempts/0001/pairs-of-session.json").exists()


def test_disturbed_session_does_not_count(tmp_path, measure):
    measure(1)
    path = tmp_path / "c/attempts/0001/pairs-of-session.json"
    path.write_text(path.read_text().replace('"disturbances": []', '"disturbances": ["steal"]'))
    assert pairing.find_sessions(tmp_path / "c", "k") == []


def test_edited_pairs_are_refused_by_name(tmp_path, measure):
    measure(1)
    table = tmp_path / "pairs.csv"
    pairing.write_pairs(table, pairing.find_sessions(tmp_path / "c", "k"))
    digest = sha256_file(table)
    text = table.read_text()
    table.write_text(text.replace(",20,", ",21,", 1))
    with pytest.raises(UserError, match="not the pairs measured"):
        pairing.read_pairs(table, digest)
    row = text.splitlines()[1].split(",")
    row[6] = str(float(row[6]) * 2)
    table.write_text("\n".join([text.splitlines()[0], ",".join(row), *text.splitlines()[2:]]) + "\n")
    with pytest.raises(UserError, match=r"median_ns of pair 1 .* the samples give"):
        pairing.read_pairs(table, sha256_file(table))
    table.write_text(text)
    samples = next((tmp_path / "c/attempts").rglob("samples.npy"))
    np.save(samples, np.arange(1, 21))
    with pytest.raises(UserError, match="not the samples measured"):
        pairing.read_pairs(table, sha256_file(table))
    samples.unlink()
    with pytest.raises(UserError, match="cannot be read"):
        pairing.read_pairs(table, sha256_file(table))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace("median_ns", "median", 1), "the columns are"),
        (lambda text: text.replace(",20,", ",many,", 1), "line 2: not a row of a table of pairs"),
        (lambda text: text.rsplit(",", 5)[0] + "\n", "line 3: not a row of a table of pairs"),
    ],
)
def test_a_table_that_is_none_is_named(tmp_path, measure, change, message):
    measure(1)
    table = tmp_path / "pairs.csv"
    pairing.write_pairs(table, pairing.find_sessions(tmp_path / "c", "k"))
    table.write_text(change(table.read_text()))
    with pytest.raises(UserError, match=message):
        pairing.read_pairs(table, sha256_file(table))
