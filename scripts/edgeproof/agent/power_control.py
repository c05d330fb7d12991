"""Power mode and clocks of a board, set for one session and put back, where the device's configuration asks for it.

What was found is written to a file before anything is set. A session that is killed leaves it; the next session on the
board puts back what it says, also after a reboot. (Clocks and governors do not outlive a reboot, a power mode does.)
"""

from __future__ import annotations

import contextlib
import glob
import json
import os
import shutil
import subprocess
from typing import Any, Dict, Generator, List, Optional, Tuple, cast

from .environment import read_clocks_locked
from .failures import NoVerdict
from .specs import PowerControlOptions, Report

_NAME = "power-control.json"
# Of the machine where we may write there, else of the user: /run would not outlive a reboot.
_FOLDERS = ("/var/lib/edgeproof", os.path.join("~", ".local", "state", "edgeproof"))
_GOVERNORS = "sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_governor"
_TIMEOUT_S = 60


@contextlib.contextmanager
def control_power(options: Optional[PowerControlOptions]) -> Generator[Optional[Report], None, None]:
    """Control a board's power mode and clocks in the block: put back what a killed session left, set what `options` ask
    for, and put it back at the end; the device is held.

    Yields the record {asked, before, set, left_by_another}, `set` as the board says it; None where nothing was asked
    and nothing left. NoVerdict if the board does not do what was asked: then everything is as it was found.
    """
    asked: PowerControlOptions = options or {}
    board = _Board(asked.get("root", "/"))
    places = [asked["state"]] if "state" in asked else _list_state_files()
    left = sum(_restore_left(board, place) for place in places) > 0
    if not options:
        yield {"asked": None, "before": None, "set": None, "left_by_another": left} if left else None
        return
    path = _choose_state_file(places)
    before = board.read(asked)
    _write_state(path, dict(before, boot=board.read_boot()))
    try:
        board.set(asked, _clocks_file(path))
        now = board.read(asked)
        _require_set(asked, now)
        yield {"asked": _without_places(asked), "before": before, "set": now, "left_by_another": left}
    finally:
        _restore(board, before, path, same_boot=True)


def _list_state_files() -> List[str]:
    """Return where the file may be that says how a board was found, the best place first."""
    return [os.path.join(os.path.expanduser(folder), _NAME) for folder in _FOLDERS]


def _choose_state_file(places: List[str]) -> str:
    """Return the first of these paths whose folder we may write to."""
    for place in places:
        folder = os.path.dirname(os.path.abspath(place))
        with contextlib.suppress(OSError):
            os.makedirs(folder, exist_ok=True)
            if os.access(folder, os.W_OK):
                return place
    raise NoVerdict("power_control", "how the board was found cannot be kept: {} cannot be written".format(places))


