"""Energy of a stretch of time from samples of power, or from an energy counter, with an error budget.

The integral is over the stretch and nothing outside it: every sample's time is tested. Between two samples power is
taken as linear, before the first and after the last as theirs. Samples outside tell only what the ends may hide, which
is part of the budget.

The budget bounds four errors:

- rate: power changes between samples, and samples are noisy. A step between two samples is misplaced by at most half an
  interval. Changes that go on in a straight line cost nothing.
- quantisation: half a step of the sensor in every sample, less where many steps are passed through.
- coverage: while the sampler was silent (`silences`), power may have been anything from nothing to twice the most seen
  in the stretch. A counter's next reading says what went through it meanwhile.
- clock: a sample may be older than its time says, by at most `lag_s`; that shifts both ends of the stretch.

Each has a worst case and a variance (of a uniform error, where nothing else is known). The budget is the sum of all
worst cases, or 3.1 standard deviations of all together, whichever is less; its parts share it as their worst cases do.

It says nothing of the sensor's own accuracy, which its vendor states, and nothing of spikes shorter than the interval
of a sampler that reads momentary power: nobody can see those.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .silences import GAP, cut_near, describe_silence, find_usual_interval, measure_silence

BUDGET_LIMIT = 0.10  # relative; an energy with a larger error budget is refused
FEWEST_SAMPLES = 5  # inside a stretch
_HIDDEN = 2.0  # times the most power seen: what unseen time may have held at most
_SIGMAS = 3.1
_MAD = 1.4826  # from the median of absolute values to the standard deviation
_RESIDUAL = math.sqrt(1.5)  # a sample less the mean of its neighbours, against the noise of one

Floats = npt.NDArray[np.float64]


class PowerTrace(NamedTuple):
    """Samples of one total. `times_ns`: rising; `values`: watts, or joules since some moment if `counter`.

    `quantum`: smallest step of a value, None to take the smallest step of power seen. `lag_s`: how old a value may be.
    """

    times_ns: npt.NDArray[np.int64]
    values: Floats
    counter: bool
    quantum: float | None
    lag_s: float


class Budget(NamedTuple):
    """Bounds of the relative errors of an energy."""

    rate: float
    quantisation: float
    coverage: float
    clock: float

    @property
    def total(self) -> float:
        """The bound of all errors of an energy together, relative."""
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
        """The bound of the error of this energy, in joules."""
        return self.budget.total * self.joules


class _Error(NamedTuple):
    """An error in joules: what it is at most, and its variance."""

    worst: float
    variance: float


class _Stretch(NamedTuple):
    """Samples of a stretch in seconds from its start. `before`, `after`: the neighbours outside, None if there is none.

    `near`: values so near to an end, in the stretch or beside it, that the clock's error may move them across it.
    `usual`: seconds between two values; `reading_s`: between two readings, those of a counter that had not moved
    included. `silence_s`: seconds that no two readings enclose.
    """

    times: Floats
    values: Floats
    seconds: float
    before: tuple[float, float] | None
    after: tuple[float, float] | None
    near: Floats
    usual: float
    reading_s: float
    silence_s: float


def integrate_power(trace: PowerTrace, start_ns: int, stop_ns: int) -> Energy | str:
    """Return the energy between two times, or why there is none: too few samples inside, silence, a counter that fell,
    two samples of one time, or no power at all.
    """
    near = cut_near(trace.times_ns, start_ns, stop_ns)
    trace = trace._replace(times_ns=trace.times_ns[near], values=trace.values[near])
    reading_s = find_usual_interval(trace.times_ns) / 1e9
    silence_s = measure_silence(trace.times_ns, start_ns, stop_ns)
    if fault := _find_fault(trace):
        return fault
    if trace.counter:  # what has not moved says nothing new: a value is as old as its first reading at most
        moved = np.diff(trace.values, prepend=-math.inf) > 0
        trace = trace._replace(times_ns=trace.times_ns[moved], values=trace.values[moved])
    inside = (trace.times_ns >= start_ns) & (trace.times_ns <= stop_ns)
    count = int(inside.sum())
    if count < FEWEST_SAMPLES:
        return f"{count} samples in {(stop_ns - start_ns) / 1e9:.3g} s, {FEWEST_SAMPLES} are needed"
    stretch = _cut(trace, inside, start_ns, stop_ns)._replace(reading_s=1.5 * reading_s, silence_s=silence_s)
    if trace.counter:
        found = _integrate_counter(trace, stretch)
    elif silent := describe_silence(silence_s, stretch.seconds):
        return silent
    else:
        found = _integrate_samples(trace, stretch)
    return found if found.joules > 0 else "the sampler says that nothing was used"


def _find_fault(trace: PowerTrace) -> str | None:
    """Return what is wrong with samples in and around a stretch, None if nothing is."""
    if len(twice := np.flatnonzero(np.diff(trace.times_ns) <= 0)):
        return f"two samples have the time {trace.times_ns[twice[0]]} ns; only one can be true"
    if trace.counter and len(fell := np.flatnonzero(np.diff(trace.values) < 0)):
        before, after = trace.values[fell[0]], trace.values[fell[0] + 1]
        return f"its counter fell from {before:.6g} J to {after:.6g} J; what went through it meanwhile is unknown"
    return None


def subtract_idle(energy: Energy, seconds: float, before: Energy | None, after: Energy | None) -> tuple[float, float]:
    """Return the energy that a stretch took beyond idling, and the bound of its error, both in joules.

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
    usual = min(find_usual_interval(each) for each in (trace.times_ns, trace.times_ns[inside])) / 1e9

    def neighbour(place: int) -> tuple[float, float] | None:
        if not 0 <= place < len(trace.times_ns):
            return None
        return (int(trace.times_ns[place]) - start_ns) / 1e9, float(trace.values[place])

    reach_ns = (trace.lag_s + usual) * 1e9
    near = (np.abs(trace.times_ns - start_ns) <= reach_ns) | (np.abs(trace.times_ns - stop_ns) <= reach_ns)
    return _Stretch(
        times,
        trace.values[first : last + 1],
        (stop_ns - start_ns) / 1e9,
        neighbour(first - 1),
        neighbour(last + 1),
        trace.values[near],
        usual,
        0.0,
        0.0,
    )


