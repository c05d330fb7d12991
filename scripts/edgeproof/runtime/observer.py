"""An observer for your own loop: raw times of every call and its stages, in a file that `edgeproof observe` reads.

    from edgeproof_runtime.runtime.observer import Observer

    with Observer("camera.observed", deadline_ms=33.3) as observed:
        for frame in observed.each(camera):
            with observed.stage("inference"):
                ...

Standard library only. Memory is bounded: a thread writes full buffers, and if the disk is slower than the loop, calls
are left out and counted. The loop never waits for the disk, and no trouble with the file reaches it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import queue
import sys
import threading
import time
from array import array
from types import TracebackType
from typing import Any, Dict, Generator, Iterable, List, Optional, Type, TypeVar, Union

from ..agent.environment import read_environment
from ..agent.machine import describe_machine
from .observed_format import CALLS, COLUMNS, DONE, HEAD, MAGIC, STAGES, pack_chunk

T = TypeVar("T")
FilePath = Union[str, "os.PathLike[str]"]

_START, _READY, _END, _FAILED = range(4)
_WIDTH = len(COLUMNS)
_NOTHING = [0] * _WIDTH
_HANDED_OVER_NS = 5_000_000_000  # at the latest, so that a killed process loses seconds and not minutes
_COST_ROUNDS = 200
_now = time.perf_counter_ns


class Stage:
    """One stage of the call that is running, as a context manager; entered twice in a call, its times are added."""

    __slots__ = ("_begin", "_column", "_row")

    def __init__(self, row: List[int], column: int) -> None:
        self._row, self._column, self._begin = row, column, 0

    def __enter__(self) -> None:
        self._begin = _now()

    def __exit__(
        self, kind: Optional[Type[BaseException]], value: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self._row[self._column] += _now() - self._begin


class _InputStage(Stage):
    """The stage that waits for the input: a deadline counts from its end."""

    __slots__ = ()

    def __exit__(
        self, kind: Optional[Type[BaseException]], value: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        end = _now()
        self._row[self._column] += end - self._begin
        self._row[_READY] = end


class Call:
    """One turn of the loop, as a context manager.

    `open`: it is running. `left`: a loop over `each` was left in it, by `break` or by an error; which is known later.
    """

    __slots__ = ("_keep", "_row", "arrived_ns", "left", "open")

    def __init__(self, row: List[int], keep: Any) -> None:
        self._row, self._keep = row, keep
        self.arrived_ns: Optional[int] = None
        self.open = self.left = False

    def __enter__(self) -> None:
        if self.open:
            raise RuntimeError("a call of this observer is running already; it observes one loop")
        if self.left:
            self.settle(False)
        self._row[:] = _NOTHING
        self.open = True
        self._row[_START] = _now()

    def __exit__(
        self,
        kind: Optional[Type[BaseException]] = None,
        value: Optional[BaseException] = None,
        trace: Optional[TracebackType] = None,
    ) -> None:
        row = self._row
        row[_END] = _now()
        self.open = False
        if kind is not None:
            row[_FAILED] = 1
        if self.arrived_ns is not None:
            row[_READY] = self.arrived_ns
        elif not row[_READY]:
            row[_READY] = row[_START]
        self._keep(row)

    def leave(self) -> None:
        """Note the end of a call whose loop was left."""
        self._row[_END] = _now()
        self.open, self.left = False, True

    def settle(self, failed: bool) -> None:
        """Keep the call whose loop was left, now that it is known whether an error ended it."""
        self._row[_FAILED] = int(failed)
        self.left = False
        self._keep(self._row)


class Observer:
    """Writes the raw times of a loop to a file; used with `with`, and closed at its end.

    `path`: the file; if it exists, a number is added, and `self.path` says which it became. `deadline_ms`: the longest
    a call may take from when its input is there; None if there is none. `artifact`: the model file that runs, recorded
    by its digest. `label`: words of yours. `buffered_calls`: how many calls a buffer holds (64 bytes each; there are
    three buffers at most). `most_bytes`: how large the file may become; later calls are counted and left out.

    One observer observes one loop in one thread. OSError if the file cannot be made; later errors of the disk reach
    nobody but the file's reader, and one line on stderr at the end.
    """

    def __init__(
        self,
        path: FilePath,
        deadline_ms: Optional[float] = None,
        artifact: Optional[FilePath] = None,
        label: Optional[str] = None,
        buffered_calls: int = 4096,
        most_bytes: int = 1_000_000_000,
    ) -> None:
        if deadline_ms is not None and not 0 < deadline_ms < float("inf"):
            raise ValueError("deadline_ms is {}; a positive number of milliseconds is needed".format(deadline_ms))
        self._known = {
            "deadline_ns": None if deadline_ms is None else round(deadline_ms * 1e6),
            "artifact": None if artifact is None else _describe_file(artifact),
            "label": label,
        }
        self._full, self._most_bytes = max(1, buffered_calls) * _WIDTH, most_bytes
        self._row = list(_NOTHING)
        self._buffer = array("q")
        self._call = Call(self._row, self._keep)
        self._stages: Dict[str, Stage] = {
            name: (_InputStage if name == "input" else Stage)(self._row, COLUMNS.index(name)) for name in STAGES
        }
        self._queue: "queue.Queue[Optional[array[int]]]" = queue.Queue(maxsize=1)
        self._calls = self._lost = self._bytes = 0
        self._due = 0
        self._trouble: Optional[str] = None
        self._stream, self.path = _claim(os.fspath(path))
        self._thread = threading.Thread(target=self._write_buffers, name="edgeproof observer", daemon=True)

    def __enter__(self) -> "Observer":
        cost = self._measure_cost()
        self._write(MAGIC)
        self._write(pack_chunk(HEAD, _render({**_describe_start(), **self._known, "cost_ns": cost})))
        self._due = _now() + _HANDED_OVER_NS
        self._thread.start()
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], value: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        if self._call.left:
            self._call.settle(kind is not None)
        self._queue.put(self._buffer)
        self._queue.put(None)
        self._thread.join()
        end: Dict[str, Any] = {"calls": self._calls, "lost": self._lost, "trouble": self._trouble}
        end.update(ended_unix_s=round(time.time(), 3), environment=read_environment())
        self._write(pack_chunk(DONE, _render(end)))
        with contextlib.suppress(OSError, ValueError):  # it may be closed
            os.fsync(self._stream.fileno())
        with contextlib.suppress(OSError):
            self._stream.close()
        if self._lost:
            why = self._trouble or "the disk was slower than the loop"
            print("{}: {} calls are not in it: {}".format(self.path, self._lost, why), file=sys.stderr)

    def call(self, arrived_ns: Optional[int] = None) -> Call:
        """Return the context manager of one turn of the loop.

        `arrived_ns`: when its input arrived, by `time.perf_counter_ns`, if you know it: the deadline counts from then,
        so that waiting in a queue counts too. Else it counts from the end of the stage `input`, or from the start.
        """
        self._call.arrived_ns = arrived_ns
        return self._call

    def stage(self, name: str) -> Stage:
        """Return the context manager of a stage: input, pre-processing, inference or post-processing."""
        try:
            return self._stages[name]
        except KeyError:
            raise ValueError("{!r} is not a stage; there are {}".format(name, ", ".join(STAGES))) from None

    def each(self, inputs: Iterable[T]) -> Generator[T, None, None]:
        """Yield every input; getting it is the stage `input`, and what the loop does with it is the rest of its call.

        An error in the loop makes its call a failed one if it ends the observer, too; a generator cannot see it.
        """
        source, call, stage = iter(inputs), self.call(), self._stages["input"]
        while True:
            call.__enter__()
            try:
                with stage:
                    item = next(source)
            except StopIteration:
                call.open = False
                return
            except BaseException as error:
                call.__exit__(type(error), error, None)
                raise
            try:
                yield item
            except GeneratorExit:
                call.leave()
                raise
            call.__exit__()

    def _keep(self, row: List[int]) -> None:
        """Put one call into the buffer, and hand the buffer over when it is full or some seconds old."""
        self._buffer.fromlist(row)
        if len(self._buffer) >= self._full or row[_END] >= self._due:
            self._hand_over(row[_END])

    def _hand_over(self, now_ns: int) -> None:
        try:
            self._queue.put_nowait(self._buffer)
        except queue.Full:  # the disk still has the one before
            if len(self._buffer) < self._full:
                return
            self._lost += len(self._buffer) // _WIDTH
        self._buffer = array("q")
        self._due = now_ns + _HANDED_OVER_NS

    def _write_buffers(self) -> None:
        while True:
            filled = self._queue.get()
            if filled is None:
                return
            calls = len(filled) // _WIDTH
            if sys.byteorder == "big":
                filled.byteswap()
            chunk = pack_chunk(CALLS, filled.tobytes()) if calls else b""
            if self._bytes + len(chunk) > self._most_bytes:
                self._trouble = "the file has reached most_bytes, {}".format(self._most_bytes)
                self._lost += calls
            elif self._write(chunk):
                self._calls += calls
            else:
                self._lost += calls

    def _write(self, data: bytes) -> bool:
        """Write to the file and return whether that was possible. After an error nothing more is written.

        Half a chunk at the end is what a reader expects of a process that was killed; in the middle it would not be.
        """
        if self._stream.closed:
            return False
        try:
            view = memoryview(data)
            while len(view):
                written = self._stream.write(view) or 0
                view, self._bytes = view[written:], self._bytes + written
        except (OSError, ValueError) as error:
            self._trouble = str(error)
            with contextlib.suppress(OSError):
                self._stream.close()
            return False
        return True

    def _measure_cost(self) -> Dict[str, int]:
        """Return what an empty stage and an empty call cost on this machine: the median of some, in nanoseconds."""
        full, self._full, self._due = self._full, sys.maxsize, sys.maxsize  # nothing of this reaches the file
        clock: List[int] = []
        stages: List[int] = []
        calls: List[int] = []
        for _ in range(_COST_ROUNDS):
            begin = _now()
            clock.append(_now() - begin)
            begin = _now()
            with self.stage("inference"):
                pass
            stages.append(_now() - begin)
            begin = _now()
            with self.call():
                pass
            calls.append(_now() - begin)
        self._full, self._buffer = full, array("q")
        own = sorted(clock)[_COST_ROUNDS // 2]
        return {
            "stage": max(0, sorted(stages)[_COST_ROUNDS // 2] - own),
            "call": max(0, sorted(calls)[_COST_ROUNDS // 2] - own),
            "rounds": _COST_ROUNDS,
        }


def _claim(path: str) -> Any:
    """Return (a new file, opened for writing; its path): `path`, or with the first free number before its suffix."""
    stem, suffix = os.path.splitext(path)
    number = 1
    while True:
        name = path if number == 1 else "{}-{}{}".format(stem, number, suffix)
        try:
            return open(name, "xb", buffering=0), name
        except FileExistsError:
            number += 1


def _describe_start() -> Dict[str, Any]:
    return {
        "columns": list(COLUMNS),
        "started_unix_s": round(time.time(), 3),
        "pid": os.getpid(),
        "python": platform.python_version(),
        "clock_resolution_s": time.get_clock_info("perf_counter").resolution,
        "machine": describe_machine(),
        "environment": read_environment(),
    }


def _describe_file(path: FilePath) -> Dict[str, Any]:
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        for block in iter(lambda: stream.read(1 << 20), b""):
            digest.update(block)
    return {"name": os.path.basename(os.fspath(path)), "sha256": digest.hexdigest()}


def _render(document: Dict[str, Any]) -> bytes:
    return json.dumps(document, sort_keys=True).encode()
