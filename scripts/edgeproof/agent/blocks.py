"""How a pair is laid out: how many blocks, how long, which inputs, which arm first, and where one arm runs alone.

Nothing here touches a clock or a process; `driving` does what the plan says.
"""

from __future__ import annotations

import math
import random
from typing import Dict, List, NamedTuple, Optional, Sequence

import numpy

from .specs import Array, Protocol
from .timing import calls_per_sample

ARMS = ("left", "right")
# Blocks of a stretch in which one arm runs alone. A reader drops the first half.
STRETCH = 10
# With so many alternated block pairs goes one stretch alone: every fifth stretch.
BLOCK_PAIRS_PER_STRETCH = 4 * STRETCH
FEWEST_BLOCK_PAIRS = 10

_FEWEST_CALLS = 3
_UNTIMED_SHARE = 0.2
_FEWEST_UNTIMED = 2
_SWITCH_NS = 300_000  # to stop one process and wake the other (measured: 0.1 to 0.3 ms)


class Timing(NamedTuple):
    """What the warm-up of an arm showed, in nanoseconds. `per_input_ns`: typical time of a call for each input;
    `wall_ns`: what a call took on average, interruptions included; the clock's own cost and step.
    """

    per_input_ns: Sequence[float]
    wall_ns: float
    timer_cost_ns: int
    quantum_ns: int

    @property
    def mean_ns(self) -> float:
        """Typical time of a call over the mix of inputs."""
        return sum(self.per_input_ns) / len(self.per_input_ns)


class Alone(NamedTuple):
    """A stretch of `STRETCH` blocks in which `arm` runs alone, before block pair `before_block`."""

    arm: str
    before_block: int


class Plan(NamedTuple):
    """The layout of one pair, the same for both arms.

    A block has `samples` samples after `untimed_calls` calls; a sample spans `calls_per_sample` calls with one input.
    `inputs`: how many inputs the cursor goes through. `first`: the arm that runs first, per block pair. `reduced`: what
    is less than asked so that the pair keeps to its time, in words; None if nothing is. A pair that takes longer all
    the same may end after `fewest_block_pairs`.
    """

    block_pairs: int
    samples: int
    calls_per_sample: int
    untimed_calls: int
    inputs: int
    first: List[str]
    alone: List[Alone]
    reduced: Optional[str]
    fewest_block_pairs: int


class StretchSchedule:
    """Spreads the stretches alone over the pairs of a session: one per 40 alternated block pairs, the arms in turn."""

    def __init__(self, draw: random.Random) -> None:
        self._due, self._arms = 0.0, draw.sample(ARMS, 2)

    def place(self, block_pairs: int) -> List[Alone]:
        """Return the stretches of the next pair, each in the middle of its share of the alternated blocks."""
        self._due += block_pairs / BLOCK_PAIRS_PER_STRETCH
        count = int(self._due + 1e-9)
        self._due -= count
        stretches = [
            Alone(self._arms[number % 2], int((number + 0.5) * block_pairs / count)) for number in range(count)
        ]
        if count % 2:
            self._arms.reverse()
        return stretches

    def put_back(self, stretches: List[Alone]) -> None:
        """Take back stretches that were not run: the next pair has them."""
        self._due += len(stretches)
        if len(stretches) % 2:
            self._arms.reverse()


def draw_order(draw: random.Random, count: int) -> List[str]:
    """Return the random order of a pair's blocks: whose comes first in each of `count`, each arm once in any two."""
    order: List[str] = []
    while len(order) < count:
        order.extend(draw.sample(ARMS, 2))
    return order[:count]


def plan_blocks(
    timings: Dict[str, Timing],
    protocol: Protocol,
    spent_s: float,
    draw: random.Random,
    schedule: StretchSchedule,
    inputs_are_fixed: bool = False,
) -> Plan:
    """Return the layout of a pair whose loading and warming took `spent_s` seconds.

    `timings`: of both arms, over the inputs that the pair is to go through; where one has fewer, so many of both.
    `inputs_are_fixed`: earlier pairs went through as many, and all pairs of a comparison have to go through the same.
    """
    asked_inputs = min(len(timing.per_input_ns) for timing in timings.values())
    calls = max(
        calls_per_sample(
            max(timing.timer_cost_ns, timing.quantum_ns), min(timing.per_input_ns), protocol["max_timer_share"]
        )
        for timing in timings.values()
    )
    fastest_ns = min(timing.mean_ns for timing in timings.values())
    block_ns = protocol.get("block_seconds", 0.01) * 1e9
    samples = max(math.ceil(_FEWEST_CALLS / calls), math.ceil(block_ns / (calls * fastest_ns)))
    untimed = max(_FEWEST_UNTIMED, math.ceil(_UNTIMED_SHARE * samples * calls))
    both_ns = sum(max(timing.mean_ns, timing.wall_ns) for timing in timings.values())
    # Each block pair brings its share of a stretch alone.
    alternated = 1 + STRETCH / (2 * BLOCK_PAIRS_PER_STRETCH)
    cost_ns = alternated * ((samples * calls + untimed) * both_ns + 2 * _SWITCH_NS)
    fitting = int((pair_seconds(protocol) - spent_s) * 1e9 / cost_ns)
    asked = protocol.get("block_pairs", 40)
    block_pairs = _make_even(max(FEWEST_BLOCK_PAIRS, min(asked, fitting)))
    inputs = asked_inputs
    if not inputs_are_fixed:
        inputs = max(1, min(asked_inputs, block_pairs * samples // 2))
    fewest = FEWEST_BLOCK_PAIRS
    while fewest * samples < 2 * inputs:  # each input is seen twice
        fewest += 2
    block_pairs = max(block_pairs, fewest)
    reductions = [_say_reduction(block_pairs, asked, "block pairs"), _say_reduction(inputs, asked_inputs, "inputs")]
    return Plan(
        block_pairs,
        samples,
        calls,
        untimed,
        inputs,
        draw_order(draw, block_pairs),
        schedule.place(block_pairs),
        "; ".join(filter(None, reductions)) or None,
        fewest,
    )


def cut_plan(plan: Plan, block_pairs: int) -> Plan:
    """Return the plan of blocks as it was run, when a pair ended after `block_pairs` because its time was over."""
    alone = [stretch for stretch in plan.alone if stretch.before_block < block_pairs]
    reduced = "{} of {} planned block pairs".format(block_pairs, plan.block_pairs)
    words = reduced if plan.reduced is None else "{}; {}".format(plan.reduced, reduced)
    return plan._replace(block_pairs=block_pairs, first=plan.first[:block_pairs], alone=alone, reduced=words)


def pair_seconds(protocol: Protocol) -> float:
    """Return how many seconds the blocks of a pair are laid out for, with loading: the protocol's `pair_seconds`."""
    return protocol.get("pair_seconds", 5.0)


def list_inputs(first_block: int, blocks: int, samples: int, inputs: int) -> Array:
    """Return which input each sample of a pair's blocks has: shape (blocks, samples), uint16.

    They are `blocks` blocks from `first_block` on; the cursor goes on from block to block.
    """
    places = numpy.arange(first_block * samples, (first_block + blocks) * samples)
    return (places % inputs).astype("uint16").reshape(blocks, samples)


def _say_reduction(now: int, before: int, name: str) -> Optional[str]:
    return "{} of {} {}".format(now, before, name) if now < before else None


def _make_even(count: int) -> int:
    return count - count % 2 if count > FEWEST_BLOCK_PAIRS else FEWEST_BLOCK_PAIRS
