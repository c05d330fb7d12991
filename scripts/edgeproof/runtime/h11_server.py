"""The server for a board: h11 reads and writes HTTP/1.1, one thread per connection, at most so many connections."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from email.utils import formatdate
from typing import Any, List, Set, Tuple

from .http_service import Service
from .wire import Head, Refusal, Response

try:
    import h11 as _h11
except ImportError:  # only who serves needs it
    _h11 = None

_RECEIVE_BYTES = 65536
_LINGER_S = 1.0
_LINGER_BYTES = 1 << 20
_BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nretry-after: 1\r\n"
    b'connection: close\r\ncontent-length: 34\r\n\r\n{"error":"too many connections"}  '
)


class ConnectionGone(Exception):
    """The client has closed the connection, or was silent too long between two requests."""


class H11Server:
    """Serves a `Service` on a socket. `start` returns at once; `stop` answers what was taken in, then ends."""

    def __init__(self, service: Service, host: str = "127.0.0.1", port: int = 0) -> None:
        if _h11 is None:
            raise RuntimeError("serving needs the package h11: pip install h11")
        self._h11: Any = _h11
        self._service, self._limits = service, service.limits
        self._listener = open_listener(host, port)
        self._lock = threading.Lock()
        self._open: Set["_Connection"] = set()
        self._threads: Set[threading.Thread] = set()
        self._stopping = False
        self._accepting = threading.Thread(target=self._accept, name="edgeproof-accept", daemon=True)

    @property
    def address(self) -> Tuple[str, int]:
        """Host and port that are served."""
        host, port = self._listener.getsockname()[:2]
        return host, port

    def start(self) -> None:
        """Take connections from now on."""
        self._accepting.start()

    def stop(self) -> bool:
        """Take nothing new, answer what was let in, and close; return whether all was answered within `drain_s`."""
        self._service.admission.drain()
        self._stopping = True
        with contextlib.suppress(OSError):  # wakes `accept`
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepting.join()
        ends_s = time.monotonic() + self._limits.drain_s
        answered = self._service.admission.wait_until_idle(self._limits.drain_s)
        with self._lock:
            connections, threads = list(self._open), list(self._threads)
        for connection in connections:
            connection.end_when_idle()
        for thread in threads:
            thread.join(max(0.0, ends_s - time.monotonic()))
        with self._lock:
            connections, threads = list(self._open), list(self._threads)
        for connection in connections:
            connection.close()
        for thread in threads:
            thread.join(self._limits.write_s)
        return answered

    def _accept(self) -> None:
        while not self._stopping:
            try:
                taken, _ = self._listener.accept()
            except OSError:
                if self._stopping:
                    return
                time.sleep(0.05)  # out of file descriptors: let connections end
                continue
            with self._lock:
                crowded = len(self._open) >= self._limits.connections
            if crowded:
                _refuse_connection(taken)
                continue
            connection = _Connection(taken, self._h11, self._service)
            thread = threading.Thread(target=self._run, args=(connection,), name="edgeproof-connection", daemon=True)
            with self._lock:
                self._open.add(connection)
                self._threads.add(thread)
            thread.start()

    def _run(self, connection: "_Connection") -> None:
        try:
            connection.serve()
        finally:
            connection.close()
            with self._lock:
                self._open.discard(connection)
                self._threads.discard(threading.current_thread())


class _Connection:
    """One client's connection: requests one after the other, until either side closes it."""

    def __init__(self, taken: socket.socket, library: Any, service: Service) -> None:
        self._socket, self._h11, self._service = taken, library, service
        self._limits = service.limits
        taken.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._http: Any = library.Connection(library.SERVER, max_incomplete_event_size=self._limits.head_bytes)
        self._method = ""
        self._lock = threading.Lock()
        self._idle, self._ending = True, False

    def serve(self) -> None:
        """Answer requests until the connection ends. Nothing that a client sends raises."""
        try:
            while self._serve_request():
                self._http.start_next_cycle()
        except (ConnectionGone, OSError):
            pass

    def end_when_idle(self) -> None:
        """Close the connection, after the request that it is at."""
        with self._lock:
            self._ending = True
            if self._idle:
                self._shut()

    def close(self) -> None:
        """Close the socket."""
        self._shut()
        self._socket.close()

    def _shut(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def _serve_request(self) -> bool:
        """Serve one request; return whether another may follow on this connection."""
        self._method = ""
        try:
            head = self._read_head()
            response = self._service.refuse_head(head)
            if response is None:
                body = self._read_body()
                response = self._service.answer(head, body, self._service.admit(head))
        except Refusal as refusal:
            response = self._service.refuse(refusal)
        except self._h11.RemoteProtocolError as error:
            response = self._service.refuse(Refusal(error.error_status_hint, str(error), close=True))
        return self._send(response)

    def _read_head(self) -> Head:
        event = self._http.next_event()
        if event is self._h11.NEED_DATA:
            self._wait_for_request()
            event = self._next_event(time.monotonic() + self._limits.head_s, "head")
        if not isinstance(event, self._h11.Request):
            raise ConnectionGone
        self._idle = False
        self._method = event.method.decode()
        headers = [(bytes(name), bytes(value)) for name, value in event.headers]
        return Head(self._method, event.target.decode("latin-1"), headers)

    def _wait_for_request(self) -> None:
        """Wait for the first bytes of a request. A client that sends none is gone."""
        with self._lock:
            self._idle = not self._http.trailing_data[0]
            if self._ending and self._idle:
                raise ConnectionGone
        if self._idle:
            self._receive(self._limits.idle_s)

    def _read_body(self) -> bytes:
        ends_s = time.monotonic() + self._limits.body_s
        if self._http.they_are_waiting_for_100_continue:
            self._transmit(self._http.send(self._h11.InformationalResponse(status_code=100, headers=[])))
        parts: List[bytes] = []
        size = 0
        while True:
            event = self._next_event(ends_s, "body")
            if isinstance(event, self._h11.EndOfMessage):
                return b"".join(parts)
            if not isinstance(event, self._h11.Data):
                raise ConnectionGone
            size += len(event.data)
            if size > self._limits.body_bytes:
                raise Refusal(413, "the body is longer than {} bytes".format(self._limits.body_bytes), close=True)
            parts.append(bytes(event.data))

    def _next_event(self, ends_s: float, what: str) -> Any:
        """Return the next event of the client; Refusal (408) where it does not come by then."""
        while True:
            event = self._http.next_event()
            if event is not self._h11.NEED_DATA:
                return event
            try:
                self._receive(ends_s - time.monotonic())
            except ConnectionGone:
                if ends_s > time.monotonic():
                    raise
                raise Refusal(408, "the {} did not come in time".format(what), close=True) from None

    def _receive(self, seconds: float) -> None:
        if seconds <= 0:
            raise ConnectionGone
        self._socket.settimeout(seconds)
        try:
            data = self._socket.recv(_RECEIVE_BYTES)
        except socket.timeout:  # the same as TimeoutError only from Python 3.10 on
            raise ConnectionGone from None
        self._http.receive_data(data)

    def _send(self, response: Response) -> bool:
        """Send a response; return whether the connection can go on."""
        library, http = self._h11, self._http
        closing = response.close or self._ending or http.their_state not in (library.DONE, library.MUST_CLOSE)
        if http.our_state not in (library.IDLE, library.SEND_RESPONSE):
            return False
        headers: List[Tuple[bytes, bytes]] = [
            (b"date", formatdate(usegmt=True).encode()),
            (b"content-length", str(len(response.body)).encode()),
            *response.headers,
        ]
        if closing:
            headers.append((b"connection", b"close"))
        parts = [http.send(library.Response(status_code=response.status, headers=headers))]
        if self._method != "HEAD":
            parts.append(http.send(library.Data(data=response.body)))
        parts.append(http.send(library.EndOfMessage()))
        self._transmit(b"".join(parts))
        if closing or http.our_state is not library.DONE or http.their_state is not library.DONE:
            self._linger()
            return False
        return True

    def _transmit(self, data: bytes) -> None:
        self._socket.settimeout(self._limits.write_s)
        self._socket.sendall(data)

    def _linger(self) -> None:
        """Read what still comes, so that closing does not take the response back from the client."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)
            ends_s, left = time.monotonic() + _LINGER_S, _LINGER_BYTES
            while left > 0 and (seconds := ends_s - time.monotonic()) > 0:
                self._socket.settimeout(seconds)
                data = self._socket.recv(_RECEIVE_BYTES)
                if not data:
                    return
                left -= len(data)


def open_listener(host: str, port: int) -> socket.socket:
    """Return the socket on which the h11 server listens; port 0 takes a free one.

    Its protocol is named: asyncio sends small parts at once only on connections of such a socket, and without that
    every response waits 40 ms for an acknowledgement.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(128)
    except BaseException:
        listener.close()
        raise
    return listener


def _refuse_connection(taken: socket.socket) -> None:
    """Tell a client that there are too many, and wait a moment for it to hear that."""
    with contextlib.suppress(OSError):
        taken.settimeout(0.05)
        taken.sendall(_BUSY)
        taken.shutdown(socket.SHUT_WR)
        while taken.recv(_RECEIVE_BYTES):
            pass
    taken.close()
