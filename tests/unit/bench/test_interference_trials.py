"""Interference with a planted share beside it, by the shipped path on the fake backend."""

import json
from dataclasses import replace

import numpy as np
import pytest
from edgeproof.bench.interference_trials import Candidate, Setting, run_trials
from edgeproof.core.documents import validate

from .test_noise_trials import PROTOCOL


@pytest.fixture
def setting(tmp_path, monkeypatch):
    """Sessions of two long pairs, each with a stretch alone of either arm."""
    monkeypatch.chdir(tmp_path)
    artifact = tmp_path / "artifact.json"
    artifact.write_text(json.dumps({"seed": "s", "latency_ms": 1.0, "outputs": [["y", [1, 3]]]}))
    np.savez(tmp_path / "inputs.npz", **{"inputs/x": np.zeros((2, 4), "float32")})
    arm = {"backend": "fake", "precision": "fp32", "runtime": {"noise": 0.002}}
    candidates = [Candidate("tiny", "fake", arm, artifact, tmp_path / "inputs.npz")]
    protocol = PROTOCOL | {"block_pairs": 80, "block_seconds": 0.01}
    device = {"name": "local", "board": "a desk", "transport": "local", "lock": "lock"}
    return Setting(candidates, 2, 2, 9.0, protocol, device, tmp_path / "trials")


def test_what_is_planted_comes_back(setting):
    lines = []
    document = validate(run_trials(setting, lines.append), "bench-interference", "here")
    cases = document["cases"]
    assert [(case["planted"], case["pairs"], case["stretches"], case["met"]) for case in cases] == [
        (0.0, 2, 4, True),
        (0.03, 2, 4, True),
    ]
    assert [case["found"] for case in cases] == pytest.approx([0.0, 0.03], abs=0.005)
    assert all(case["low"] <= case["found"] <= case["high"] for case in cases)
    assert document["waiting_cpu_share"] < 0.01 and len(lines) == 2


def test_few_pairs_do_not_tell_and_each_case_has_a_session_whatever_the_time(setting):
    few = replace(setting, minutes=0.0, pairs=9, pairs_per_session=1)
    document = validate(run_trials(few, lambda line: None), "bench-interference", "here")
    assert [(case["pairs"], case["found"], case["met"]) for case in document["cases"]] == [(1, None, False)] * 2
