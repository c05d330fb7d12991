"""How the processes of a placed pipeline work together: tensors in shared memory, the turn passed through pipes.

One process per executor. Whoever has the turn runs its stages, puts what others read into the shared area, and passes
the turn to the process of the next stage. The caller has the turn before the first stage and after the last.
"""

from __future__ import annotations

import json
import mmap
import os
import select
import shutil
import struct
import subprocess
import sys
import tempfile
from typing import IO, Dict, List, NoReturn, Optional, Sequence, Tuple

import numpy

from .failures import NoVerdict, Verdict
from .placement_specs import OverlappingPlaced, ServeSpec
from .specs import Array, Report
from .tied_processes import open_tied

CALLER = ""
READY, FAILED = -1, -2
_TURN = struct.Struct("<i")
_ALIGNMENT = 4096
_PATIENCE_S = 1.0


class Area:
    """The shared memory of one placement.

    `stamps`: int64 `(steps, 3)`, readings of the monotonic clock when a step had its inputs, had run, and had put its
    outputs into place. `tensors`: {name: array}. `slots`: tensors of as many inputs as the placement keeps; the first
    is `tensors`.
    """

    def __init__(self, descriptor: int, spec: OverlappingPlaced) -> None:
        memory = mmap.mmap(descriptor, _measure_area(spec))
        steps = len(spec["steps"])
        self.stamps = numpy.frombuffer(memory, "int64", steps * 3).reshape(steps, 3)
        self.slots: List[Dict[str, Array]] = []
        offset = _align(steps * 24)
        for _ in range(_count_slots(spec)):
            self.slots.append({})
            for name, tensor in spec["tensors"].items():
                count = _count(tensor["shape"])
                array = numpy.frombuffer(memory, tensor["dtype"], count, offset)
                self.slots[-1][name] = array.reshape(tensor["shape"])
                offset += _align(count * numpy.dtype(tensor["dtype"]).itemsize)
        self.tensors = self.slots[0]


