"""Arms that time their own calls (`backends.command`): the loops of `measure` and of live pairs, block by block."""

from __future__ import annotations

import resource
import time
from typing import List, Sequence

import numpy

from .backends.backend import Looper
from .failures import NoVerdict
from .specs import Array, Protocol, Report

_ASKED_AT_ONCE = 64


def measure_looper(looper: Looper, inputs: int, protocol: Protocol, out: str, report: Report) -> Array:
    """Measure an arm that runs its own timed loop: fill `out` with the outputs of the first input and `report` with
    what was done; return ns per call, int64.

    The calls go through the inputs in turn. What the clock of the program costs is not known to us.
    """
    if protocol.get("load"):
        raise NoVerdict("cannot_load", "a command has no curve under sustained load; use another protocol")
    report["cold_first_inference_ns"] = int(looper.time_block([0])[0])
    warm = time_turns(looper, inputs, protocol["warmup_runs"], int(protocol["warmup_seconds"] * 1e9))
    report.update(warmup_runs=len(warm), warmup_ns=int(warm.sum()), timer_cost_ns=0, quantum_ns=1)
    report["window_started_at"] = time.time()
    report["window_start_ns"] = start = time.perf_counter_ns()
    samples = time_turns(looper, inputs, max(protocol["min_samples"], inputs), int(protocol["min_seconds"] * 1e9))
    report["window_ns"] = time.perf_counter_ns() - start
    report.update(calls_per_sample=1, samples=len(samples), memory_peak_bytes=looper.peak_memory())
    looper.write_outputs(out)
    looper.end()
    report.update(count_usage())
    return samples


def time_turns(looper: Looper, inputs: int, at_least: int, at_least_ns: int) -> Array:
    """Return the ns of calls that a looping arm timed itself on its inputs in turn: at least so many, for so long."""
    blocks: List[Array] = [numpy.zeros(0, "int64")]
    count = spent = 0
    while count < at_least or spent < at_least_ns:
        wanted = min(_ASKED_AT_ONCE, at_least - count) if count < at_least else _ASKED_AT_ONCE
        blocks.append(looper.time_block([(count + place) % inputs for place in range(wanted)]))
        count, spent = count + wanted, spent + int(blocks[-1].sum())
    return numpy.concatenate(blocks)


def time_samples(looper: Looper, inputs: Sequence[int], untimed: int, calls_per_sample: int) -> Array:
    """Return the ns that a looping arm timed itself for one sample of `calls_per_sample` calls per entry of `inputs`.

    Some untimed calls come first.
    """
    before = [inputs[place % len(inputs)] for place in range(untimed)]
    asked = [index for index in inputs for _ in range(calls_per_sample)]
    times = looper.time_block(before + asked)[untimed:]
    return times.reshape(len(inputs), calls_per_sample).sum(axis=1)


def count_usage() -> Report:
    """Return what the program of a looping arm used of the machine in its whole life; it must have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "context_switches_voluntary": used.ru_nvcsw,
        "context_switches_involuntary": used.ru_nivcsw,
        "cpu_ns": int((used.ru_utime + used.ru_stime) * 1e9),
    }
