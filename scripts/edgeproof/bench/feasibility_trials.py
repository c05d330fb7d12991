"""Whether a replay predicts memory rightly: a variant is swapped for real while a neighbour comes and goes.

Before each swap the prediction is made as a replay makes it: what is free without us, less the footprint of the variant
that will run. Then it is swapped, and what is available is read. What the neighbour does in between nobody can know, so
swaps during which it moved are told apart.
"""

import random
import statistics
import time
from collections.abc import Callable
from typing import NamedTuple, Protocol

from edgeproof.core.configuration import Json
from edgeproof.runtime.device_state import ProcessReader, StateReader

from .judging_cost import describe_machine
from .memory_holders import Holder, start_holder

FOOTPRINTS_MB = (20.0, 80.0, 250.0)
_NEIGHBOUR_MB = (0.0, 100.0, 300.0)
_ROOM_MB = 300.0  # the reserve leaves so much beside what is free at the start: some variants fit, some do not
_SEED = 0


class World(Protocol):
    """The machine of a trial."""

    def read(self) -> tuple[float, float]:
        """Return MiB that are available and MiB that our process holds."""
        ...

    def swap(self, footprint_mb: float) -> None:
        """Run a variant of this footprint instead."""
        ...

    def move_neighbour(self, megabytes: float) -> None:
        """Let the neighbour hold so much from now on."""
        ...


class _Swap(NamedTuple):
    error_mb: float
    moved: bool
    predicted: bool  # whether the variant was predicted to fit
    happened: bool  # whether it then fitted


def measure_feasibility(swaps: int, settle_s: float) -> Json:
    """Return the `bench-feasibility` document of trials on this machine. `settle_s`: between a swap and its reading."""
    with start_holder() as own, start_holder() as neighbour:
        world = _ThisMachine(own, neighbour, lambda: time.sleep(settle_s))
        return {"machine": describe_machine(), "settle_s": settle_s, **try_swaps(world, swaps)}


def try_swaps(world: World, swaps: int) -> Json:
    """Return what trials in a world show, as the rest of a `bench-feasibility` document."""
    draw, done = random.Random(_SEED), list[_Swap]()
    available, base = world.read()
    reserve = available - _ROOM_MB
    for _ in range(swaps):
        available, own = world.read()
        free, footprint = available + own, draw.choice(FOOTPRINTS_MB)
        moved = draw.random() < 0.5
        world.swap(footprint)
        if moved:
            world.move_neighbour(draw.choice(_NEIGHBOUR_MB))
        after, held = world.read()
        wanted = base + footprint
        done.append(_Swap(after - (free - wanted), moved, free - reserve >= wanted, after + held - reserve >= wanted))
    at_rest, moving = ([swap for swap in done if swap.moved == moved] for moved in (False, True))
    return {
        "schema": "edgeproof.bench-feasibility.v1",
        "swaps": swaps,
        "seed": _SEED,
        "footprints_mb": list(FOOTPRINTS_MB),
        "reserve_mb": reserve,
        "at_rest": _summarise(at_rest),
        "neighbour_moved": _summarise(moving),
    }


def _summarise(swaps: list[_Swap]) -> Json:
    errors = sorted(abs(swap.error_mb) for swap in swaps)
    return {
        "swaps": len(swaps),
        "error_median_mb": statistics.median(errors) if errors else None,
        "error_max_mb": errors[-1] if errors else None,
        "predicted_to_fit": sum(swap.predicted for swap in swaps),
        "fitted": sum(swap.happened for swap in swaps),
        "wrong": sum(swap.predicted != swap.happened for swap in swaps),
    }


class _ThisMachine:
    def __init__(self, own: Holder, neighbour: Holder, settle: Callable[[], None]) -> None:
        self._own, self._neighbour, self._settle = own, neighbour, settle
        self._reader, self._process = StateReader(), ProcessReader(own.pid)

    def read(self) -> tuple[float, float]:
        self._settle()
        own = self._process.read()
        return self._reader.read().available_ram_mb, own.memory_mb if own is not None else 0.0

    def swap(self, footprint_mb: float) -> None:
        self._own.hold(footprint_mb)

    def move_neighbour(self, megabytes: float) -> None:
        self._neighbour.hold(megabytes)
