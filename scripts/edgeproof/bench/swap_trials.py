"""The swap proof: swaps with planted faults while clients ask, everything logged, so that the log can be judged.

One process has the engine, the board's server and eight clients. The policy wishes what a seeded plan says, and the
engine's own loop acts on it. What happened is one JSON object per line; `swap_verdicts` judges the lines.
"""

import http.client
import json
import os
import random
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from edgeproof.runtime.admission import ServiceLimits
from edgeproof.runtime.device_state import DeviceState
from edgeproof.runtime.engine import Engine
from edgeproof.runtime.feasibility import Limits
from edgeproof.runtime.h11_server import H11Server
from edgeproof.runtime.http_service import Service
from edgeproof.runtime.isolated_model import IsolatedModel
from edgeproof.runtime.load_checks import ParityCheck
from edgeproof.runtime.loaded_models import LoadedModel
from edgeproof.runtime.stability import StabilityGuard
from edgeproof.runtime.swapping import SwapTimes
from edgeproof.runtime.variants import ModelFamily

from .trial_family import SUMS, WIDTH, write_family, write_sum

CLIENTS = 8
_LOAD_S, _POLL_S, _PATIENCE_S = 6.0, 0.02, 30.0
_PLENTY_MB, _LITTLE_MB, _RESERVE_MB = 2000.0, 245.0, 1.0  # with little, `full` would fit, but not beside another
# What may happen to a load, and how often of a hundred.
FAULTS = {"none": 70, "load_fails": 6, "too_slow": 6, "wrong_output": 6, "no_memory": 6, "crash_in_load": 3, "crash": 3}
Log = Callable[[dict[str, Any]], None]


@dataclass
class _Plan:
    """What the next load meets. `heard`: the wish when the device was last looked at; `outcomes`: what callbacks told,
    newest last.
    """

    wish: str = "full"
    heard: str = "full"
    fault: str = "none"
    memory_mb: float = _PLENTY_MB
    outcomes: list[tuple[str, str]] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def tell(self, outcome: str, name: str) -> None:
        with self.changed:
            self.outcomes.append((outcome, name))
            self.changed.notify_all()

    def wait_for_more(self, than: int) -> bool:
        with self.changed:
            return self.changed.wait_for(lambda: len(self.outcomes) > than, _PATIENCE_S)


class _Profiler:
    """A device whose memory the plan decides."""

    def __init__(self, plan: _Plan) -> None:
        self._plan = plan

    def read(self) -> DeviceState:
        self._plan.heard = self._plan.wish  # before the memory, which is set before the wish: they belong together
        return DeviceState(self._plan.memory_mb, 0.0, timestamp=time.monotonic())


class _Loader:
    """Loads variants, with the fault that the plan has for this load."""

    def __init__(self, family: ModelFamily, plan: _Plan, folder: Path) -> None:
        self._family, self._plan, self._folder = family, plan, folder
        write_sum(folder / "wrong.onnx", 3.0, 11.0)

    def load(self, name: str) -> Any:
        fault, path = self._plan.fault, self._family.variants[name].path
        if fault == "load_fails":
            path = str(self._folder / "missing.onnx")
        if fault == "wrong_output":
            path = str(self._folder / "wrong.onnx")
        if fault == "too_slow":
            time.sleep(1.2 * _LOAD_S)  # a loader that nobody can interrupt
        model = IsolatedModel("onnx") if name == "isolated" else LoadedModel("onnx", {"intra_op_threads": 1})
        model.load(path)
        if fault == "crash_in_load" and isinstance(model, IsolatedModel):
            os.kill(model.pid, signal.SIGSEGV)
        return model


def run_swaps(folder: Path, swaps: int, seconds: float, seed: int, log: Log) -> None:
    """Run a trial of so many swaps over at least so many seconds and log every request and swap.

    `folder` gets the models.
    """
    family, plan = write_family(folder), _Plan()
    x = {"x": [[0.0] * WIDTH]}
    loader = _Loader(family, plan, folder)
    engine = Engine(
        family,
        lambda state, known: plan.heard,
        poll_interval_sec=_POLL_S,
        profiler=_Profiler(plan),
        loader=loader.load,
        stability=StabilityGuard(cooldown_sec=0.0, max_swaps_per_window=10**6),
        parity=_expect_sums(),
        times=SwapTimes(load_s=_LOAD_S),
        limits=Limits(ram_reserve_mb=_RESERVE_MB),
        on_swap_complete=lambda name: plan.tell("committed", name),
        on_fallback=lambda name, message: plan.tell("failed", name),
    )
    service = Service(engine, family.name, ServiceLimits(workers=2))
    log({"kind": "setting", "sums": SUMS, "clients": CLIENTS, "swaps": swaps, "seed": seed, "width": len(x["x"][0])})
    before = _count_leftovers()
    server = H11Server(service)
    server.start()
    engine.start()
    ended = threading.Event()
    clients = [threading.Thread(target=_ask, args=(number, server.address, ended, log)) for number in range(CLIENTS)]
    for client in clients:
        client.start()
    try:
        _follow_plan(engine, plan, random.Random(seed), (swaps, seconds), log)
    finally:
        ended.set()
        for client in clients:
            client.join()
        answered = server.stop()
        engine.close()
    counters = engine.read_counters()
    log({"kind": "end", "drained": answered, "counters": counters, "before": before, "after": _count_leftovers()})


