"""`measure`: one fresh process that loads an artifact, runs it cold, warms up and times it.

The unit of repetition is this process (docs/method.md). Times are integer nanoseconds of `time.perf_counter_ns`.
"""

import gc
import json
import os
import resource
import sys
import time
from array import array
from itertools import repeat

import numpy

from .backends.opening import open_backend
from .failures import NoVerdict, Verdict
from .inference import inference_failures, read_feeds, run_one
from .neighbour import Neighbour


def measure_process(spec, out):
    """Fill `out` with `process.json` and `samples.npy` (int64 nanoseconds per sample).

    `spec`: arm, inputs (npz; its first sample is the input), protocol, slot (number of this process in the session).
    A Verdict is recorded as status `failed`; NoVerdict passes through.
    """
    protocol = spec["protocol"]
    report = {"status": "ok", "reason": None, "pid": os.getpid(), "provenance": "measured"}
    try:
        feed = next(read_feeds(spec["inputs"], 1))
        report["memory_baseline_bytes"] = peak_memory_bytes()
        start = time.perf_counter_ns()
        backend = open_backend(spec["arm"])
        report["load_ns"] = time.perf_counter_ns() - start - backend.import_ns
        report["import_ns"] = backend.import_ns
        if hasattr(backend, "simulate"):
            samples = _simulate(backend, spec, report)
            outputs = run_one(backend, feed)
        else:
            outputs, samples = _measure(backend, feed, spec["arm"], protocol, report)
        report["runtime"] = {
            "name": backend.name,
            "version": backend.version,
            "execution_provider_requested": backend.provider_requested,
            "execution_providers_used": list(backend.providers_used),
        }
        report["latency_definition"] = define_boundary(backend.definition(), spec["arm"].get("between_calls"))
        if hasattr(backend, "describe_steps"):
            report["placed"] = backend.describe_steps(report["samples"] * report["calls_per_sample"])
        numpy.save(os.path.join(out, "samples.npy"), numpy.frombuffer(samples, "int64"))
        names = [name for name, _, _ in backend.outputs]
        numpy.savez(
            os.path.join(out, "outputs.npz"),
            **{"outputs/" + name: numpy.asarray(value) for name, value in zip(names, outputs)},
        )
        report["memory_peak_bytes"] = peak_memory_bytes()
    except Verdict as verdict:
        report.update(status="failed", reason={"kind": verdict.kind, "message": str(verdict)})
    with open(os.path.join(out, "process.json"), "w", encoding="utf-8") as stream:
        json.dump(report, stream, indent=2)


def define_boundary(definition, between_calls):
    """Return a backend's latency definition; what happens between calls is part of what is timed."""
    if not between_calls:
        return definition
    words = "{}; before each, another process had the machine for {:g} ms and swept {:g} MB".format(
        definition["boundary"], between_calls["busy_ms"], between_calls["sweep_mb"]
    )
    return dict(definition, boundary=words)


def _measure(backend, feed, arm, protocol, report):
    """Time the backend; with `between_calls` in the arm, a neighbour has the machine before every timed call."""
    if not arm.get("between_calls"):
        return _time_windows(backend, feed, arm, protocol, report, None)
    neighbour = Neighbour(arm["between_calls"])
    try:
        return _time_windows(backend, feed, arm, protocol, report, neighbour.take_turn)
    finally:
        neighbour.close()


