"""The server without sockets: from a request's head and body to a response.

A driver (`h11_server` on a board, Starlette and uvicorn on a host) calls `refuse_head` before it reads a body, then
`admit`, then `answer`. All rules of the service are here, so that every driver has the same.
"""

from __future__ import annotations

import hmac
import sys
import time
from typing import Callable, Dict, NamedTuple, Optional, Tuple
from urllib.parse import quote, unquote

from .active_model import ActiveModels, ModelLost
from .admission import Admission, ServiceLimits
from .inference_protocol import (
    LENGTH_HEADER,
    Contract,
    describe_tensors,
    name_model,
    read_infer_request,
    render_infer_response,
)
from .openapi import describe_api
from .service_counts import ServiceCounts, render_metrics
from .wire import Head, Refusal, Response, render_json

VERSION = "1"
_OPEN = ("/v2/health/live", "/v2/health/ready")


class _Route(NamedTuple):
    """What a path stands for. `version`: the variant that the path asks for."""

    method: str
    action: Callable[[Head, bytes, Optional[str]], Response]
    version: Optional[str] = None


class Service:
    """One model family, served. `name`: of the family; `token`: what a client must know, None where anybody may ask."""

    def __init__(self, host: ActiveModels, name: str, limits: ServiceLimits, token: Optional[str] = None) -> None:
        self.limits = limits
        self.admission = Admission(limits)
        self._host = host
        self._token = None if token is None else token.encode()
        self._counts = ServiceCounts()
        self.name, self.needs_token = name, token is not None
        self._started_s = time.monotonic()
        infer = "/v2/models/{}/infer".format(quote(name, safe=""))
        self._routes = {infer: self._parse_path(infer)}  # the path that has to be quick

    def refuse_head(self, head: Head) -> Optional[Response]:
        """Return the response to a request whose body need not be read; None where it should be."""
        try:
            _check_framing(head, self.limits)
            self._check_token(head)
            route = self._find_route(head)
            if head.method != route.method and (head.method, route.method) != ("HEAD", "GET"):
                return self._count(Refusal(405, "{} takes {}".format(head.path, route.method)).respond(route.method))
            if route.method == "POST":
                self.admission.refuse()
        except Refusal as refusal:
            return self._count(refusal.respond())
        return None

    def refuse(self, refusal: Refusal) -> Response:
        """Return the response to a request that the driver itself could not take in, and count it."""
        return self._count(refusal.respond())

    def admit(self, head: Head) -> Optional[float]:
        """Let an inference into the queue and return when; None for what needs no place. Refusal if it is full."""
        return self.admission.admit() if head.method == "POST" else None

    def answer(self, head: Head, body: bytes, admitted_s: Optional[float]) -> Response:
        """Return the response to a request whose head was not refused; `admitted_s`: what `admit` gave."""
        try:
            route = self._find_route(head)
            if admitted_s is None:
                return self._count(route.action(head, body, route.version))
            self.admission.enter(admitted_s)
            began_s = time.monotonic()
            try:
                return self._count(route.action(head, body, route.version))
            finally:
                ended_s = time.monotonic()
                self.admission.exit(ended_s - began_s)
                self._counts.add_inference(ended_s - admitted_s)
        except Refusal as refusal:
            return self._count(refusal.respond())
        except ModelLost as error:
            return self._count(Refusal(503, str(error), retry_after=1).respond())
        except Exception as error:  # a runtime may raise anything; the client is told no more than the kind
            print("inference failed: {}: {}".format(type(error).__name__, error), file=sys.stderr, flush=True)
            return self._count(Refusal(500, "the inference failed: {}".format(type(error).__name__)).respond())
        finally:
            if admitted_s is not None:
                self.admission.leave()

    def _count(self, response: Response) -> Response:
        self._counts.add_response(response.status)
        return response

    def _check_token(self, head: Head) -> None:
        if self._token is None or head.path in _OPEN:
            return
        kind, _, value = (head.find(b"authorization") or "").partition(" ")
        right = hmac.compare_digest(value.strip().encode("latin-1"), self._token)
        if kind.lower() != "bearer" or not right:
            raise Refusal(401, "a bearer token is needed")

    def _find_route(self, head: Head) -> _Route:
        path = head.path
        route = self._routes.get(path)
        return self._parse_path(path) if route is None else route

    def _parse_path(self, path: str) -> _Route:
        """Return what a path stands for; Refusal (404) for nothing."""
        parts = [unquote(part) for part in path.split("/")[1:]]
        plain: Dict[Tuple[str, ...], Callable[[Head, bytes, Optional[str]], Response]] = {
            ("metrics",): self._show_metrics,
            ("openapi.json",): self._show_api,
            ("v2",): self._show_server,
            ("v2", "health", "live"): self._show_live,
            ("v2", "health", "ready"): self._show_ready,
        }
        if action := plain.get(tuple(parts)):
            return _Route("GET", action)
        if parts[:2] != ["v2", "models"] or len(parts) < 3:
            raise Refusal(404, "nothing is at {:.80}".format(path))
        if parts[2] != self.name:
            raise Refusal(404, "no model {!r:.60}; there is {}".format(parts[2], self.name))
        rest, version = parts[3:], None
        if rest[:1] == ["versions"] and len(rest) > 1:
            rest, version = rest[2:], rest[1]
        routes: Dict[Tuple[str, ...], _Route] = {
            (): _Route("GET", self._show_model, version),
            ("ready",): _Route("GET", self._show_model_ready, version),
            ("infer",): _Route("POST", self._infer, version),
        }
        try:
            return routes[tuple(rest)]
        except KeyError:
            raise Refusal(404, "nothing is at {:.80}".format(path)) from None

    def _show_live(self, head: Head, body: bytes, version: Optional[str]) -> Response:
        return render_json(200, {"live": True})

    def _show_ready(self, head: Head, body: bytes, version: Optional[str]) -> Response:
        ready = not self.admission.draining
        return render_json(200 if ready else 503, {"ready": ready})

    def _show_server(self, head: Head, body: bytes, version: Optional[str]) -> Response:
        return render_json(200, {"name": "edgeproof", "version": VERSION, "extensions": ["binary_tensor_data"]})

    def _show_model(self, head: Head, body: bytes, version: Optional[str]) -> Response:
        with self._host.borrow() as active:
            _check_version(version, active.name)
            document = {
                "name": self.name,
                "versions": [active.name],
                "platform": active.platform,
                "inputs": describe_tensors(active.inputs),
                "outputs": describe_tensors(active.outputs),
            }
            return render_json(200, document, name_model(active.name, active.generation))

    def _show_model_ready(self, head: Head, body: bytes, version: Optional[str]) -> Response:
        with self._host.borrow() as active:
            ready = not self.admission.draining and version in (None, active.name)
            document = {"name": self.name, "ready": ready}
            return render_json(200 if ready else 503, document, name_model(active.name, active.generation))

    def _show_api(self, head: Head, body: bytes, version: Optional[str]) -> Response:
        return render_json(200, describe_api(self.name, VERSION, self.needs_token))

    def _show_metrics(self, head: Head, body: bytes, version: Optional[str]) -> Response:
        with self._host.borrow() as active:
            engine = {"variant": active.name, "counters": self._host.read_counters()}
            gauges = {
                "pending_requests": float(self.admission.pending),
                "active_generation": float(active.generation),
                "uptime_seconds": time.monotonic() - self._started_s,
            }
        return render_metrics(self._counts.read(), gauges, engine)

    def _infer(self, head: Head, body: bytes, version: Optional[str]) -> Response:
        # Variants agree in what they take and give, so one reading holds for the variant that comes to answer.
        with self._host.borrow() as active:
            contract = Contract(active.inputs, active.outputs, self.limits.elements)
        request = read_infer_request(body, head.find(LENGTH_HEADER), contract)
        answer = self._host.run(request.feed)
        _check_version(version, answer.variant)
        return render_infer_response(request, answer.outputs, self.name, answer.variant, answer.generation)


