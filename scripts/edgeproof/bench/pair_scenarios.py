"""Sequences of pairs with known truth, as machines and models produce them, for the simulation of verdicts."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..core.boundaries import HORIZON
from ..core.pair_values import floor_of_clock

Floats: TypeAlias = NDArray[np.float64]
Flags: TypeAlias = NDArray[np.bool_]
Generator: TypeAlias = np.random.Generator

PROCESS_ERROR = 0.003
_BLOCK_PAIRS = 40
_PAIR_SD = 0.008


@dataclass(frozen=True)
class Sequences:
    """Sequences of pairs, shape (sequences, pairs), whose true log(right / left) over all starts is 0.

    `logs`: values of pairs; `arms`: log values of their left and right processes, None where modes do not matter;
    `slow`: for each arm, which starts are in its slow mode, slower by `step`, that a share (`shares`) of all starts
    has; `floor_sd`: what the clock allows.
    """

    logs: Floats
    arms: tuple[Floats, Floats] | None = None
    slow: tuple[Flags, Flags] | None = None
    shares: tuple[float, float] = (0.0, 0.0)
    step: float = 0.0
    floor_sd: float = 0.0


@dataclass(frozen=True)
class Scenario:
    """How sequences arise (`draw`), the correlation that the test assumes, and whether what verdicts promise holds.

    `exact`: the promise is an equality, so that 10,000 sequences are drawn. `claims`: figures (`slower`, `equivalent`,
    `coverage`) that are *not* promised here.
    """

    name: str
    draw: Callable[[Generator, int], Sequences]
    correlation: float = 0.0
    exact: bool = False
    withheld: tuple[str, ...] = ()


def draw_normal(generator: Generator, count: int) -> Sequences:
    """Return the scenario of independent normal pairs with a spread of 0.8 %."""
    return Sequences(_PAIR_SD * generator.standard_normal((count, HORIZON)))


def _draw_heavy(generator: Generator, count: int) -> Sequences:
    """Return pairs with Student's t at three degrees of freedom."""
    return Sequences(_PAIR_SD * generator.standard_t(3, (count, HORIZON)) / math.sqrt(3))


def _draw_skewed(generator: Generator, count: int) -> Sequences:
    """Return pairs whose right process is slower by an exponential amount: spread 0.8 %, skewness 2."""
    return Sequences(_PAIR_SD * (generator.exponential(1, (count, HORIZON)) - 1))


def _draw_correlated(correlation: float) -> Callable[[Generator, int], Sequences]:
    """Return a function that draws pairs of a first-order autoregression."""

    def draw(generator: Generator, count: int) -> Sequences:
        noise = generator.standard_normal((count, HORIZON))
        noise[:, 1:] *= math.sqrt(1 - correlation**2)
        for index in range(1, HORIZON):
            noise[:, index] += correlation * noise[:, index - 1]
        return Sequences(_PAIR_SD * noise)

    return draw


def _draw_modes(left_share: float, right_share: float, slower: float) -> Callable[[Generator, int], Sequences]:
    """Return a function that draws pairs of which a share of the left and right starts is slower by a fraction."""

    def draw(generator: Generator, count: int) -> Sequences:
        shape, step = (count, HORIZON), math.log1p(slower)
        slow = (generator.random(shape) < left_share, generator.random(shape) < right_share)
        own = (_PAIR_SD / math.sqrt(2) * generator.standard_normal(shape) for _ in slow)
        left, right = (noise + step * flags for noise, flags in zip(own, slow, strict=True))
        right -= step * (right_share - left_share)
        return Sequences(right - left, (left, right), slow, (left_share, right_share), step)

    return draw


