"""`pairs`: one session of pairs of two arms on this device, from lock to lock, for as long as its caller wants.

The spec (`specs.PairsSpec`) is that of a session with two arms, `left` and `right`, and
- `budget` {pairs, seconds or null}: the session stops after so many pairs, and begins none when so many seconds of
  measuring are over;
- `ask` (false): after every pair, wait for a line on standard input; `{"continue": true}` begins another pair, anything
  else, or the end of the input, stops;
- `first_pair` (0): number of the first pair, for sessions that continue a comparison;
- `seed`: of the orders; drawn if left out, and recorded;
- `interleaving`: `blocks` or `processes` where the caller knows it (a comparison that is continued), perhaps with its
  `interleaving_reason`; else the session decides with its first pair;
- `samplers`: what watches the device meanwhile, see `telemetry`; nothing does if both arms are simulated;
- `inputs_count`: how many inputs the pairs before went through; else the first pair decides.

`out` gets
- `progress.jsonl`, and the same lines on standard output: `{"event": "begun", "pair"}`, `{"event": "live", "pair",
  "pids"}`, `{"event": "pair", "pair", "status", "folder", "seconds", "measured_s", "pairs"}`, `{"event": "ended",
  "ended_by"}`;
- `pair-NNN/`, renamed into place when the pair is complete, with `pair.json` (what follows) and the raw times;
- `session.json`, written anew after every pair: label, lock, power_control, seed, interleaving {mode, reason}, inputs,
  pairs [{pair, status, folder}], ended_by (null until the end: budget, caller, failed, interrupted), environment,
  drift, telemetry (what the samplers were; null until the end, and without them);
- `drift.npy` (see `drift`), and `telemetry/` with samplers.

A pair by blocks has, with B block pairs and S samples in a block:
- `blocks.npy` int64 (2, B, S): nanoseconds per sample of `calls_per_sample` calls; left, right;
- `inputs.npy` uint16 (B, S): which input each sample had, in both arms;
- `order.npy` uint8 (B,): 0 where the left arm ran first in a block pair, 1 where the right one did;
- `alone.npy` int64 (stretches, 10, S) and `alone_inputs.npy`: blocks of one arm alone; `blocks.alone` in `pair.json`
  says of which arm, and before which block pair;
- `windows.npy` int64 (2, B, 2), where samplers watch: when each alternated block began and ended, its untimed calls
  included, in ns of `time.perf_counter_ns`.
A pair by whole processes has `left/` and `right/` with what `measure` writes, and their order in `order`.
`pair.json` has the sha256 and size of each of these files.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import sys
import time
from contextlib import nullcontext
from typing import Any, Dict, List, Optional, cast

from .backends.opening import is_simulated
from .blocks import ARMS, StretchSchedule, draw_order
from .drift import start_drift_control
from .driving import ArmFailed, CannotInterleave, LivePair, measure_pair
from .environment import Environment, read_emulator, read_environment, steal_share
from .failures import NoVerdict
from .interleaving import BLOCKS, PROCESSES, MemoryNeeds, find_reason_for_processes
from .lock import HeldLock, hold_device
from .messages import tell
from .power_control import control_power
from .session import check_board, run_process
from .specs import PairsSpec, Report
from .telemetry import SessionTelemetry


def run_pairs(spec: PairsSpec, out: str) -> None:
    """Run a session of pairs (`pairs`) until the budget or the caller ends it; see above for `spec` and `out`."""
    check_board(spec.get("board"))
    emulator = read_emulator()
    if emulator:
        message = "{} emulates this processor: how fast anything is on it says nothing about a board".format(emulator)
        raise NoVerdict("emulated", message)
    simulated = all(is_simulated(arm) for arm in spec["arms"].values())
    held = hold_device(spec.get("lock"), spec["label"])
    with held as lock, nullcontext() if simulated else control_power(spec.get("power_control")) as control:
        samplers = None if simulated else spec.get("samplers")
        telemetry = SessionTelemetry(samplers, 0.0, os.path.join(out, "telemetry"))
        try:
            session = PairSession(spec, out, lock, control, telemetry)
            try:
                session.run()
            except BaseException as error:
                session.end("failed" if isinstance(error, Exception) else "interrupted")
                raise
        finally:
            telemetry.close()


class PairSession:
    """One session: the device is held, and pairs are measured one after the other."""

    def __init__(
        self, spec: PairsSpec, out: str, lock: HeldLock, control: Optional[Report], telemetry: SessionTelemetry
    ) -> None:
        self._spec, self._out, self._lock, self._control, self._telemetry = spec, out, lock, control, telemetry
        self._seed = spec.get("seed", random.SystemRandom().getrandbits(48))
        self._first = spec.get("first_pair", 0)
        reason = find_reason_for_processes(spec["arms"])
        self._mode: Optional[str] = PROCESSES if reason else spec.get("interleaving")
        said = spec.get("interleaving_reason", "as the caller says")
        self._reason = reason or (said if self._mode else None)
        if reason and spec.get("interleaving") == BLOCKS:
            raise NoVerdict("cannot_interleave", reason)
        self._schedule = StretchSchedule(self._draw("stretches"))
        self._needs = MemoryNeeds(spec["arms"])
        self._inputs = spec.get("inputs_count")
        self._pairs: List[Report] = []
        self._before: Environment = read_environment()
        self._started = time.time()
        self._begin = time.monotonic()
        self._drift = start_drift_control(all(is_simulated(arm) for arm in spec["arms"].values()))
        self._write_record(None)

    def run(self) -> None:
        """Measure pairs until it ends, and write the last record."""
        budget = self._spec["budget"]
        for count in range(budget["pairs"]):
            if count and self._drift:
                self._drift.time_gap()
            seconds = budget["seconds"]
            if seconds is not None and count and time.monotonic() - self._begin >= seconds:
                break
            if self._measure(self._first + count)["status"] != "ok":
                return self.end("failed")  # a verdict about an artifact will not change by trying again
            if count + 1 < budget["pairs"] and not self._may_continue():
                return self.end("caller")
        return self.end("budget")

    def end(self, ended_by: str) -> None:
        """Time the drift control's last point and write the record of the whole session."""
        drift: Optional[Report] = None
        if self._drift:
            self._drift.time_end()
            drift = self._drift.save(self._out)
        watched: Optional[Report] = None
        try:
            watched = self._telemetry.end()
        except NoVerdict as error:  # the times of the pairs count all the same
            tell("no energy: {}".format(error))
        self._write_record(ended_by, drift, watched)
        self._tell({"event": "ended", "ended_by": ended_by})

    def _measure(self, number: int) -> Report:
        """Measure one pair, put it into place, and say so."""
        name = "pair-{:03d}".format(number)
        part = os.path.join(self._out, "." + name + ".part")
        begin, started = time.monotonic(), time.time()
        self._tell({"event": "begun", "pair": number})
        report: Report = {"pair": number, "status": "ok", "reason": None, "started_at_unix_s": round(started, 3)}
        try:
            report.update(self._measure_either_way(number, part))
        except ArmFailed as failure:
            report.update(status="failed", reason=failure.reason, failed_arm=failure.arm)
        except (KeyboardInterrupt, SystemExit):
            shutil.rmtree(part, ignore_errors=True)
            raise
        report["seconds"] = round(time.monotonic() - begin, 3)
        report["interleaving"] = {"mode": self._mode, "reason": self._reason}
        report["files"] = _digest_files(part)
        _write_json(os.path.join(part, "pair.json"), report)
        os.rename(part, os.path.join(self._out, name))
        self._pairs.append({"pair": number, "status": report["status"], "folder": name})
        self._write_record(None)
        self._tell(
            {
                "event": "pair",
                "pair": number,
                "status": report["status"],
                "folder": name,
                "seconds": report["seconds"],
                "measured_s": round(time.monotonic() - self._begin, 3),
                "pairs": len(self._pairs),
            }
        )
        self._print_progress(report)
        return report

    def _measure_either_way(self, number: int, part: str) -> Report:
        """Measure by blocks if that can be; the first pair decides for the session."""
        if self._mode != PROCESSES:
            try:
                return self._measure_by_blocks(number, part)
            except CannotInterleave as error:
                if self._mode == BLOCKS:
                    raise NoVerdict("cannot_interleave", error) from error
                self._reason = str(error)
            except ArmFailed as failure:
                if self._mode == BLOCKS:
                    raise
                # Alone it may have room, or the runtime that it does not get on with is not there.
                self._reason = "an arm failed beside the other one: {}".format(failure)
            except NoVerdict as error:
                if self._mode == BLOCKS or error.kind == "interrupted":
                    raise
                self._reason = "beside the other one, an arm did not start: {}".format(error)
            self._mode = PROCESSES
            os.rename(part, os.path.join(self._out, "pair-{:03d}-not-by-blocks".format(number)))
        os.makedirs(part)
        return self._measure_by_processes(number, part)

    def _measure_by_blocks(self, number: int, part: str) -> Report:
        os.makedirs(part)
        shortage = self._needs.find_shortage(ARMS)
        if shortage:
            raise CannotInterleave(shortage)
        draw, watched = self._draw("pair", number), bool(self._spec.get("samplers"))
        fixed = self._inputs is not None
        pair = LivePair(number, part, draw, self._schedule, self._needs, fixed, self._tell, watched)
        report = measure_pair(self._limit_inputs(), pair)
        self._mode, self._inputs = BLOCKS, report["blocks"]["inputs"]
        return report

    def _measure_by_processes(self, number: int, part: str) -> Report:
        """Measure a pair as two whole processes; every two pairs have both orders, in random order."""
        order = draw_order(self._draw("processes", number // 2), 2)
        first = order[number % 2]
        order = [first, *(arm for arm in ARMS if arm != first)]
        spec = self._limit_inputs()
        reports: Dict[str, Report] = {}
        for arm in order:
            folder = os.path.join(part, arm)
            os.makedirs(folder)
            reports[arm] = run_process(spec, 2 * number + ARMS.index(arm), arm, folder, self._telemetry.watch)
            if reports[arm]["status"] != "ok":
                raise ArmFailed(arm, reports[arm]["reason"])
        self._inputs = max(report["inputs"] for report in reports.values())
        return {"order": order, "arms": reports}

    def _limit_inputs(self) -> PairsSpec:
        """Return the spec with as many inputs as the pairs before had."""
        spec = self._spec.copy()
        if self._inputs is not None:
            spec["protocol"] = spec["protocol"].copy()
            spec["protocol"]["inputs"] = self._inputs
        return spec

    def _may_continue(self) -> bool:
        if not self._spec.get("ask", False):
            return True
        try:
            answer: Any = json.loads(sys.stdin.readline() or "null")
        except ValueError:
            return False
        return isinstance(answer, dict) and cast(Report, answer).get("continue") is True

    def _write_record(
        self, ended_by: Optional[str], drift: Optional[Report] = None, watched: Optional[Report] = None
    ) -> None:
        after = read_environment() if ended_by else None
        record: Report = {
            "label": self._spec["label"],
            "lock": self._lock,
            "power_control": self._control,
            "seed": self._seed,
            "started_at_unix_s": round(self._started, 3),
            "seconds": round(time.monotonic() - self._begin, 3),
            "interleaving": {"mode": self._mode, "reason": self._reason},
            "inputs": self._inputs,
            "pairs": self._pairs,
            "ended_by": ended_by,
            "environment": {
                "before": self._before,
                "after": after,
                "steal_share": steal_share(self._before, after) if after else None,
            },
            "drift": drift,
            "telemetry": watched,
        }
        path = os.path.join(self._out, "session.json")
        _write_json(path + ".part", record)
        os.replace(path + ".part", path)

    def _tell(self, event: Report) -> None:
        """Add an event to the progress file, and pass it to the caller if there still is one."""
        line = json.dumps(event)
        with open(os.path.join(self._out, "progress.jsonl"), "a", encoding="utf-8") as stream:
            stream.write(line + "\n")
        try:
            print(line, flush=True)
        except OSError:
            sys.stdout = open(os.devnull, "w")  # noqa: SIM115 (for as long as the process lives)

    def _print_progress(self, report: Report) -> None:
        reason = report["reason"]
        said = "ok" if reason is None else "{}: {}".format(reason["kind"], reason["message"][:300])
        most = self._first + self._spec["budget"]["pairs"]
        which = "{}  pair {} of at most {}".format(self._spec["label"], report["pair"] + 1, most)
        tell("{}  {}  {:.1f} s".format(which, said, report["seconds"]))

    def _draw(self, *what: object) -> random.Random:
        return random.Random("/".join(map(str, (self._seed, *what))))


def _digest_files(folder: str) -> Dict[str, Report]:
    """Return sha256 and size in bytes of every array file below a folder, by its path in it."""
    found: Dict[str, Report] = {}
    for place, _, names in sorted(os.walk(folder)):
        for name in sorted(names):
            if name.endswith((".npy", ".npz")):
                path = os.path.join(place, name)
                with open(path, "rb") as stream:
                    digest = hashlib.sha256(stream.read()).hexdigest()
                found[os.path.relpath(path, folder)] = {"sha256": digest, "bytes": os.path.getsize(path)}
    return found


def _write_json(path: str, document: Report) -> None:
    with open(path, "w", encoding="utf-8") as stream:
        json.dump(document, stream, indent=2)
