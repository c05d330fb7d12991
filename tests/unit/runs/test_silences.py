"""A sampler that goes silent: its energy holds what the silence may hide, or is refused with the reason."""

import numpy as np
import pytest
from edgeproof.runs.energy import PowerTrace, find_refusal, integrate_power
from edgeproof.runs.run_power import WatchedSession, find_sampler_fault
from edgeproof.runs.silences import LONGEST_SILENCE, measure_silence
from edgeproof.runs.telemetry_files import Series

from .power_traces import Truth
from .watched import describe_sampler

SECOND = 10**9
TRIALS = 200


def trace_of(times, values, counter=False):
    return PowerTrace((np.asarray(times) * SECOND).astype(np.int64), np.asarray(values, float), counter, 0.0, 0.0)


def draw_silence(random, kind, seconds):
    """Return when the sampler says nothing: (from, to) in seconds."""
    length = seconds * random.choice([0.02, 0.05, 0.08, 0.3, 0.99])
    begins = {"start": -9.0, "middle": random.uniform(0.1, 0.9) * (seconds - length), "end": seconds - length}
    return begins[kind], {"start": length, "middle": begins["middle"] + length, "end": seconds + 9.0}[kind]


def draw_stall(seed, kind, steady, counter):
    """Draw power of 4 W, which is another between 0 and 8 W while nobody looks, and what was seen of it.

    `steady`: all readings are equal. Returns the trace, seconds, joules, and the seconds unseen.
    """
    random = np.random.default_rng(seed)
    seconds = random.uniform(5, 100)
    begin, end = draw_silence(random, kind, seconds)
    hidden = random.uniform(0, 8)
    truth = Truth([-9, begin, begin, end, end, seconds + 9], [4, 4, hidden, hidden, 4, 4])
    times = np.arange(-9, seconds + 9, 0.1)
    times = times[(times <= begin) | (times >= end)]
    if counter:
        values = truth.joules(times)
    else:
        values = np.full(len(times), 4.0) + (0 if steady else random.normal(0, 0.05, len(times)))
    unseen = min(end, seconds) - max(begin, 0)
    return trace_of(times, values, counter), seconds, float(truth.joules(seconds) - truth.joules(0.0)), unseen


@pytest.mark.parametrize("counter", [False, True], ids=["power", "counter"])
@pytest.mark.parametrize("steady", [False, True], ids=["noisy", "equal"])
@pytest.mark.parametrize("kind", ["start", "middle", "end"])
def test_a_stall_is_within_the_budget_or_refused(kind, steady, counter):
    beyond = accepted = 0
    for seed in range(TRIALS):
        trace, seconds, joules, unseen = draw_stall(seed, kind, steady, counter)
        found = integrate_power(trace, 0, int(seconds * SECOND))
        refused = isinstance(found, str) or find_refusal(found) is not None
        if not refused:
            accepted += 1
            beyond += abs(found.joules - joules) > found.error_j + 1e-6
        misses_nothing = counter and kind == "middle"  # the next reading says what went through
        assert refused or misses_nothing or unseen <= LONGEST_SILENCE * seconds + 0.1
    assert accepted > TRIALS / 5 and beyond <= 0.05 * accepted


def test_equal_readings_around_a_long_gap_prove_nothing():
    times = np.arange(0, 10, 0.1)
    times = times[(times < 3) | (times > 7)]
    found = integrate_power(trace_of(times, np.full(len(times), 5.0)), 0, 10 * SECOND)
    assert found.startswith("it was silent for 4.") and "at most 10%" in found


@pytest.mark.parametrize("size", [2, 3, 10])
def test_bursts_with_silence_between_are_no_measurement(size):
    """As lines of a tool arrive whose output is buffered."""
    times = np.sort(np.add.outer(np.arange(-8, 48, 4.0), 0.01 * np.arange(size)).ravel())
    found = integrate_power(trace_of(times, np.full(len(times), 5.0)), 0, 40 * SECOND)
    assert found.startswith("it was silent for ")


def test_what_samples_enclose_was_seen():
    times = (np.arange(-1, 4, 0.1) * SECOND).astype(np.int64)
    assert measure_silence(times, SECOND // 3, 2 * SECOND) == 0
    assert measure_silence(times[times > 0], -SECOND, SECOND) == pytest.approx(1.1, abs=0.01)
    assert measure_silence(times[:0], 0, SECOND) == 1
    assert measure_silence(times, SECOND, SECOND + 10**7) == 0  # shorter than the interval


def test_two_samples_of_one_time_are_named():
    times = np.repeat(np.arange(0, 5, 0.1), 2)
    for counter in (False, True):
        found = integrate_power(trace_of(times, np.arange(100) * 0.5, counter), 0, 4 * SECOND)
        assert found.startswith("two samples have the time ")


def test_a_counter_that_falls_is_named():
    joules = np.concatenate([np.arange(30), np.arange(70)]) * 0.5
    found = integrate_power(trace_of(np.arange(0, 10, 0.1), joules, counter=True), 0, 9 * SECOND)
    assert found.startswith("its counter fell from 14.5 J to 0 J")


def fault_of(sampler, channel, times, values):
    described = {
        "samplers": [sampler],
        "windows": [{"start_ns": 0, "stop_ns": 100 * SECOND, "inferences": 1000}],
        "idle": {"before": None, "after": None},
    }
    series = {(sampler["id"], channel): Series((np.asarray(times) * SECOND).astype(np.int64), np.asarray(values))}
    return find_sampler_fault(WatchedSession(described, series))


@pytest.mark.parametrize(
    ("sampler", "channel"),
    [
        (describe_sampler("tegrastats", required=True), "total_w"),
        (describe_sampler("procfs", required=True, power=None), "temperature_c:cpu"),
    ],
    ids=["of power", "of no power"],
)
def test_a_required_sampler_that_falls_silent_is_a_fault(sampler, channel):
    def fault(until):
        times = np.arange(-1, until, 0.1)
        return fault_of(sampler, channel, times, 5 + 0.05 * np.sin(times * 7))

    assert fault(101) is None
    assert f"{sampler['id']}: process 0: it was silent for 99" in fault(0.9)
