"""Two live processes of a pair, driven in turn: loaded, run cold, warmed, and then block by block.

Only one of them runs at a time; the other one is stopped (see `work`). Whatever happens, both are ended.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import select
import signal
import subprocess
import sys
import time
from typing import Any, Callable, Dict, Generator, NamedTuple, Optional, Tuple

import numpy

from .blocks import ARMS, STRETCH, Plan, StretchSchedule, Timing, cut_plan, list_inputs, pair_seconds, plan_blocks
from .children import end_child, start_child
from .failures import NoVerdict
from .interleaving import MemoryNeeds
from .memory import read_oom_kills
from .session import explain_end
from .specs import ArmsSpec, Reason, Report, WorkSpec

_CPUCLOCK_SCHED = 2  # Linux: the clock of a process is made of its id and this


class ArmFailed(Exception):
    """An arm of a pair has a verdict, and so no number; `reason` says which."""

    def __init__(self, arm: str, reason: Reason) -> None:
        super().__init__("{}: {}: {}".format(arm, reason["kind"], reason["message"]))
        self.arm, self.reason = arm, reason


class CannotInterleave(Exception):
    """Both processes cannot be alive together, or one cannot be stopped while the other runs; the message says why."""


class LivePair(NamedTuple):
    """What a pair by blocks needs to know beside the session's spec.

    `number`: of the pair; `folder`: to fill; `draw`: its source of orders; `inputs_are_fixed`: earlier pairs went
    through as many inputs as the protocol says now; `tell`: takes events for the caller; `watched`: samplers are at
    work, so that it is kept when each block ran.
    """

    number: int
    folder: str
    draw: random.Random
    schedule: StretchSchedule
    needs: MemoryNeeds
    inputs_are_fixed: bool
    tell: Callable[[Report], None]
    watched: bool


class DrivenArm:
    """The process of one arm. It is stopped except while `ask` waits for an answer.

    `stopped_ns`: for how long it was stopped; `stopped_cpu_ns`: the time of CPUs that its threads used meanwhile.
    """

    def __init__(self, spec: ArmsSpec, arm: str, slot: int, folder: str) -> None:
        os.makedirs(folder)
        self.name, self.folder = arm, folder
        self._timeout_s, self._kills = spec["timeout_s"], read_oom_kills()
        self._data = b""
        self.forget_stops()
        theirs, self._commands = os.pipe()
        self._answers, their_answers = os.pipe()
        self._process: Optional[subprocess.Popen[bytes]] = None
        try:
            self._process = self._start(spec, slot, theirs, their_answers)
        finally:
            os.close(theirs)
            os.close(their_answers)
            if self._process is None:
                self._close_pipes()

    @property
    def pid(self) -> int:
        """The process id."""
        assert self._process
        return self._process.pid

    def wait_loaded(self) -> Report:
        """Return what the process says once its artifact is loaded; CannotInterleave if it does not stop for us."""
        answer = self._receive()
        if not answer["stops"]:
            raise CannotInterleave("the interpreter of the {} arm starts Python as a child process".format(self.name))
        self._wait_stopped()
        return answer

    def ask(self, do: str, **details: Any) -> Report:
        """Continue the process, have it do something, and return its answer when it is stopped again."""
        self._continue(do, details)
        answer = self._receive()
        self._wait_stopped()
        return answer

    def forget_stops(self) -> None:
        """Count anew how long the process is stopped, from its next stop on."""
        self.stopped_ns, self.stopped_cpu_ns = 0, 0
        self._stopped_at: Optional[Tuple[int, int]] = None

    def finish(self) -> Report:
        """Have the process save its times and end; return its last answer."""
        self._continue("end", {})
        answer = self._receive()
        assert self._process
        self._process.wait()
        return answer

    def close(self) -> None:
        """End the process, stopped or not; may be called again."""
        end_child(self._process)
        if self._process is not None:
            self._process = None
            self._close_pipes()

    def _start(self, spec: ArmsSpec, slot: int, commands: int, answers: int) -> subprocess.Popen[bytes]:
        arm: Any = spec["arms"][self.name]
        own: WorkSpec = {
            "arm": arm,
            "inputs": arm.get("inputs_file", spec["inputs"]),
            "protocol": spec["protocol"],
            "slot": slot,
            "parent": os.getpid(),
            "commands": commands,
            "answers": answers,
        }
        path = os.path.join(self.folder, "spec.json")
        with open(path, "w", encoding="utf-8") as stream:
            json.dump(own, stream)
        interpreter = arm.get("interpreter") or sys.executable
        command = [interpreter, "-m", str(__package__), "work", path, self.folder]
        with open(os.path.join(self.folder, "log.txt"), "wb") as log:
            try:
                return start_child(command, log, (commands, answers))
            except OSError as error:
                message = "{}: cannot be started ({})".format(interpreter, error.strerror)
                raise NoVerdict("runtime_missing", message) from error

    def _continue(self, do: str, details: Report) -> None:
        os.write(self._commands, json.dumps(dict(details, do=do)).encode() + b"\n")
        if self._stopped_at:
            wall, cpu = self._stopped_at
            now = _cpu_ns(self.pid)
            self.stopped_ns += time.perf_counter_ns() - wall
            self.stopped_cpu_ns += now - cpu
        os.kill(self.pid, signal.SIGCONT)

    def _receive(self) -> Report:
        """Return the next answer; ArmFailed or NoVerdict when there is none."""
        until = time.monotonic() + self._timeout_s
        while b"\n" not in self._data:
            if not select.select([self._answers], [], [], max(0.0, until - time.monotonic()))[0]:
                message = "no answer within {} s".format(self._timeout_s)
                raise ArmFailed(self.name, {"kind": "timed_out", "message": message})
            data = os.read(self._answers, 65536)
            if not data:
                self._explain_end()
            self._data += data
        line, _, self._data = self._data.partition(b"\n")
        answer: Report = json.loads(line)
        if "failed" in answer:
            raise ArmFailed(self.name, answer["failed"])
        if "no_verdict" in answer:
            raise NoVerdict(answer["no_verdict"]["kind"], answer["no_verdict"]["message"])
        return answer

    def _wait_stopped(self) -> None:
        assert self._process
        pid, status = os.waitpid(self.pid, os.WUNTRACED)
        if pid and not os.WIFSTOPPED(status):
            self._process.returncode = _exit_code(status)
            self._explain_end()
        self._stopped_at = (time.perf_counter_ns(), _cpu_ns(self.pid))

    def _explain_end(self) -> None:
        """Raise what the end of the process means."""
        assert self._process
        code = self._process.wait()
        raise ArmFailed(self.name, explain_end(code, self._kills, self.folder))

    def _close_pipes(self) -> None:
        os.close(self._commands)
        os.close(self._answers)


def measure_pair(spec: ArmsSpec, pair: LivePair) -> Report:
    """Drive two live processes in turn, block by block, for one pair: fill its folder with raw times and return its
    record.

    ArmFailed when an arm has a verdict, CannotInterleave when whole processes have to do, NoVerdict from outside.
    """
    begin = time.monotonic()
    order = list(pair.draw.sample(ARMS, 2))
    with _live_arms() as arms:
        loaded: Dict[str, Report] = {}
        for name in order:
            slot = 2 * pair.number + ARMS.index(name)
            arms[name] = DrivenArm(spec, name, slot, os.path.join(pair.folder, name))
            loaded[name] = arms[name].wait_loaded()
            peak = arms[name].ask("cold")["memory_peak_bytes"]
            pair.needs.record(name, peak)
            shortage = pair.needs.find_shortage([other for other in order if other not in arms])
            if shortage:
                raise CannotInterleave(shortage)
        pair.tell({"event": "live", "pair": pair.number, "pids": {name: arms[name].pid for name in ARMS}})
        warm = {name: arms[name].ask("warm") for name in order}
        timings = {
            name: Timing(
                warm[name]["per_input_ns"],
                warm[name]["wall_ns"],
                warm[name]["timer_cost_ns"],
                warm[name]["quantum_ns"],
            )
            for name in ARMS
        }
        spent_s = time.monotonic() - begin
        plan = plan_blocks(timings, spec["protocol"], spent_s, pair.draw, pair.schedule, pair.inputs_are_fixed)
        for name in order:
            arms[name].forget_stops()
            arms[name].ask("plan", **_describe_layout(plan))
        blocks_began = time.monotonic()
        planned = plan.alone
        plan = _run_plan(arms, plan, begin + pair_seconds(spec["protocol"]))
        pair.schedule.put_back(planned[len(plan.alone) :])
        blocks_s = time.monotonic() - blocks_began
        reports = {name: dict(arms[name].finish(), typical_ns=round(timings[name].mean_ns)) for name in ARMS}
        for name, report in reports.items():
            known = sys.platform.startswith("linux")
            report.update(stopped_ns=arms[name].stopped_ns, stopped_cpu_ns=arms[name].stopped_cpu_ns if known else None)
        for name, report in reports.items():
            pair.needs.record(name, report["memory_peak_bytes"])
    _save_blocks(pair.folder, plan, pair.watched)
    return {
        "loaded_first": order[0],
        "blocks": dict(
            _describe_layout(plan),
            calls=plan.samples * plan.calls_per_sample,
            seconds=round(blocks_s, 3),
            alone=[{"arm": stretch.arm, "before_block": stretch.before_block} for stretch in plan.alone],
            inputs_available=loaded[order[0]]["inputs_available"],
            reduced=plan.reduced,
        ),
        "arms": reports,
    }


@contextlib.contextmanager
def _live_arms() -> Generator[Dict[str, DrivenArm], None, None]:
    arms: Dict[str, DrivenArm] = {}
    try:
        yield arms
    finally:
        for arm in arms.values():
            arm.close()


def _describe_layout(plan: Plan) -> Dict[str, int]:
    return {
        "block_pairs": plan.block_pairs,
        "samples": plan.samples,
        "calls_per_sample": plan.calls_per_sample,
        "untimed_calls": plan.untimed_calls,
        "inputs": plan.inputs,
        "stretches": len(plan.alone),
    }


def _run_plan(arms: Dict[str, DrivenArm], plan: Plan, until: float) -> Plan:
    """Run the blocks, no more than are needed after `until` (monotonic clock); return the plan as it was run."""
    other = {"left": arms["right"], "right": arms["left"]}
    for block, first in enumerate(plan.first):
        if block % 2 == 0 and block >= plan.fewest_block_pairs and time.monotonic() >= until:
            return cut_plan(plan, block)
        for number, stretch in enumerate(plan.alone):
            if stretch.before_block == block:
                arms[stretch.arm].ask("alone", stretch=number, block=block)
        arms[first].ask("block", block=block)
        other[first].ask("block", block=block)
    return plan


def _save_blocks(folder: str, plan: Plan, watched: bool) -> None:
    """Put the times of both arms into one set of arrays (see `pairs`)."""
    parts = {name: os.path.join(folder, name) for name in ARMS}
    blocks = numpy.stack([numpy.load(os.path.join(parts[name], "blocks.npy"))[: plan.block_pairs] for name in ARMS])
    own = {name: numpy.load(os.path.join(parts[name], "alone.npy")) for name in ARMS}
    alone = numpy.zeros((len(plan.alone), STRETCH, plan.samples), "int64")
    alone_inputs = numpy.zeros(alone.shape, "uint16")
    for number, stretch in enumerate(plan.alone):
        alone[number] = own[stretch.arm][number]
        alone_inputs[number] = list_inputs(stretch.before_block, STRETCH, plan.samples, plan.inputs)
    arrays: Dict[str, Any] = {
        "blocks": blocks,
        "inputs": list_inputs(0, plan.block_pairs, plan.samples, plan.inputs),
        "order": numpy.array([ARMS.index(first) for first in plan.first], "uint8"),
        "alone": alone,
        "alone_inputs": alone_inputs,
    }
    if watched:
        own_windows = [numpy.load(os.path.join(parts[name], "windows.npy"))[: plan.block_pairs] for name in ARMS]
        arrays["windows"] = numpy.stack(own_windows)
    for name, array in arrays.items():
        numpy.save(os.path.join(folder, name + ".npy"), array)
    for name in ARMS:
        for file in ("blocks.npy", "alone.npy", "windows.npy", "spec.json"):
            os.unlink(os.path.join(parts[name], file))


def _cpu_ns(pid: int) -> int:
    """Return the time of CPUs that all threads of a process have used, exact while it is stopped; 0 if not on Linux."""
    if not sys.platform.startswith("linux"):
        return 0
    return time.clock_gettime_ns((~pid << 3) | _CPUCLOCK_SCHED)


def _exit_code(status: int) -> int:
    return -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
