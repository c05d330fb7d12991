"""What every sampler is: it starts, is drained while it runs, and stops; its samples carry our own clock's time.

A channel is a quantity with its unit, and after a colon what it is of: `total_w`, `rail_w:VDD_SOC`,
`temperature_c:gpu`. Programs look at `total_w` (power now) or `total_j` (energy since the start), `temperature_c:…`,
`clock_mhz:…`, `memory_bytes:process`, `throttled:…`.

What was read is kept as it came in the raw log (`NAME.raw`): a line is the time in ns, a tab, and the source's words.
"""

from __future__ import annotations

import collections
import os
import threading
import time
from typing import IO, Deque, Dict, Iterable, List, NamedTuple, Optional, Tuple

from ..specs import Report, SamplerOptions

_MOST_FAILURES = 10  # readings in a row
_MOST_NOTES = 20


class Sample(NamedTuple):
    """One value of one channel. `at_ns`: of `time.perf_counter_ns`."""

    at_ns: int
    channel: str
    value: float


def name_all(names: Iterable[str]) -> str:
    """Return the names of a sampler's rails, counters or cards for people, "none" without any."""
    return ", ".join(names) or "none"


class Unavailable(Exception):
    """This sampler cannot run here; the message says why, and what would help."""


class Sampler:
    """One source of samples. `drain` may be called from another thread than `start` and `stop`.

    `interval_ms`: between samples, unless the options say. `lag_s`: how old a value may be when we read it, at most.
    """

    name = ""
    interval_ms = 100
    lag_s = 0.0

    def __init__(self, options: SamplerOptions, raw: IO[bytes]) -> None:
        self._options, self._raw = options, raw
        self._interval_s = options.get("interval_ms", self.interval_ms) / 1000
        self._waiting: Deque[Sample] = collections.deque()
        self._counts: Dict[str, int] = {}
        self._power: Optional[Report] = None
        self._quantum: Optional[float] = None
        self._reason: Optional[str] = None
        self._notes: List[str] = []

    def start(self) -> None:
        """Begin; Unavailable where the source is not there."""
        raise NotImplementedError

    def drain(self) -> List[Sample]:
        """Return what has come in since the last call, in order."""
        taken = [self._waiting.popleft() for _ in range(len(self._waiting))]
        for sample in taken:
            self._counts[sample.channel] = self._counts.get(sample.channel, 0) + 1
        return taken

    def stop(self) -> None:
        """End; what came in until now can still be drained."""
        raise NotImplementedError

    def watch(self, pid: Optional[int]) -> None:
        """Take note that a process is measured from now on, or that none is (None)."""

    def describe(self) -> Report:
        """Return what this sampler is and how it fared, for the record of a session."""
        return {
            "name": self.name,
            "required": self._options.get("required", False),
            "interval_ms": round(self._interval_s * 1000),
            "power": self._power,
            "quantum": self._quantum,
            "lag_s": self.lag_s,
            "samples": dict(sorted(self._counts.items())),
            "reason": self._reason,
            "notes": list(dict.fromkeys(self._notes))[:_MOST_NOTES],
        }

    def give_up(self, reason: str) -> None:
        """Take note why this sampler could not start."""
        self._reason = reason

    def _claim_power(self, rails: List[str], kind: str, boundary: str, quantity: str = "total_w") -> None:
        """Say what the total is: a channel that sums `rails`; `kind`: measured, derived (a sum) or partial (a sum that
        lacks something).
        """
        own = self._options.get("boundary", boundary)
        self._power = {"channel": quantity, "boundary": own, "rails": rails, "kind": kind}

    def _keep(self, at_ns: int, words: bytes, values: Iterable[Tuple[str, float]]) -> None:
        """Put one reading into the raw log and its values into the queue."""
        self._raw.write(b"%d\t%s\n" % (at_ns, words))
        self._waiting.extend(Sample(at_ns, channel.replace(",", " "), value) for channel, value in values)


class PolledSampler(Sampler):
    """A sampler that asks its source in a thread of its own, on a fixed schedule. A tick that is missed is left out."""

    def start(self) -> None:
        """As every sampler; reads once before it returns."""
        self._said: List[bytes] = []
        self._over = threading.Event()
        self._find_sources()
        self._ask()
        self._thread = threading.Thread(target=self._run, name="sampler " + self.name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """As every sampler; a reading that has begun is finished."""
        self._over.set()
        self._thread.join()

    def _find_sources(self) -> None:
        """Find what to read; Unavailable where there is nothing."""
        raise NotImplementedError

    def _read_values(self) -> Iterable[Tuple[str, float]]:
        """Read every source once."""
        raise NotImplementedError

    def _run(self) -> None:
        due, failures = time.perf_counter(), 0
        while True:
            now = time.perf_counter()
            due += self._interval_s * max(1, int((now - due) / self._interval_s + 1))
            if self._over.wait(max(0.0, due - now)):
                return
            try:
                self._ask()
                failures = 0
            except Exception as error:  # a bus that is busy is asked again; a source that went away ends the sampler
                failures += 1
                self._notes.append("a reading failed: {}".format(error))
                if failures == _MOST_FAILURES:
                    self._reason = "{} readings in a row failed: {}".format(failures, error)
                    return

    def _ask(self) -> None:
        """Read once; the time of a reading is the middle of it."""
        self._said = []
        begin = time.perf_counter_ns()
        values = list(self._read_values())
        end = time.perf_counter_ns()
        self.lag_s = max(self.lag_s, (end - begin) / 2e9)
        self._keep((begin + end) // 2, b"\t".join(self._said), values)

    def _text(self, path: str) -> str:
        """Return what a small file says, without white space at its ends; OSError if it cannot be read."""
        handle = os.open(path, os.O_RDONLY)
        try:
            data = os.read(handle, 65536).strip()
        finally:
            os.close(handle)
        self._said.append(path.encode() + b"=" + data.replace(b"\n", b" ").replace(b"\t", b" "))
        return data.decode("utf-8", "replace")

    def _integer(self, path: str) -> int:
        """Return the integer in a small file; OSError or ValueError if there is none."""
        return int(self._text(path))
