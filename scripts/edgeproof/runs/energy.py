"""Energy of a stretch of time from samples of power, or from an energy counter, with an error budget.

The integral is over the stretch and nothing outside it: every sample's time is tested. Between two samples power is
taken as linear, before the first and after the last as theirs. Samples outside tell only what the ends may hide, which
is part of the budget.

The budget bounds four errors; their sum must hold, so they are added as they are, not as squares:

- rate: power changes between samples, and samples are noisy. A step between two samples is misplaced by at most half an
  interval; of many steps the errors are independent. Changes that go on in a straight line cost nothing.
- quantisation: half a step of the sensor in every sample, less where many steps are passed through.
- coverage: in a gap, power is taken as somewhere between the least and the most seen in the stretch.
- clock: a sample may be older than its time says, by at most `lag_s`; that shifts both ends of the stretch.

It says nothing of the sensor's own accuracy, which its vendor states, and nothing of spikes shorter than the interval
of a sampler that reads momentary power: nobody can see those.
"""

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

BUDGET_LIMIT = 0.10  # relative; an energy with a larger error budget is refused
FEWEST_SAMPLES = 5  # inside a stretch
_GAP = 2.5  # times the usual interval
_SIGMAS_OF_STEPS = 3.5
_SIGMAS_OF_NOISE = 3.3
_MAD = 1.4826  # from the median of absolute values to the standard deviation
_RESIDUAL = math.sqrt(1.5)  # a sample less the mean of its neighbours, against the noise of one

Floats = npt.NDArray[np.float64]


class PowerTrace(NamedTuple):
    """Samples of one total. `times_ns`: rising; `values`: watts, or joules since some moment if `counter`.

    `quantum_w`: smallest step of a power reading, None to take the smallest step seen. `lag_s`: how old a value may be.
    """

    times_ns: npt.NDArray[np.int64]
    values: Floats
    counter: bool
    quantum_w: float | None
    lag_s: float


class Budget(NamedTuple):
    """Bounds of the relative errors of an energy."""

    rate: float
    quantisation: float
    coverage: float
    clock: float

    @property
    def total(self) -> float:
        """The bound of all errors together."""
        return sum(self)


class Energy(NamedTuple):
    """What a stretch took. `peak_w`: of the samples in it; of a counter, of the intervals in it."""

    joules: float
    mean_w: float
    peak_w: float
    samples: int
    budget: Budget

    @property
    def error_j(self) -> float:
        """The bound of the error, in joules."""
        return self.budget.total * self.joules


class _Stretch(NamedTuple):
    """Samples of a stretch in seconds from its start. `before`, `after`: the neighbours outside, None if far away.

    `near`: values so near to an end, in the stretch or beside it, that the clock's error may move them across it.
    """

    times: Floats
    values: Floats
    seconds: float
    before: tuple[float, float] | None
    after: tuple[float, float] | None
    near: Floats


def integrate_power(trace: PowerTrace, start_ns: int, stop_ns: int) -> Energy | str:
    """Return the energy between two times, or why there is none: too few samples inside, or no power at all."""
    inside = (trace.times_ns >= start_ns) & (trace.times_ns <= stop_ns)
    count = int(inside.sum())
    if count < FEWEST_SAMPLES:
        return f"{count} samples in {(stop_ns - start_ns) / 1e9:.3g} s, {FEWEST_SAMPLES} are needed"
    stretch = _cut(trace, inside, start_ns, stop_ns)
    found = _integrate_counter(trace, stretch) if trace.counter else _integrate_samples(trace, stretch)
    return found if found.joules > 0 else "the sampler says that nothing was used"


def subtract_idle(energy: Energy, seconds: float, before: Energy | None, after: Energy | None) -> tuple[float, float]:
    """Return what a stretch took beyond idling, and the bound of its error, both in joules.

    Idle power is the mean of both baselines (or the one there is); its error is half their difference, and their own.
    """
    idle = [each for each in (before, after) if each is not None]
    level = sum(each.mean_w for each in idle) / len(idle)
    apart = (max(each.mean_w for each in idle) - min(each.mean_w for each in idle)) / 2
    unsure = apart + sum(each.budget.total * each.mean_w for each in idle) / len(idle)
    return energy.joules - level * seconds, energy.error_j + unsure * seconds


def _cut(trace: PowerTrace, inside: npt.NDArray[np.bool_], start_ns: int, stop_ns: int) -> _Stretch:
    places = np.flatnonzero(inside)
    first, last = int(places[0]), int(places[-1])
    times = (trace.times_ns[first : last + 1] - start_ns) / 1e9
    usual = float(np.median(np.diff(times)))

    def neighbour(place: int, inner: float) -> tuple[float, float] | None:
        if not 0 <= place < len(trace.times_ns):
            return None
        at = (int(trace.times_ns[place]) - start_ns) / 1e9
        return (at, float(trace.values[place])) if abs(at - inner) <= _GAP * usual else None

    reach_ns = (trace.lag_s + usual) * 1e9
    near = (np.abs(trace.times_ns - start_ns) <= reach_ns) | (np.abs(trace.times_ns - stop_ns) <= reach_ns)
    return _Stretch(
        times,
        trace.values[first : last + 1],
        (stop_ns - start_ns) / 1e9,
        neighbour(first - 1, float(times[0])),
        neighbour(last + 1, float(times[-1])),
        trace.values[near],
    )


