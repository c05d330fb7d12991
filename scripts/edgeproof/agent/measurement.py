"""`measure`: one fresh process that loads an artifact, runs it cold, warms up and times it.

The unit of repetition is this process (docs/method.md).
"""

from __future__ import annotations

import gc
import json
import os
import resource
import time
from array import array
from typing import Callable, List, Optional, Tuple

import numpy

from .backends.backend import Backend, Simulator
from .backends.opening import open_backend
from .environment import name_provenance
from .failures import NoVerdict, Verdict
from .inference import describe_runtime, inference_failures, join_batches, read_mix, run_one, save_outputs
from .load import LoadCurve, read_hottest, window_seconds
from .looping import measure_looper
from .memory import peak_memory_bytes
from .neighbour import Neighbour
from .processing import Processed
from .specs import Array, BetweenCalls, Definition, Feed, Load, Outputs, ProcessSpec, Report
from .timing import calls_per_sample, clock_quantum_ns, slow_down, time_calls, timer_cost_ns, typical_per_input


def measure_process(spec: ProcessSpec, out: str) -> None:
    """Do the measurement of one fresh process: fill `out` with `process.json`, `samples.npy` (int64 nanoseconds per
    sample) and `inputs.npy` (uint16, the input of each sample).

    `spec`: arm, inputs (npz), protocol, slot (number of this process in the session). The timed loop goes through the
    first samples of the inputs in turn, as many as the protocol says, and through each at least once; the cold
    inference has the first, whose outputs are kept. A Verdict is recorded as status `failed`; NoVerdict passes through.
    """
    report: Report = {"status": "ok", "reason": None, "pid": os.getpid(), "provenance": name_provenance(False)}
    try:
        feeds, available = read_mix(spec["inputs"], spec["protocol"])
        report.update(inputs=len(feeds), inputs_available=available)
        report["memory_baseline_bytes"] = peak_memory_bytes()
        start = time.perf_counter_ns()
        backend = open_backend(spec["arm"])
        if backend.looper:
            backend.looper.begin(spec["inputs"], spec["protocol"])
        report["load_ns"] = time.perf_counter_ns() - start - backend.import_ns
        report["import_ns"] = backend.import_ns
        outputs_file = os.path.join(out, "outputs.npz")
        outputs: Optional[Outputs] = None
        if backend.looper:
            samples = measure_looper(backend.looper, len(feeds), spec["protocol"], outputs_file, report)
        elif backend.simulator:
            samples = _simulate(backend.simulator, spec, len(feeds), report)
            outputs = run_one(backend, feeds[0])
        else:
            outputs, timed = _measure(backend, feeds, spec, report)
            samples = numpy.frombuffer(timed, "int64")
        report["runtime"] = describe_runtime(backend)
        report["latency_definition"] = define_boundary(backend.definition(), spec["arm"].get("between_calls"))
        if backend.step_clock:
            report["placed"] = backend.step_clock.describe_steps(report["samples"] * report["calls_per_sample"])
        numpy.save(os.path.join(out, "samples.npy"), samples)
        numpy.save(os.path.join(out, "inputs.npy"), (numpy.arange(len(samples)) % len(feeds)).astype("uint16"))
        if outputs is not None:
            save_outputs(backend, outputs, feeds[0], out)
            report["memory_peak_bytes"] = peak_memory_bytes()
        if spec["slot"] == 0:  # costs a second load, after everything that is measured
            with inference_failures():
                report["accelerator"] = backend.prove_use(join_batches(feeds, backend)[0], out)
    except Verdict as verdict:
        report.update(status="failed", reason={"kind": verdict.kind, "message": str(verdict)})
    with open(os.path.join(out, "process.json"), "w", encoding="utf-8") as stream:
        json.dump(report, stream, indent=2)


def define_boundary(definition: Definition, between_calls: Optional[BetweenCalls]) -> Definition:
    """Return the boundary of a measurement's times: the backend's definition, and what happens between timed calls."""
    if not between_calls:
        return definition
    words = "{}; before each, another process had the machine for {:g} ms and swept {:g} MB".format(
        definition["boundary"], between_calls["busy_ms"], between_calls["sweep_mb"]
    )
    changed = definition.copy()
    changed["boundary"] = words
    return changed


def _measure(backend: Backend, feeds: List[Feed], spec: ProcessSpec, report: Report) -> Tuple[Outputs, array[int]]:
    """Time the backend; with `between_calls` in the arm, a neighbour has the machine before every timed call."""
    between_calls = spec["arm"].get("between_calls")
    if not between_calls:
        return _time_windows(backend, feeds, spec, report, None)
    neighbour = Neighbour(between_calls)
    try:
        return _time_windows(backend, feeds, spec, report, neighbour.take_turn)
    finally:
        neighbour.close()


