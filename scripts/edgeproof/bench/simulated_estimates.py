"""What estimates promise, simulated: dependence, headlines, percentiles, two devices, interference, drift."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from ..core.boundaries import SESSIONS_HORIZON
from ..core.change_points import find_changes
from ..core.dependence import estimate_dependence
from ..core.headlines import find_headline_percentiles, state_confidence, summarise_headline
from ..core.interference import estimate_interference
from ..core.statistics import Interval
from ..core.two_devices import DeviceSessions, compare_devices
from .lines import Line
from .pair_scenarios import Floats, Generator

EXACT_TRIALS, TRIALS = 10_000, 2_000
MARGIN = 0.02
_DAYS = tuple(f"2026-01-{1 + day // 2:02d}" for day in range(SESSIONS_HORIZON))


def simulate_dependence(seed: int, portion: float = 1.0) -> list[Line]:
    """Return Lines on calibrations' estimates of correlation: how often they are at least the true one."""
    lines: list[Line] = []
    trials = round(portion * TRIALS)
    for correlation in (0.0, 0.2, 0.5):
        for sequences, length in ((3, 20), (6, 10), (6, 30)):
            generator = np.random.default_rng((seed, sequences, round(10 * correlation)))
            noise = generator.standard_normal((trials, sequences, length))
            noise[..., 1:] *= math.sqrt(1 - correlation**2)
            for index in range(1, length):
                noise[..., index] += correlation * noise[..., index - 1]
            enough = sum(estimate_dependence(list(each)).correlation >= correlation for each in noise)
            name = f"correlation {correlation:g}, {sequences} A/A sequences of {length} pairs"
            lines.append(Line.at_least(name, "limit not below it", 0.8, enough, trials))
    return lines


def simulate_headlines(seed: int, portion: float = 1.0) -> list[Line]:
    """Return Lines on headlines as estimates: coverage of the session's level in one, of all sessions' in three."""
    generator, exact = np.random.default_rng(seed), round(portion * EXACT_TRIALS)
    lines: list[Line] = []
    kinds: dict[str, Callable[[tuple[int, ...]], Floats]] = {
        "normal process levels, 2 %": lambda shape: 0.02 * generator.standard_normal(shape),
        "heavy-tailed process levels, 2 %": lambda shape: 0.02 * generator.standard_t(3, shape) / math.sqrt(3),
        "25 % slower in three starts of ten": lambda shape: (
            0.22 * ((generator.random(shape) < 0.3) - 0.3) + 0.01 * generator.standard_normal(shape)
        ),
    }
    for name, draw in kinds.items():
        trials = exact if "normal" in name else round(portion * TRIALS)
        for processes in (5, 10):
            covered = sum(_covers(_headline([each]), 0.0) for each in draw((trials, processes)))
            name_of = f"one session of {processes}, {name}"
            promised = "slower" not in name or processes == 10
            lines.append(Line.at_least(name_of, "coverage", 0.95, covered, trials, promised))
    for sessions in (3, 5):
        levels = 0.03 * generator.standard_normal((exact, sessions, 1))
        values = levels + 0.02 * generator.standard_normal((exact, sessions, 10))
        covered = sum(_covers(_headline(list(each)), 0.0) for each in values)
        lines.append(Line.at_least(f"{sessions} sessions that differ by 3 %", "coverage", 0.95, covered, exact))
    return lines


def simulate_percentiles(seed: int, portion: float = 1.0) -> list[Line]:
    """Return Lines on estimates of percentiles: coverage of their intervals over starts, for starts like those seen."""
    generator, trials = np.random.default_rng(seed), round(portion * TRIALS)
    lines: list[Line] = []
    for fraction, starts, calls in (
        (0.5, 10, 200),
        (0.9, 10, 200),
        (0.9, 20, 200),
        (0.95, 10, 200),
        (0.99, 10, 500),
        (0.99, 20, 500),
    ):
        for name, share in (("levels differ by 2 %", 0.0), ("a tail of 20 % in three starts of ten", 0.3)):
            truth = _quantile(generator, fraction, share)
            covered = 0
            for _ in range(trials):
                found = find_headline_percentiles(list(_draw_calls(generator, starts, calls, share)), [fraction])[0]
                covered += found.low is not None and found.high is not None and found.low <= truth <= found.high
            name = f"p{100 * fraction:g} of {starts} starts, {name}"
            promised = starts > 10 or fraction != 0.9 or not share
            lines.append(Line.at_least(name, "coverage", state_confidence(fraction), covered, trials, promised))
    return lines