def _integrate_samples(trace: PowerTrace, stretch: _Stretch) -> Energy:
    times, watts, seconds = stretch.times, stretch.values, stretch.seconds
    steps, ends = np.diff(times), np.array([times[0], seconds - times[-1]])
    joules = float(((watts[1:] + watts[:-1]) / 2 * steps).sum() + watts[0] * ends[0] + watts[-1] * ends[1])
    high, noise = float(watts.max()), _find_noise(watts)
    gaps, open_ends = steps > GAP * stretch.usual, np.array([_is_open(stretch, side) for side in (0, 1)])
    changes = np.maximum(_find_changes(times, watts) - 3 * noise, 0) * np.where(gaps, 0, steps)
    edges = np.array([_change_at_end(stretch, side) for side in (0, 1)])
    edges = np.maximum(edges - 3 * noise, 0) * np.where(open_ends, 0, ends)
    noisy = noise**2 * float((steps**2).sum() + (ends**2).sum())
    rate = _Error(
        float(changes.sum() / 2 + edges.sum()) + _SIGMAS * math.sqrt(noisy),
        float((changes**2).sum() / 12 + (edges**2).sum() / 3) + noisy,
    )
    guesses = np.concatenate([(watts[1:] + watts[:-1])[gaps] / 2, watts[[0, -1]][open_ends]])
    unseen = np.concatenate([steps[gaps], ends[open_ends]])
    coverage = _uniform(float((np.maximum(guesses, _HIDDEN * high - guesses) * unseen).sum()))
    quantum = trace.quantum if trace.quantum is not None else _find_quantum(watts)
    quantised = _Error(quantum / 2 * seconds, quantum**2 / 12 * _sum_of_squares_of_runs(watts, steps, ends, quantum))
    moved = max(0.0, float(np.ptp(stretch.near)) - 3 * noise) if len(stretch.near) else 0.0
    clock = _uniform(trace.lag_s * moved)
    return Energy(joules, joules / seconds, high, len(watts), _sum_up(joules, rate, quantised, coverage, clock))


def _integrate_counter(trace: PowerTrace, stretch: _Stretch) -> Energy:
    """A counter misses nothing between two readings; what is unknown are the ends, and how old its value is."""
    times, seconds = stretch.times, stretch.seconds
    steps, ends = np.diff(times), (float(times[0]), seconds - float(times[-1]))
    watts = np.diff(stretch.values) / steps
    joules = float(stretch.values[-1] - stretch.values[0]) + float(watts[0]) * ends[0] + float(watts[-1]) * ends[1]
    unsure, hidden = [0.0, 0.0], 0.0
    for side, outer in enumerate((stretch.before, stretch.after)):
        length, own = ends[side], float(watts[-side])
        passed = None if outer is None else abs(outer[1] - float(stretch.values[-side]))
        if outer is not None and passed is not None and not _is_open(stretch, side):
            unsure[side] = length * abs(passed / abs(outer[0] - float(times[-side])) - own)
        elif passed is not None:  # all of it may have passed within the stretch, or nothing
            unsure[side] = max(length * own, passed - length * own)
        elif stretch.silence_s > 0:
            hidden += length * max(own, _HIDDEN * float(watts.max()) - own)
        else:  # it was read and has not moved since
            unsure[side] = length * max(own, float(watts.max() - watts.min()))
    rate = _Error(sum(unsure), sum(each**2 for each in unsure) / 3)
    age = min(trace.lag_s, stretch.reading_s)
    stale = [age * float(part.max()) for part in (watts[:3], watts[-3:])]
    clock = _Error(max(stale), sum(each**2 for each in stale) / 12)
    quantum = trace.quantum or 0.0
    quantised = _Error(quantum, quantum**2 / 6)
    budget = _sum_up(joules, rate, quantised, _uniform(hidden), clock)
    return Energy(joules, joules / seconds, float(watts.max()), len(times), budget)