def _time_windows(
    backend: Backend, feeds: List[Feed], spec: ProcessSpec, report: Report, before_each: Optional[Callable[[], None]]
) -> Tuple[Outputs, array[int]]:
    clock, arm, protocol = time.perf_counter_ns, spec["arm"], spec["protocol"]
    with inference_failures():
        joined = join_batches(feeds, backend)
        calls = [backend.bind(feed) for feed in joined]
        start = clock()
        cold = calls[0]()
        report["cold_first_inference_ns"] = clock() - start
        outputs = backend.restore(cold)
        if isinstance(backend, Processed):  # raw values are rounded: the outputs to check are those of the sample
            outputs = backend.run_sample(joined[0])
    gc.collect()
    gc.disable()
    warm = time_calls(calls, protocol["warmup_runs"], int(protocol["warmup_seconds"] * 1e9), 1, before_each)
    report["warmup_runs"] = len(warm)
    report["warmup_ns"] = sum(warm)
    slowdown = arm.get("injected_slowdown")
    if slowdown:
        calls = slow_down(calls, slowdown)
    report.update(timer_cost_ns=timer_cost_ns(), quantum_ns=clock_quantum_ns())
    clock_ns = max(report["timer_cost_ns"], report["quantum_ns"])
    per_sample = calls_per_sample(clock_ns, min(typical_per_input(warm, len(calls))), protocol["max_timer_share"])
    if before_each is not None and per_sample > 1:
        raise NoVerdict(
            "timer_too_coarse",
            "the call is too short for the clock, and calls that follow something else "
            "between them cannot be timed in batches",
        )
    before = resource.getrusage(resource.RUSAGE_SELF)
    report["window_started_at"] = time.time()
    report["window_start_ns"] = start = clock()
    at_least, load = max(protocol["min_samples"], len(calls)), protocol.get("load")
    if load:
        curve = LoadCurve(load, len(calls), at_least)
        window_ns = int(window_seconds(load) * 1e9)
        while not curve.over:
            times = time_calls(calls, curve.keep, window_ns, per_sample, before_each)
            curve.add(times, (clock() - start) / 1e9, read_hottest())
        samples, report["load"] = curve.samples, curve.describe()
    else:
        samples = time_calls(calls, at_least, int(protocol["min_seconds"] * 1e9), per_sample, before_each)
    report["window_ns"] = clock() - start
    after = resource.getrusage(resource.RUSAGE_SELF)
    gc.enable()
    report["calls_per_sample"] = per_sample
    report["samples"] = len(samples)
    report["context_switches_voluntary"] = after.ru_nvcsw - before.ru_nvcsw
    report["context_switches_involuntary"] = after.ru_nivcsw - before.ru_nivcsw
    report["cpu_ns"] = int((after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1e9)
    return outputs, samples


def _simulate(simulator: Simulator, spec: ProcessSpec, inputs: int, report: Report) -> Array:
    load_ns, cold, samples = simulator.simulate(spec["slot"], spec["protocol"], inputs)
    load = spec["protocol"].get("load")
    if load:
        samples = _simulate_load(simulator, spec, load, inputs, report)
    report.update(
        provenance="simulated",
        load_ns=load_ns,
        cold_first_inference_ns=cold,
        warmup_runs=spec["protocol"]["warmup_runs"],
        warmup_ns=int(spec["protocol"]["warmup_runs"] * samples[0]),
        timer_cost_ns=0,
        quantum_ns=0,
        calls_per_sample=1,
        samples=len(samples),
        window_ns=int(samples.sum()),
        window_started_at=0.0,
        window_start_ns=0,
        context_switches_voluntary=0,
        context_switches_involuntary=0,
        cpu_ns=0,
    )
    return samples


def _simulate_load(simulator: Simulator, spec: ProcessSpec, load: Load, inputs: int, report: Report) -> Array:
    """Simulate windows until the curve is over; a window has as many samples as are kept of it."""
    curve, length = LoadCurve(load, inputs, spec["protocol"]["min_samples"]), window_seconds(load)
    places, ended_s = numpy.arange(curve.keep) % inputs, 0.0
    while not curve.over:
        ended_s += length
        curve.add(array("q", simulator.simulate_load(spec["slot"], ended_s, places).tolist()), ended_s, None)
    report["load"] = curve.describe()
    return numpy.frombuffer(curve.samples, "int64")
