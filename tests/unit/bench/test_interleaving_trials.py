"""The benchmark of blocks against whole processes, by the shipped path on the fake backend."""

import json
import sys

import numpy as np
import pytest
from edgeproof.bench import interleaving_trials
from edgeproof.bench.interleaving_trials import Case, run_trials, summarise_cases
from edgeproof.bench.trial_arms import TrialArm, TrialSetting
from edgeproof.core.documents import validate

from .test_noise_trials import PROTOCOL


@pytest.fixture
def setting(tmp_path, monkeypatch):
    """Two sessions of four pairs of either way per state, with neighbours that do nothing."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(interleaving_trials, "STATES", {"quiet": 0, "neighbours": 0})
    artifact = tmp_path / "artifact.json"
    artifact.write_text(json.dumps({"seed": "s", "latency_ms": 1.0, "outputs": [["y", [1, 3]]]}))
    np.savez(tmp_path / "inputs.npz", **{"inputs/x": np.zeros((2, 4), "float32")})
    arms = {
        "tiny": TrialArm({"backend": "fake", "precision": "fp32", "runtime": {}}, artifact, tmp_path / "inputs.npz")
    }
    plan = {"pairs": 8, "pairs_per_session": 4, "minutes": 0}
    device = {"name": "local", "board": "a desk", "transport": "local", "lock": "lock"}
    return TrialSetting(arms, PROTOCOL, plan, device, sys.executable, tmp_path / "trials")


@pytest.mark.campaign
def test_each_case_is_measured_both_ways_whatever_the_time(setting):
    lines = []
    document = validate(run_trials(setting, lines.append), "bench-interleaving", "here")
    assert [(case["model"], case["state"]) for case in document["cases"]] == [("tiny", "quiet"), ("tiny", "neighbours")]
    assert [(case["blocks_pairs"], case["processes_pairs"]) for case in document["cases"]] == [(4, 4), (4, 4)]
    assert len(lines) == 4
    records = [json.loads(path.read_text()) for path in sorted(setting.folder.rglob("session.json"))]
    modes = [record["interleaving"]["mode"] for record in records]
    assert sorted(modes) == ["blocks"] * 2 + ["processes"] * 2


class MadePair:
    """What a summary reads of a pair."""

    def __init__(self, log_ratio, seconds):
        self.log_ratio, self.seconds = log_ratio, seconds


def make_pairs(sd, seconds, seed):
    return [MadePair(value, seconds) for value in sd * np.random.default_rng(seed).standard_normal(40)]


def test_bars_are_judged_beside_neighbours_by_upper_limits(setting):
    found = {
        Case("digits-cnn", "quiet"): {"blocks": make_pairs(0.1, 2.0, 1), "processes": make_pairs(0.1, 3.0, 2)},
        Case("digits-cnn", "neighbours"): {"blocks": make_pairs(0.02, 2.0, 3), "processes": make_pairs(0.3, 3.0, 4)},
        Case("squeezenet", "neighbours"): {"blocks": make_pairs(0.05, 2.0, 5), "processes": make_pairs(0.2, 3.0, 6)},
    }
    document = validate(summarise_cases(setting, found), "bench-interleaving", "here")
    assert document["cases"][1]["blocks_sd"] == pytest.approx(0.02, rel=0.3)
    assert (document["cases"][1]["blocks_s"], document["cases"][1]["processes_s"]) == (2.0, 3.0)
    bars = [(bar["model"], bar["quantity"], bar["met"]) for bar in document["bars"]]
    assert bars == [
        ("digits-cnn", "share", True),
        ("digits-cnn", "blocks_sd", True),
        ("squeezenet", "share", False),  # the ratio is a quarter, so its upper limit is beyond it
    ]
