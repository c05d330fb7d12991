"""`service.json`: what a served family can take, measured from the outside.

Cold starts stand apart. Warm load comes as MLPerf's SingleStream (one client, its next request when the last one is
answered), as several such clients, and as Server (Poisson arrivals at a fixed rate), with latency from when a request
was due. The unit of all intervals is a stretch of load; requests within one wait for each other.
"""

import io
import json
import math
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from edgeproof.agent.lock import hold_device
from edgeproof.agent.machine import describe_machine
from edgeproof.core.configuration import Json
from edgeproof.core.distributions import student_t_quantile
from edgeproof.core.documents import write_json
from edgeproof.core.errors import UserError
from edgeproof.core.files import atomic_write, sha256_file
from edgeproof.core.layout import REPOSITORY
from edgeproof.runtime.inference_protocol import describe_tensors
from edgeproof.runtime.loaded_models import LoadedModel, make_feed

from .adaptation_verbs import open_config
from .served_process import ServedProcess, serve_in_process
from .service_load import (
    Address,
    Answers,
    Arrivals,
    Link,
    compose_request,
    draw_schedule,
    run_closed_loop,
    run_open_loop,
)

CONFIDENCE = 0.95
_QUANTILES = {"p50_ms": 0.5, "p90_ms": 0.9, "p95_ms": 0.95, "p99_ms": 0.99}
_WARM_UP = 200


@dataclass(frozen=True)
class ServiceSetting:
    """What is measured. `budget_ms`: of the p99 latency. `stretches` of `seconds` each make one figure.

    `starts`: fresh servers for the cold part. `steps`: rates tried between one that holds and one that does not.
    """

    budget_ms: float = 50.0
    seconds: float = 5.0
    stretches: int = 5
    starts: int = 5
    clients: int = 8
    connections: int = 32
    steps: int = 6
    seed: int = 0


class Measuring:
    """One server under load. `served`: its process, None where it runs on another machine."""

    def __init__(self, address: Address, served: ServedProcess | None, request: bytes, setting: ServiceSetting) -> None:
        self._address, self._served, self._request, self._setting = address, served, request, setting
        self.raw: dict[str, Any] = {}
        for _ in range(_WARM_UP):
            _require_answer(Link(address), request, 1)
        self._read_use()

    def close_loop(self, name: str, clients: int) -> Json:
        """Return the figures of a closed loop of so many clients."""
        setting = self._setting
        found = [
            run_closed_loop(self._address, self._request, clients, setting.seconds) for _ in range(setting.stretches)
        ]
        return {"clients": clients, **self._summarise(name, found)}

    def open_loop(self, name: str, arrivals: Arrivals, rate: float) -> Json:
        """Return the figures of an open loop at a rate per second."""
        setting = self._setting
        found = []
        for number in range(setting.stretches):
            due_s = draw_schedule(arrivals, rate, setting.seconds, setting.seed + number)
            found.append(run_open_loop(self._address, self._request, due_s, setting.connections))
        budget_ns = setting.budget_ms * 1e6
        late = [float(((one.latency_ns > budget_ns) | (one.status != 200)).mean()) for one in found]
        low, high = _interval_of_mean(late)
        held = "holds" if high <= 0.01 else "fails" if low > 0.01 else "undecided"
        beyond = {"share": statistics.fmean(late), "low": max(0.0, low), "high": min(1.0, high), "verdict": held}
        return {"arrivals": arrivals, "rate": rate, "beyond_budget": beyond, **self._summarise(name, found)}

    def _summarise(self, name: str, stretches: Sequence[Answers]) -> Json:
        for number, one in enumerate(stretches):
            self.raw[f"{name}/{number}/latency_ns"] = one.latency_ns
            self.raw[f"{name}/{number}/status"] = one.status
        figures: Json = {}
        for key, share in _QUANTILES.items():
            each = [float(np.quantile(one.latency_ns, share)) / 1e6 for one in stretches]
            low, high = _interval_of_mean(each)
            figures[key] = {"value": statistics.fmean(each), "low": max(0.0, low), "high": high}
        return {
            "requests": sum(len(one.status) for one in stretches),
            "failed": sum(one.failed for one in stretches),
            "per_second": statistics.fmean(one.rate for one in stretches),
            "latency": figures,
            "server": self._read_use(),
        }

    def _read_use(self) -> Json | None:
        if self._served is None:
            return None
        use = self._served.read_use()
        return {"cpu_share": use.cpu_share, "memory_mb": use.memory_mb}


