"""What the doctor says: one finding per thing it looked at, and the place where it looks."""

import os
import platform
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

# `bad`: a measurement would be refused, fail or say something wrong. `absent`: something optional is not there.
State = Literal["good", "absent", "unknown", "bad"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. `part`: the group it belongs to; `remedy`: what to do, a command where there is
    one, None where nothing needs to be done or can be.
    """

    part: str
    name: str
    state: State
    text: str
    remedy: str | None = None


def _name_system() -> str:
    return "Android" if hasattr(sys, "getandroidapilevel") else platform.system()  # Python 3.13 says Android itself


@dataclass(frozen=True)
class Place:
    """Where the doctor looks. `root`: of the file system; `tools`: folders of programs, as in PATH, None: PATH itself;
    `machine`: the processor's name, as in `uname -m`; `system`: Linux, Android, Darwin, Windows.

    Tests give a made-up board.
    """

    root: Path = Path("/")
    tools: str | None = None
    machine: str = field(default_factory=platform.machine)
    system: str = field(default_factory=_name_system)

    def find_tool(self, name: str) -> str | None:
        """Return the path of a program, None if there is none."""
        return shutil.which(name, path=self.tools)

    def list_files(self, pattern: str) -> list[Path]:
        """Return the files below the root that match a pattern, sorted."""
        return sorted(self.root.glob(pattern))


def may_write(path: Path) -> bool:
    """Return whether this user may write a file, for a finding of the doctor's."""
    return os.access(path, os.W_OK)
