"""What the options of `serve` build: an engine, and the service in front of it."""

from __future__ import annotations

import argparse
import os
import signal
import threading
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Protocol, Tuple

import numpy

from .admission import ServiceLimits
from .engine import Engine
from .feasibility import Limits
from .http_service import Service
from .load_checks import ParityCheck
from .selection import Balanced, BasePolicy, MaximizeAccuracy, MinimizePower
from .service_arguments import TOKEN_VARIABLE
from .variants import ModelFamily, Variant

_LOOPBACK = ("127.0.0.1", "::1", "localhost")


class Server(Protocol):
    """A driver of a service."""

    @property
    def address(self) -> Tuple[str, int]:
        """Host and port that are served."""
        ...

    def start(self) -> None:
        """Take connections from now on."""
        ...

    def stop(self) -> bool:
        """Take nothing new, answer what was let in, and end; return whether all was answered in time."""
        ...


class Serving(NamedTuple):
    """An engine and the service in front of it. Close the engine in the end."""

    engine: Engine
    service: Service


def build_serving(family: ModelFamily, options: argparse.Namespace) -> Serving:
    """Build what the options of `serve` ask for: return the engine with its first variant loaded, and the service;
    ValueError for an option that cannot be.
    """
    numbers = {name: getattr(options, name) for name in ("workers", "connections", "threads")}
    for name, value in [*numbers.items(), ("max-body-mb", options.max_body_mb)]:
        if value <= 0:
            raise ValueError("--{} is {}; it must be positive".format(name, value))
    engine_options: Dict[str, Any] = {
        "poll_interval_sec": options.poll_interval,
        "initial_variant": options.variant,
        "isolation": options.isolation,
        "limits": Limits(ram_reserve_mb=options.reserve_mb),
        "can_activate_variant": _accept_all,
        "runtime": {"intra_op_threads": options.threads, "spinning": False},
    }
    if options.samples:
        engine_options["parity"] = ParityCheck(_read_first_sample(options.samples), {}, options.agreement)
    engine = Engine(family, _make_policy(options), **engine_options)
    limits = ServiceLimits(
        workers=options.workers,
        queue=options.queue,
        connections=options.connections,
        body_bytes=int(options.max_body_mb * 2**20),
    )
    return Serving(engine, Service(engine, family.name, limits, read_token(options.token_file)))


def read_token(path: Optional[str]) -> Optional[str]:
    """Return a service's bearer token by its options: of a file, else the environment, or None; ValueError if empty."""
    if path is not None:
        with open(path, encoding="utf-8") as stream:
            token = stream.read().strip()
    elif TOKEN_VARIABLE in os.environ:
        token = os.environ[TOKEN_VARIABLE].strip()
    else:
        return None
    if not token or not token.isascii():
        raise ValueError("{}: the token is empty, or has letters beyond ASCII".format(path or TOKEN_VARIABLE))
    return token


def describe_exposure(host: str, has_token: bool) -> List[str]:
    """Return what to know before the options of `serve` let others reach it; nothing for a loopback address."""
    if host in _LOOPBACK:
        return []
    told = ["requests from other machines are answered, without TLS: put a proxy in front of it"]
    return (
        told if has_token else [*told, "anybody who reaches {} may use it: --token-file asks for a token".format(host)]
    )


def serve_until_told(server: Server, serving: Serving, adapt: bool, show: Callable[[str, int], None]) -> bool:
    """Serve as the options of `serve` say until SIGTERM or SIGINT; return whether all that was let in was answered.

    `show` gets the address.
    """
    told = threading.Event()

    def end(number: int, frame: object) -> None:
        told.set()

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        server.start()
        if adapt:
            serving.engine.start()
        show(*server.address)
        told.wait()
        return server.stop()
    finally:
        serving.engine.close()
        for number, handler in before.items():
            signal.signal(number, handler)


def _make_policy(options: argparse.Namespace) -> BasePolicy:
    if options.policy == "minimize-power":
        return MinimizePower(min_accuracy_floor=options.min_accuracy)
    if options.policy == "balanced":
        if options.latency_ceiling_ms is None:
            raise ValueError("--policy balanced needs --latency-ceiling-ms")
        return Balanced(latency_ceiling_ms=options.latency_ceiling_ms)
    return MaximizeAccuracy(latency_ceiling_ms=options.latency_ceiling_ms)


def _read_first_sample(path: str) -> Dict[str, Any]:
    """Return the first sample of a set (`inputs/NAME`, without the batch), as a feed of batch 1."""
    with numpy.load(path, allow_pickle=False) as stored:
        feed = {name.partition("/")[2]: stored[name][:1] for name in stored.files if name.startswith("inputs/")}
    if not feed:
        raise ValueError("{}: has no inputs/NAME".format(path))
    return feed


def _accept_all(variant: Variant) -> bool:
    """Let every backend be tried: one that is not here fails to load, and is backed off from."""
    return True