def _follow_plan(engine: Engine, plan: _Plan, draw: random.Random, amount: tuple[int, float], log: Log) -> None:
    swaps, seconds = amount
    faults = [*FAULTS, *draw.choices(list(FAULTS), list(FAULTS.values()), k=max(0, swaps - len(FAULTS)))]
    draw.shuffle(faults)
    began = time.monotonic()
    for number, fault in enumerate(faults):
        current = engine.active_variant
        others = [name for name in SUMS if name != current]
        if fault in ("crash_in_load", "crash"):
            if current == "isolated":
                _swap(engine, plan, draw.choice(others), "none", log)
            wish = "isolated"
        elif fault == "no_memory":
            if current == "full":
                _swap(engine, plan, "tiny", "none", log)
            wish = "full"
        else:
            wish = draw.choice(others)
        _swap(engine, plan, wish, fault, log)
        time.sleep(max(0.0, seconds * (number + 1) / len(faults) - (time.monotonic() - began)))


def _swap(engine: Engine, plan: _Plan, wish: str, fault: str, log: Log) -> None:
    """Wish for a variant, wait until the engine has answered the wish, and log how."""
    engine.release(wish)
    told, skipped = len(plan.outcomes), engine.read_counters().get("swap_skipped_residency", 0)
    lost = engine.read_counters().get("models_lost", 0)
    plan.fault = fault
    plan.memory_mb = _LITTLE_MB if fault == "no_memory" else _PLENTY_MB
    plan.wish = wish
    if fault == "no_memory":
        outcome = "skipped" if _wait_for(lambda: _counted(engine, "swap_skipped_residency") > skipped) else "stuck"
    else:
        outcome = plan.outcomes[told][0] if plan.wait_for_more(told) else "stuck"
    if fault == "crash" and outcome == "committed":
        _kill_active(engine)
        outcome = "recovered" if _wait_for(lambda: _counted(engine, "models_lost") > lost) else "stuck"
    plan.wish, plan.fault, plan.memory_mb = engine.active_variant, "none", _PLENTY_MB
    log({"kind": "swap", "wish": wish, "fault": fault, "outcome": outcome, "generation": engine.generation})


def _kill_active(engine: Engine) -> None:
    """End the active variant's process as a crash of its runtime would."""
    with engine.borrow() as active:
        os.kill(active.model.pid, signal.SIGSEGV)


def _counted(engine: Engine, name: str) -> int:
    return engine.read_counters().get(name, 0)


def _wait_for(condition: Callable[[], bool]) -> bool:
    ends = time.monotonic() + _PATIENCE_S
    while not condition():
        if time.monotonic() > ends:
            return False
        time.sleep(_POLL_S)
    return True


def _ask(client: int, address: tuple[str, int], ended: threading.Event, log: Log) -> None:
    """Ask until told to end: every request has a number of its own as input, so that its answer can be told."""
    connection = http.client.HTTPConnection(*address, timeout=_PATIENCE_S)
    number = 0
    while not ended.wait(0.02):
        x = number * CLIENTS + client
        name = f"{client}-{number}"
        tensor = {"name": "x", "datatype": "FP32", "shape": [1, WIDTH], "data": [x] * WIDTH}
        body = json.dumps({"id": name, "inputs": [tensor]})
        log({"kind": "asked", "id": name, "x": x, "ns": time.monotonic_ns()})
        try:
            connection.request("POST", "/v2/models/sums/infer", body)
            response = connection.getresponse()
            document = json.loads(response.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            log({"kind": "lost", "id": name, "why": f"{type(error).__name__}: {error}"})
            connection.close()
        else:
            told = {"status": response.status, "ns": time.monotonic_ns()}
            if response.status == 200:
                told |= {"of": document["id"], "y": document["outputs"][0]["data"], **document["parameters"]}
            log({"kind": "answered", "id": name, **told})
        number += 1
    connection.close()


def _expect_sums() -> ParityCheck:
    import numpy as np

    feed = {"x": np.arange(WIDTH, dtype="float32").reshape(1, WIDTH)}
    expected = {name: [feed["x"] * np.float32(factor) + np.float32(offset)] for name, (factor, offset) in SUMS.items()}
    return ParityCheck(feed, expected, 1e-6)


def _count_leftovers() -> dict[str, Any]:
    """Return {threads, processes, memory_mb} of this process."""
    process = psutil.Process()
    return {
        "threads": sorted(thread.name for thread in threading.enumerate() if thread.name.startswith("edgeproof")),
        "processes": len(process.children(recursive=True)),
        "memory_mb": round(process.memory_info().rss / 2**20, 1),
    }
