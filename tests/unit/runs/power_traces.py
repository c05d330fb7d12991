"""Made-up power over time whose energy is known exactly, and what a sampler would make of it."""

import itertools
import math
from typing import NamedTuple

import numpy as np
from edgeproof.agent.samplers.rapl import count_step
from edgeproof.runs.energy import PowerTrace

LIMIT_UJ = 20_000_000  # after twenty joules the counter begins anew


class Truth:
    """Power that is linear between knots, with jumps where two knots have one time."""

    def __init__(self, times, watts):
        self.times, self.watts = np.asarray(times, float), np.asarray(watts, float)
        parts = (self.watts[1:] + self.watts[:-1]) / 2 * np.diff(self.times)
        self.energy = np.concatenate([[0], np.cumsum(parts)])

    def power(self, at):
        place = np.clip(np.searchsorted(self.times, at, side="right") - 1, 0, len(self.times) - 2)
        length = np.maximum(self.times[place + 1] - self.times[place], 1e-12)
        share = np.clip((at - self.times[place]) / length, 0, 1)
        return self.watts[place] + share * (self.watts[place + 1] - self.watts[place])

    def joules(self, at):
        """Return the energy from the first knot to `at`."""
        place = np.clip(np.searchsorted(self.times, at, side="right") - 1, 0, len(self.times) - 2)
        return self.energy[place] + (self.watts[place] + self.power(at)) / 2 * (at - self.times[place])


class Drawn(NamedTuple):
    trace: PowerTrace
    start_ns: int
    stop_ns: int
    joules: float


def draw_truth(random, seconds, interval):
    """Draw power: idle, load with steps, a ramp and spikes from second 0 to `seconds`, idle again."""
    idle, base = random.uniform(1, 3), random.uniform(4, 12)
    warm = random.uniform(0.5, 1.0)  # a warm-up before the stretch, with the same load
    knots = [(-5.0, idle), (-warm - 1e-9, idle), (-warm - 1e-9, base)]
    level, now = base, 0.0
    kinds = random.choice(["step", "ramp", "spike", "flat"], size=random.integers(2, 8))
    places = np.sort(random.uniform(0, seconds, len(kinds)))
    for kind, at in zip(kinds, places, strict=True):
        if at < now or kind == "flat":
            continue
        knots.append((at, level))
        if kind == "step":
            level = base * random.uniform(0.6, 1.6)
            knots.append((at, level))
            now = at
        elif kind == "ramp":
            level = base * random.uniform(0.6, 1.6)
            now = at + random.uniform(5, 20) * interval
            knots.append((now, level))
        else:
            now = at + random.uniform(2.5, 6) * interval
            top = level * random.uniform(1.3, 2.2)
            knots += [(at, top), (now, top), (now, level)]
    end = max(seconds, now) + random.choice([0.0, 0.5, 0.5, 0.5, 0.5])
    knots += [(end, level), (end, idle), (end + 5.0, idle)]
    times, watts = zip(*knots, strict=True)
    return Truth(times, watts)


def draw_trace(seed):
    """Draw power and the samples of it: jitter, noise, steps of the sensor, a clock that is off, gaps, a counter."""
    random = np.random.default_rng(seed)
    seconds = random.uniform(0.5, 10)
    interval = seconds / random.uniform(25, 400)
    truth = draw_truth(random, seconds, interval)
    lag = float(random.choice([0.001, 0.004, 0.02]))
    late = random.uniform(-lag, lag)
    origin = random.uniform(0, interval) - 1.5
    times = np.arange(origin, seconds + 1.5, interval)
    times = np.sort(times + random.uniform(-0.2, 0.2, len(times)) * interval)
    counter = random.random() < 0.3
    if not counter and random.random() < 0.1:
        gap = random.uniform(0, seconds)
        times = times[(times < gap) | (times > gap + random.uniform(3, 6) * interval)]
    if counter:
        seen = np.floor(times / lag) * lag if lag else times  # it moves in steps of its age
        raw = np.floor(truth.joules(seen) * 1e6).astype(np.int64) % (LIMIT_UJ + 1)
        steps = [count_step(int(a), int(b), LIMIT_UJ) for a, b in itertools.pairwise(raw)]
        values, quantum = np.concatenate([[0.0], np.cumsum(steps)]) / 1e6, 1e-6
    else:
        values = truth.power(times + late)
        values = values + random.choice([0.0005, 0.003]) * values * random.standard_normal(len(values))
        quantum = float(random.choice([0.001, 0.008, 0.04]))
        values = np.round(values / quantum) * quantum if quantum else values
        stale = times < -1.0
        values[stale] = 40.0  # of the batch before
    shift = 1_000_000_000_000
    trace = PowerTrace((times * 1e9).astype(np.int64) + shift, values, bool(counter), quantum, lag)
    joules = float(truth.joules(seconds) - truth.joules(0.0))
    assert math.isfinite(joules)
    return Drawn(trace, shift, shift + int(seconds * 1e9), joules)
