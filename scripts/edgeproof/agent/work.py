"""`work`: one of the two live processes of a pair. It does what the session tells it, and is stopped in between.

Commands come in and answers go out as lines of JSON through two pipes, so that nothing that a runtime prints gets
between them. After each answer the process stops itself (SIGSTOP) until the session continues it (SIGCONT): the
runtime's threads, which may spin for a while after a call, then cost the other arm nothing. It stops itself because the
session would come late on a busy machine; the session waits until it is stopped before the other arm goes on.

The commands, by `do`: `cold`, `warm`, `plan` (the layout, see `blocks.Plan`), `block` (number of the block pair),
`alone` (number of the stretch, block pair that it stands before) and `end`.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import signal
import sys
import time
from typing import Any, Dict, List, Optional

import numpy

from .backends.opening import open_backend
from .blocks import STRETCH, list_inputs
from .environment import name_provenance
from .failures import NoVerdict, Verdict
from .inference import describe_runtime, inference_failures, join_batches, read_mix
from .looping import count_usage, time_samples, time_turns
from .memory import peak_memory_bytes
from .specs import Array, Call, Report, WorkSpec
from .timing import clock_quantum_ns, slow_down, time_block, time_calls, timer_cost_ns, typical_per_input


def work_for_session(spec: WorkSpec, out: str) -> None:
    """Do the work of one live process of a pair: load the arm, and obey the session until it says `end`.

    At the end `out` has `blocks.npy` and `alone.npy`, both int64 nanoseconds per sample: shape (block pairs, samples)
    and (stretches, blocks, samples).
    """
    os.setpgid(
        0, 0
    )  # elsewhere than on Linux, the kernel hangs up a stopped group when nobody can continue it any more
    line = _Line(spec)
    try:
        arm = LiveArm(spec)
        command = line.answer(arm.describe())
        while command["do"] != "end":
            command = line.answer(arm.obey(command))
        arm.save(out)
        line.send(arm.finish())
    except Verdict as verdict:
        line.send({"failed": {"kind": verdict.kind, "message": str(verdict)}})
    except NoVerdict as error:
        line.send({"no_verdict": {"kind": error.kind, "message": str(error)}})


class _Line:
    """The pipes to the session, and the stop between an answer and the next command."""

    def __init__(self, spec: WorkSpec) -> None:
        self._commands = os.fdopen(spec["commands"], "r", encoding="utf-8")
        self._answers = spec["answers"]
        self._parent = spec["parent"]
        # An interpreter that is a script may start Python as a child; the session could not wait for its stops.
        self._stops = os.getppid() == self._parent

    def answer(self, answer: Report) -> Report:
        """Send an answer, stop, and return the next command when the session continues us."""
        self.send(dict(answer, stops=self._stops))
        if self._stops:
            if os.getppid() != self._parent:
                sys.exit(1)  # it ended before we asked to die with it
            os.kill(os.getpid(), signal.SIGSTOP)
        command = self._commands.readline()
        if not command:
            sys.exit(1)  # the session is gone
        return json.loads(command)

    def send(self, answer: Report) -> None:
        """Send an answer."""
        data = json.dumps(answer).encode() + b"\n"
        while data:
            data = data[os.write(self._answers, data) :]


class LiveArm:
    """An arm with its artifact loaded, which runs blocks. Every command returns its answer."""

    def __init__(self, spec: WorkSpec) -> None:
        self._spec = spec
        self._feeds, available = read_mix(spec["inputs"], spec["protocol"])
        self._report: Report = {
            "pid": os.getpid(),
            "inputs": len(self._feeds),
            "inputs_available": available,
            "memory_baseline_bytes": peak_memory_bytes(),
        }
        start = time.perf_counter_ns()
        self._backend = open_backend(spec["arm"])
        self._looper = self._backend.looper
        if self._looper:
            self._looper.begin(spec["inputs"], spec["protocol"])
        self._report["load_ns"] = time.perf_counter_ns() - start - self._backend.import_ns
        self._report["import_ns"] = self._backend.import_ns
        self._simulator = self._backend.simulator
        self._calls: List[Call] = []
        self._turns: List[Call] = []  # the same, while another arm takes turns
        self._layout: Dict[str, int] = {}
        self._blocks: Optional[Array] = None
        self._windows: Optional[Array] = None  # when each alternated block began and ended
        self._alone: Optional[Array] = None
        self._usage = resource.getrusage(resource.RUSAGE_SELF)

    def describe(self) -> Report:
        """Return what loading has shown."""
        return dict(self._report, memory_peak_bytes=self._peak_memory())

    def obey(self, command: Dict[str, Any]) -> Report:
        """Do what a command says; a runtime's exception becomes a Verdict."""
        with inference_failures():
            if command["do"] == "cold":
                return self.run_cold()
            if command["do"] == "warm":
                return self.warm_up()
            if command["do"] == "plan":
                return self.prepare(command)
            if command["do"] == "block":
                return self.run_block(command["block"])
            return self.run_alone(command["stretch"], command["block"])

    def run_cold(self) -> Report:
        """Bind all inputs, run the first inference and time it."""
        if self._looper:
            self._report["cold_first_inference_ns"] = int(self._looper.time_block([0])[0])
            return {"memory_peak_bytes": self._peak_memory()}
        self._calls = [self._backend.bind(feed) for feed in join_batches(self._feeds, self._backend)]
        start = time.perf_counter_ns()
        made = self._calls[0]()
        cold_ns = time.perf_counter_ns() - start
        self._backend.restore(made)  # what does not fit the model's layout fails here
        if self._simulator:
            cold_ns = self._simulator.simulate(self._spec["slot"], self._spec["protocol"], 1).cold_ns
        self._report["cold_first_inference_ns"] = cold_ns
        return {"memory_peak_bytes": peak_memory_bytes()}

    def warm_up(self) -> Report:
        """Warm up over the inputs in turn; return the typical time of each, and what the clock costs and resolves."""
        protocol, slowdown = self._spec["protocol"], self._spec["arm"].get("injected_slowdown")
        if slowdown:
            self._calls = slow_down(self._calls, slowdown)
        interference = self._spec["arm"].get("injected_interference")
        self._turns = slow_down(self._calls, interference) if interference else self._calls
        gc.collect()
        gc.disable()
        if self._looper:
            asked = protocol["warmup_runs"], int(protocol["warmup_seconds"] * 1e9)
            warm = time_turns(self._looper, len(self._feeds), *asked).tolist()
            timer, quantum = 0, 1  # the program's own clock, of which we know nothing
        elif self._simulator:
            inputs = numpy.arange(2 * len(self._feeds)) % len(self._feeds)
            warm = self._simulate(-1, inputs, False).tolist()
            timer = quantum = 0
        else:
            warm = time_calls(self._calls, protocol["warmup_runs"], int(protocol["warmup_seconds"] * 1e9), 1)
            timer, quantum = timer_cost_ns(), clock_quantum_ns()
        self._report.update(warmup_runs=len(warm), warmup_ns=sum(warm), timer_cost_ns=timer, quantum_ns=quantum)
        typical = typical_per_input(warm, len(self._feeds))
        wall = sum(warm[len(warm) // 2 :]) / (len(warm) - len(warm) // 2)
        return {"per_input_ns": typical, "wall_ns": wall, "timer_cost_ns": timer, "quantum_ns": quantum}

    def prepare(self, layout: Dict[str, int]) -> Report:
        """Make room for the times of all blocks, so that no page of memory is had between them."""
        self._layout = layout
        self._blocks = numpy.full((layout["block_pairs"], layout["samples"]), -1, "int64")
        self._windows = numpy.zeros((layout["block_pairs"], 2), "int64")
        self._alone = numpy.full((layout["stretches"], STRETCH, layout["samples"]), -1, "int64")
        self._usage = resource.getrusage(resource.RUSAGE_SELF)
        return {}

    def run_block(self, block: int) -> Report:
        """Time one alternated block."""
        assert self._blocks is not None and self._windows is not None
        inputs, start = self._list_inputs(block, 1)[0], time.perf_counter_ns()
        self._time(block, inputs, self._blocks[block], True)
        self._windows[block] = start, time.perf_counter_ns()
        return {}

    def run_alone(self, stretch: int, block: int) -> Report:
        """Time a stretch of blocks without a stop between them; it stands before an alternated block."""
        assert self._alone is not None
        for number, inputs in enumerate(self._list_inputs(block, STRETCH)):
            self._time(-10 * (stretch + 1) - number, inputs, self._alone[stretch, number], False)
        return {}

    def save(self, out: str) -> None:
        """Write the raw times into a folder."""
        assert self._blocks is not None and self._alone is not None and self._windows is not None
        numpy.save(os.path.join(out, "windows.npy"), self._windows)
        numpy.save(os.path.join(out, "blocks.npy"), self._blocks)
        numpy.save(os.path.join(out, "alone.npy"), self._alone)

    def finish(self) -> Report:
        """Return what is known at the end."""
        now, before = resource.getrusage(resource.RUSAGE_SELF), self._usage
        peak = self._peak_memory()
        self._report.update(
            provenance=name_provenance(bool(self._simulator)),
            runtime=describe_runtime(self._backend),
            latency_definition=self._backend.definition(),
            memory_peak_bytes=peak,
            context_switches_voluntary=now.ru_nvcsw - before.ru_nvcsw,
            context_switches_involuntary=now.ru_nivcsw - before.ru_nivcsw,
            cpu_ns=int((now.ru_utime + now.ru_stime - before.ru_utime - before.ru_stime) * 1e9),
        )
        if self._looper:
            self._looper.end()
            self._report.update(count_usage())
        return self._report

    def _peak_memory(self) -> int:
        return self._looper.peak_memory() if self._looper else peak_memory_bytes()

    def _list_inputs(self, block: int, blocks: int) -> Array:
        return list_inputs(block, blocks, self._layout["samples"], self._layout["inputs"])

    def _time(self, number: int, inputs: Array, samples: Array, alternated: bool) -> None:
        if self._simulator:
            samples[:] = self._simulate(number, inputs, alternated) * self._layout["calls_per_sample"]
            return
        indices: List[int] = inputs.tolist()
        if self._looper:
            layout = self._layout
            samples[:] = time_samples(self._looper, indices, layout["untimed_calls"], layout["calls_per_sample"])
            return
        calls = [(self._turns if alternated else self._calls)[index] for index in indices]
        time_block(calls, self._layout["untimed_calls"], self._layout["calls_per_sample"], samples)

    def _simulate(self, block: int, inputs: Array, alternated: bool) -> Array:
        assert self._simulator
        slowdown = self._spec["arm"].get("injected_slowdown", 0.0)
        samples = self._simulator.simulate_block(self._spec["slot"], block, inputs, alternated)
        interference = self._spec["arm"].get("injected_interference", 0.0) if alternated else 0.0
        return (samples * (1 + slowdown) * (1 + interference)).astype("int64")