class Crew:
    """The processes of a placement, loaded and waiting for a turn.

    `spec`: `executors` {name: {interpreter or null}}, `tensors` {name: {dtype, shape}} that cross between processes,
    `steps` [{executor, arm, inputs, outputs}] in the order they run; `inputs` and `outputs` are pairs of the
    artifact's own name and the pipeline's name of a tensor. `close` ends the processes.
    """

    def __init__(self, spec: OverlappingPlaced) -> None:
        self._spec, self._last = spec, len(spec["steps"])
        names = list(dict.fromkeys(step["executor"] for step in spec["steps"]))
        self._folder = tempfile.mkdtemp(prefix="edgeproof-placed-")
        self._workers: Dict[str, subprocess.Popen[bytes]] = {}
        self._logs: List[IO[bytes]] = []
        self._pipes: Dict[str, Tuple[int, int]] = {}
        self._descriptor: Optional[int] = None
        descriptor = self._descriptor = _reserve(_measure_area(spec))
        try:
            self.area = Area(descriptor, spec)
            self._pipes = {name: os.pipe() for name in [*names, CALLER]}
            for number, name in enumerate(names):
                self._workers[name] = self._start(number, name, descriptor)
            for _ in names:
                self._expect(READY)
        except BaseException:
            self.close()
            raise
        self.reports = {name: self._read_report(number) for number, name in enumerate(names)}
        self._first = self._pipes[spec["steps"][0]["executor"]][1]

    def run(self) -> None:
        """Let the whole pipeline run once on what is in the area."""
        os.write(self._first, _TURN.pack(0))
        self._expect(self._last)

    def close(self) -> None:
        """End the processes and remove what they left; may be called again."""
        for worker in self._workers.values():
            if worker.stdin:
                worker.stdin.close()  # for a worker, the end of its standard input is the end
        for worker in self._workers.values():
            try:
                worker.wait(timeout=10)
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()
        for ends in self._pipes.values():
            for end in ends:
                os.close(end)
        for log in self._logs:
            log.close()
        if self._descriptor is not None:
            os.close(self._descriptor)
        self._workers, self._pipes, self._logs, self._descriptor = {}, {}, [], None
        shutil.rmtree(self._folder, ignore_errors=True)

    def _start(self, number: int, name: str, area: int) -> subprocess.Popen[bytes]:
        turn = self._pipes[name][0]
        others = {other: ends[1] for other, ends in self._pipes.items() if other != name}
        own: ServeSpec = {
            "executors": self._spec["executors"],
            "tensors": self._spec["tensors"],
            "steps": self._spec["steps"],
            "executor": name,
            "area": area,
            "report": self._report_path(number),
            "turn": turn,
            "others": others,
        }
        if "overlap" in self._spec:
            own["overlap"] = self._spec["overlap"]
        path = os.path.join(self._folder, "spec-{}.json".format(number))
        with open(path, "w", encoding="utf-8") as stream:
            json.dump(own, stream)
        interpreter = self._spec["executors"][name].get("interpreter") or sys.executable
        log = open(os.path.join(self._folder, "log-{}.txt".format(number)), "w+b")  # noqa: SIM115 (`close` does)
        self._logs.append(log)
        try:
            return open_tied(
                [interpreter, "-m", str(__package__), "serve", path, self._folder],
                [area, turn, *others.values()],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
            )
        except OSError as error:
            raise NoVerdict(
                "runtime_missing", "{}: cannot be started ({})".format(interpreter, error.strerror)
            ) from error

    def _expect(self, wanted: int) -> None:
        """Wait for the turn to come back; Verdict or NoVerdict as in `_await_turn`."""
        turn = self._await_turn()
        if turn != wanted:
            raise NoVerdict("agent_error", "the pipeline answered {} where {} was due".format(turn, wanted))

    def _await_turn(self) -> Optional[int]:
        """Return what a process hands to the caller; Verdict or NoVerdict when one says that it failed, or ended."""
        turns = self._pipes[CALLER][0]
        while not select.select([turns], [], [], _PATIENCE_S)[0]:
            for number, (name, worker) in enumerate(self._workers.items()):
                if worker.poll() is not None:
                    self._raise_failure(number, name, worker.returncode)
        turn = read_turn(turns)
        if turn == FAILED:
            for number, name in enumerate(self._workers):
                if self._read_report(number).get("status") == "failed":
                    self._raise_failure(number, name, None)
        return turn

    def _raise_failure(self, number: int, name: str, code: Optional[int]) -> NoReturn:
        report = self._read_report(number)
        if report.get("status") == "failed":
            kind, message = report["reason"]["kind"], "{}: {}".format(name, report["reason"]["message"])
            raise (Verdict if report["verdict"] else NoVerdict)(kind, message)
        self._logs[number].seek(0)
        said = self._logs[number].read().decode("utf-8", "replace")[-500:]
        raise Verdict("crashed", "the process of {} ended with {}: {}".format(name, code, said))

    def _report_path(self, number: int) -> str:
        return os.path.join(self._folder, "report-{}.json".format(number))

    def _read_report(self, number: int) -> Report:
        try:
            with open(self._report_path(number), encoding="utf-8") as stream:
                return json.load(stream)
        except OSError:
            return {}


def read_turn(descriptor: int) -> Optional[int]:
    """Return the turn that the executor before us handed over through a pipe, None at its end."""
    data = os.read(descriptor, _TURN.size)
    return _TURN.unpack(data)[0] if len(data) == _TURN.size else None


def pass_turn(descriptor: int, turn: int) -> None:
    """Hand a turn over: put it into the pipe of the next executor."""
    os.write(descriptor, _TURN.pack(turn))


def _measure_area(spec: OverlappingPlaced) -> int:
    """Return the size of the shared memory of a placement, in bytes."""
    sizes = (_count(t["shape"]) * numpy.dtype(t["dtype"]).itemsize for t in spec["tensors"].values())
    return _align(len(spec["steps"]) * 24) + _count_slots(spec) * sum(map(_align, sizes))


def _count_slots(spec: OverlappingPlaced) -> int:
    return spec["overlap"]["depth"] if "overlap" in spec else 1


def _count(shape: Sequence[int]) -> int:
    count = 1
    for size in shape:
        count *= size
    return count


def _align(size: int) -> int:
    return -(-max(size, 1) // _ALIGNMENT) * _ALIGNMENT


def _reserve(size: int) -> int:
    """Return the descriptor of a nameless file of this size: in memory where there is room, else among the others."""
    for folder in ("/dev/shm", None):
        if folder and not os.path.isdir(folder):
            continue
        handle, path = tempfile.mkstemp(prefix="edgeproof-area-", dir=folder)
        os.unlink(path)
        try:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(handle, 0, size)  # a page that cannot be had later would be a bus error
            else:
                os.ftruncate(handle, size)
            return handle
        except OSError:
            os.close(handle)
    raise NoVerdict("no_space", "no room for {} bytes of shared memory".format(size))
