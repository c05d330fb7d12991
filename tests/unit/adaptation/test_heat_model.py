"""The heat model: a planted board is recovered, its error is that of the other half, and noise alone gives no model."""

import math

import numpy as np
import pytest
from edgeproof.adaptation.heat_model import HeatModel, describe_heat, fit_heat
from edgeproof.adaptation.traces import Moment

TAU, GAIN, REST = 60.0, 0.4, 40.0


def make_trace(count=600, noise=0.0, gain=GAIN, seed=0):
    """Return moments, one a second, of a board that follows its load as the model says."""
    random, heat, moments = np.random.default_rng(seed), REST, []
    for second in range(count):
        load = 80.0 if second // 90 % 2 else 10.0
        heat += (REST + gain * load - heat) / TAU
        moments.append(Moment(float(second), 500.0, load, load, heat + noise * random.standard_normal(), None, None))
    return moments


def test_a_planted_board_is_recovered():
    model, reason = fit_heat(make_trace())
    assert reason == ""
    assert model.tau_s == pytest.approx(TAU, rel=0.02) and model.gain == pytest.approx(GAIN, rel=0.02)
    assert model.rest_c == pytest.approx(REST, rel=0.02) and model.error_rms_c < 0.3 and model.error_max_c < 1.0


def test_the_error_is_that_of_the_other_half():
    """A board whose fan starts in the second half is predicted wrongly there, and the error says so."""
    moments = make_trace()
    cooled = [moment._replace(heat_c=moment.heat_c - 8.0) if moment.at_s >= 330 else moment for moment in moments]
    model, _ = fit_heat(cooled)
    assert 4.0 < model.error_rms_c <= model.error_max_c < 10.0


@pytest.mark.parametrize(
    ("moments", "told"),
    [
        (make_trace(30), "30 moments, 40 are needed"),
        ([moment._replace(heat_c=None) for moment in make_trace(100)], "no temperatures"),
        (make_trace(gain=-GAIN), "does not follow the load"),
    ],
)
def test_without_a_model_there_is_a_reason(moments, told):
    model, reason = fit_heat(moments)
    assert model is None and told in reason
    assert describe_heat(model, reason) == {"model": None, "reason": reason}


def test_added_heat_settles():
    model = HeatModel(TAU, GAIN, REST, 0.0, 0.0)
    assert model.advance(0.0, 50.0, 1e6) == pytest.approx(GAIN * 50)
    assert model.advance(0.0, 50.0, TAU) == pytest.approx(GAIN * 50 * (1 - math.exp(-1)))
    assert model.advance(20.0, 0.0, 1e6) == pytest.approx(0.0)
