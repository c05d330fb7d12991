"""The server for a host: Starlette and uvicorn read and write HTTP, and drive the same service as on a board."""

import asyncio
import contextlib
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import h11
import uvicorn
from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from edgeproof.runtime.h11_server import open_listener
from edgeproof.runtime.http_service import Service
from edgeproof.runtime.wire import Head, Refusal, Response

_DISCARD_BYTES, _DISCARD_S = 1 << 20, 1.0


def _build_application(service: Service) -> Starlette:
    """Return the ASGI application of a service. It has no routes of its own: the service knows its paths."""
    application = Starlette()
    application.router.default = _Endpoint(service)
    return application


class HostServer:
    """Serves a `Service` with uvicorn, in a thread of its own. `stop` answers what was let in, then ends."""

    def __init__(self, service: Service, host: str = "127.0.0.1", port: int = 0) -> None:
        limits = service.limits
        self._service = service
        self._listener = open_listener(host, port)
        config = uvicorn.Config(
            _build_application(service),
            http=type("TimedProtocol", (_TimedProtocol,), {"head_s": limits.head_s}),
            ws="none",
            loop="asyncio",
            log_config=None,
            log_level="error",  # a client's nonsense is its own business
            access_log=False,
            server_header=False,
            timeout_keep_alive=int(limits.idle_s),
            timeout_graceful_shutdown=int(limits.drain_s),
            h11_max_incomplete_event_size=limits.head_bytes,
            limit_concurrency=limits.connections,
        )
        self._server = _DrainingServer(config, service)
        self._thread = threading.Thread(target=self._run, name="edgeproof-uvicorn", daemon=True)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port that are served."""
        host, port = self._listener.getsockname()[:2]
        return host, port

    def start(self) -> None:
        """Take connections from now on: the socket listens already, uvicorn answers as soon as it is up."""
        self._thread.start()

    def stop(self) -> bool:
        """Take nothing new, answer what was let in, and end; return whether all was answered in time."""
        self._server.should_exit = True
        self._thread.join()
        return self._service.admission.wait_until_idle(0)

    def _run(self) -> None:
        self._server.run(sockets=[self._listener])


class _DrainingServer(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._service.admission.drain()
        await super().shutdown(sockets)


class _TimedProtocol(H11Protocol):
    """uvicorn's protocol, with a limit on how long a request's head may take: uvicorn has none."""

    head_s = 10.0

    def connection_made(self, transport: Any) -> None:
        self._limit: asyncio.TimerHandle | None = None
        super().connection_made(transport)
        self._watch_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch_head()

    def eof_received(self) -> bool | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Answer a client that has sent its request and closed its side; asyncio would drop the connection."""
        cycle = self.cycle
        if cycle is None or cycle.response_complete or self.conn.their_state is not h11.DONE:
            return None
        cycle.keep_alive = False
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_watching()
        super().connection_lost(exc)

    def _watch_head(self) -> None:
        if self.conn.their_state is not h11.IDLE:
            self._stop_watching()
        elif self._limit is None:
            self._limit = self.loop.call_later(self.head_s, self._close_if_slow)

    def _stop_watching(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None

    def _close_if_slow(self) -> None:
        self._limit = None
        if self.conn.their_state is h11.IDLE and not self.transport.is_closing():
            self.transport.close()


class _Endpoint:
    """The ASGI side of a service: reads a body within its limits, and answers on the service's own threads."""

    def __init__(self, service: Service) -> None:
        self._service, self._limits = service, service.limits
        self._pool = ThreadPoolExecutor(service.limits.workers, thread_name_prefix="edgeproof-worker")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path, query = scope["raw_path"], scope["query_string"]
        target = (path + b"?" + query if query else path).decode("latin-1")
        head = Head(scope["method"], target, scope["headers"])
        response = self._service.refuse_head(head)
        if response is None:
            response = await self._answer(head, receive)
        else:
            await self._discard(receive)
        headers = [*response.headers, (b"content-length", str(len(response.body)).encode())]
        if response.close:
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        await send({"type": "http.response.body", "body": response.body})

    async def _answer(self, head: Head, receive: Receive) -> Response:
        try:
            body = await self._read_body(receive)
            admitted_s = self._service.admit(head)
        except Refusal as refusal:
            return self._service.refuse(refusal)
        if admitted_s is None:
            return self._service.answer(head, body, None)  # no inference, no wait
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, self._service.answer, head, body, admitted_s)

    async def _read_body(self, receive: Receive) -> bytes:
        try:
            async with asyncio.timeout(self._limits.body_s):
                return await self._gather_body(receive)
        except TimeoutError:
            raise Refusal(408, "the body did not come in time", close=True) from None

    async def _gather_body(self, receive: Receive) -> bytes:
        parts: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise Refusal(400, "the client has gone", close=True)
            part = message.get("body", b"")
            size += len(part)
            if size > self._limits.body_bytes:
                raise Refusal(413, f"the body is longer than {self._limits.body_bytes} bytes", close=True)
            parts.append(part)
            if not message.get("more_body", False):
                return b"".join(parts)

    async def _discard(self, receive: Receive) -> None:
        """Read some of a body that nobody wants, so that closing does not take the response back from the client."""
        left = _DISCARD_BYTES
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_DISCARD_S):
                while left > 0:
                    message = await receive()
                    left -= len(message.get("body", b""))
                    if message["type"] == "http.disconnect" or not message.get("more_body", False):
                        return
