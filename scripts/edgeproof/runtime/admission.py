"""Who may be served now: a bounded queue before a bounded number of workers, and a clear refusal beyond it."""

from __future__ import annotations

import math
import threading
import time
from typing import NamedTuple

from .wire import Refusal


class ServiceLimits(NamedTuple):
    """What a server holds itself to. Bytes, seconds, and numbers of things at a time.

    `workers` inferences run at a time and `queue` more wait, each at most `queue_s`. A head has `head_s` to come in, a
    body `body_s`, a response `write_s` to go out; a connection without a request is closed after `idle_s`. When the
    server stops, what it has taken in has `drain_s` to be answered.
    """

    workers: int = 2
    queue: int = 64
    connections: int = 64
    body_bytes: int = 16 * 1024 * 1024
    head_bytes: int = 16 * 1024
    elements: int = 4 * 1024 * 1024
    queue_s: float = 5.0
    head_s: float = 10.0
    body_s: float = 30.0
    write_s: float = 30.0
    idle_s: float = 60.0
    drain_s: float = 30.0


class Admission:
    """The queue of one server. A request that `admit` lets in must `enter` before it works, and `leave` in the end."""

    def __init__(self, limits: ServiceLimits) -> None:
        self._limits = limits
        self._lock = threading.Lock()
        self._workers = threading.Semaphore(limits.workers)
        self._pending = 0
        self._mean_s = 0.01
        self._idle = threading.Event()
        self._idle.set()
        self._draining = False

    @property
    def pending(self) -> int:
        """How many requests wait or are worked on."""
        return self._pending

    @property
    def draining(self) -> bool:
        """Whether nothing new is let in."""
        return self._draining

    def refuse(self) -> None:
        """Raise Refusal where the queue is full (429) or the server stops (503)."""
        if self._draining:
            raise Refusal(503, "the server is stopping", retry_after=1, close=True)
        if self._pending >= self._limits.workers + self._limits.queue:
            raise Refusal(429, "the queue is full: {} requests wait".format(self._limits.queue), self._wait_s())

    def admit(self) -> float:
        """Let a request in and return when, on the monotonic clock; Refusal as `refuse` raises it."""
        with self._lock:
            self.refuse()
            self._pending += 1
            self._idle.clear()
        return time.monotonic()

    def enter(self, admitted_s: float) -> None:
        """Wait for a worker; Refusal (503) where that takes longer than the queue's time."""
        left = self._limits.queue_s - (time.monotonic() - admitted_s)
        if left <= 0 or not self._workers.acquire(timeout=left):
            message = "no worker was free within {} s".format(self._limits.queue_s)
            raise Refusal(503, message, retry_after=self._wait_s())

    def exit(self, worked_s: float) -> None:
        """Give the worker back after so many seconds of work."""
        self._mean_s += 0.1 * (worked_s - self._mean_s)
        self._workers.release()

    def leave(self) -> None:
        """Take a request that was let in out of the queue."""
        with self._lock:
            self._pending -= 1
            if not self._pending:
                self._idle.set()

    def drain(self) -> None:
        """Let nothing more in."""
        with self._lock:
            self._draining = True

    def wait_until_idle(self, seconds: float) -> bool:
        """Wait until every request that was let in has left; return whether that came about in time."""
        return self._idle.wait(seconds)

    def _wait_s(self) -> int:
        """Return in how many seconds a new request has a chance, as far as the last ones tell; at least 1."""
        return max(1, math.ceil(self._pending * self._mean_s / self._limits.workers))
