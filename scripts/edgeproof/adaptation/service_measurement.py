"""Measuring what a served family can take, from the outside, into `service.json` and its raw data `service.npz`.

Cold starts stand apart. Warm load comes as MLPerf's SingleStream (one client, its next request when the last one is
answered), as several such clients, and as Server (Poisson arrivals at a fixed rate), with latency from when a request
was due.
"""

import json
import time
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import numpy as np

from edgeproof.agent.lock import hold_device
from edgeproof.agent.machine import describe_machine
from edgeproof.core.configuration import Json
from edgeproof.core.documents import write_sealed
from edgeproof.core.errors import UserError
from edgeproof.core.files import sha256_file
from edgeproof.core.layout import REPOSITORY
from edgeproof.core.tensors import write_tensors
from edgeproof.runtime.inference_protocol import describe_tensors
from edgeproof.runtime.loaded_models import LoadedModel, make_feed

from .family_files import open_config
from .served_process import ServedProcess, serve_in_process
from .service_figures import CONFIDENCE, Loaded, ServiceSetting, describe_service
from .service_load import (
    Address,
    Arrivals,
    Link,
    compose_request,
    draw_schedule,
    run_closed_loop,
    run_open_loop,
)
from .service_records import Raw, describe_cold, record_stretch

_WARM_UP = 200
Places = tuple[Path, Path]  # of the document and its raw data


class Asked(NamedTuple):
    """What a family is asked for all the time. `path`: of the URL; `body`: of the request, JSON."""

    family: str
    path: str
    body: bytes


class Measuring:
    """One server under load. `served`: its process, None where it runs on another machine. `raw`: gets all answers."""

    def __init__(
        self, address: Address, served: ServedProcess | None, request: bytes, setting: ServiceSetting, raw: Raw
    ) -> None:
        self._address, self._served, self._request, self._setting = address, served, request, setting
        self._raw = raw
        warm_up(address, request)
        if served is not None:
            served.read_use()

    def close_loop(self, name: str, clients: int) -> Loaded:
        """Put a closed loop of so many clients on the server."""
        setting = self._setting
        return self._keep(
            name,
            [run_closed_loop(self._address, self._request, clients, setting.seconds) for _ in range(setting.stretches)],
        )

    def open_loop(self, name: str, arrivals: Arrivals, rate: float) -> Loaded:
        """Put an open loop on the server."""
        setting = self._setting
        found = []
        for number in range(setting.stretches):
            due_s = draw_schedule(arrivals, rate, setting.seconds, setting.seed + number)
            found.append(run_open_loop(self._address, self._request, due_s, setting.connections))
        return self._keep(name, found)

    def _keep(self, name: str, stretches: list) -> Loaded:
        for number, one in enumerate(stretches):
            record_stretch(self._raw, name, number, one)
        if self._served is None:
            return Loaded(stretches, None)
        use = self._served.read_use()
        self._raw[f"{name}/use"] = np.array([use.cpu_share, use.memory_mb])
        return Loaded(stretches, use)


def measure_service(family: Path, device: str, setting: ServiceSetting, output: Path, raw: Path) -> None:
    """Serve a family on this machine, measure it, and write `service.json` and its raw answers (`raw`, npz).

    The request is the same all the time: one sample of random numbers, as JSON. The device is held meanwhile. UserError
    where the server does not come up.
    """
    with hold_device(None, f"{family}: service"):
        _measure(family, device, setting, output, raw)


def compose_question(family: Path) -> Asked:
    """Return the request that a family takes: one sample of random numbers."""
    known = open_config(str(family), REPOSITORY)
    variant = next(iter(known.variants.values()))
    model = LoadedModel(variant.backend)
    model.load(variant.path)
    tensors = [
        {**tensor, "shape": list(value.shape), "data": value.ravel().tolist()}
        for tensor, value in zip(describe_tensors(model.inputs), make_feed(model.inputs).values(), strict=True)
    ]
    model.unload()
    path = f"/v2/models/{quote(known.name, safe='')}/infer"
    return Asked(known.name, path, json.dumps({"inputs": tensors}).encode())


def warm_up(address: Address, request: bytes) -> None:
    """Ask a server so often that nothing is done for the first time later; UserError for an answer that is not good."""
    link = Link(address)
    for _ in range(_WARM_UP):
        _require_answer(link, request)
    link.close()


def _measure(family: Path, device: str, setting: ServiceSetting, output: Path, raw: Path) -> None:
    asked, answers = compose_question(family), Raw()
    _measure_cold(family, asked, setting.starts, answers)
    with serve_in_process(family, ["--fixed"]) as served:
        request = compose_request(served.address, asked.path, asked.body)
        figures = describe_service(Measuring(served.address, served, request, setting, answers), setting)
    identity = {"family": asked.family, "device": device, "family_sha256": sha256_file(family)}
    write_service(identity, None, setting, figures, answers, (output, raw))


def write_service(
    identity: Json, server_clock: Json | None, setting: ServiceSetting, figures: Json, answers: Raw, places: Places
) -> None:
    """Write `service.json` and its raw answers. `identity`: {family, device, family_sha256}."""
    output, raw = places
    write_tensors(raw, answers)
    document = {
        "schema": "edgeproof.service.v2",
        **identity,
        "boundary": "transport",
        "inputs": "random",
        "clocks": {"client": describe_clock(), "server": server_clock},
        "setting": setting.__dict__,
        "confidence": CONFIDENCE,
        "cold": describe_cold(answers, setting),
        **figures,
        "raw": {"file": raw.name, "sha256": sha256_file(raw)},
    }
    write_sealed(output, document, "service")


def _measure_cold(family: Path, asked: Asked, starts: int, raw: Raw) -> None:
    """Start so many fresh servers; keep how long each took to be ready (s), and its first answer then (ms)."""
    ready: list[float] = []
    first: list[float] = []
    for _ in range(starts):
        with serve_in_process(family, ["--fixed"]) as served:
            link = Link(served.address)
            began = time.monotonic_ns()
            _require_answer(link, compose_request(served.address, asked.path, asked.body))
            first.append((time.monotonic_ns() - began) / 1e6)
            ready.append(served.ready_s)
            link.close()
    raw["cold/ready_s"], raw["cold/first_answer_ms"] = np.array(ready), np.array(first)


def _require_answer(link: Link, request: bytes) -> None:
    status = link.ask(request)
    if status != 200:
        raise UserError(f"the server answers {status or 'nothing'} to the request; it measures nothing then")


def describe_clock() -> Json:
    """Return this machine's id, and the clock that times requests with its resolution in seconds."""
    known = time.get_clock_info("monotonic")
    return {"machine": describe_machine()["id"], "clock": known.implementation, "resolution_s": known.resolution}
