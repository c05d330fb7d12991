"""What samplers cost the work beside them: the same work with the recorder running and with it stopped, by blocks.

The recorder is the agent's own process. Stopped by a signal it uses nothing, so that one recorder gives both states
within a second, and what the machine does meanwhile meets both alike. The unit is the recorder: each has a start, a
place and a moment of its own. No sensor of a board is read: on its bus a reading costs more than a file here.
"""

import json
import os
import platform
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

import numpy as np
import onnxruntime

from edgeproof.core.configuration import Json
from edgeproof.core.distributions import student_t_quantile
from edgeproof.core.layout import REPOSITORY

from .trial_arms import describe_arm

LIMIT_PCT = 0.5
_SETTLE_S = 0.03  # before a block: a recorder that was continued has its first samples behind it
_CONFIDENCE = 0.95


class Watch(Protocol):
    """What watches the machine and can be stopped."""

    def resume(self) -> None:
        """Let it work."""
        ...

    def pause(self) -> None:
        """Let it do nothing."""
        ...


class PausedRecorder:
    """The recorder of the agent with some samplers, made to stop and go on; `folder` gets what it records."""

    def __init__(self, samplers: list[Json], folder: Path) -> None:
        folder.mkdir(parents=True)
        self._folder, spec = folder, folder / "spec.json"
        spec.write_text(json.dumps({"samplers": samplers}))
        command = [sys.executable, "-m", "edgeproof.agent", "record", str(spec), str(folder)]
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "scripts")}
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
        if self._process.stdout is None or self._process.stdout.readline() != b"ready\n":
            raise RuntimeError(f"the recorder ended with exit code {self._process.wait()}")
        self.pause()

    def resume(self) -> None:
        """Let it sample."""
        self._process.send_signal(signal.SIGCONT)

    def pause(self) -> None:
        """Stop it."""
        self._process.send_signal(signal.SIGSTOP)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.resume()
        self._process.communicate()

    def read_record(self) -> Json:
        """Return what the agent says of its samplers, once it has ended."""
        return json.loads((self._folder / "telemetry.json").read_text())


@dataclass(frozen=True)
class CostPlan:
    """How much is measured: `block_s` seconds of work per block; `block_pairs` with a recorder, `recorders` in all."""

    recorders: int
    block_pairs: int
    block_s: float = 0.2


def compare_states(
    work: Callable[[], object],
    watch: Watch,
    plan: CostPlan,
    seed: int,
    clock: Callable[[], float] = time.perf_counter,
    rest: Callable[[float], object] = time.sleep,
) -> float:
    """Return the cost of sampling as log(time of work beside a running recorder / beside a stopped one).

    It is the mean over block pairs. Both blocks of a pair do the work equally often; which is first is drawn, as often
    the one as the other. `clock` in seconds.
    """
    calls = _count_calls(work, plan.block_s, clock)
    orders = [number % 2 == 0 for number in range(plan.block_pairs)]
    random.Random(seed).shuffle(orders)
    logs: list[float] = []
    for on_first in orders:
        seconds: dict[bool, float] = {}
        for state in (on_first, not on_first):
            watch.resume() if state else watch.pause()
            rest(_SETTLE_S)
            work()
            begin = clock()
            for _ in range(calls):
                work()
            seconds[state] = clock() - begin
        watch.pause()
        logs.append(float(np.log(seconds[True] / seconds[False])))
    return float(np.mean(logs))


def summarise_costs(logs: list[float]) -> Json:
    """Return the cost of sampling in percent with its 95 % interval, from the value of each recorder.

    At least two are needed.
    """
    values = np.array(logs)
    reach = float(student_t_quantile((1 + _CONFIDENCE) / 2, len(values) - 1)) * float(values.std(ddof=1))
    reach /= len(values) ** 0.5
    cost, low, high = (100 * float(np.expm1(values.mean() + sign * reach)) for sign in (0, -1, 1))
    return {
        "cost_pct": cost,
        "low_pct": low,
        "high_pct": high,
        "confidence": _CONFIDENCE,
        "recorders": len(values),
        "verdict": "within" if max(abs(low), abs(high)) <= LIMIT_PCT else "beyond" if low > LIMIT_PCT else "stated",
    }


def measure_case(threads: int, samplers: list[Json], plan: CostPlan, folder: Path) -> Json:
    """Return what sampling costs inferences of SqueezeNet with so many threads; `folder` gets the recordings."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    artifact = str(describe_arm("squeezenet").artifact)
    session = onnxruntime.InferenceSession(artifact, options, providers=["CPUExecutionProvider"])
    image = np.random.default_rng(0).random([1, 3, 224, 224], dtype=np.float32)
    feeds, logs = {session.get_inputs()[0].name: image}, []
    for number in range(plan.recorders):
        with PausedRecorder(samplers, folder / f"{threads}-{number}") as recorder:
            logs.append(compare_states(lambda: session.run(None, feeds), recorder, plan, number))
    return {"model": "squeezenet", "threads": threads, **summarise_costs(logs)}


def describe_bench(cases: list[Json], samplers: list[Json], plan: CostPlan) -> Json:
    """Return the document on the cost of sampling, `bench-sampling`."""
    return {
        "schema": "edgeproof.bench-sampling.v1",
        "machine": {"processor": platform.machine(), "cores": os.cpu_count(), "python": platform.python_version()},
        "samplers": [{"name": each["name"], "interval_ms": each["interval_ms"]} for each in samplers],
        "block_seconds": plan.block_s,
        "block_pairs": plan.block_pairs,
        "limit_pct": LIMIT_PCT,
        "cases": cases,
        "boards": "unknown: nobody has measured it on a board, where a reading goes over the bus of the sensor",
    }


def write_monitor(root: Path) -> None:
    """Write the files of a power monitor of one rail as the kernel has them, for the cost of sampling it by hwmon."""
    folder = root / "sys/class/hwmon/hwmon0"
    folder.mkdir(parents=True)
    files = {"name": "ina3221", "in1_label": "VDD_IN", "in1_input": 5000, "curr1_input": 1000}
    for name, value in {**files, "update_interval": 1, "shunt1_resistor": 5000}.items():
        (folder / name).write_text(f"{value}\n")


def _count_calls(work: Callable[[], object], seconds: float, clock: Callable[[], float]) -> int:
    """Return how often the work fits into so many seconds."""
    calls, begin = 0, clock()
    while (passed := clock() - begin) < seconds or not calls:
        work()
        calls += 1
    return max(1, round(calls * seconds / passed)) if passed > 0 else calls
