"""The timed loops and the clock. Times are integer nanoseconds of `time.perf_counter_ns`."""

from __future__ import annotations

import time
from array import array
from itertools import cycle, repeat
from typing import Any, Callable, List, Optional, Sequence

from .specs import Call


def time_calls(
    calls: Sequence[Call],
    at_least: int,
    at_least_ns: int,
    calls_per_sample: int,
    before_each: Optional[Callable[[], None]] = None,
) -> array[int]:
    """Time `calls` in turn until `at_least` samples and `at_least_ns` are both reached; return ns per sample.

    A sample spans `calls_per_sample` runs of one and the same call. `before_each` is done before every sample,
    outside of its time.
    """
    clock = time.perf_counter_ns
    capacity = max(at_least, 1024)
    samples = array("q", bytes(8 * capacity))
    count, begin = 0, clock()
    for call in cycle(calls):
        if before_each is not None:
            before_each()
        if calls_per_sample == 1:
            start = clock()
            call()
            stop = clock()
        else:
            burst = repeat(None, calls_per_sample)
            start = clock()
            for _ in burst:
                call()
            stop = clock()
        samples[count] = stop - start
        count += 1
        if count >= at_least and stop - begin >= at_least_ns:
            break
        if count == capacity:  # grows between samples, never inside one
            samples.extend(array("q", bytes(8 * capacity)))
            capacity *= 2
    return samples[:count]


def timer_cost_ns(repeats: int = 2001) -> int:
    """Return the median cost of one pair of clock readings, in nanoseconds."""
    clock = time.perf_counter_ns
    costs: List[int] = []
    for _ in range(repeats):
        start = clock()
        costs.append(clock() - start)
    return sorted(costs)[repeats // 2]


def clock_quantum_ns(repeats: int = 2001) -> int:
    """Return the smallest step that the clock was seen to make, in nanoseconds.

    It is the clock's resolution where that is coarse, and the time of one reading where that takes longer.
    """
    clock = time.perf_counter_ns
    smallest, last = 10**9, clock()
    for _ in range(repeats):
        now = clock()
        while now == last:
            now = clock()
        smallest, last = min(smallest, now - last), now
    return smallest


def calls_per_sample(timer_ns: int, typical_ns: float, max_share: float) -> int:
    """Return how many calls one sample must span so that the timer costs at most `max_share` of it."""
    return max(1, -(-timer_ns // max(1, int(max_share * typical_ns))))


def slow_down(call: Call, share: float) -> Call:
    """Return `call` followed by a busy wait of `share` of the time that it took: a slow-down that is known exactly."""
    clock = time.perf_counter_ns

    def slower() -> Any:
        start = clock()
        made = call()
        stop = clock()
        until = stop + int(share * (stop - start))
        while clock() < until:
            pass
        return made

    return slower
