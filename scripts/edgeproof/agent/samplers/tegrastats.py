"""`tegrastats`: NVIDIA's own tool, read line by line for as long as it runs, so that its pipe never fills.

A line has the time at which it arrived; the tool's own has no zone and a resolution of a second. The tool may die,
stall, flood us or print something else: what came in counts, and the record says what happened.
"""

from __future__ import annotations

import subprocess
import threading
import time
from typing import Iterable, List, Optional, Tuple

from ..sampling_rates import INTERVALS_MS
from ..tied_processes import open_tied
from .rails import Total, find_total
from .sampler import Sampler, Unavailable
from .tegrastats_lines import Line, LineParser

_LONGEST_LINE = 16384
_PATIENCE_S = 3.0
_FLOOD = 4  # times as many lines as were asked for, and what a stopped machine may have piled up beside them
_PILE = 2000
_MOST_BAD = 5


class Tegrastats(Sampler):
    """Every rail, the total where the rails' names are known, temperatures, load and clock of the GPU, and RAM."""

    name = "tegrastats"
    interval_ms = INTERVALS_MS["tegrastats"]
    lag_s = 0.02

    def start(self) -> None:
        """As every sampler; waits for the first line."""
        command = [*self._options.get("command", ["tegrastats"]), "--interval", str(round(self._interval_s * 1000))]
        try:
            self._process = open_tied(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
        except OSError as error:
            raise Unavailable("{}: cannot be started ({})".format(command[0], error.strerror)) from None
        self._parser = LineParser()
        self._total: Optional[Total] = None
        self._lines, self._bad, self._skipped = 0, 0, 0
        self._stopping, self._first = False, threading.Event()
        self._began = time.perf_counter()
        self._thread = threading.Thread(target=self._read, name="sampler tegrastats", daemon=True)
        self._thread.start()
        self._first.wait(_PATIENCE_S + self._interval_s)
        if self._process.poll() is not None and not self._lines:
            self._thread.join()
            raise Unavailable("{} ended with exit code {} and said nothing".format(command[0], self._process.poll()))

    def stop(self) -> None:
        """As every sampler; a tool that does not end is killed."""
        self._stopping = True
        self._process.terminate()
        try:
            self._process.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._thread.join(_PATIENCE_S)  # somebody who has inherited the pipe may hold it open
        if not self._lines:
            self._reason = "no line came in"
        if self._bad:
            self._notes.append("{} of {} lines are no lines of tegrastats".format(self._bad, self._lines + self._bad))
        if self._skipped:
            self._notes.append("{} lines came faster than asked for and were left out".format(self._skipped))

    def _read(self) -> None:
        stream = self._process.stdout
        assert stream
        while True:
            data = stream.readline(_LONGEST_LINE)
            at_ns = time.perf_counter_ns()
            if not data:
                break
            if not data.endswith(b"\n"):  # the end, or no line at all
                self._bad += 1
                continue
            self._take(at_ns, data)
        if not self._stopping:
            code = self._process.wait()
            self._reason = "it ended by itself with exit code {} after {} lines".format(code, self._lines)
        self._first.set()

    def _take(self, at_ns: int, data: bytes) -> None:
        elapsed = time.perf_counter() - self._began
        if self._lines + self._bad > _PILE + _FLOOD * elapsed / self._interval_s:
            self._skipped += 1
            return
        line = self._parser.parse(data.decode("ascii", "replace"))
        if line.empty:
            self._bad += 1
            if self._bad > _MOST_BAD:  # this is no tegrastats: do not wait for its first line
                self._first.set()
            return
        self._lines += 1
        if self._power is None:
            self._find_power(line)
        for name, value in line.invalid.items():
            self._notes.append("sensor {} is left out: it says {:g} °C".format(name, value))
        del self._notes[20:]
        self._keep(at_ns, data.rstrip(), self._list_values(line))
        self._first.set()

    def _find_power(self, line: Line) -> None:
        asked = self._options.get("rails")
        if asked:
            self._total = Total(asked, "measured" if len(asked) == 1 else "derived")
        else:
            self._total = find_total(line.rails)
        if self._total:
            self._claim_power(self._total.rails, self._total.kind, "module")

    def _list_values(self, line: Line) -> Iterable[Tuple[str, float]]:
        found: List[Tuple[str, float]] = [("rail_w:" + name, now / 1000) for name, (now, _) in line.rails.items()]
        if self._total and all(name in line.rails for name in self._total.rails):
            found.append(("total_w", sum(line.rails[name][0] for name in self._total.rails) / 1000))
        found += [("temperature_c:" + name, value) for name, value in line.temperatures.items()]
        if line.ram_mb:
            found.append(("memory_bytes:used", line.ram_mb[0] * 2**20))  # its "MB" are MiB
        load, clocks = line.gr3d
        if load is not None:
            found.append(("busy_share:gpu", load / 100))
        if clocks:
            found.append(("clock_mhz:gpu", max(clocks)))
        return found