def simulate_devices(seed: int, portion: float = 1.0) -> list[Line]:
    """Return Lines on simulated estimates from two devices: false claims when sessions are added until there is one."""
    generator, trials = np.random.default_rng(seed), round(portion * TRIALS)
    lines: list[Line] = []
    for name, spreads, alternate in (
        ("alike, sessions added to both", (0.01, 0.01), True),
        ("one three times as noisy, sessions added to both", (0.01, 0.03), True),
        ("alike, sessions added to the left first", (0.01, 0.01), False),
    ):
        for quantity, factor, bound in (("false `slower`", 1.0, 0.025), ("false `equivalent`", 1 + 1e-9, 0.05)):
            effect = math.log1p(MARGIN) * factor
            wrong = 0
            for _ in range(trials):
                logs = [sd * generator.standard_normal(SESSIONS_HORIZON) for sd in spreads]
                wrong += _first_claim(np.exp(logs[0]), np.exp(logs[1] + effect), alternate) == quantity[7:-1]
            lines.append(Line.at_most(f"two devices {name}", quantity, bound, wrong, trials))
    return lines


def simulate_interference(seed: int, portion: float = 1.0) -> list[Line]:
    """Return Lines on estimates of planted interference, 0 and 3 %: covered, and seldom forbidding in vain."""
    generator, trials = np.random.default_rng(seed), round(portion * TRIALS)
    lines: list[Line] = []
    for planted in (0.0, 0.03):
        found = [
            estimate_interference(0.01 * generator.standard_normal(10), planted + 0.01 * generator.standard_normal(10))
            for _ in range(trials)
        ]
        name = f"interference of {planted:.0%}, 10 pairs"
        covered = sum((each.low or 0) <= planted <= (each.high or 0) for each in found)
        lines.append(Line.at_least(name, "coverage", 0.95, covered, trials))
        if not planted:
            forbidden = sum(each.forbids(MARGIN) for each in found)
            lines.append(Line.at_most(name, "verdict forbidden", 0.05, forbidden, trials))
    return lines


def simulate_drift(seed: int, portion: float = 1.0) -> list[Line]:
    """Return Lines on what the drift control estimates: how often it names a session without a change, and with one.

    A change is in the middle of its session.
    """
    generator, trials = np.random.default_rng(seed), round(portion * TRIALS)
    lines: list[Line] = []
    for points in (6, 10, 20, 40):
        later = np.arange(points) >= points // 2
        quiet, noisy = 0.005 * generator.standard_normal((2, trials, points))
        busy = np.abs(generator.normal(0.3, 0.2, (trials, points)))
        name = f"drift control, {points} points"
        for quantity, logs in (("named though quiet", quiet), ("named though neighbours", noisy + np.log1p(busy))):
            lines.append(Line.at_most(name, quantity, 0.01, sum(map(_changes, logs)), trials))
        found = sum(map(_changes, quiet + math.log(1.25) * later))
        lines.append(Line.at_least(name, "duty of 80 % from the middle found", 0.95, found, trials))
        found = sum(map(_changes, quiet + np.log1p(busy) * later))
        name, quantity = f"{name}, neighbour of 30 ± 20 %", "from the middle found"
        lines.append(Line.at_least(name, quantity, 0.95, found, trials, points >= 40))
    return lines


def _headline(sessions: Sequence[Floats]) -> Interval | None:
    return summarise_headline(
        [np.exp(each) for each in sessions], [np.full(len(each), 0.003) for each in sessions]
    ).interval


def _covers(interval: Interval | None, log_truth: float) -> bool:
    if interval is None or interval.low is None or interval.high is None:
        return False
    return interval.low <= math.exp(log_truth) <= interval.high


def _draw_calls(generator: Generator, starts: int, calls: int, share: float) -> Floats:
    """Return log times, shape (starts, calls): processes differ by 2 %, a share of them is 20 % slower in a call of
    twenty."""
    tail = (generator.random((starts, 1)) < share) & (generator.random((starts, calls)) < 0.05)
    levels = 0.02 * generator.standard_normal((starts, 1))
    return levels + 0.03 * generator.standard_normal((starts, calls)) + 0.18 * tail


def _quantile(generator: Generator, fraction: float, share: float) -> float:
    return float(np.quantile(_draw_calls(generator, 5_000, 100, share), fraction))


def _first_claim(left: Floats, right: Floats, alternate: bool) -> str | None:
    """Return the first verdict as sessions are added: in turn, or on the left up to twelve before the right."""
    both = [(count, count) for count in range(3, SESSIONS_HORIZON + 1)]
    first = [(count, 3) for count in range(3, SESSIONS_HORIZON)]
    for on_left, on_right in both if alternate else [*first, *((SESSIONS_HORIZON, right) for _, right in both)]:
        one, other = (
            DeviceSessions(tuple(map(float, values[:count])), _DAYS[:count])
            for values, count in ((left, on_left), (right, on_right))
        )
        verdict = compare_devices(one, other, MARGIN).verdict
        if verdict != "undecided":
            return verdict
    return None


def _changes(logs: Floats) -> bool:
    return bool(find_changes(np.arange(len(logs)), np.exp(logs)).changes)
