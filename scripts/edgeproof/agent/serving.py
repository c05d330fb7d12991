"""`serve`: one process of a placed pipeline, which runs the stages of one executor whenever it has the turn."""

from __future__ import annotations

import json
import os
import threading
import time
from typing import Any, Dict, List

import numpy

from .backends.backend import Backend
from .backends.definitions import define_latency
from .backends.opening import open_backend
from .failures import NoVerdict, Verdict
from .flow import Duty
from .handover import CALLER, FAILED, READY, Area, pass_turn, read_turn
from .neighbour import Sweep
from .placement_specs import EchoArm, ServeSpec, Step
from .specs import Array, Call, Definition, Feed, Outputs, Report


def serve_steps(spec: ServeSpec, out: str) -> None:
    """Serve the own steps of a placed pipeline (see `handover.Crew`): load them, say so, and run them until the caller
    has gone away.
    """
    threading.Thread(target=_end_with_caller, daemon=True).start()
    caller = spec["others"][CALLER]
    try:
        area = Area(spec["area"], spec)
        steps = {number: _Step(step) for number, step in enumerate(spec["steps"]) if _is_own(spec, step)}
        _write_report(spec, {"status": "ok", "runtimes": [step.describe() for step in steps.values()]})
        pass_turn(caller, READY)
        if "overlap" in spec:
            _work_side_by_side(Duty(spec, spec["overlap"], sorted(steps)), area, steps)
        else:
            _take_turns(spec, area, steps)
    except Verdict as verdict:
        _fail(spec, caller, verdict.kind, verdict, True)
    except NoVerdict as error:
        _fail(spec, caller, error.kind, error, False)
    except MemoryError as error:
        _fail(spec, caller, "out_of_memory", error, True)
    except Exception as error:
        _fail(spec, caller, "inference_failed", error, True)


class Echo(Backend):
    """Stands for a stage that makes nothing of its input, so that only the hand-over is left to be timed.

    A runtime that keeps images with their channels last has to rearrange what comes in and what goes out. With
    `busy_ms` in the arm it keeps the machine busy meanwhile, as a stage does: whoever is next has slept.
    """

    name, version = "echo", "1"
    import_ns = 0
    provider_requested = "none"
    providers_used = ("none",)

    def __init__(self, arm: EchoArm) -> None:
        self.inputs = []
        shape, self._last = arm["shape"], arm["channels_last"]
        stored = [shape[0], shape[2], shape[3], shape[1]] if self._last else shape
        value = numpy.ones(stored, "float32")
        self._value: Array = numpy.transpose(value, (0, 3, 1, 2)) if self._last else value
        self.outputs = [("y", "float32", shape)]
        self._sweep = Sweep(arm["busy_ms"], arm["sweep_mb"]) if arm["busy_ms"] else None

    def bind(self, feed: Feed) -> Call:
        value = feed["x"]
        if self._last:
            numpy.ascontiguousarray(numpy.transpose(value, (0, 2, 3, 1)))
        return self._call

    def restore(self, outputs: Outputs) -> Outputs:
        return outputs

    def definition(self) -> Definition:
        return define_latency("nothing", 0, False)

    def _call(self) -> List[Array]:
        if self._sweep is not None:
            self._sweep()
            self._value *= 1  # what a stage has just made is in its cache
        return [self._value]


class _Step:
    """One stage with its artifact loaded; `run` is the stage as the pipeline has it."""

    def __init__(self, step: Step) -> None:
        self._backend = _open_stage(step["arm"])
        self._inputs = step["inputs"]
        names = [name for name, _, _ in self._backend.outputs]
        wanted = dict(step["outputs"])
        if set(names) == set(wanted):
            self._outputs = [wanted[name] for name in names]
        else:  # converters rename; the order is kept
            self._outputs = [tensor for _, tensor in step["outputs"]]

    def made_here(self, area: Dict[str, Array]) -> List[str]:
        """Return the outputs that only steps of this process read."""
        return [tensor for tensor in self._outputs if tensor not in area]

    def describe(self) -> Dict[str, str]:
        return {"name": self._backend.name, "version": self._backend.version}

    def run(self, area: Dict[str, Array], local: Dict[str, Array], stamps: Array) -> None:
        feed = {name: local[tensor] if tensor in local else area[tensor] for name, tensor in self._inputs}
        call = self._backend.bind(feed)
        stamps[0] = time.perf_counter_ns()
        made = call()
        stamps[1] = time.perf_counter_ns()
        for tensor, value in zip(self._outputs, self._backend.restore(made)):
            local[tensor] = value
            if tensor in area:
                numpy.copyto(area[tensor], value)
        stamps[2] = time.perf_counter_ns()


def _open_stage(arm: Any) -> Backend:
    return Echo(arm) if arm["backend"] == "echo" else open_backend(arm)


def _take_turns(spec: ServeSpec, area: Area, steps: Dict[int, _Step]) -> None:
    executors = [step["executor"] for step in spec["steps"]] + [CALLER]
    local: Dict[str, Array] = {}  # a later step of the same input may read it after others had their turn
    while True:
        number = read_turn(spec["turn"])
        if number is None:
            return
        while number in steps:
            steps[number].run(area.tensors, local, area.stamps[number])
            number += 1
        pass_turn(spec["others"][executors[number]], number)


def _work_side_by_side(duty: Duty, area: Area, steps: Dict[int, _Step]) -> None:
    """Run own steps as soon as their inputs are there and what they made before has been read."""
    kept: List[Dict[str, Array]] = [{} for _ in area.slots]
    while True:
        number = duty.next_step()
        if number is None:
            if not duty.wait():
                return
            continue
        slot = duty.done[number] % len(kept)
        steps[number].run(area.slots[slot], kept[slot], area.stamps[number])
        if len(kept) > 1:  # the runtime may write the next output where this one is
            kept[slot].update({name: numpy.array(kept[slot][name]) for name in steps[number].made_here(area.tensors)})
        duty.finish(number)


def _is_own(spec: ServeSpec, step: Step) -> bool:
    return step["executor"] == spec["executor"]


def _fail(spec: ServeSpec, caller: int, kind: str, error: BaseException, verdict: bool) -> None:
    _write_report(spec, {"status": "failed", "verdict": verdict, "reason": {"kind": kind, "message": str(error)}})
    pass_turn(caller, FAILED)


def _write_report(spec: ServeSpec, report: Report) -> None:
    with open(spec["report"] + ".part", "w", encoding="utf-8") as stream:
        json.dump(report, stream)
    os.replace(spec["report"] + ".part", spec["report"])


def _end_with_caller() -> None:
    """End this process when the caller closes our standard input, or ends."""
    while os.read(0, 1):  # not sys.stdin: its lock, held by this thread, would stop Python from ending by itself
        pass
    os._exit(0)
