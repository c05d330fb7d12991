"""What the doctor says of the machine: whether it is the device's board, its clocks, what else runs, disk and lock."""

import fcntl
import itertools
import os
import shlex
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from edgeproof.agent.environment import Environment, read_environment
from edgeproof.agent.lock import default_path, describe_holder
from edgeproof.agent.machine import describe_machine
from edgeproof.core.clock import require_order
from edgeproof.core.configuration import NamedDevice
from edgeproof.core.errors import UserError
from edgeproof.core.formatting import format_bytes, plain

from .findings import Finding, Place

_LEAST_DISK_BYTES = 2_000_000_000  # the demo's results and one toolchain
_COARSE_NS = 1_000  # a clock that jumps by more than this times a short model badly
_MUCH_STEAL = 0.01
_READS = 2_000
_CLOCKSOURCES = "cat /sys/devices/system/clocksource/clocksource0/available_clocksource"
_BUSIEST = "ps -eo pid,user,pcpu,etime,args --sort=-pcpu | head"


def inspect_machine(device: NamedDevice, place: Place, root: Path) -> Iterator[Finding]:
    """Yield the doctor's findings on the machine before a device is measured on it. `root`: the repository."""
    state = read_environment(str(place.root))
    yield _inspect_board(device, place, state)
    yield _inspect_identity(place)
    yield _inspect_day(root)
    yield _inspect_timer()
    yield _inspect_governors(place, state)
    yield _inspect_load(state)
    yield _inspect_steal(state)
    yield _inspect_disk(root)
    yield _inspect_lock(device, place)


def _inspect_board(device: NamedDevice, place: Place, state: Environment) -> Finding:
    board, wanted = state["board"] or "a board that does not say its name", device.get("board_contains")
    text = f"{board}, {state['cpu_count']} CPUs ({state['machine']}), {state['os']}"
    if wanted is None or wanted.lower() in board.lower():
        return Finding("machine", "board", "good", text)
    name = device["name"]
    return Finding(
        "machine",
        "board",
        "bad",
        f"{text}; {name} is a board whose name contains {wanted!r}, so it cannot be measured here",
        f"run this in the shell of the board, or correct board_contains in config/devices/{name}.yaml",
    )


def _inspect_identity(place: Place) -> Finding:
    found = describe_machine(str(place.root))["id"]
    if found:
        return Finding("machine", "identity", "good", f"{found}, a hash of its serial number or machine id")
    text = "no serial number and no machine id, so attempts cannot say which machine made them"
    return Finding("machine", "identity", "bad", text, "sudo systemd-machine-id-setup")


def _inspect_day(root: Path) -> Finding:
    """A board without a battery wakes up in the past, and a result must not be older than what it is made from."""
    try:
        require_order([*root.glob("config/*.yaml"), *root.glob("results/*/*")])
    except UserError as error:
        return Finding("machine", "time of day", "bad", str(error), "sudo date -s 'YYYY-MM-DD hh:mm:ss'")
    return Finding("machine", "time of day", "good", time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()))


def _inspect_timer() -> Finding:
    """Look for the smallest step of the clock that the agent times with."""
    moments = [time.perf_counter_ns() for _ in range(_READS)]
    steps = sorted(b - a for a, b in itertools.pairwise(moments) if b > a)
    if not steps:
        return Finding("machine", "timer", "bad", f"stood still over {_READS} reads", _CLOCKSOURCES)
    text = f"steps of {steps[0]} ns, read in {steps[len(steps) // 2]} ns"
    if steps[0] <= _COARSE_NS:
        return Finding("machine", "timer", "good", text)
    return Finding(
        "machine", "timer", "bad", f"{text}: coarse; a short model needs many calls per sample", _CLOCKSOURCES
    )


def _inspect_governors(place: Place, state: Environment) -> Finding:
    governors = state["governors"]
    if not governors:
        return Finding("machine", "CPU clock", "unknown", "the kernel shows no governor here (a virtual machine, say)")
    text = f"governor {', '.join(governors)}"
    if governors == ["performance"]:
        return Finding("machine", "CPU clock", "good", text)
    remedy = "echo performance | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor"
    return Finding("machine", "CPU clock", "absent", f"{text}: clocks follow the load, so intervals get wider", remedy)


def _inspect_load(state: Environment) -> Finding:
    load = state["load_average"]
    if load is None:
        return Finding("machine", "load", "unknown", "the kernel shows no load")
    text = f"{load[0]:.2f} over the last minute, {state['cpu_count']} CPUs"
    if load[0] < 0.5:
        return Finding("machine", "load", "good", text)
    return Finding("machine", "load", "absent", f"{text}: something else is running; intervals get wider", _BUSIEST)


def _inspect_steal(state: Environment) -> Finding:
    ticks = state["cpu_ticks"]
    total = sum(ticks.values()) if ticks else 0
    if not total:
        return Finding("machine", "steal", "unknown", "the kernel does not say what a hypervisor keeps")
    share = ticks["steal"] / total
    text = f"a hypervisor kept {100 * share:.2g} % of the CPU time since the machine started"
    if share < _MUCH_STEAL:
        return Finding("machine", "steal", "good", text)
    return Finding("machine", "steal", "absent", f"{text}: intervals get wider here; blocks in turn share what is left")


def _inspect_disk(root: Path) -> Finding:
    free = shutil.disk_usage(root).free
    text = plain(f"{format_bytes(free)} free for results and toolchains")
    if free >= _LEAST_DISK_BYTES:
        return Finding("machine", "disk", "good", text)
    return Finding("machine", "disk", "bad", text, "edgeproof attempts prune")


def _inspect_lock(device: NamedDevice, place: Place) -> Finding:
    """Say whether the device could be held now; it is not waited for, and nothing is created or written."""
    path = device.get("lock") or default_path(str(place.root))
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return Finding("machine", "lock", "good", f"nobody has held this device yet ({path})")
    except OSError as error:
        remedy = f"sudo chmod a+rw {shlex.quote(str(path))}"
        return Finding("machine", "lock", "bad", f"{path} cannot be opened ({error.strerror})", remedy)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = describe_holder(os.read(descriptor, 1000).decode("utf-8", "replace"))
        return Finding("machine", "lock", "absent", f"busy: held by {holder}; a measurement waits for its end")
    finally:
        os.close(descriptor)
    return Finding("machine", "lock", "good", f"free ({path})")
