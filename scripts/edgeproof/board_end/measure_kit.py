"""Measures what a kit holds, on a device that no job reaches: `python3 measure.py`, in the folder of the unpacked kit.

It runs the agent's session that `spec.json` describes, and packs what that leaves into `brought.zip`. The kit has the
agent's code beside this file; Python 3.8 with numpy and the runtime is all that the device needs.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from typing import Iterator

_LEFT_OUT = ("log.txt", ".lock", ".pyc", "progress.jsonl")  # no evidence
_HOUR = (1980, 1, 1, 0, 0, 0)  # the digest of a file says what it is; when it was written does not matter


def main() -> int:
    """Measure what the unpacked kit holds, and pack what is to be brought back; return the agent's exit code."""
    here = os.path.dirname(os.path.abspath(__file__))
    session = os.path.join(here, "session")
    shutil.rmtree(session, ignore_errors=True)  # of an earlier try
    environment = dict(os.environ, PYTHONPATH=here, PYTHONUNBUFFERED="1")
    code = subprocess.call(
        [sys.executable, "-m", "edgeproof.agent", "session", "spec.json", "session"], cwd=here, env=environment
    )
    if code != 0:
        print("nothing to bring back: mend what the line above says, and measure again", file=sys.stderr)
        return code
    sys.path.insert(0, here)
    from edgeproof.agent.machine import describe_machine

    with open(os.path.join(here, "machine.json"), "w", encoding="utf-8") as stream:
        json.dump(describe_machine(), stream)
    target = os.path.join(here, "brought.zip")
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("key.json", "machine.json", *_list_files(here, "session")):
            with open(os.path.join(here, *name.split("/")), "rb") as source:
                archive.writestr(zipfile.ZipInfo(name, _HOUR), source.read(), zipfile.ZIP_DEFLATED)
    print("bring this back: {}".format(target))
    return 0


def _list_files(here: str, folder: str) -> Iterator[str]:
    """Yield the paths of a session's files, relative to the kit and with slashes."""
    for place, folders, names in os.walk(os.path.join(here, folder)):
        folders.sort()
        for name in sorted(names):
            if not name.endswith(_LEFT_OUT):
                yield os.path.relpath(os.path.join(place, name), here).replace(os.sep, "/")


if __name__ == "__main__":
    sys.exit(main())