def _time_windows(backend, feed, arm, protocol, report, before_each):
    clock = time.perf_counter_ns
    with inference_failures():
        call = backend.bind(feed)
        start = clock()
        cold = call()
        report["cold_first_inference_ns"] = clock() - start
        outputs = backend.restore(cold)
    gc.collect()
    gc.disable()
    warm = time_calls(call, protocol["warmup_runs"], int(protocol["warmup_seconds"] * 1e9), 1, before_each)
    report["warmup_runs"] = len(warm)
    report["warmup_ns"] = sum(warm)
    # The second half of the warm-up is the best guess of what is to come.
    typical_ns = sorted(warm[len(warm) // 2 :])[len(warm) // 4]
    if arm.get("injected_slowdown"):
        call = slow_down(call, int(arm["injected_slowdown"] * typical_ns))
    report["timer_cost_ns"] = timer_cost_ns()
    calls = calls_per_sample(report["timer_cost_ns"], typical_ns, protocol["max_timer_share"])
    if before_each is not None and calls > 1:
        raise NoVerdict(
            "timer_too_coarse",
            "the call is too short for the clock, and calls that follow something else "
            "between them cannot be timed in batches",
        )
    before = resource.getrusage(resource.RUSAGE_SELF)
    report["window_started_at"] = time.time()
    start = clock()
    samples = time_calls(call, protocol["min_samples"], int(protocol["min_seconds"] * 1e9), calls, before_each)
    report["window_ns"] = clock() - start
    after = resource.getrusage(resource.RUSAGE_SELF)
    gc.enable()
    report["calls_per_sample"] = calls
    report["samples"] = len(samples)
    report["context_switches_voluntary"] = after.ru_nvcsw - before.ru_nvcsw
    report["context_switches_involuntary"] = after.ru_nivcsw - before.ru_nivcsw
    report["cpu_ns"] = int((after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1e9)
    return outputs, samples


def time_calls(call, at_least, at_least_ns, calls, before_each=None):
    """Call until `at_least` samples and `at_least_ns` are both reached; return array('q') of ns per `calls` calls.

    `before_each`: what is done before every sample, outside of its time.
    """
    clock = time.perf_counter_ns
    capacity = max(at_least, 1024)
    samples = array("q", bytes(8 * capacity))
    count, begin = 0, clock()
    while True:
        if before_each is not None:
            before_each()
        if calls == 1:
            start = clock()
            call()
            stop = clock()
        else:
            burst = repeat(None, calls)
            start = clock()
            for _ in burst:
                call()
            stop = clock()
        samples[count] = stop - start
        count += 1
        if count >= at_least and stop - begin >= at_least_ns:
            return samples[:count]
        if count == capacity:  # grows between samples, never inside one
            samples.extend(array("q", bytes(8 * capacity)))
            capacity *= 2


def timer_cost_ns(repeats=2001):
    """Return the median cost of one pair of clock readings, in nanoseconds."""
    clock = time.perf_counter_ns
    costs = []
    for _ in range(repeats):
        start = clock()
        costs.append(clock() - start)
    return sorted(costs)[repeats // 2]


def calls_per_sample(timer_ns, typical_ns, max_share):
    """Return how many calls one sample must span so that the timer costs at most `max_share` of it."""
    return max(1, -(-timer_ns // max(1, int(max_share * typical_ns))))


def slow_down(call, spin_ns):
    """Return `call` followed by a busy wait of `spin_ns`: a known slow-down, for checking that it is detected."""
    clock = time.perf_counter_ns

    def slower():
        call()
        until = clock() + spin_ns
        while clock() < until:
            pass

    return slower


def peak_memory_bytes():
    """Return the peak resident memory of this process in bytes.

    `VmHWM` where there is a /proc: `ru_maxrss` would carry the parent's peak over the exec.
    """
    try:
        with open("/proc/self/status", encoding="ascii") as stream:
            for line in stream:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _simulate(backend, spec, report):
    load, cold, samples = backend.simulate(spec["slot"], spec["protocol"])
    report.update(
        provenance="simulated",
        load_ns=load,
        cold_first_inference_ns=cold,
        warmup_runs=spec["protocol"]["warmup_runs"],
        warmup_ns=int(spec["protocol"]["warmup_runs"] * samples[0]),
        timer_cost_ns=0,
        calls_per_sample=1,
        samples=len(samples),
        window_ns=int(samples.sum()),
        window_started_at=0.0,
        context_switches_voluntary=0,
        context_switches_involuntary=0,
        cpu_ns=0,
    )
    return samples
