"""The timed loops and the clock. Times are integer nanoseconds of `time.perf_counter_ns`."""

from __future__ import annotations

import time
from array import array
from itertools import cycle, repeat
from typing import Any, Callable, List, Optional, Sequence, Union

from .specs import Array, Call


def time_calls(
    calls: Sequence[Call],
    at_least: int,
    at_least_ns: int,
    calls_per_sample: int,
    before_each: Optional[Callable[[], None]] = None,
) -> array[int]:
    """Run a timed loop over `calls` until `at_least` samples and `at_least_ns` are both reached; return ns per sample.

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


def time_block(
    calls: Sequence[Call], untimed_calls: int, calls_per_sample: int, samples: Union[array[int], Array]
) -> None:
    """Run the timed loop: `untimed_calls` calls, then one timed sample of each of `calls`, in order, into `samples`.

    The untimed ones go through the same calls in the same order.
    """
    clock = time.perf_counter_ns
    for call, _ in zip(cycle(calls), range(untimed_calls)):
        call()
    if calls_per_sample == 1:
        for place, call in enumerate(calls):
            start = clock()
            call()
            stop = clock()
            samples[place] = stop - start
        return
    for place, call in enumerate(calls):
        burst = repeat(None, calls_per_sample)
        start = clock()
        for _ in burst:
            call()
        stop = clock()
        samples[place] = stop - start


def typical_per_input(samples: Sequence[int], inputs: int) -> List[float]:
    """Return the typical time of each input from the timing of a warm-up that went through the inputs in turn.

    The median over its second half, which is the best guess of what is to come; an input that did not come up there
    has the median of the others.
    """
    places = range(len(samples) // 2, len(samples))
    found = [sorted(samples[place] for place in places if place % inputs == own) for own in range(inputs)]
    medians = [float(times[len(times) // 2]) if times else 0.0 for times in found]
    known = sorted(median for median in medians if median)
    return [median or known[len(known) // 2] for median in medians]


def timer_cost_ns(repeats: int = 2001) -> int:
    """Return the median cost of one pair of clock readings, in nanoseconds."""
    clock = time.perf_counter_ns
    costs: List[int] = []
    for _ in range(repeats):
        start = clock()
        costs.append(clock() - start)
    return sorted(costs)[repeats // 2]


def clock_quantum_ns(repeats: int = 2001) -> int:
    """Return the smallest step that the clock of all timing was seen to make, in nanoseconds.

    It is the clock's resolution where that is coarse, and the time of one reading where that takes longer.
    """
    clock = time.perf_counter_ns
    smallest = 10**9
    for _ in range(repeats):
        start = clock()
        stop = clock()
        while stop == start:
            stop = clock()
        smallest = min(smallest, stop - start)
    return smallest


def calls_per_sample(timer_ns: int, typical_ns: float, max_share: float) -> int:
    """Return how many calls one sample must span so that the timer costs at most `max_share` of it."""
    return max(1, -(-timer_ns // max(1, int(max_share * typical_ns))))


def slow_down(calls: Sequence[Call], share: float) -> List[Call]:
    """Return calls whose timing is longer by a known `share`: each is followed by a busy wait.

    The wait is a share of the time that this very call took, less what the waiting itself costs.
    """
    overhead_ns = _wrapping_cost_ns()
    return [_spin_after(call, share, overhead_ns) for call in calls]


def _spin_after(call: Call, share: float, overhead_ns: int) -> Call:
    clock = time.perf_counter_ns

    def slower() -> Any:
        start = clock()
        made = call()
        stop = clock()
        until = stop + int(share * (stop - start)) - overhead_ns
        while clock() < until:
            pass
        return made

    return slower


def _wrapping_cost_ns(wait_ns: int = 5000, repeats: int = 2001) -> int:
    """Return what a wait adds to a call beyond its own length: measured around nothing, with a wait of `wait_ns`."""

    def nothing() -> None:
        pass

    plain, waiting = (time_calls([call], repeats, 0, 1) for call in (nothing, _spin_after(nothing, 0.0, -wait_ns)))
    return max(0, sorted(waiting)[repeats // 2] - sorted(plain)[repeats // 2] - wait_ns)
