"""`program`: run a builder of this device, such as trtexec, while its lock is held.

`out` gets what the program writes into it, `program.txt` (what it printed) and `program.json` ({code}; null after the
time-out). Files that it needs are put there first and removed again.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
from typing import Optional

from .children import run_child
from .failures import NoVerdict
from .lock import hold_device
from .session import check_board
from .specs import ProgramSpec


def run_program(spec: ProgramSpec, out: str) -> None:
    """Run a builder's program `spec["command"]` in `out`, with `spec["place"]` in its words replaced by that folder."""
    place = os.path.abspath(out)
    check_board(spec.get("board"))
    lent = [(item["artifact"], os.path.join(place, item["name"])) for item in spec["files"]]
    with hold_device(spec.get("lock"), spec["label"]):
        for source, target in lent:
            shutil.copyfile(source, target)
        os.chdir(place)
        command = [word.replace(spec["place"], place) for word in spec["command"]]
        code: Optional[int] = None
        try:
            with open("program.txt", "wb") as log, contextlib.suppress(subprocess.TimeoutExpired):
                code = run_child(command, log, spec["timeout_s"])
        except OSError as error:
            raise NoVerdict("runtime_missing", "{}: {}".format(command[0], error.strerror)) from error
        finally:
            for _, target in lent:
                os.unlink(target)
    with open("program.json", "w", encoding="utf-8") as stream:
        json.dump({"code": code}, stream)
