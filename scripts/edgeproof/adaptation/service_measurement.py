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

from .answer_checks import AnswerCheck
from .family_files import open_family_file
from .served_process import ServedProcess, serve_in_process
from .server_link import Address, Answer, Link, NoAnswer
from .service_figures import CONFIDENCE, Loaded, ServiceSetting, describe_service
from .service_load import (
    Arrivals,
    compose_request,
    draw_schedule,
    run_closed_loop,
    run_open_loop,
)
from .service_records import Raw, describe_cold, record_stretch

_WARM_UP = 200
Places = tuple[Path, Path]  # of the document and its raw data


class Asked(NamedTuple):
    """What a family is asked for all the time. `path`: of the URL; `body`: of the request, JSON; `check`: of bodies."""

    family: str
    path: str
    body: bytes
    check: AnswerCheck


class Question(NamedTuple):
    """What one server is asked. `request`: all its bytes; `check`: of answers."""

    address: Address
    request: bytes
    check: AnswerCheck


class Measuring:
    """One server under load. `served`: its process, None where it runs on another machine. `raw`: gets all answers."""

    def __init__(self, question: Question, served: ServedProcess | None, setting: ServiceSetting, raw: Raw) -> None:
        self._question, self._served, self._setting, self._raw = question, served, setting, raw
        warm_up(question)
        if served is not None:
            served.read_use()

    def close_loop(self, name: str, clients: int) -> Loaded:
        """Put a closed loop of so many clients on the server."""
        (address, request, check), setting = self._question, self._setting
        found = [run_closed_loop(address, request, clients, setting.seconds, check) for _ in range(setting.stretches)]
        return self._keep(name, found)

    def open_loop(self, name: str, arrivals: Arrivals, rate: float) -> Loaded:
        """Put an open loop on the server."""
        (address, request, check), setting = self._question, self._setting
        found = []
        for number in range(setting.stretches):
            due_s = draw_schedule(arrivals, rate, setting.seconds, setting.seed + number)
            found.append(run_open_loop(address, request, due_s, setting.connections, check))
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
    """Measure a family's service on this machine: serve it, write `service.json` and its raw answers (`raw`, npz).

    The request is the same all the time: one sample of random numbers, as JSON. The device is held meanwhile. UserError
    where the server does not come up.
    """
    with hold_device(None, f"{family}: service"):
        _measure(family, device, setting, output, raw)


def compose_question(family: Path) -> Asked:
    """Return the request that a family's service is measured with, of random numbers, and what its answer must be."""
    known = open_family_file(str(family), REPOSITORY)
    variant = next(iter(known.variants.values()))
    model = LoadedModel(variant.backend)
    model.load(variant.path)
    tensors = [
        {**tensor, "shape": list(value.shape), "data": value.ravel().tolist()}
        for tensor, value in zip(describe_tensors(model.inputs), make_feed(model.inputs).values(), strict=True)
    ]
    check = AnswerCheck(known.name, describe_tensors(model.outputs))
    model.unload()
    path = f"/v2/models/{quote(known.name, safe='')}/infer"
    return Asked(known.name, path, json.dumps({"inputs": tensors}).encode(), check)


def ask_server(asked: Asked, address: Address, token: str | None = None) -> Question:
    """Return what is asked of the server at an address while its service is measured."""
    return Question(address, compose_request(address, asked.path, asked.body, token), asked.check)


def warm_up(question: Question) -> None:
    """Warm a service up before its measurement, so that nothing is done for the first time later.

    UserError for an answer that is not good.
    """
    link = Link(question.address)
    for _ in range(_WARM_UP):
        _require_good(_fetch(link, question), question)
    link.close()


def _measure(family: Path, device: str, setting: ServiceSetting, output: Path, raw: Path) -> None:
    asked, answers = compose_question(family), Raw()
    _measure_cold(family, asked, setting.starts, answers)
    with serve_in_process(family, ["--fixed"]) as served:
        question = ask_server(asked, served.address)
        figures = describe_service(Measuring(question, served, setting, answers), setting)
    identity = {"family": asked.family, "device": device, "family_sha256": sha256_file(family)}
    write_service(identity, None, setting, figures, answers, (output, raw))


def write_service(
    identity: Json, server_clock: Json | None, setting: ServiceSetting, figures: Json, answers: Raw, places: Places
) -> None:
    """Write the measurement of a service: `service.json` and its raw answers.

    `identity`: {family, device, family_sha256}.
    """
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
            link, question = Link(served.address), ask_server(asked, served.address)
            began = time.monotonic_ns()
            answer = _fetch(link, question)
            first.append((time.monotonic_ns() - began) / 1e6)
            _require_good(answer, question)
            ready.append(served.ready_s)
            link.close()
    raw["cold/ready_s"], raw["cold/first_answer_ms"] = np.array(ready), np.array(first)


def _fetch(link: Link, question: Question) -> Answer:
    try:
        return link.fetch(question.request)
    except NoAnswer as error:
        raise UserError(f"{_name(question.address)}: gives no answer to the request: {error}") from error


def _require_good(answer: Answer, question: Question) -> None:
    if answer.status != 200:
        raise UserError(
            f"{_name(question.address)}: the server answers {answer.status} to the request; it measures nothing then"
        )
    if fault := question.check.find_fault(answer.body):
        raise UserError(f"{_name(question.address)}: is no server of this family: {fault}")


def _name(address: Address) -> str:
    return f"http://{address[0]}:{address[1]}"


def describe_clock() -> Json:
    """Return what a service's measurement says of this machine: its id, and the clock that times requests.

    The clock has its resolution in seconds.
    """
    known = time.get_clock_info("monotonic")
    return {"machine": describe_machine()["id"], "clock": known.implementation, "resolution_s": known.resolution}
