"""The device that builds an artifact: whether it is the right one, its lock, and what is installed there.

The device is this machine, or a board behind ssh. Paths of the system are relative to `root`, so that tests can stand
in for a board; a `Board` as `root` is asked over its link.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from edgeproof.agent import lock
from edgeproof.agent.machine import describe_itself
from edgeproof.agent.messages import tell
from edgeproof.agent.tied_processes import open_tied
from edgeproof.core.catalogues import read_catalogue_entry
from edgeproof.core.errors import UserError
from edgeproof.remote.boards import Board, reach_board
from edgeproof.remote.device_links import find_remote_device

from .build_job import BuildJob
from .remote_programs import run_program_on_board

_BOARD_NAME_FILES = ("proc/device-tree/model", "sys/devices/virtual/dmi/id/product_name")


def require_building_device(expected: str | None, root: str | Path | Board = "/") -> None:
    """Raise UserError unless this machine is the building device: its own name must contain `expected`.

    None or "" allows any machine.
    """
    found = next(filter(None, (_read_words(root, name) for name in _BOARD_NAME_FILES)), None)
    if expected and expected.lower() not in (found or "").lower():
        if isinstance(root, Board):
            where = f"{root.link.host} {f'is called {found!r}' if found else 'does not say its name'}"
        else:
            where = f"this machine {describe_itself(found)}"
        raise UserError(
            f"{where}, the device must be a board named {expected!r}; build there, or correct the device's "
            "`board_contains`"
        )


def read_device_lock(name: str) -> str | None:
    """Return the lock of the building device `name`, a file that its configuration names; None for the usual one.

    It decides nothing in what is built, so it is in no key and no job is told.
    """
    return read_catalogue_entry("device", name).get("lock")


@contextlib.contextmanager
def hold_building_device(path: str | Path | None, label: str, root: str | Path | Board = "/") -> Iterator[None]:
    """Hold the lock of the building device in the context, as a measurement does: a build would disturb it.

    `path`: the lock's file, None for the usual one. `label`: what is being built, for the session that has to wait.
    UserError if the lock cannot be opened. A board's lock is held there, while its program runs.
    """
    if isinstance(root, Board):
        yield
        return
    try:
        with lock.hold_device(path, label):
            yield
    except lock.LockUnavailable as error:
        raise UserError(str(error)) from error


def find_device_program(name: str, places: Sequence[str], remedy: str, root: str | Path | Board = "/") -> str:
    """Return the path of a program on the building device: on its PATH or in one of `places`; UserError if in neither.

    UserError says the remedy. That is not a verdict on the artifact: the tool may be installed later.
    """
    if isinstance(root, Board):
        found = root.link.ask("which", name=name, places=list(places))["path"]
    else:
        found = shutil.which(name) or next((path for path in places if os.access(path, os.X_OK)), None)
    if found is None:
        raise UserError(f"{name}: is not on the PATH{''.join(f', nor at {path}' for path in places)}; {remedy}")
    return found


def describe_drivers(root: str | Path | Board = "/") -> dict[str, str]:
    """Return the building device's drivers, as far as it tells: JetPack, GPU driver, CUDA, NPU driver."""
    drivers = {
        "jetpack": _read_words(root, "etc/nv_tegra_release"),
        "gpu_driver": _read_words(root, "proc/driver/nvidia/version"),
        "cuda": _cuda_version(root),
        "rknpu_driver": _read_words(root, "sys/kernel/debug/rknpu/version") or _read_words(root, "proc/rknpu/version"),
    }
    question = ("nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader")
    if isinstance(root, Board):
        if root.link.ask("which", name=question[0], places=[])["path"]:
            said = root.link.ask("run", command=list(question))
            drivers["nvidia_smi"] = None if said["code"] else " ".join(said["text"].split())
    elif root == "/" and shutil.which(question[0]):
        drivers["nvidia_smi"] = _ask_program(*question)
    return {name: text for name, text in drivers.items() if text}


@contextlib.contextmanager
def reach_building_device(job: BuildJob) -> Iterator[tuple[BuildJob, str | Board]]:
    """Reach the device that builds a job; yield the job with that machine, and the device as `root` of the functions
    here.
    """
    device = find_remote_device(job.cell["builder"])
    if device is None:
        yield job, "/"
        return
    with reach_board(device) as board:
        yield job._replace(machine=board.machine), board


def run_building_program(
    root: str | Board, job: BuildJob, command: Sequence[str], folder: Path, timeout_s: float
) -> tuple[int | None, str]:
    """Run a job's builder in `folder` on the building device; return as `run_device_program` does.

    On a board, the files of the folder that the command names are sent, and what it writes beside them comes back.
    """
    if isinstance(root, Board):
        return run_program_on_board(root, job, command, folder, timeout_s)
    return run_device_program(command, folder, dict(os.environ), timeout_s)


def run_device_program(
    command: Sequence[str], folder: str | Path | None, environment: dict[str, str], timeout_s: float
) -> tuple[int | None, str]:
    """Run a program of the building device, which is this machine, in `folder`; return (exit code, output).

    `command` is a list, no shell. The code is None after `timeout_s`. Its output also appears on stderr as it comes.
    Processes that it started are ended with it.
    """
    lines, expired = [], threading.Event()
    try:
        process = open_tied(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        raise UserError(f"{command[0]}: cannot be started ({error.strerror})") from error

    def stop():
        expired.set()
        os.killpg(process.pid, signal.SIGKILL)

    timer = threading.Timer(timeout_s, stop)
    timer.start()
    try:
        with process:
            try:
                for line in process.stdout or ():
                    lines.append(line)
                    tell(line, end="")
                process.wait()
            except BaseException:  # Ctrl-C only reaches us: the tool has a session of its own
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                raise
    finally:
        timer.cancel()
    return None if expired.is_set() else process.returncode, "".join(lines)


def _cuda_version(root):
    try:
        return json.loads(_read_text(root, "usr/local/cuda/version.json") or "")["cuda"]["version"]
    except (ValueError, KeyError, TypeError):
        return _read_words(root, "usr/local/cuda/version.txt")


def _read_words(root, path):
    return " ".join((_read_text(root, path) or "").replace("\0", " ").split()) or None


def _read_text(root, path):
    if isinstance(root, Board):
        return root.link.ask("read", paths=[f"/{path}"])["texts"][f"/{path}"]
    try:
        return (Path(root) / path).read_text(errors="replace")
    except OSError:
        return None


def _ask_program(*command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return " ".join(done.stdout.split()) or None