def find_capacity(measuring: Measuring, first_rate: float, setting: ServiceSetting) -> Json:
    """Return the highest rate found at which the share of requests beyond the budget is at most 1 %, and its error.

    The search halves the gap between a rate that holds and one that fails. `holds` is a lower, `fails` an upper limit;
    rates between them are not decided. `holds` is null where not even the lowest rate tried did.
    """
    tried: list[Json] = []
    holds: float | None = None
    fails: float | None = None
    rate = first_rate
    for number in range(setting.steps):
        row = measuring.open_loop(f"server/{number}", "poisson", rate)
        tried.append(row)
        if row["beyond_budget"]["verdict"] == "holds":
            holds = rate if holds is None else max(holds, rate)
        elif row["beyond_budget"]["verdict"] == "fails":
            fails = rate if fails is None else min(fails, rate)
        if row["beyond_budget"]["verdict"] == "undecided":
            rate = rate * 0.9 if holds is None or holds < rate * 0.9 else (rate + holds) / 2
        elif fails is None:
            rate = rate * 1.5
        elif holds is None:
            rate = fails / 2
        else:
            rate = math.sqrt(holds * fails)
    return {"statistic": "p99", "budget_ms": setting.budget_ms, "holds": holds, "fails": fails, "tried": tried}


def measure_service(family: Path, device: str, setting: ServiceSetting, output: Path, raw: Path) -> None:
    """Serve a family on this machine, measure it, and write `service.json` and its raw latencies (`raw`, npz).

    The request is the same all the time: one sample of random numbers, as JSON. The device is held meanwhile. UserError
    where the server does not come up.
    """
    with hold_device(None, f"{family}: service"):
        _measure(family, device, setting, output, raw)


def _compose_body(family: Path) -> bytes:
    """Return the body of a request that a family takes: one sample of random numbers."""
    variant = next(iter(open_config(str(family), REPOSITORY).variants.values()))
    model = LoadedModel(variant.backend)
    model.load(variant.path)
    tensors = [
        {**tensor, "shape": list(value.shape), "data": value.ravel().tolist()}
        for tensor, value in zip(describe_tensors(model.inputs), make_feed(model.inputs).values(), strict=True)
    ]
    model.unload()
    return json.dumps({"inputs": tensors}).encode()


def _measure(family: Path, device: str, setting: ServiceSetting, output: Path, raw: Path) -> None:
    name, body = open_config(str(family), REPOSITORY).name, _compose_body(family)
    path = f"/v2/models/{quote(name, safe='')}/infer"
    cold = _measure_cold(family, path, body, setting.starts)
    with serve_in_process(family, ["--fixed"]) as served:
        request = compose_request(served.address, path, body)
        measuring = Measuring(served.address, served, request, setting)
        single = measuring.close_loop("single_stream", 1)
        closed = measuring.close_loop("closed", setting.clients)
        capacity = find_capacity(measuring, 0.5 * closed["per_second"], setting)
        rate = 0.5 * (capacity["holds"] or closed["per_second"])
        opened = [measuring.open_loop(f"open/{arrivals}", arrivals, rate) for arrivals in ("poisson", "constant")]
    stored = io.BytesIO()
    np.savez_compressed(stored, **measuring.raw)
    atomic_write(raw, stored.getvalue())
    document = {
        "schema": "edgeproof.service.v1",
        "family": name,
        "device": device,
        "family_sha256": sha256_file(family),
        "boundary": "transport",
        "inputs": "random",
        "clocks": {"client": _describe_clock(), "server": None},
        "setting": setting.__dict__,
        "confidence": CONFIDENCE,
        "cold": cold,
        "single_stream": {"scenario": "SingleStream", **single},
        "closed": closed,
        "capacity": {"scenario": "Server", **capacity},
        "open": opened,
        "raw": {"file": raw.name, "sha256": sha256_file(raw)},
    }
    write_json(output, document, "service")


def _measure_cold(family: Path, path: str, body: bytes, starts: int) -> Json:
    """Return, per fresh server, seconds until it is ready and milliseconds that its first answer took then."""
    ready: list[float] = []
    first: list[float] = []
    for _ in range(starts):
        with serve_in_process(family, ["--fixed"]) as served:
            link = Link(served.address)
            began = time.monotonic_ns()
            _require_answer(link, compose_request(served.address, path, body), 1)
            first.append((time.monotonic_ns() - began) / 1e6)
            ready.append(served.ready_s)
            link.close()
    return {"starts": starts, "ready_s": ready, "first_answer_ms": first}


def _require_answer(link: Link, request: bytes, count: int) -> None:
    for _ in range(count):
        status = link.ask(request)
        if status != 200:
            raise UserError(f"the server answers {status or 'nothing'} to the request; it measures nothing then")
    link.close()


def _interval_of_mean(values: Sequence[float]) -> tuple[float, float]:
    """Return the t-interval of the mean over stretches; the value itself twice for a single one."""
    mean = statistics.fmean(values)
    if len(values) < 2:
        return mean, mean
    reach = (
        student_t_quantile((1 + CONFIDENCE) / 2, len(values) - 1) * statistics.stdev(values) / math.sqrt(len(values))
    )
    return mean - reach, mean + reach


def _describe_clock() -> Json:
    known = time.get_clock_info("monotonic")
    return {"machine": describe_machine()["id"], "clock": known.implementation, "resolution_s": known.resolution}
