"""What A/A pairs say of a device, on tables whose spread is known."""

import math

import numpy as np
import pytest
from edgeproof.calibration.noise import describe_noise, estimate_false_rate, judge_fitness, pooled_sd
from edgeproof.core.statistical_power import detectable_effect
from hypothesis import given
from hypothesis import strategies as st

QUIET = {"disturbances": []}


def make_table(sessions=2, pairs=20, log_sd=0.01, session_shift=0.0, seed=0):
    """Return A/A pairs whose log-ratio has the standard deviation `log_sd`."""
    random = np.random.default_rng(seed)
    rows = []
    for session in range(1, sessions + 1):
        level = 1e6 * math.exp(session_shift * session)
        for pair in range(1, pairs + 1):
            for arm in ("left", "right"):
                noise = log_sd / math.sqrt(2) * random.standard_normal()
                rows.append({"session": session, "pair": pair, "arm": arm, "median_ns": level * math.exp(noise)})
    return rows


def test_spread_and_detectable_effect_are_recovered():
    noise = describe_noise(make_table(sessions=20, pairs=50), 0.02, [QUIET])
    assert noise["log_sd"] == pytest.approx(0.01, rel=0.05)
    assert noise["detectable_effect"] == detectable_effect(noise["log_sd"], 50)
    assert noise["pairs_per_comparison"] == 50


def test_drift_between_sessions_is_no_noise_within():
    calm = describe_noise(make_table(), 0.02, [QUIET])
    drifting = describe_noise(make_table(session_shift=0.1), 0.02, [QUIET])
    assert drifting["log_sd"] == pytest.approx(calm["log_sd"], rel=1e-9)
    assert drifting["between_session_sd"] == pytest.approx(0.1 / math.sqrt(2), abs=0.01)


def test_one_session_has_no_spread_between_sessions():
    assert describe_noise(make_table(sessions=1), 0.02, [QUIET])["between_session_sd"] is None


def test_false_rate_is_at_most_nominal_and_seeded():
    logs = 0.02 * np.random.default_rng(1).standard_normal(40)
    rate = estimate_false_rate(logs, 10, 0.02)
    assert rate <= 0.05
    assert rate == estimate_false_rate(logs, 10, 0.02)


def test_false_rate_of_a_margin_of_nothing_is_the_level_of_the_test():
    logs = 0.02 * np.random.default_rng(1).standard_normal(4000)
    assert 0.02 < estimate_false_rate(logs, 10, 1e-9) < 0.06  # 3.75 % at the first look


def test_identical_times_are_fit():
    noise = describe_noise(make_table(log_sd=0.0), 0.02, [QUIET])
    assert (noise["detectable_effect"], noise["false_rate"], noise["fitness"]) == (1.0, 0.0, "fit")


@pytest.mark.parametrize(
    ("effect", "false_rate", "disturbances", "fitness"),
    [
        (1.01, 0.0, [], "fit"),
        (1.03, 0.0, [], "limited"),
        (1.01, 0.0, ["steal"], "limited"),
        (1.11, 0.0, [], "unfit"),
        (1.01, 0.06, [], "unfit"),
    ],
)
def test_fitness(effect, false_rate, disturbances, fitness):
    verdict, reasons = judge_fitness(effect, false_rate, 0.02, disturbances)
    assert verdict == fitness and bool(reasons) == (fitness != "fit")


@given(st.lists(st.lists(st.floats(-1, 1), min_size=2, max_size=8), min_size=1, max_size=5), st.floats(-5, 5))
def test_pooled_spread_ignores_the_level_of_each_group(groups, shift):
    arrays = [np.array(group) for group in groups]
    moved = [array + shift * index for index, array in enumerate(arrays)]
    assert pooled_sd(moved) == pytest.approx(pooled_sd(arrays), abs=1e-9)
    if len(arrays) == 1:
        assert pooled_sd(arrays) == pytest.approx(np.std(arrays[0], ddof=1), abs=1e-12)
