"""Load on a server: closed and open loops of one prepared request, each latency counted from when it was due.

An open loop does not wait for answers: a request that starts late because all connections are busy has waited, and its
latency says so. MLPerf's scenarios by name: SingleStream is the closed loop of one client, Server the open loop with
Poisson arrivals.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .server_link import Address, Answer, Link, NoAnswer

Arrivals = Literal["poisson", "constant"]
Check = Callable[[bytes], bool]  # whether the body of an answer with status 200 is good
WRONG = -1  # the status that is noted for an answer 200 whose body is not
_LEAD_S = 0.05


@dataclass(frozen=True)
class Answers:
    """What came of one stretch of load, in the order of the requests.

    `latency_ns`: int64, from when a request was due to its last byte; `status`: int16, 0 where there was no answer, -1
    where it was 200 with a body that is no answer to the request.
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
    """Return the bytes of the POST request that makes up the load on a service; it keeps its connection."""
    host = f"[{address[0]}]" if ":" in address[0] else address[0]
    lines = [f"POST {path} HTTP/1.1", f"host: {host}:{address[1]}", "content-type: application/json"]
    lines += [f"content-length: {len(body)}", *([] if token is None else [f"authorization: Bearer {token}"])]
    return "\r\n".join([*lines, "", ""]).encode() + body


def draw_schedule(arrivals: Arrivals, rate: float, seconds: float, seed: int) -> NDArray[np.float64]:
    """Return when the requests of an open load on a service are due, in seconds from the start.

    Poisson: gaps are exponential with mean 1 / rate, as in LoadGen's Server scenario. Constant: all gaps are 1 / rate.
    """
    if arrivals == "constant":
        return np.arange(max(1, int(rate * seconds))) / rate
    random = np.random.default_rng(seed)
    gaps = random.exponential(1 / rate, max(1, int(rate * seconds + 10 * np.sqrt(rate * seconds)) + 1))
    due = np.cumsum(gaps)
    return due[due < seconds] if (due < seconds).any() else due[:1]


def could_be_due(count: int, rate: float, seconds: float) -> bool:
    """Tell whether so many requests of a load on a service can have been due at a rate, before a schedule is drawn.

    A schedule could be of any length.
    """
    return rate * seconds <= 2 * count + 1000


def run_open_loop(
    address: Address, request: bytes, due_s: NDArray[np.float64], connections: int, check: Check | None = None
) -> Answers:
    """Put an open loop of load on a service: send a request at each due time, return all latencies.

    `connections`: how many there are; they take the next due request in turn. With too few of them requests wait here,
    which counts as latency. `check` looks at every body, after its latency is taken.
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
            answer = _ask(link, request)
            latency[number] = time.monotonic_ns() - due_ns[number]
            status[number] = _judge(answer, check)

    _run_all([work] * connections)
    ended_ns = int((due_ns + latency).max())
    return Answers(latency, status, (ended_ns - int(due_ns[0])) / 1e9)


def run_closed_loop(
    address: Address, request: bytes, clients: int, seconds: float, check: Check | None = None
) -> Answers:
    """Put a closed loop of load on a service: each client sends when it has its answer; return all latencies.

    `check` looks at every body, after its latency is taken.
    """
    found: list[list[tuple[int, int]]] = [[] for _ in range(clients)]
    began_ns = time.monotonic_ns()
    ends_ns = began_ns + int(seconds * 1e9)

    def work(own: list[tuple[int, int]]) -> None:
        link = Link(address)
        while (due := time.monotonic_ns()) < ends_ns:
            answer = _ask(link, request)
            took = time.monotonic_ns() - due
            own.append((took, _judge(answer, check)))
        link.close()

    _run_all([lambda own=own: work(own) for own in found])
    rows = np.array([row for own in found for row in own] or np.zeros((0, 2)), "int64").reshape(-1, 2)
    return Answers(rows[:, 0], rows[:, 1].astype("int16"), (time.monotonic_ns() - began_ns) / 1e9)


def _ask(link: Link, request: bytes) -> Answer | None:
    try:
        return link.fetch(request)
    except NoAnswer:
        return None


def _judge(answer: Answer | None, check: Check | None) -> int:
    """Return the status that is noted for an answer."""
    if answer is None:
        return 0
    return WRONG if answer.status == 200 and check is not None and not check(answer.body) else answer.status


def _run_all(works: list) -> None:
    threads = [threading.Thread(target=work, daemon=True) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
