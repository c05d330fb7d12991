"""The trials of the drift control: sessions in time lapse for real, and how a document counts them."""

import sys

import numpy as np
import pytest
from edgeproof.bench import drift_trials
from edgeproof.bench.drift_trials import Setting, is_found, plant_step, run_case, run_trials
from edgeproof.bench.made_up_pairs import make_drift
from edgeproof.bench.trial_arms import describe_arm
from edgeproof.core.documents import validate
from edgeproof.runs.drift_records import describe_drift

COST = {"pairs": 30, "seconds": 60.0, "points": 9, "share": 0.028, "at_most": 0.03, "met": True}


def drift_of(slowdown, seed=1):
    return describe_drift(make_drift(10.0, slowdown, np.random.default_rng(seed)))


@pytest.mark.skipif(sys.platform != "linux", reason="processes are stopped and continued by signals of Linux")
@pytest.mark.parametrize("case", ["duty", "neighbour"])
def test_a_session_in_time_lapse_is_disturbed_and_ends(case):
    drift = run_case(case, 1.0, 0)
    places = [point["place"] for point in drift["points"]]
    assert places[0] == "start" and places[-1] == "end" and "between" in places[1:-1]
    assert drift["share"] > 0.5  # the kernel has most of the time


def test_a_planted_step_is_found_in_the_middle_and_upwards():
    assert is_found("step", plant_step(drift_of(0.0)))
    assert not is_found("step", drift_of(0.0)) and not is_found("duty", drift_of(-0.2))
    early = describe_drift(make_drift(10.0, 0.25, np.random.default_rng(1)))
    for change in early["changes"]:
        change |= {"after_s": 0.5, "before_s": 1.0}
    assert not is_found("duty", early) and is_found("quiet", early)


def test_the_document_counts_sessions_and_judges_shares(monkeypatch):
    slowdowns = {"quiet": 0.0, "neighbours": 0.0, "duty": 0.25, "neighbour": 0.2}

    def run(case, seconds, number):
        slower = 0.1 if case == "quiet" and number == 0 else slowdowns[case]  # one of twenty is named
        return drift_of(slower, number)

    monkeypatch.setattr(drift_trials, "run_case", run)
    monkeypatch.setattr(drift_trials, "measure_drift_cost", lambda setting: COST)
    lines = []
    setting = Setting(20, 4.5, 15.0, 30, describe_arm("digits-cnn"), {}, {}, None)
    document = validate(run_trials(setting, lines.append), "bench-drift", "here")
    cases = {case["case"]: case for case in document["cases"]}
    assert {name: (case["sessions"], case["named"], case["met"]) for name, case in cases.items()} == {
        "quiet": (20, 1, True),
        "neighbours": (20, 0, True),
        "duty": (20, 20, True),
        "neighbour": (20, 20, True),
        "step": (20, 20, True),
    }
    assert cases["duty"]["halves_ratio"] == pytest.approx(1.25, abs=0.01)


def test_each_case_is_tried_once_whatever_the_time(monkeypatch):
    monkeypatch.setattr(drift_trials, "run_case", lambda case, seconds, number: drift_of(0.0, number))
    monkeypatch.setattr(drift_trials, "measure_drift_cost", lambda setting: COST)
    setting = Setting(40, 4.5, 0.0, 30, describe_arm("digits-cnn"), {}, {}, None)
    document = validate(run_trials(setting, lambda line: None), "bench-drift", "here")
    assert [case["sessions"] for case in document["cases"]] == [1, 1, 1, 1, 1]
    assert [case["met"] for case in document["cases"]] == [True, True, False, False, True]
