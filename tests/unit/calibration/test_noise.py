"""What A/A pairs of a cell say, on made-up sessions whose spread is known."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from edgeproof.bench.made_up_campaigns import write_calibration
from edgeproof.bench.made_up_pairs import PairsNoise, write_session
from edgeproof.calibration.noise import EFFECTS, describe_noise, pool_dependence, read_noise
from edgeproof.core.dependence import estimate_dependence
from edgeproof.core.errors import UserError
from edgeproof.core.seals import seal

STATE = {"left": {}, "right": {}}
MARGIN = 0.02


@pytest.fixture
def sessions(tmp_path, monkeypatch):
    """A function that makes sessions with a known spread and ratio."""
    monkeypatch.chdir(tmp_path)

    def make(ratios=(1.0, 1.0), pairs=40, spread=0.01):
        return [write_session("c", pairs, PairsNoise(ratio, spread), STATE) for ratio in ratios]

    return make


def test_the_spread_of_a_pair_is_recovered_within_sessions(sessions):
    noise = describe_noise(sessions(), MARGIN)
    assert noise["log_sd"] == pytest.approx(0.01, rel=0.25) and noise["pairs"] == 80
    shifted = describe_noise(sessions(ratios=(1.0, 1.2)), MARGIN)
    assert shifted["log_sd"] == pytest.approx(0.01, rel=0.25)
    assert shifted["ratio"] == pytest.approx(math.sqrt(1.2), rel=0.01)


def test_larger_differences_cost_fewer_pairs(sessions):
    noise = describe_noise(sessions(), MARGIN)
    assert [entry["effect"] for entry in noise["expected"]] == list(EFFECTS)
    five, ten = noise["expected"][-2:]
    assert 4 <= ten["pairs"] <= five["pairs"] <= 12 and ten["decided"] >= five["decided"] > 0.9
    assert five["seconds"] == pytest.approx(five["pairs"] * noise["seconds_per_pair"])
    assert noise["seconds_per_pair"] == pytest.approx(2.0)


def test_what_cannot_be_decided_has_no_cost(sessions):
    noise = describe_noise(sessions(spread=0.5), MARGIN)
    assert noise["expected"][0]["pairs"] is None and noise["expected"][0]["seconds"] is None
    assert noise["expected"][0]["decided"] < 0.5


def test_the_false_rate_is_at_most_nominal_and_the_same_each_time(sessions):
    made = sessions()
    noise = describe_noise(made, MARGIN)
    assert noise["false_rate"] <= 0.05 and noise["false_rate"] == describe_noise(made, MARGIN)["false_rate"]
    assert 0.01 < describe_noise(sessions(pairs=60), 1e-9)["false_rate"] < 0.08  # no margin: the level of the test


def test_one_pair_says_nothing_of_a_spread(sessions):
    noise = describe_noise(sessions(ratios=(1.0,), pairs=1), MARGIN)
    assert (noise["log_sd"], noise["false_rate"], noise["expected"]) == (None, None, [])


def test_dependence_is_pooled_over_the_cells_of_a_device(sessions):
    few = [write_calibration(sessions=1, pairs=10)]
    assert pool_dependence(few).source == "default"
    cells = [write_calibration(precision=precision, pairs=20) for precision in ("fp16", "int8")]
    pooled = pool_dependence([*few, *cells])
    assert (pooled.source, pooled.pairs, pooled.sequences) == ("calibration", 90, 5)
    assert pool_dependence([]).correlation == 0.2


def test_the_level_of_each_session_is_no_noise():
    """Sessions are centred on their own mean; a jump between them is no dependence either."""
    random = np.random.default_rng(5)
    logs = [0.01 * random.standard_normal(40) for _ in range(3)]
    moved = [sequence + shift for sequence, shift in zip(logs, (0.0, 0.3, -0.2), strict=True)]
    assert estimate_dependence(moved).correlation == pytest.approx(estimate_dependence(logs).correlation)


def change(*keys, to):
    def edit(document):
        for key in keys[:-1]:
            document = document[key]
        document[keys[-1]] = to

    return edit


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (change("log_sd", to=0.001), r"log_sd is 0\.001, its pairs give"),
        (change("false_rate", to=0.5), r"false_rate is 0\.5"),
        (change("expected", 0, "seconds", to=1.5), r"expected\[0\]\.seconds is 1\.5"),
        (change("dependence", "correlation", to=0.0), r"dependence\.correlation is 0\.0"),
        (change("seconds_per_pair", to=0.1), r"seconds_per_pair is 0\.1"),
        (change("sessions", 0, "steal_share", to=0.3), r"sessions\[0\]\.steal_share is 0\.3"),
        (change("sessions", 0, "machine", to="f" * 16), r"sessions\[0\]\.machine is"),
        (change("provenance", to="simulated"), r"provenance is 'simulated'"),
        (change("pairs", to=1), r"pairs is 1"),
    ],
)
@pytest.mark.parametrize("resealed", [False, True])
def test_every_edit_of_a_calibration_is_named_even_if_resealed(sessions, edit, message, resealed):
    path = Path(write_calibration())
    document = json.loads(path.read_text())
    edit(document)
    path.write_text(json.dumps(seal(document) if resealed else document))
    wanted = message if resealed else r"noise\.json: document_sha256 does not match"
    with pytest.raises(UserError, match=wanted) as caught:
        read_noise(path)
    assert "\n" not in str(caught.value)


def test_pairs_that_are_not_those_of_the_calibration_are_refused(sessions):
    path = Path(write_calibration())
    table = path.with_name("pairs.csv")
    kept = table.read_text()
    table.write_text(kept.replace("blocks", "processes", 1))
    with pytest.raises(UserError, match=r"pairs\.csv beside it is not the table that it names"):
        read_noise(path)
    table.unlink()
    with pytest.raises(UserError, match=r"pairs\.csv beside it is not the table that it names"):
        read_noise(path)
    table.write_text(kept)
    raw = next(path.parent.rglob("blocks.npy"))
    raw.write_bytes(raw.read_bytes()[:-8] + b"\0" * 8)
    with pytest.raises(UserError, match=r"the pair cannot be read \(blocks\.npy: sha256 differs"):
        read_noise(path)
