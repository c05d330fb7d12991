"""Two servers in turns: the verdict where the truth is known, what is refused, and one real comparison."""

import json
from argparse import Namespace

import numpy as np
import pytest
from edgeproof.__main__ import main
from edgeproof.adaptation.server_comparison import (
    SIDES,
    TurnsSetting,
    describe_comparison,
    draw_arrivals,
    draw_turns,
    read_comparison,
    say_comparison,
)
from edgeproof.adaptation.server_verbs import compare_two
from edgeproof.adaptation.servers_in_turn import choose_family
from edgeproof.adaptation.service_load import Answers
from edgeproof.adaptation.service_records import record_stretch
from edgeproof.core.documents import write_sealed
from edgeproof.core.errors import UserError
from edgeproof.core.exit_codes import ExitCode
from edgeproof.core.files import sha256_file
from edgeproof.core.layout import REPOSITORY
from edgeproof.core.program_start import run
from edgeproof.core.tensors import write_tensors

from .made_up_server import write_service
from .test_service_measurement import write_family_file

CLOSED = TurnsSetting("seconds_per_answer", seconds=1.0, pairs=12)
OPEN = TurnsSetting("p99", rate=200.0, seconds=1.0, pairs=12)


def make_up(setting, ratio, pairs, status=200):
    """Return raw data in which the right server takes `ratio` times as long; the machine slows both by up to half."""
    random, raw = np.random.default_rng(0), {}
    for pair in range(pairs):
        pace = 1e6 * random.uniform(1.0, 1.5)
        for side in SIDES:
            for stretch in range(setting.stretches):
                took = pace * (ratio if side == "right" else 1.0) * random.normal(1.0, 0.003)
                count = len(draw_arrivals(setting, pair, stretch)) if setting.rate else int(1e9 / took)
                latency = (took * random.uniform(0.9, 1.1, count)).astype("int64")
                answers = Answers(latency, np.full(count, status, "int16"), 1.0)
                record_stretch(raw, f"pairs/{pair}/{side}", stretch, answers)
            raw[f"pairs/{pair}/{side}/use"] = np.full((setting.stretches, 2), 0.5)
    return raw


@pytest.mark.parametrize("setting", [CLOSED, OPEN])
@pytest.mark.parametrize(("ratio", "verdict"), [(1.5, "slower"), (0.7, "faster"), (1.0, "equivalent")])
def test_the_verdict_is_that_of_the_truth(setting, ratio, verdict):
    found = describe_comparison(make_up(setting, ratio, 12), setting)
    assert (found["verdict"], found["reason"]) == (verdict, None)
    assert found["effect"]["interval_low"] <= ratio <= found["effect"]["interval_high"]


def test_a_few_pairs_of_the_same_server_decide_nothing():
    found = describe_comparison(make_up(CLOSED, 1.0, 3), CLOSED)
    assert (found["verdict"], found["reason"], found["effect"]["interval_low"]) == ("undecided", "budget", None)


def test_what_is_refused_quickly_is_not_fast():
    raw = make_up(CLOSED, 0.5, 5)
    raw["pairs/3/right/0/status"][:7] = 429
    found = describe_comparison(raw, CLOSED)
    assert (found["verdict"], found["effect"]) == ("failed", None)
    assert found["reason"].startswith("7 of ") and "requests to right" in found["reason"]


def test_both_servers_come_first_equally_often():
    for pair in range(8):
        turns = draw_turns(CLOSED, pair)
        assert sorted(turns) == [(side, stretch) for side in SIDES for stretch in range(2)]
        assert {turns[0][0], turns[2][0]} == set(SIDES)
    assert {draw_turns(CLOSED, pair)[0][0] for pair in range(8)} == set(SIDES)


def store(folder, raw, setting):
    """Write a made-up comparison as `compare-servers` does and return its path."""
    write_tensors(folder / "server-comparison.npz", raw)
    side = {"family": "sums", "path": "family.yaml", "family_sha256": "0" * 64, "options": []}
    document = {
        "schema": "edgeproof.server-comparison.v1",
        "left": side,
        "right": side | {"options": ["--driver", "h11"]},
        "boundary": "transport",
        "clock": {"machine": None, "clock": "clock_gettime(CLOCK_MONOTONIC)", "resolution_s": 1e-9},
        "setting": setting.__dict__,
        **describe_comparison(raw, setting),
        "raw": {"file": "server-comparison.npz", "sha256": sha256_file(folder / "server-comparison.npz")},
    }
    write_sealed(folder / "server-comparison.json", document, "server-comparison")
    return folder / "server-comparison.json"


