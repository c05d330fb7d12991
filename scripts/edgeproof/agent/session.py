"""`session`: one measurement on this device, from lock to lock.

A session holds the device's exclusive lock, records the environment, runs one fresh process (`measure`) per slot of
`spec["order"]` (arm names; two arms are interleaved by whoever wrote the order), and records the environment again.
"""

import contextlib
import fcntl
import getpass
import json
import os
import signal
import subprocess
import sys
import tempfile
import time

from .environment import read_board, read_environment, read_oom_kills, steal_share
from .failures import NoVerdict

# A process that ends by one of these ended by its own doing; any other signal came from outside and is no verdict.
_CRASHES = (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL)


def run_session(spec, out):
    """Fill `out` with `session.json` and one folder per slot.

    `spec`: label, arms {name: arm}, order [name], inputs, protocol, lock (path or null for the device's default),
    board (text that the board's name must contain, or null), timeout_s per process. An arm may name the `interpreter`
    that has its runtime; else it is ours. Its `verb` says what a process does: `measure`, or `links`.
    """
    check_board(spec.get("board"))
    with device_lock(spec.get("lock"), spec["label"]) as lock:
        before = read_environment()
        started = time.time()
        processes = list(_run_slots(spec, out))
        after = read_environment()
    report = {
        "label": spec["label"],
        "lock": lock,
        "started_at_unix_s": round(started, 3),
        "processes": processes,
        "environment": {"before": before, "after": after, "steal_share": steal_share(before, after)},
    }
    with open(os.path.join(out, "session.json"), "w", encoding="utf-8") as stream:
        json.dump(report, stream, indent=2)


def check_board(expected):
    """Raise NoVerdict unless the board's own name contains `expected` (None: any board will do)."""
    board = read_board()
    if expected and expected.lower() not in (board or "").lower():
        raise NoVerdict(
            "wrong_device",
            "the device file expects a board named {!r}, this one says {!r}; choose the device that this board is, "
            "or correct its `board_contains`".format(expected, board),
        )


@contextlib.contextmanager
def device_lock(path, label):
    """Hold the exclusive lock of this device; yield who holds it and how long we waited (seconds).

    Waits for another holder, and says on stderr who that is. The kernel releases the lock if we die.
    """
    path = path or os.path.join(tempfile.gettempdir(), "edgeproof-device.lock")
    begin = time.monotonic()
    with _open_shared(path) as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("{}: the device is busy, waiting for {}".format(label, stream.read().strip() or "?"), file=sys.stderr)
            fcntl.flock(stream, fcntl.LOCK_EX)
        holder = {"pid": os.getpid(), "user": _user(), "label": label, "since_unix_s": round(time.time(), 3)}
        stream.seek(0)
        stream.truncate()
        json.dump(holder, stream)
        stream.flush()
        yield {"path": path, "waited_s": round(time.monotonic() - begin, 3), "holder": holder}
        stream.seek(0)
        stream.truncate()


def _user():
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # nobody has this number: a container's user
        return str(os.getuid())


def _open_shared(path):
    # First without O_CREAT: the kernel refuses that on another user's file in a sticky folder (fs.protected_regular).
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        with contextlib.suppress(OSError):
            os.fchmod(descriptor, 0o666)
    except OSError as error:
        raise NoVerdict("lock", "{}: cannot be opened ({})".format(path, error.strerror)) from error
    return os.fdopen(descriptor, "r+", encoding="utf-8")


def _run_slots(spec, out):
    failed, begin = {}, time.monotonic()
    for slot, arm in enumerate(spec["order"]):
        if arm in failed:  # a verdict about the artifact will not change by trying again
            yield {"slot": slot, "arm": arm, "status": "skipped", "reason": failed[arm]}
            continue
        folder = os.path.join(out, "process-{:03d}".format(slot))
        os.makedirs(folder, exist_ok=True)
        record = _run_process(spec, slot, arm, folder)
        if record["status"] != "ok":
            failed[arm] = record["reason"]
        elapsed = time.monotonic() - begin
        left = elapsed / (slot + 1) * (len(spec["order"]) - slot - 1)
        print(
            "{}  process {} of {}{}  {}  {:.0f} s left".format(
                spec["label"],
                slot + 1,
                len(spec["order"]),
                "" if len(spec["arms"]) == 1 else " ({})".format(arm),
                _summary(record, folder),
                left,
            ),
            file=sys.stderr,
            flush=True,
        )
        yield record


def _run_process(spec, slot, arm, folder):
    process_spec = {
        "arm": spec["arms"][arm],
        "inputs": spec["inputs"],
        "protocol": spec["protocol"],
        "slot": slot,
    }
    spec_path = os.path.join(folder, "spec.json")
    with open(spec_path, "w", encoding="utf-8") as stream:
        json.dump(process_spec, stream)
    interpreter = spec["arms"][arm].get("interpreter") or sys.executable
    command = [interpreter, "-m", __package__, spec["arms"][arm].get("verb", "measure"), spec_path, folder]
    base = {"slot": slot, "arm": arm}
    kills = read_oom_kills()
    with open(os.path.join(folder, "log.txt"), "wb") as log:
        try:
            code = _run_child(command, log, spec["timeout_s"])
        except subprocess.TimeoutExpired:
            message = "no result within {} s".format(spec["timeout_s"])
            return dict(base, status="failed", reason={"kind": "timed_out", "message": message})
        except OSError as error:
            message = "{}: cannot be started ({})".format(interpreter, error.strerror)
            raise NoVerdict("runtime_missing", message) from error
    if code == 0:
        with open(os.path.join(folder, "process.json"), encoding="utf-8") as stream:
            return dict(json.load(stream), **base)
    if code < 0:
        message = "the process was ended by {}".format(signal.Signals(-code).name)
        if -code == signal.SIGKILL and read_oom_kills() > kills:
            return dict(base, status="failed", reason={"kind": "out_of_memory", "message": message})
        if -code in _CRASHES:
            return dict(base, status="failed", reason={"kind": "crashed", "message": message})
        raise NoVerdict("interrupted", message)
    failure = os.path.join(folder, "failure.json")
    if os.path.exists(failure):
        with open(failure, encoding="utf-8") as stream:
            reason = json.load(stream)
        raise NoVerdict(reason["kind"], reason["message"])
    with open(os.path.join(folder, "log.txt"), encoding="utf-8", errors="replace") as stream:
        raise NoVerdict("agent_error", "process {} exited with {}: {}".format(slot, code, stream.read()[-500:]))


class _Ending:
    """A signal that tells us to end waits while a child is being started: who has no handle on it cannot end it."""

    starting, number = False, None


def terminate(number, _):
    """End this process, and with it what it has started (signal handler)."""
    _Ending.number = number
    if not _Ending.starting:
        raise SystemExit(128 + number)


def _run_child(command, log, timeout_s):
    """Run a command and return its exit code; it is killed when it takes too long, and when we are told to end."""
    process, _Ending.starting = None, True
    try:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        _Ending.starting = False
        if _Ending.number:
            raise SystemExit(128 + _Ending.number)
        return process.wait(timeout_s)
    finally:
        _Ending.starting = False
        if process and process.poll() is None:
            process.kill()
            process.wait()


def _summary(record, folder):
    if record["status"] != "ok":
        return "{}: {}".format(record["reason"]["kind"], record["reason"]["message"][:120])
    import numpy

    median = float(numpy.median(numpy.load(os.path.join(folder, "samples.npy")))) / record["calls_per_sample"]
    return "median {:.4g} ms".format(median / 1e6)