def _check_framing(head: Head, limits: ServiceLimits) -> None:
    """Raise Refusal where two readers of a request could disagree on where it ends, or where it is too long."""
    if len(head.target) + sum(len(name) + len(value) for name, value in head.headers) > limits.head_bytes:
        raise Refusal(431, "the head is longer than {} bytes".format(limits.head_bytes), close=True)
    lengths, codings = head.find_all(b"content-length"), head.find_all(b"transfer-encoding")
    if codings and lengths:
        raise Refusal(400, "a request has Content-Length or Transfer-Encoding, not both", close=True)
    if len(lengths) > 1 or any(not value.strip().isdigit() for value in lengths):
        raise Refusal(400, "Content-Length is no length", close=True)
    if codings and [value.strip().lower() for value in codings] != [b"chunked"]:
        raise Refusal(501, "the only Transfer-Encoding is chunked", close=True)
    if head.find(b"content-encoding") not in (None, "identity"):
        raise Refusal(415, "bodies are taken as they are, without Content-Encoding", close=True)
    if lengths and (len(lengths[0].strip()) > 18 or int(lengths[0]) > limits.body_bytes):
        raise Refusal(413, "the body is longer than {} bytes".format(limits.body_bytes), close=True)


def _check_version(version: Optional[str], active: str) -> None:
    if version not in (None, active):
        raise Refusal(404, "variant {!r:.60} is not active; {} is".format(version, active))
