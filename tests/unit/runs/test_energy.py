"""Energy inside a stretch and nothing outside it, with an error budget that holds."""

import numpy as np
import pytest
from edgeproof.runs.energy import PowerTrace, integrate_power, subtract_idle

from .power_traces import draw_trace

TRACES = 500


def trace_of(times, watts, counter=False, quantum=0.0, lag=0.0):
    return PowerTrace((np.asarray(times) * 1e9).astype(np.int64), np.asarray(watts, float), counter, quantum, lag)


def integrate(trace, start, stop):
    return integrate_power(trace, int(start * 1e9), int(stop * 1e9))


def test_drawn_power_has_its_energy_within_the_budget_of_all_traces():
    """Steps, ramps, spikes, noise, a coarse sensor, a clock that is off, gaps, wrap-around, a batch before."""
    ratios, silent = [], 0
    for seed in range(TRACES):
        drawn = draw_trace(seed)
        found = integrate_power(drawn.trace, drawn.start_ns, drawn.stop_ns)
        if isinstance(found, str):
            assert found.startswith("it was silent for "), f"trace {seed}: {found}"
            silent += 1
            continue
        error = abs(found.joules - drawn.joules)
        assert error <= found.error_j + 1e-6 * drawn.joules, f"trace {seed}: {error / drawn.joules}, {found.budget}"
        ratios.append(found.error_j / max(error, 1e-12))
    assert len(ratios) >= 0.95 * TRACES and silent > 0 and np.median(ratios) <= 5


def test_constant_power_is_power_times_time():
    found = integrate(trace_of(np.arange(0, 10, 0.1), np.full(100, 5.0)), 2.03, 7.07)
    assert found.joules == pytest.approx(5 * 5.04) and found.mean_w == pytest.approx(5.0)
    assert found.budget.total == pytest.approx(0, abs=1e-9) and found.peak_w == 5.0


def test_samples_outside_do_not_count():
    """The load before and after was ten times as high."""
    times = np.arange(0, 10, 0.1)
    watts = np.where((times >= 3) & (times <= 6), 4.0, 40.0)
    found = integrate(trace_of(times, watts), 3.0, 6.0)
    assert found.joules == pytest.approx(4.0 * 3.0, rel=1e-6) and found.peak_w == 4.0


def test_the_mean_of_running_averages_is_not_the_mean_power():
    """4 s at 4 W and 8 s at 12 W are 9.33 W."""
    times = np.arange(0, 12.001, 0.01)
    found = integrate(trace_of(times, np.where(times < 4, 4.0, 12.0)), 0, 12)
    assert found.mean_w == pytest.approx(112 / 12, rel=1e-3) and abs(found.joules - 112) <= found.error_j


def test_published_samples_have_the_published_energy():
    """18 samples of an Orin NX at 1 s: 146.443 J by trapezoids."""
    watts = [
        12673,
        8820,
        8596,
        8701,
        8477,
        8517,
        8557,
        8701,
        8701,
        8517,
        8319,
        8596,
        8477,
        8438,
        10187,
        7725,
        7618,
        6319,
    ]
    found = integrate(trace_of(np.arange(18), np.array(watts) / 1000), 0, 17)
    assert found.joules == pytest.approx(146.443, abs=5e-4) and found.samples == 18


def test_a_slow_sampler_has_a_wide_budget_and_a_fast_one_a_narrow_one():
    def budget(interval):
        times = np.arange(-1, 4, interval)
        return integrate(trace_of(times, np.where((times * 2).astype(int) % 2, 8.0, 4.0)), 0, 3).budget

    slow, fast = budget(0.2), budget(0.01)
    assert fast.rate < slow.rate / 4 and slow.total > 0.02


def test_each_part_of_the_budget_answers_to_its_cause():
    times = np.arange(-1, 4, 0.05)
    steps = np.where((times > 1) & (times < 2), 8.0, 4.0)
    plain = integrate(trace_of(times, steps), 0, 3).budget
    assert plain.rate > 0 and plain.quantisation == plain.coverage == plain.clock == 0
    assert integrate(trace_of(times, steps, quantum=0.1), 0, 3).budget.quantisation > 0
    gap = (times < 1.2) | (times > 1.4)
    assert integrate(trace_of(times[gap], steps[gap]), 0, 3).budget.coverage > 0.02
    edge = np.where(times < 0.02, 1.0, 4.0)
    assert integrate(trace_of(times, edge, lag=0.05), 0, 3).budget.clock > 0


def test_too_few_samples_have_no_energy():
    assert "3 samples" in integrate(trace_of([0, 1, 2, 3, 4], [5] * 5), 0.5, 3.5)
    assert "nothing was used" in integrate(trace_of(np.arange(10), np.zeros(10)), 0, 9)


def test_a_counter_misses_no_spike():
    """Power of 1 W with a spike of 100 W for a millisecond in every interval of 0.1 s."""
    times = np.arange(0, 10, 0.1)
    joules = times * 1.0 + np.arange(100) * 0.1
    found = integrate(trace_of(times, joules, counter=True), 1, 9)
    assert found.joules == pytest.approx(16, rel=1e-3) and abs(found.joules - 16) <= found.error_j + 1e-6


def test_a_counter_that_moves_seldom_is_as_old_as_its_readings():
    times = np.arange(0, 10, 0.005)
    joules = np.floor(times / 0.1) * 0.1 * 6.0
    found = integrate(trace_of(times, joules, counter=True, lag=0.1), 1.0, 9.0)
    assert abs(found.joules - 48) <= found.error_j and found.budget.total < 0.02


def test_idle_is_taken_off_with_its_own_error():
    times = np.arange(0, 30, 0.05)
    watts = np.where((times >= 10) & (times < 20), 9.0, np.where(times < 10, 2.0, 3.0))
    trace = trace_of(times, watts)
    load, before, after = integrate(trace, 10, 19.9), integrate(trace, 5, 9.9), integrate(trace, 21, 25)
    net, error = subtract_idle(load, 9.9, before, after)
    assert net == pytest.approx((9 - 2.5) * 9.9, rel=1e-3) and error >= 0.5 * 9.9  # half of what the baselines differ
    alone, _ = subtract_idle(load, 9.9, before, None)
    assert alone == pytest.approx(7 * 9.9, rel=1e-3)
