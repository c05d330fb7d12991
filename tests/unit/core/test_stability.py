import numpy as np
import pytest
from edgeproof.core import stability as module
from edgeproof.core.stability import find_segments, judge_stability, window_medians
from hypothesis import given
from hypothesis import strategies as st

FLAT = np.full(10, 100.0)


def judge(*series):
    return judge_stability([np.median(one) for one in series], series)


def noisy(seed, shape, spread=0.005):
    return 100 * np.exp(np.random.default_rng(seed).normal(0, spread, shape))


def test_window_medians_are_medians_of_equal_consecutive_windows():
    samples = np.random.default_rng(0).integers(1, 10**9, 207)
    expected = np.median(samples[7:].reshape(10, 20), axis=1)
    assert window_medians(samples) == pytest.approx(expected)
    assert window_medians(samples[:205], windows=5) == pytest.approx(np.median(samples[:205].reshape(5, 41), axis=1))
    assert window_medians([3, 1, 2]).tolist() == [3, 1, 2]
    for wrong in ([], [[1, 2]]):
        with pytest.raises(ValueError):
            window_medians(wrong)
    with pytest.raises(ValueError):
        window_medians([1, 2], windows=0)


def test_a_quiet_run_is_stable():
    stability = judge(*noisy(1, (10, 10)))
    assert stability.stable
    assert all(test.passed for test in (stability.between_processes, stability.settled, stability.change_points))
    assert judge(*[FLAT] * 5).stable


def test_processes_that_disagree_are_named():
    stability = judge(FLAT, FLAT, FLAT * 1.1, FLAT)
    assert not stability.stable
    assert not stability.between_processes.passed
    assert stability.between_processes.process == 2
    assert stability.between_processes.value == pytest.approx(np.std([1, 1, 1.1, 1], ddof=1) / 1.025)
    assert "process 2 lies farthest off" in stability.between_processes.detail
    assert stability.settled.passed
    assert stability.change_points.passed


def test_a_process_that_has_not_settled_is_named():
    rising = FLAT.copy()
    rising[-1] *= 1.06
    stability = judge(FLAT, rising, FLAT)
    assert (stability.stable, stability.settled.passed, stability.settled.process) == (False, False, 1)
    assert stability.settled.value == pytest.approx(0.06)
    assert stability.change_points.passed


def test_a_late_warm_up_leaves_two_segments():
    series = noisy(2, (5, 10))
    series[3, :4] *= 1.08
    stability = judge(*series)
    assert (stability.stable, stability.change_points.passed, stability.change_points.process) == (False, False, 3)
    assert stability.change_points.value == pytest.approx(0.08, abs=0.015)
    assert "the segment from window 0" in stability.change_points.detail
    assert stability.settled.passed


def test_a_change_below_the_limit_is_found_and_merged():
    series = noisy(3, (5, 10), 0.001)
    series[2, :4] *= 1.03
    stability = judge(*series)
    assert stability.stable
    assert stability.change_points.value == pytest.approx(0.03, abs=0.005)
    assert find_segments(np.log(series))[2] == [0, 4]


def test_small_steps_do_not_add_up_to_a_stable_process():
    steps = 100 * np.repeat([1.0, 1.04, 1.08, 1.12, 1.16], 2)
    assert not judge(FLAT * 1.08, steps, FLAT * 1.08).change_points.passed


@pytest.mark.parametrize("place", range(7))
def test_one_spiked_window_belongs_to_the_tail(place):
    series = noisy(4, (5, 10))
    series[1, place] *= 1.5
    assert judge(*series).stable


def test_slow_drift_and_ping_pong_are_unstable():
    drift = noisy(5, (5, 10), 0.002) * np.linspace(1, 1.12, 10)
    assert not judge(*drift).change_points.passed
    ping_pong = FLAT * np.tile([1.0, 1.1], 5)
    assert not judge(ping_pong, ping_pong).settled.passed


def test_what_is_too_short_does_not_pass():
    one = judge(FLAT)
    assert (one.stable, one.between_processes.value) == (False, None)
    assert one.between_processes.detail == "one process says nothing about the next"
    short = judge(FLAT, FLAT[:2])
    assert (short.settled.passed, short.settled.process, short.change_points.passed) == (False, 1, False)
    assert short.settled.detail == "process 1 has 2 windows; at least 3 are needed"
    assert judge(FLAT[:3], FLAT[:3]).stable


def test_processes_may_have_different_numbers_of_windows():
    assert judge(FLAT, FLAT[:6], np.full(25, 100.0)).stable
    late = np.full(25, 100.0)
    late[:10] = 120
    stability = judge(FLAT, FLAT[:6], late, FLAT[:6])
    assert stability.change_points.process == 2


@pytest.mark.parametrize(("medians", "windows"), [([], []), ([1.0], []), ([0.0, 1.0], [FLAT, FLAT]), ([1.0], [-FLAT])])
def test_impossible_input_is_refused(medians, windows):
    with pytest.raises(ValueError):
        judge_stability(medians, windows)


@given(st.lists(st.lists(st.floats(50, 200), min_size=10, max_size=10), min_size=2, max_size=6), st.floats(0.001, 1e6))
def test_unit_and_order_of_processes_do_not_matter(series, scale):
    series = np.array(series)
    first, scaled, turned = judge(*series), judge(*(series * scale)), judge(*series[::-1])
    for name in ("between_processes", "settled", "change_points"):
        value = getattr(first, name).value
        assert getattr(scaled, name).value == pytest.approx(value, rel=1e-6, abs=1e-9)
        assert getattr(turned, name).value == pytest.approx(value, rel=1e-6, abs=1e-9)


@given(st.lists(st.floats(-1, 1), min_size=4, max_size=12).filter(lambda series: np.ptp(series) > 0))
def test_segmentation_is_optimal(series):
    """Against every segmentation with segments of at least two windows, by the same cost."""
    series = np.array([series])
    smooth, scale = module._remove_spikes(series), module._window_scale(series)[0]

    def cost(starts):
        parts = np.split(smooth[0] / scale, starts[1:])
        return sum(float(((part - part.mean()) ** 2).sum()) + 2 * np.log(len(smooth[0])) for part in parts)

    best = min(cost(starts) for starts in _segmentations(series.shape[1]))
    assert cost(find_segments(series)[0]) == pytest.approx(best, rel=1e-6, abs=1e-6)


def _segmentations(width, start=0):
    yield [start]
    for following in range(start + 2, width - 1):
        for rest in _segmentations(width, following):
            yield [start, *rest]
