"""Load on a server: closed and open loops of one prepared request, each latency counted from when it was due.

An open loop does not wait for answers: a request that starts late because all connections are busy has waited, and its
latency says so. MLPerf's scenarios by name: SingleStream is the closed loop of one client, Server the open loop with
Poisson arrivals.
"""

import socket
import threading
import time
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Arrivals = Literal["poisson", "constant"]
Address = tuple[str, int]
_TIMEOUT_S = 30.0
_LEAD_S = 0.05


@dataclass(frozen=True)
class Answers:
    """What came of one stretch of load, in the order of the requests.

    `latency_ns`: int64, from when a request was due to its last byte; `status`: int16, 0 where there was no answer.
    `seconds`: from the first due to the last answer.
    """

    latency_ns: NDArray[np.int64]
    status: NDArray[np.int16]
    seconds: float

    @property
    def failed(self) -> int:
        """How many had another status than 200."""
        return int((self.status != 200).sum())

    @property
    def rate(self) -> float:
        """Good answers per second."""
        return float((self.status == 200).sum()) / self.seconds if self.seconds > 0 else 0.0


def compose_request(address: Address, path: str, body: bytes, token: str | None = None) -> bytes:
    """Return the bytes of a POST request that keeps its connection."""
    host = f"[{address[0]}]" if ":" in address[0] else address[0]
    lines = [f"POST {path} HTTP/1.1", f"host: {host}:{address[1]}", "content-type: application/json"]
    lines += [f"content-length: {len(body)}", *([] if token is None else [f"authorization: Bearer {token}"])]
    return "\r\n".join([*lines, "", ""]).encode() + body


def draw_schedule(arrivals: Arrivals, rate: float, seconds: float, seed: int) -> NDArray[np.float64]:
    """Return when requests are due, in seconds from the start.

    Poisson: gaps are exponential with mean 1 / rate, as in LoadGen's Server scenario. Constant: all gaps are 1 / rate.
    """
    if arrivals == "constant":
        return np.arange(max(1, int(rate * seconds))) / rate
    random = np.random.default_rng(seed)
    gaps = random.exponential(1 / rate, max(1, int(rate * seconds + 10 * np.sqrt(rate * seconds)) + 1))
    due = np.cumsum(gaps)
    return due[due < seconds] if (due < seconds).any() else due[:1]


def could_be_due(count: int, rate: float, seconds: float) -> bool:
    """Tell whether so many requests can have been due at a rate, before a schedule of any length is drawn."""
    return rate * seconds <= 2 * count + 1000


def run_open_loop(address: Address, request: bytes, due_s: NDArray[np.float64], connections: int) -> Answers:
    """Send a request at each due time over so many connections and return all latencies.

    Connections take the next due request in turn. With too few of them requests wait here, which counts as latency.
    """
    latency, status = np.zeros(len(due_s), "int64"), np.zeros(len(due_s), "int16")
    began_ns = time.monotonic_ns() + int(_LEAD_S * 1e9)
    due_ns = began_ns + (due_s * 1e9).astype("int64")
    lock, taken = threading.Lock(), iter(range(len(due_s)))

    def work() -> None:
        link = Link(address)
        while True:
            with lock:
                number = next(taken, None)
            if number is None:
                return link.close()
            wait_s = (due_ns[number] - time.monotonic_ns()) / 1e9
            if wait_s > 0:
                time.sleep(wait_s)
            status[number] = link.ask(request)
            latency[number] = time.monotonic_ns() - due_ns[number]

    _run_all([work] * connections)
    ended_ns = int((due_ns + latency).max())
    return Answers(latency, status, (ended_ns - int(due_ns[0])) / 1e9)


def run_closed_loop(address: Address, request: bytes, clients: int, seconds: float) -> Answers:
    """Let every client send its next request as soon as the last one is answered, and return all latencies."""
    found: list[list[tuple[int, int]]] = [[] for _ in range(clients)]
    began_ns = time.monotonic_ns()
    ends_ns = began_ns + int(seconds * 1e9)

    def work(own: list[tuple[int, int]]) -> None:
        link = Link(address)
        while (due := time.monotonic_ns()) < ends_ns:
            status = link.ask(request)
            own.append((time.monotonic_ns() - due, status))
        link.close()

    _run_all([lambda own=own: work(own) for own in found])
    rows = np.array([row for own in found for row in own] or np.zeros((0, 2)), "int64").reshape(-1, 2)
    return Answers(rows[:, 0], rows[:, 1].astype("int16"), (time.monotonic_ns() - began_ns) / 1e9)


class Link:
    """One client's connection. It is opened again after a failure."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._socket: socket.socket | None = None

    def ask(self, request: bytes) -> int:
        """Send a request, read the whole answer and return its status; 0 where none came."""
        try:
            if self._socket is None:
                self._socket = socket.create_connection(self._address, _TIMEOUT_S)
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket.sendall(request)
            return self._read_answer(self._socket)
        except (OSError, ValueError):
            self.close()
            return 0

    def close(self) -> None:
        """Close the connection."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _read_answer(self, link: socket.socket) -> int:
        data = b""
        while (end := data.find(b"\r\n\r\n")) < 0:
            if not (part := link.recv(65536)):
                raise ValueError("the server has closed the connection")
            data += part
        head = data[:end].lower()
        place = head.index(b"content-length:") + len(b"content-length:")
        missing = int(head[place:].split(b"\r\n", 1)[0]) - (len(data) - end - 4)
        while missing > 0:
            if not (part := link.recv(missing)):
                raise ValueError("the server has closed the connection")
            missing -= len(part)
        if b"connection: close" in head:
            self.close()
        return int(data[9:12])


def _run_all(works: list) -> None:
    threads = [threading.Thread(target=work, daemon=True) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