def test_a_comparison_is_told_in_words(tmp_path, capsys):
    path = store(tmp_path, make_up(OPEN, 1.5, 6), OPEN)
    assert run(lambda argv: main(argv, REPOSITORY), ["adaptation", "inspect-comparison", str(path)]) == ExitCode.GOOD
    text = capsys.readouterr().out
    assert "right: family.yaml --driver h11" in text and "Right is slower: the 99th percentile of latency" in text
    undecided = read_comparison(store(tmp_path, make_up(OPEN, 1.0, 3), OPEN))
    assert say_comparison(undecided)[-1].startswith("Undecided: ")


@pytest.mark.parametrize(
    ("place", "key", "value", "named"),
    [
        ("effect", "ratio", 0.1, r"effect\.ratio is 0\.1"),
        ("servers", "left", None, r"servers\.left\."),
        (None, "verdict", "faster", "verdict is 'faster'"),
        ("setting", "margin", 0.9, "is"),
        ("setting", "seed", 4, "another number of requests than were due"),
        ("setting", "rate", 1e12, "another number of requests than were due"),
    ],
)
def test_an_edited_figure_is_named(tmp_path, place, key, value, named):
    path = store(tmp_path, make_up(OPEN, 1.5, 6), OPEN)
    document = json.loads(path.read_text())
    del document["document_sha256"]
    target = document if place is None else document[place]
    target[key] = document["servers"]["right"] if value is None else value
    write_sealed(path, document, "server-comparison")
    with pytest.raises(UserError, match=named):
        read_comparison(path)


def test_of_a_service_the_family_beside_it_is_served(tmp_path):
    (tmp_path / "family.json").write_text("{}")
    path = write_service(tmp_path, sha256_file(tmp_path / "family.json"))
    family, rate = choose_family(path)
    assert (family, rate) == (tmp_path / "family.json", json.loads(path.read_text())["capacity"]["holds"])
    (tmp_path / "family.json").write_text("{ }")
    with pytest.raises(UserError, match="is of another family"):
        choose_family(path)


def options_for(folder, **more):
    """Return the options of one call of the verb, two short pairs of the same family under two drivers."""
    family = write_family_file(folder)
    given = {"left": family, "right": family, "left_options": "", "right_options": "--driver h11", "rate": None}
    given |= {"output": folder / "out", "statistic": None, "clients": 2, "margin": 0.05, "pairs": 2, "stretches": 2}
    return Namespace(**given | {"seconds": 0.2, "seed": 0, "json": True} | more)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"rate": 5.0, "statistic": "seconds_per_answer"}, "give --clients"),
        ({"pairs": 61}, "at most 60"),
        ({"left_options": "'"}, "No closing quotation"),
        ({"seconds": 0.0}, "must be above 0"),
    ],
)
def test_what_cannot_be_compared_is_said_before_anything_starts(tmp_path, more, said):
    with pytest.raises(UserError, match=said):
        compare_two(options_for(tmp_path, **more), tmp_path)
    assert not (tmp_path / "out").exists()


def test_servers_that_take_other_requests_are_not_compared(tmp_path):
    other = {
        "family": "sums",
        "variants": {"a": {"path": str(REPOSITORY / "config/models/digits-cnn.onnx"), "tier": "high"}},
    }
    (tmp_path / "other.yaml").write_text(json.dumps(other))
    with pytest.raises(UserError, match="take other inputs"):
        compare_two(options_for(tmp_path, right=tmp_path / "other.yaml"), tmp_path)


@pytest.mark.campaign
def test_two_drivers_are_compared(tmp_path, capsys):
    assert compare_two(options_for(tmp_path), tmp_path) == ExitCode.NOT_PROVED  # two pairs never decide
    document = read_comparison(tmp_path / "out/server-comparison.json")
    assert json.loads(capsys.readouterr().out) == document
    assert document["pairs"] == document["effect"]["pairs"] == 2 and document["effect"]["ratio"] > 0
    for side in SIDES:
        row = document["servers"][side]
        assert row["failed"] == 0 and row["requests"] > 10 and row["server"]["cpu_share"] > 0
    assert document["right"]["options"] == ["--driver", "h11"]