class _Board:
    """The board's tools and files. Every call raises NoVerdict with what the board said if it did not do as told."""

    def __init__(self, root: str) -> None:
        self._root = root

    def read_boot(self) -> Optional[str]:
        """Return what tells this boot from any other."""
        return _read(os.path.join(self._root, "proc/sys/kernel/random/boot_id"))

    def read(self, asked: Any) -> Report:
        """Return {nvpmodel, clocks_locked, governors} as they are, as far as they are asked for."""
        state: Report = {}
        if "nvpmodel" in asked:
            state["nvpmodel"] = self._read_mode()
        if "jetson_clocks" in asked:
            state["clocks_locked"] = read_clocks_locked()
        if "governor" in asked:
            state["governors"] = {path: _read(path) for path in self._list_governors()}
        return state

    def set(self, asked: Any, clocks: str) -> None:
        """Set what is asked for: the mode first, since it changes which clocks there are."""
        if "nvpmodel" in asked:
            self.set_mode(asked["nvpmodel"])
        if "governor" in asked:
            self.set_governors(dict.fromkeys(self._list_governors(), asked["governor"]))
        if asked.get("jetson_clocks"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(clocks)
            _run("jetson_clocks", "--store", clocks)
            _run("jetson_clocks")

    def set_mode(self, mode: int) -> None:
        """Set the power mode."""
        _run("nvpmodel", "-m", str(mode))

    def set_governors(self, governors: Dict[str, Optional[str]]) -> None:
        """Set the governors of CPUs, by the files that hold them."""
        for path, governor in governors.items():
            if governor is not None and _read(path) != governor:
                _write(path, governor)

    def restore_clocks(self, clocks: str) -> None:
        """Put back the clocks that were stored before they were fixed."""
        if os.path.exists(clocks):
            _run("jetson_clocks", "--restore", clocks)
            os.unlink(clocks)

    def _read_mode(self) -> int:
        lines = _run("nvpmodel", "-q").splitlines()
        numbers = [line.strip() for line in lines if line.strip().isdigit()]
        if not numbers:
            raise NoVerdict("power_control", "nvpmodel -q says no mode: {!r}".format(" ".join(lines)[:200]))
        return int(numbers[-1])

    def _list_governors(self) -> List[str]:
        found = sorted(glob.glob(os.path.join(self._root, _GOVERNORS)))
        if not found:
            raise NoVerdict("power_control", "the kernel shows no governor that could be set")
        return found


def _require_set(asked: Any, now: Report) -> None:
    wrong: List[Tuple[str, Any, Any]] = []
    if "nvpmodel" in asked and now["nvpmodel"] != asked["nvpmodel"]:
        wrong.append(("nvpmodel", asked["nvpmodel"], now["nvpmodel"]))
    if asked.get("jetson_clocks") and now["clocks_locked"] is not True:
        wrong.append(("jetson_clocks", True, now["clocks_locked"]))
    if "governor" in asked:
        others = sorted({str(found) for found in now["governors"].values() if found != asked["governor"]})
        if others:
            wrong.append(("governor", asked["governor"], ", ".join(others)))
    for key, wanted, found in wrong:
        message = "power_control.{}: {} was asked for, the board says {}".format(key, wanted, found)
        raise NoVerdict("power_control", message)


def _restore_left(board: _Board, path: str) -> bool:
    """Put back what a killed session left, and return whether there was something."""
    text = _read(path)
    if text is None:
        return False
    try:
        before = cast(Report, json.loads(text))
    except ValueError:
        message = "{}: cannot be read; set the board as it was, and remove this file".format(path)
        raise NoVerdict("power_control", message) from None
    boot = before.pop("boot", None)
    _restore(board, before, path, same_boot=boot == board.read_boot())
    return True


def _restore(board: _Board, before: Report, path: str, same_boot: bool) -> None:
    """Put the board back as `before` has it; the file goes only when that was done."""
    if same_boot:
        board.restore_clocks(_clocks_file(path))
        board.set_governors(before.get("governors", {}))
    if "nvpmodel" in before and board.read({"nvpmodel": None})["nvpmodel"] != before["nvpmodel"]:
        board.set_mode(before["nvpmodel"])
    for made in (_clocks_file(path), path):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(made)


def _clocks_file(path: str) -> str:
    return path + ".clocks"


def _write_state(path: str, state: Report) -> None:
    """Write how the board was found, flushed to the disk before anything is set."""
    part = path + ".part"
    with open(part, "w", encoding="utf-8") as stream:
        json.dump(state, stream)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(part, path)


def _without_places(asked: Any) -> Report:
    return {key: value for key, value in asked.items() if key not in ("root", "state")}


def _run(*command: str) -> str:
    """Run a tool of the board, by sudo where we are not root; return what it says. Its questions get no answers."""
    if not shutil.which(command[0]):
        raise NoVerdict("power_control", "{}: is not on this board; leave it out of power_control".format(command[0]))
    words = list(command) if os.geteuid() == 0 or command[1:] == ("-q",) else ["sudo", "-n", *command]
    try:
        done = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoVerdict("power_control", "{}: {}".format(" ".join(words), error)) from error
    said = done.stdout.decode("utf-8", "replace")
    if done.returncode != 0:
        message = "{} ended with exit code {}: {}".format(" ".join(words), done.returncode, said[-300:])
        raise NoVerdict("power_control", message)
    return said


def _read(path: str) -> Optional[str]:
    try:
        with open(path, encoding="utf-8") as stream:
            return stream.read().strip()
    except OSError:
        return None


def _write(path: str, text: str) -> None:
    try:
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(text)
    except OSError as error:
        message = "{}: {} cannot be set ({}); run: sudo chmod a+w {}".format(path, text, error.strerror, path)
        raise NoVerdict("power_control", message) from error