def draw_sessions(machine_sd: float, ratio_sd: float) -> Callable[[Generator, int], Sequences]:
    """Return a scenario of pairs: a function that draws them in sessions of ten.

    Each session moves both arms, and their ratio, anew.
    """

    def draw(generator: Generator, count: int) -> Sequences:
        machine, ratio = (
            np.repeat(sd * generator.standard_normal((count, HORIZON // 10)), 10, axis=1)
            for sd in (machine_sd, ratio_sd)
        )
        left, right = (_PAIR_SD / math.sqrt(2) * generator.standard_normal((count, HORIZON)) for _ in range(2))
        left, right = left + machine, right + machine + ratio
        return Sequences(right - left, (left, right))

    return draw


def _draw_blocks(
    state_sd: float = 0.0, slope: float = 0.0, order: float = 0.0, quantum: float = 0.0, process_sd: float = 0.005
) -> Callable[[Generator, int], Sequences]:
    """Return a function that draws pairs of 40 block pairs each, as the agent measures them.

    All on the log scale: `state_sd`: step of a random walk from block to block that both arms share; `slope`: growth of
    both arms from pair to pair; `order`: by how much the second block of a block pair is slower; `quantum`: step of the
    clock as a share of a block; `process_sd`: spread of processes.
    """

    def draw(generator: Generator, count: int) -> Sequences:
        logs = np.empty((count, HORIZON))
        for start in range(0, count, 250):
            size = min(250, count - start)
            logs[start : start + size] = _draw_pairs(generator, size, state_sd, slope, order, quantum)
        logs += process_sd * math.sqrt(2) * generator.standard_normal(logs.shape)
        return Sequences(logs, floor_sd=floor_of_clock(quantum, 1.0))

    return draw


def _draw_inputs(generator: Generator, count: int) -> Sequences:
    """Return the scenario of pairs over 16 inputs, four calls a block, second blocks being 3 % slower.

    Every input is met in ten block pairs, five of them in each order.
    """
    logs = np.empty((count, HORIZON))
    for start in range(0, count, 100):
        size = min(100, count - start)
        signs = _signs(generator, (size, HORIZON, 4, 10)).swapaxes(2, 3)
        ratios = 0.01 * generator.standard_normal((size, HORIZON, 10, 4, 4)) + 0.03 * signs[..., None]
        medians = np.median(ratios, axis=2).reshape(size, HORIZON, 16)
        logs[start : start + size] = np.log(np.exp(medians).mean(axis=-1))
    return Sequences(logs + 0.007 * generator.standard_normal(logs.shape))


def _draw_pairs(
    generator: Generator, count: int, state_sd: float, slope: float, order: float, quantum: float
) -> Floats:
    """Return log(right / left) of `count` sequences, shape (count, pairs)."""
    shape = (count, HORIZON, _BLOCK_PAIRS)
    signs = _signs(generator, shape)
    slots = 0.01 * generator.standard_normal((*shape, 2))
    if state_sd or slope:
        steps = state_sd * generator.standard_normal((count, HORIZON * _BLOCK_PAIRS * 2)) + slope / _BLOCK_PAIRS / 2
        slots += np.cumsum(steps, axis=1).reshape(slots.shape)
    slots[..., 1] += order
    if quantum:
        phase = generator.random(slots.shape)
        slots = np.log(np.maximum(quantum, quantum * np.floor(np.exp(slots) / quantum + phase)))
    return np.median(signs * (slots[..., 1] - slots[..., 0]), axis=-1)


def _signs(generator: Generator, shape: tuple[int, ...]) -> Floats:
    """Return 1 where the right arm is second in its block pair, -1 where first, balanced over the last axis."""
    half = np.concatenate((np.ones(shape[-1] // 2), -np.ones(shape[-1] - shape[-1] // 2)))
    return generator.permuted(np.broadcast_to(half, shape), axis=-1)


SCENARIOS = (
    Scenario("independent normal pairs, 0 assumed", draw_normal, exact=True),
    Scenario("independent normal pairs, 0.2 assumed", draw_normal, 0.2),
    Scenario("heavy tails (t, 3 degrees of freedom)", _draw_heavy),
    Scenario("skewed ratios (exponential), 0.2 assumed", _draw_skewed, 0.2, withheld=("equivalent",)),
    Scenario("right arm 25 % slower in one start of ten", _draw_modes(0, 0.1, 0.25), 0.2),
    Scenario("right arm 25 % slower in three starts of ten", _draw_modes(0, 0.3, 0.25), 0.2),
    Scenario("right arm 8 % slower in one start of two", _draw_modes(0, 0.5, 0.08), 0.2),
    Scenario("both arms 25 % slower in one start of ten", _draw_modes(0.1, 0.1, 0.25), 0.2),
    Scenario("both arms 25 % slower in three starts of ten", _draw_modes(0.3, 0.3, 0.25), 0.2),
    Scenario("drift in a session: 1 % a pair, 0.5 % a block at random", _draw_blocks(0.005, 0.01), 0.2),
    Scenario("sessions of ten pairs, machine ±5 %", draw_sessions(0.05, 0.0), 0.2),
    Scenario(
        "sessions of ten pairs, ratio ±0.3 %",
        draw_sessions(0.05, 0.003),
        0.2,
        withheld=("slower", "equivalent"),
    ),
    Scenario("correlation 0.2, 0.2 assumed", _draw_correlated(0.2), 0.2, exact=True),
    Scenario("correlation 0.5, 0.5 assumed", _draw_correlated(0.5), 0.5),
    Scenario("correlation 0.5, 0.2 assumed", _draw_correlated(0.5), 0.2, withheld=("slower", "equivalent", "coverage")),
    Scenario("order effect of 3 %, one input", _draw_blocks(order=0.03)),
    Scenario("order effect of 3 %, sixteen inputs", _draw_inputs),
    Scenario("clock steps of 2 % of a block", _draw_blocks(quantum=0.02)),
    Scenario("clock steps of 5 % of a block, processes alike", _draw_blocks(quantum=0.05, process_sd=0.0005)),
)