def _integrate_samples(trace: PowerTrace, stretch: _Stretch) -> Energy:
    times, watts, seconds = stretch.times, stretch.values, stretch.seconds
    steps, ends = np.diff(times), np.array([times[0], seconds - times[-1]])
    joules = float(((watts[1:] + watts[:-1]) / 2 * steps).sum() + watts[0] * ends[0] + watts[-1] * ends[1])
    usual, low, high = float(np.median(steps)), float(watts.min()), float(watts.max())
    noise = _find_noise(watts)
    gaps = steps > _GAP * usual
    changes = np.maximum(_find_changes(times, watts) - 3 * noise, 0) * np.where(gaps, 0, steps)
    edges = np.array([_change_at_end(stretch, side, high - low) for side in (0, 1)])
    edges = np.maximum(edges - 3 * noise, 0) * ends
    worst = float(changes.sum() / 2 + edges.sum())
    likely = _SIGMAS_OF_STEPS * math.sqrt(float((changes**2).sum() / 12 + (edges**2).sum() / 3))
    rate = min(worst, likely) + _SIGMAS_OF_NOISE * noise * math.sqrt(float((steps**2).sum()))
    middles = (watts[1:] + watts[:-1]) / 2
    coverage = float((np.maximum(high - middles, middles - low) * steps)[gaps].sum())
    quantum = trace.quantum_w if trace.quantum_w is not None else _find_quantum(watts)
    passed = (high - low) / quantum if quantum else 0.0
    quantised = quantum / 2 * seconds * (min(1.0, _SIGMAS_OF_STEPS / math.sqrt(3 * len(watts))) if passed > 2 else 1.0)
    clock = trace.lag_s * float(np.ptp(stretch.near)) if len(stretch.near) else 0.0
    parts = (part / joules if joules > 0 else 0.0 for part in (rate, quantised, coverage, clock))
    return Energy(joules, joules / seconds, high, len(watts), Budget(*parts))


def _integrate_counter(trace: PowerTrace, stretch: _Stretch) -> Energy:
    """A counter misses nothing between two readings; what is unknown are the ends, and how old its value is."""
    times, seconds = stretch.times, stretch.seconds
    steps, ends = np.diff(times), (float(times[0]), seconds - float(times[-1]))
    watts = np.diff(stretch.values) / steps
    joules = float(stretch.values[-1] - stretch.values[0]) + float(watts[0]) * ends[0] + float(watts[-1]) * ends[1]
    unsure = 0.0
    for length, own, inner, outer in (
        (ends[0], float(watts[0]), (float(times[0]), float(stretch.values[0])), stretch.before),
        (ends[1], float(watts[-1]), (float(times[-1]), float(stretch.values[-1])), stretch.after),
    ):
        apart = float(watts.max() - watts.min())
        if outer is not None:
            apart = abs((outer[1] - inner[1]) / (outer[0] - inner[0]) - own)
        unsure += length * apart
    stale = trace.lag_s * max(float(watts[0]), float(watts[-1]))
    quantum_j = _find_quantum(stretch.values)
    parts = (part / joules if joules > 0 else 0.0 for part in (unsure, quantum_j, 0.0, stale))
    return Energy(joules, joules / seconds, float(watts.max()), len(times), Budget(*parts))


def _find_changes(times: Floats, watts: Floats) -> Floats:
    """Return how far power may have moved within each interval beyond a straight line through its neighbours, in watts.

    A step between two samples shows in both; a straight line shows in none.
    """
    jumps = np.abs(np.diff(watts))
    bends = np.abs(_find_bends(times, watts))
    around = np.concatenate([[np.inf], bends, [np.inf]])
    return np.minimum(jumps, around[:-1] + around[1:])


def _find_bends(times: Floats, watts: Floats) -> Floats:
    """Return each inner sample less the straight line between its neighbours."""
    share = (times[1:-1] - times[:-2]) / (times[2:] - times[:-2])
    return watts[1:-1] - (watts[:-2] + share * (watts[2:] - watts[:-2]))


def _find_noise(watts: Floats) -> float:
    """Return the noise of one sample in watts, by the median of its bends: a few steps do not count."""
    even = watts[1:-1] - (watts[:-2] + watts[2:]) / 2
    return _MAD * float(np.median(np.abs(even))) / _RESIDUAL


def _change_at_end(stretch: _Stretch, side: int, apart: float) -> float:
    """Return how far power may have moved between an end of the stretch and the sample next to it."""
    outer = (stretch.before, stretch.after)[side]
    return apart if outer is None else abs(outer[1] - float(stretch.values[-side]))


def _find_quantum(values: Floats) -> float:
    """Return the smallest step between two values that were seen, 0 where all are the same."""
    apart = np.diff(np.unique(values))
    apart = apart[apart > 1e-9 * float(np.abs(values).max())]  # less is rounding of floats
    return float(apart.min()) if len(apart) else 0.0


def describe_budget(budget: Budget) -> dict[str, Any]:
    """Return an error budget as documents have it, relative."""
    return {**budget._asdict(), "total": budget.total}
