"""How the processes of a placed pipeline work side by side: a step runs as soon as its inputs are there.

Whoever has run a step tells those whose steps come before or after it: their input is there, or what they made has been
read and its place is free. So one input may be on several executors at a time, and several inputs in the pipeline.
Every tensor is kept for as many inputs as the placement says (`depth`).
"""

from __future__ import annotations

import os
import select
from typing import Dict, List, NamedTuple, Optional, Set

import numpy

from .failures import NoVerdict
from .handover import CALLER, Crew, pass_turn
from .placement_specs import Overlap, OverlappingPlaced, ServeSpec
from .specs import Array

_BUFFER = 4096


class Neighbours(NamedTuple):
    """Per step the steps before and after it; the caller is two more: `given` hands the input in, `taken` reads the
    output.
    """

    before: List[Set[int]]
    after: List[Set[int]]
    given: int
    taken: int


def list_neighbours(spec: OverlappingPlaced, overlap: Overlap) -> Neighbours:
    """Return which steps come before and after each step in the flow of inputs through a placement."""
    count = len(spec["steps"])
    given, taken = count, count + 1
    before: List[Set[int]] = [set() for _ in range(count + 2)]
    after: List[Set[int]] = [set() for _ in range(count + 2)]
    makers = {tensor: number for number, step in enumerate(spec["steps"]) for _, tensor in step["outputs"]}
    reads = [[tensor for _, tensor in step["inputs"]] for step in spec["steps"]] + [[], list(overlap["taken"])]
    for reader, tensors in enumerate(reads):
        for tensor in tensors:
            maker = makers.get(tensor, given)
            before[reader].add(maker)
            after[maker].add(reader)
    return Neighbours(before, after, given, taken)


class Duty:
    """Which of its own steps a process has to run next. `done`: how often each step has run, as far as it was told."""

    def __init__(self, spec: ServeSpec, overlap: Overlap, own: List[int]) -> None:
        self._own, self._turn, self._place = sorted(own), spec["turn"], 0
        self._overlap = overlap
        self._around = around = list_neighbours(spec, overlap)
        self.done = [0] * (around.taken + 1)
        homes = [step["executor"] for step in spec["steps"]] + [CALLER, CALLER]
        self._told: Dict[int, List[int]] = {}
        for number in own:
            names = {homes[other] for other in around.before[number] | around.after[number]} - {spec["executor"]}
            self._told[number] = [spec["others"][name] for name in sorted(names)]
        os.set_blocking(self._turn, False)

    def next_step(self) -> Optional[int]:
        """Return the own step that can run now; None where one has to wait."""
        self._listen()
        if self._overlap["in_order"]:
            number = self._own[self._place]
            return number if self._is_ready(number) else None
        ready = [number for number in self._own if self._is_ready(number)]
        return min(ready, key=lambda number: (self.done[number], number)) if ready else None

    def wait(self) -> bool:
        """Sleep until there is news; return False at the end of the pipe."""
        select.select([self._turn], [], [])
        return self._listen()

    def finish(self, number: int) -> None:
        """Note that a step has run, and tell those around it."""
        self.done[number] += 1
        self._place = (self._place + 1) % len(self._own)
        for descriptor in self._told[number]:
            pass_turn(descriptor, number)

    def _is_ready(self, number: int) -> bool:
        turn, depth = self.done[number], self._overlap["depth"]
        return all(self.done[other] > turn for other in self._around.before[number]) and all(
            self.done[other] > turn - depth for other in self._around.after[number]
        )

    def _listen(self) -> bool:
        try:
            data = os.read(self._turn, _BUFFER)
        except BlockingIOError:
            return True
        for number in numpy.frombuffer(data, "<i4"):
            self.done[number] += 1
        return bool(data)


class Flow(Crew):
    """The processes of a placement that work side by side; `overlap`, which is in `spec` too, says how."""

    def __init__(self, spec: OverlappingPlaced, overlap: Overlap) -> None:
        self._around = list_neighbours(spec, overlap)
        self._depth = overlap["depth"]
        self.done = [0] * (self._around.taken + 1)
        super().__init__(spec)
        homes = [step["executor"] for step in spec["steps"]]
        self._first_pipes = self._list_pipes(homes, self._around.after[self._around.given])
        self._last_pipes = self._list_pipes(homes, self._around.before[self._around.taken])

    def run(self) -> None:
        """Let one input, which is in the area, run through; nothing else is in the pipeline."""
        self.admit()
        while not self.has_result():
            self.await_news()
        self.take()

    def may_admit(self) -> bool:
        """Return whether the place of the next input is free."""
        turn = self.done[self._around.given]
        return all(self.done[step] > turn - self._depth for step in self._around.after[self._around.given])

    def admit(self) -> None:
        """Say that the next input is in the area, at `slot_in`."""
        self._tell(self._around.given, self._first_pipes)

    def has_result(self) -> bool:
        """Return whether the next output is in the area, at `slot_out`."""
        turn = self.done[self._around.taken]
        return all(self.done[step] > turn for step in self._around.before[self._around.taken])

    def take(self) -> None:
        """Say that the output was read."""
        self._tell(self._around.taken, self._last_pipes)

    def await_news(self) -> None:
        """Sleep until a step that the caller waits for has run."""
        turn = self._await_turn()
        if turn is None or turn < 0:
            raise NoVerdict("agent_error", "the pipeline answered {} where a step was due".format(turn))
        self.done[turn] += 1

    @property
    def slot_in(self) -> Dict[str, Array]:
        """The tensors of the next input to admit."""
        return self.area.slots[self.done[self._around.given] % self._depth]

    @property
    def slot_out(self) -> Dict[str, Array]:
        """The tensors of the next output to take."""
        return self.area.slots[self.done[self._around.taken] % self._depth]

    def _list_pipes(self, homes: List[str], steps: Set[int]) -> List[int]:
        names = sorted({homes[step] for step in steps if step < len(homes)})
        return [self._pipes[name][1] for name in names]

    def _tell(self, number: int, pipes: List[int]) -> None:
        self.done[number] += 1
        for descriptor in pipes:
            pass_turn(descriptor, number)
