"""The benchmark of the method: trials by the shipped path on the fake backend, resumed, and what they say together."""

import json
import sys

import numpy as np
import pytest
import scipy.stats
from edgeproof.bench import noise_trials
from edgeproof.bench.noise_summary import bound_below, summarise_state
from edgeproof.bench.noise_trials import make_trial_design, run_trials
from edgeproof.bench.trial_arms import TrialArm, TrialSetting
from edgeproof.core.documents import validate

PROTOCOL = {
    "warmup_runs": 3,
    "warmup_seconds": 0.0,
    "min_samples": 20,
    "min_seconds": 0.0,
    "max_timer_share": 0.05,
    "block_seconds": 0.0005,
    "block_pairs": 10,
}


@pytest.fixture
def setting(tmp_path, monkeypatch):
    """One trial of either kind per state, with neighbours that do nothing."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(noise_trials, "STATES", {"quiet": 0, "neighbours": 0})
    artifact = tmp_path / "artifact.json"
    artifact.write_text(json.dumps({"seed": "s", "latency_ms": 1.0, "outputs": [["y", [1, 3]]]}))
    np.savez(tmp_path / "inputs.npz", **{"inputs/x": np.zeros((2, 4), "float32")})
    arm = {"backend": "fake", "precision": "fp32", "runtime": {}}
    arms = {"tiny": TrialArm(arm, artifact, tmp_path / "inputs.npz")}
    budget = {"pairs": 4, "seconds": 60, "slowed_seconds": 60}
    plan = {"comparisons": 1, "minutes": None, "slowdown": 0.05, "budget": budget}
    device = {"name": "local", "board": "a desk", "transport": "local", "lock": "lock"}
    return TrialSetting(arms, PROTOCOL, plan, device, sys.executable, tmp_path / "trials")


@pytest.mark.campaign
def test_a_known_slow_down_is_found_and_an_interrupted_run_goes_on(setting, monkeypatch):
    lines = []

    def stop(line):
        lines.append(line)
        if len(lines) == 2:
            raise KeyboardInterrupt

    saved = []
    with pytest.raises(KeyboardInterrupt):
        run_trials(setting, stop, saved.append)
    assert not saved
    attempts = sorted(setting.folder.rglob("attempt.json"))
    document = validate(run_trials(setting, lines.append, saved.append), "bench-noise", "here")
    assert saved == [document]
    assert set(attempts) < set(setting.folder.rglob("attempt.json"))
    assert lines[2:4] == lines[:2]  # what was measured is told again, and not measured again
    for state in ("quiet", "neighbours"):
        found = document[state]
        assert (found["comparisons"], found["aa_false_rate"], found["detect_rate"]) == (1, 0.0, {"tiny": 1.0})
        assert found["models"]["tiny"]["slowed"]["ratio"] == pytest.approx(1.05, abs=0.005)
        assert found["models"]["tiny"]["needed_pairs"] == 4
    whole = sorted(setting.folder.rglob("attempt.json"))
    run_trials(setting, lines.append, saved.append)
    assert sorted(setting.folder.rglob("attempt.json")) == whole


COSTS = {"quiet: tiny A/A": 15.0, "quiet: tiny 5% slower": 5.0, "neighbours: tiny A/A": 15.0}
COSTS["neighbours: tiny 5% slower"] = 60.0


def test_each_kind_is_tried_once_whatever_the_time(setting, monkeypatch):
    monkeypatch.setattr(noise_trials, "run_trial", lambda setting, trial: trial_of("undecided"))
    setting.plan.update(comparisons=40, minutes=0)
    lines, saved = [], []
    document = validate(run_trials(setting, lines.append, saved.append), "bench-noise", "here")
    assert [line.split(":")[1].rsplit(" ", 1)[1] for line in lines] == ["1"] * 4 and len(saved) == 1
    assert (document["quiet"]["comparisons"], document["minutes"], document["comparisons_per_case"]) == (1, 0, 40)


def test_the_kind_on_which_the_least_time_was_spent_is_next(setting, monkeypatch):
    now = {"s": 0.0}

    def run(setting, trial):
        now["s"] += COSTS[str(trial.kind)]
        return trial_of("slower", seconds=COSTS[str(trial.kind)])

    monkeypatch.setattr(noise_trials, "run_trial", run)
    monkeypatch.setattr(noise_trials.time, "monotonic", lambda: now["s"])
    setting.plan.update(comparisons=20, minutes=10)
    document = run_trials(setting, lambda line: None, lambda document: None)
    counts = {
        (state, kind): document[state]["models"]["tiny"][kind]["comparisons"]
        for state in ("quiet", "neighbours")
        for kind in ("aa", "slowed")
    }
    assert counts["quiet", "slowed"] == 20  # all that were asked for; what it leaves goes to the others
    assert 10 <= counts["quiet", "aa"] <= 13 and abs(counts["quiet", "aa"] - counts["neighbours", "aa"]) <= 1
    assert 3 <= counts["neighbours", "slowed"] <= 4
    assert 600 <= now["s"] < 660


@pytest.mark.parametrize(("successes", "count"), [(0, 10), (1, 10), (38, 40), (40, 40), (80, 80)])
def test_lower_bound_is_clopper_pearson(successes, count):
    expected = scipy.stats.binomtest(successes, count, alternative="greater").proportion_ci(0.95).low
    assert bound_below(successes, count) == pytest.approx(expected, abs=1e-9)


def trial_of(verdict, pairs=5, seconds=1.0):
    logs = 0.01 * np.random.default_rng(pairs).standard_normal(pairs)
    told = {"verdict": verdict, "ratio": 1.0, "pairs": pairs, "seconds": seconds, "steal_share": None, "logs": logs}
    return told | {"naive": [True, False, None, None, None, None], "welch_p": 0.01}


def test_summary_counts_wrong_verdicts_as_rates():
    alike = [trial_of(verdict) for verdict in ["equivalent"] * 7 + ["undecided", "faster", "slower"]]
    slowed = [trial_of("slower", 4, 2.0), trial_of("slower", 6, 3.0), trial_of("undecided", 20, 9.0)]
    found = summarise_state(["m"], {("m", 0.0): alike, ("m", 0.05): slowed}, 0.05, make_trial_design())
    assert (found["comparisons"], found["aa_false_rate"], found["detect_rate"]) == (
        10,
        0.2,
        {"m": pytest.approx(2 / 3)},
    )
    assert found["aa_false_rate_upper_95"] > 0.2 and found["detect_rate_lower_95"]["m"] < 2 / 3
    assert found["seconds_per_verdict"] == {"m": 3.0} and found["models"]["m"]["needed_pairs"] == 6
    assert 4 <= found["models"]["m"]["predicted_pairs"] <= 10
    assert [row["share_above_5_percent"]["m"] for row in found["naive"]] == [1.0, 0.0, None, None, None, None]
    assert found["welch_over_iterations_share"] == {"m": 1.0}