def _is_open(stretch: _Stretch, side: int) -> bool:
    """Return whether the neighbour outside an end, 0 or 1, is too far away to say anything of it, or is none."""
    outer = (stretch.before, stretch.after)[side]
    return outer is None or abs(outer[0] - float(stretch.times[-side])) > GAP * stretch.usual


def _uniform(worst: float) -> _Error:
    """Return an error that may be anything up to its worst case."""
    return _Error(worst, worst**2 / 3)


def _sum_up(joules: float, *errors: _Error) -> Budget:
    """Return the budget of independent errors, in the order of its parts, relative to the joules."""
    worst = sum(error.worst for error in errors)
    if joules <= 0 or worst <= 0:
        return Budget(0.0, 0.0, 0.0, 0.0)
    total = min(worst, _SIGMAS * math.sqrt(sum(error.variance for error in errors)))
    return Budget(*(error.worst / worst * total / joules for error in errors))


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


def _change_at_end(stretch: _Stretch, side: int) -> float:
    """Return how far power moved between the sample next to an end of the stretch and its neighbour outside."""
    outer = (stretch.before, stretch.after)[side]
    return 0.0 if outer is None else abs(outer[1] - float(stretch.values[-side]))


def _sum_of_squares_of_runs(watts: Floats, steps: Floats, ends: Floats, quantum: float) -> float:
    """Return the sum of squared durations of stretches within one quantum: rounding may err one way all that time."""
    halves = np.concatenate([[ends[0]], steps / 2]) + np.concatenate([steps / 2, [ends[1]]])
    total, run, first = 0.0, 0.0, float(watts[0])
    for value, length in zip(watts.tolist(), halves.tolist(), strict=True):
        if abs(value - first) > 1.01 * quantum:
            total, run, first = total + run**2, 0.0, value
        run += length
    return total + run**2


def _find_quantum(values: Floats) -> float:
    """Return the smallest step between two values that were seen, 0 where all are the same."""
    apart = np.diff(np.unique(values))
    apart = apart[apart > 1e-9 * float(np.abs(values).max())]  # less is rounding of floats
    return float(apart.min()) if len(apart) else 0.0


def find_refusal(found: Energy) -> str | None:
    """Return why an energy does not count, None if it does."""
    if found.budget.total <= BUDGET_LIMIT:
        return None
    parts = ", ".join(f"{name} {part:.1%}" for name, part in found.budget._asdict().items() if part >= 0.001)
    return (
        f"the energy has an error budget of {found.budget.total:.0%} ({parts}), more than {BUDGET_LIMIT:.0%}; sample "
        "more often or measure longer"
    )


def add_energies(energies: Sequence[Energy]) -> Energy:
    """Return what several stretches of one sampler took together; at least one is needed.

    The rate errs in each stretch for itself; the other errors may go the same way in all of them.
    """
    joules = math.fsum(each.joules for each in energies)
    seconds = math.fsum(each.joules / each.mean_w for each in energies)

    def bound(part: str) -> list[float]:
        return [getattr(each.budget, part) * each.joules for each in energies]

    rate, alike = bound("rate"), ("quantisation", "coverage", "clock")
    errors = {"rate": min(math.fsum(rate), _SIGMAS / math.sqrt(3) * math.hypot(*rate))}
    errors |= {part: math.fsum(bound(part)) for part in alike}
    parts = {part: error / joules for part, error in errors.items()}
    peak, samples = max(each.peak_w for each in energies), sum(each.samples for each in energies)
    return Energy(joules, joules / seconds, peak, samples, Budget(**parts))


def describe_budget(budget: Budget) -> dict[str, Any]:
    """Return the error budget of an energy as documents have it, relative."""
    return {**budget._asdict(), "total": budget.total}
