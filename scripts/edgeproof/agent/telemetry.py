"""The samplers of a session, in a process of their own: what they cost is not charged to what is measured.

The verb `record` is that process. It says `ready` on standard output, takes `{"watch": pid or null}` lines on standard
input, and ends when that is closed, also when the session was killed; then it leaves `telemetry.json`.
The verb `sample` runs the samplers around one command.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import select
import signal
import subprocess
import sys
import time
from typing import Dict, List, Optional, Tuple

from .failures import NoVerdict
from .samplers.recorder import Recorder
from .specs import RecordSpec, Report, SamplerOptions, SampleSpec
from .tied_processes import open_tied

IDLE_S = 3.0
_PATIENCE_S = 60.0
_RECORD = "telemetry.json"


class SessionTelemetry:
    """The recorder of a session: started when it is made, ended by `end` or `close`. Without samplers it does nothing.

    `folder`: gets `telemetry.csv`, the raw logs and `telemetry.json`. NoVerdict if a required sampler cannot run.
    """

    def __init__(self, samplers: Optional[List[SamplerOptions]], idle_s: float, folder: str) -> None:
        self._samplers, self._idle_s, self._folder = samplers or [], idle_s, folder
        self._idle: Dict[str, Tuple[int, int]] = {}
        self._process: Optional[subprocess.Popen[bytes]] = None
        if self._samplers:
            self._start()

    def rest(self, place: str) -> None:
        """Do nothing while the samplers watch the idle device. `place`: before or after."""
        if self._samplers and self._idle_s:
            begin = time.perf_counter_ns()
            time.sleep(self._idle_s)
            self._idle[place] = (begin, time.perf_counter_ns())

    def watch(self, pid: Optional[int]) -> None:
        """Tell the samplers which process is measured from now on; None for none."""
        if self._process and self._process.stdin:
            with contextlib.suppress(BrokenPipeError):  # it has ended: `end` finds out
                self._process.stdin.write(json.dumps({"watch": pid}).encode() + b"\n")
                self._process.stdin.flush()

    def end(self) -> Optional[Report]:
        """End the recorder and return {file, samplers, cpu_s, idle}; None without samplers."""
        if self._process is None:
            return None
        code = self.close()
        path = os.path.join(self._folder, _RECORD)
        if code != 0 or not os.path.exists(path):
            raise NoVerdict("sampler", "the recorder of the samplers ended with exit code {}".format(code))
        with open(path, encoding="utf-8") as stream:
            report: Report = json.load(stream)
        return dict(report, idle={place: self._idle.get(place) for place in ("before", "after")})

    def close(self) -> Optional[int]:
        """End the recorder's process, if there is one; return its exit code."""
        process, self._process = self._process, None
        if process is None:
            return None
        for stream in (process.stdin, process.stdout):
            if stream:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()
        try:
            return process.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()

    def _start(self) -> None:
        os.makedirs(self._folder, exist_ok=True)
        path = os.path.join(self._folder, "spec.json")
        with open(path, "w", encoding="utf-8") as stream:
            json.dump({"samplers": self._samplers}, stream)
        command = [sys.executable, "-m", str(__package__), "record", path, self._folder]
        with open(os.path.join(self._folder, "log.txt"), "wb") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)
        assert self._process.stdout
        ready, _, _ = select.select([self._process.stdout], [], [], _PATIENCE_S)
        if not ready or self._process.stdout.readline() != b"ready\n":
            code = self.close()
            failure = os.path.join(self._folder, "failure.json")
            if not os.path.exists(failure):
                raise NoVerdict("sampler", "the recorder of the samplers ended with exit code {}".format(code))
            with open(failure, encoding="utf-8") as stream:
                reason = json.load(stream)
            raise NoVerdict(reason["kind"], reason["message"])


def record_telemetry(spec: RecordSpec, out: str) -> None:
    """Record the telemetry of a session (verb `record`): run the samplers until standard input ends; fill `out`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the session, which ends us
    recorder = Recorder(spec["samplers"], out)
    recorder.start()
    print("ready", flush=True)
    for line in sys.stdin:
        recorder.watch(json.loads(line)["watch"])
    _write(out, _RECORD, _stop(recorder))


def sample_command(spec: SampleSpec, out: str) -> None:
    """Record telemetry around a command (`sample`), whose input and output are ours; `out` gets `sample.json` as well.

    `sample.json`: exit_code, window (from its start to its end, ns), telemetry as of a session. NoVerdict if it cannot
    be started.
    """
    recorder, idle_s = Recorder(spec["samplers"], out), spec["idle_seconds"]
    recorder.start()
    idle: Dict[str, Tuple[int, int]] = {}
    try:
        idle["before"] = _rest(idle_s)
        begin = time.perf_counter_ns()
        try:
            process = open_tied(spec["command"])
        except OSError as error:
            message = "{}: cannot be started ({})".format(spec["command"][0], error.strerror)
            raise NoVerdict("command_missing", message) from error
        recorder.watch(process.pid)
        try:
            code = process.wait()
        except BaseException:
            process.terminate()
            process.wait()
            raise
        end = time.perf_counter_ns()
        recorder.watch(None)
        idle["after"] = _rest(idle_s)
    finally:
        telemetry = dict(_stop(recorder), idle={place: idle.get(place) for place in ("before", "after")})
    _write(out, "sample.json", {"exit_code": code, "window": [begin, end], "telemetry": telemetry})


def _rest(seconds: float) -> Tuple[int, int]:
    begin = time.perf_counter_ns()
    time.sleep(seconds)
    return begin, time.perf_counter_ns()


def _stop(recorder: Recorder) -> Report:
    """Return the recorder's report, and what it cost: seconds of CPU, of ours and of tools that have ended."""
    report = recorder.stop()
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return dict(report, cpu_s=round(sum(each.ru_utime + each.ru_stime for each in used), 3))


def _write(out: str, name: str, report: Report) -> None:
    with open(os.path.join(out, name), "w", encoding="utf-8") as stream:
        json.dump(report, stream, indent=2)
