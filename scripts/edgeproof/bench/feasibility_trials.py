"""Whether a replay predicts memory rightly: a trace is recorded while variants are swapped for real and a neighbour
comes and goes, and replayed.

The replay says at each line of the trace what is free without us and which variant would fit. The next line says what
then happened. What the neighbour does in between nobody can know, so swaps during which it moved are told apart.
"""

import json
import random
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from edgeproof.adaptation.state_stream import read_line
from edgeproof.adaptation.trace_replay import Conditions, Step, replay_trace
from edgeproof.adaptation.traces import read_trace
from edgeproof.core.configuration import Json
from edgeproof.core.files import atomic_write
from edgeproof.runtime.device_state import ProcessReader, StateReader
from edgeproof.runtime.feasibility import Limits
from edgeproof.runtime.selection import MaximizeAccuracy
from edgeproof.runtime.variant_choice import Chooser
from edgeproof.runtime.variants import ModelFamily, VariantMetadata

from .bench_machine import describe_bench_machine
from .memory_holders import Holder, start_holder

FOOTPRINTS_MB = (20.0, 80.0, 250.0)
_NEIGHBOUR_MB = (0.0, 100.0, 300.0)
_ROOM_MB = 300.0  # the reserve leaves so much beside what is free at the start: some variants fit, some do not
_SEED = 0


class World(Protocol):
    """The machine of a trial."""

    def read(self) -> Json:
        """Return its state with our own share, as a line of a trace."""
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


def measure_feasibility(swaps: int, settle_s: float, trace: Path) -> Json:
    """Return the `bench-feasibility` document of trials on this machine, whose trace is written to a file.

    `settle_s`: between a swap and its reading.
    """
    with start_holder() as own, start_holder() as neighbour:
        world = _ThisMachine(own, neighbour, lambda: time.sleep(settle_s))
        return {"machine": describe_bench_machine(), "settle_s": settle_s, **try_swaps(world, swaps, trace)}


def try_swaps(world: World, swaps: int, trace: Path) -> Json:
    """Run the trials of feasibility: record a trace of so many swaps in a world and replay it.

    Returns the rest of a `bench-feasibility` document.
    """
    draw, moves = random.Random(_SEED), list[tuple[float, bool]]()
    lines = [world.read()]
    for _ in range(swaps):
        footprint, moved = draw.choice(FOOTPRINTS_MB), draw.random() < 0.5
        world.swap(footprint)
        if moved:
            world.move_neighbour(draw.choice(_NEIGHBOUR_MB))
        moves.append((footprint, moved))
        lines.append(world.read())
    atomic_write(trace, "".join(json.dumps(line) + "\n" for line in lines))
    base, reserve = lines[0]["own"]["memory_mb"], lines[0]["available_ram_mb"] - _ROOM_MB
    done = _predict(_replay(trace, base, reserve), moves, base, reserve, [line["available_ram_mb"] for line in lines])
    at_rest, moving = ([swap for swap in done if swap.moved == moved] for moved in (False, True))
    return {
        "schema": "edgeproof.bench-feasibility.v2",
        "swaps": swaps,
        "seed": _SEED,
        "footprints_mb": list(FOOTPRINTS_MB),
        "reserve_mb": reserve,
        "at_rest": _summarise(at_rest),
        "neighbour_moved": _summarise(moving),
    }


def _replay(trace: Path, base_mb: float, reserve_mb: float) -> Sequence[Step]:
    """Return the steps of a replay over variants of all footprints. `base_mb`: of our process without a variant."""
    family = ModelFamily("footprints")
    for footprint in FOOTPRINTS_MB:
        known = VariantMetadata(memory_footprint_mb=base_mb + footprint)
        family.add_variant(f"{footprint:g}", f"{footprint:g}.onnx", "low", metadata=known)
    chooser = Chooser(family, MaximizeAccuracy(), limits=Limits(ram_reserve_mb=reserve_mb))
    return list(replay_trace(chooser, read_trace(trace, {}), Conditions()))


def _predict(
    steps: Sequence[Step],
    moves: Sequence[tuple[float, bool]],
    base_mb: float,
    reserve_mb: float,
    available_mb: Sequence[float],
) -> list[_Swap]:
    """Return each swap beside what the replay said of its variant at the line before it."""
    done: list[_Swap] = []
    for step, (footprint, moved), after in zip(steps, moves, available_mb[1:], strict=False):
        predicted = next(one.feasible for one in step.choice.verdicts if one.name == f"{footprint:g}")
        error = after - (step.free_mb - base_mb - footprint)
        done.append(_Swap(error, moved, predicted, after >= reserve_mb))
    return done


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

    def read(self) -> Json:
        self._settle()
        return read_line(self._reader, self._process, None)

    def swap(self, footprint_mb: float) -> None:
        self._own.hold(footprint_mb)

    def move_neighbour(self, megabytes: float) -> None:
        self._neighbour.hold(megabytes)
