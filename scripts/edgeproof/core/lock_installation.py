"""Installing what a lock lists, with a line now and then that says how far it is.

pip itself is silent for minutes where its output is no terminal; its own words go to a log and are shown if it fails.
"""

import re
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

EVERY = 15.0  # seconds between two lines
_LISTED = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*(?:\[[^\]]*\])?==", re.MULTILINE)
_FOUND = ("Collecting ", "Requirement already satisfied: ")
_INSTALLING = "Installing collected packages: "


class InstallationProgress:
    """What pip has said so far: packages found, those left out for their markers, and those that it installs."""

    def __init__(self, listed: int) -> None:
        self.listed = listed
        self.found = 0
        self.left_out = 0
        self.installing = 0

    def read_line(self, line: str) -> None:
        """Take one line of pip's output."""
        if line.startswith("Ignoring "):
            self.left_out += 1
        elif line.startswith(_FOUND):
            self.found += 1
        elif line.startswith(_INSTALLING):
            self.installing = len(line.removeprefix(_INSTALLING).split(","))

    def describe(self, installed: int) -> str:
        """Return how far it is. `installed`: packages that came into the environment."""
        if self.installing:
            return f"installed {min(installed, self.installing)} of {self.installing} packages"
        return f"fetched {self.found} of {self.listed - self.left_out} packages"


def count_listed(lock: str) -> int:
    """Return how many packages the text of a lock lists, for the progress of its installation."""
    return len(_LISTED.findall(lock))


def install_lock(lock: Path, log: Path, tell: Callable[[str], object], command: Sequence[str] | None = None) -> int:
    """Install what a lock lists into the environment of this Python; return pip's exit status.

    What pip says goes to `log`. `tell`: takes a line each EVERY seconds. `command`: in place of pip's.
    """
    progress, began = InstallationProgress(count_listed(lock.read_text())), time.monotonic()
    site = Path(sysconfig.get_path("purelib"))
    before = _count_installed(site)
    pip = [sys.executable, "-u", "-m", "pip", "install", "--disable-pip-version-check", "--progress-bar", "off"]
    words = command or [*pip, "--require-hashes", "-r", str(lock)]
    with (
        log.open("w") as kept,
        subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process,
    ):
        assert process.stdout is not None  # it is a pipe
        reader = threading.Thread(target=_follow, args=(process.stdout, kept, progress))
        reader.start()
        while True:
            reader.join(EVERY)
            if not reader.is_alive():
                return process.wait()
            seconds = time.monotonic() - began
            tell(f"  {progress.describe(_count_installed(site) - before)}, {seconds:.0f} s")


def _follow(stream: IO[str], kept: IO[str], progress: InstallationProgress) -> None:
    for line in stream:
        kept.write(line)
        progress.read_line(line.strip())


def _count_installed(site: Path) -> int:
    return sum(1 for _ in site.glob("*.dist-info"))
