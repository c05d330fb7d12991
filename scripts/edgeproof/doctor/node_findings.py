"""What the doctor says of a device's node on a Slurm cluster: whether there is one, and what it shares."""

import contextlib
import json
import os
import platform
import secrets
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from edgeproof.core.campaign_nodes import Node

from .findings import Finding, Place

_PART = "node"
_ANSWERS_IN_S = 60
_FREE = {"idle", "mixed", "allocated", "completing"}


class _Seen(NamedTuple):
    """A node as sinfo lists it. `state`: without its marks."""

    name: str
    state: str
    cpus: str
    features: list[str]
    gres: str


def inspect_node(node: Node, place: Place, root: Path) -> Iterator[Finding]:
    """Yield the doctor's findings on a device's node, ending with what the node says itself. `root`: the repository.

    A job of some seconds asks it, unless the board is busy.
    """
    if place.find_tool("sinfo") is None or place.find_tool("srun") is None:
        yield Finding(_PART, "Slurm", "bad", "sinfo and srun are not here", "sudo apt install slurm-client")
        return
    listed = _run(place, ["sinfo", "-h", "-N", "-o", "%N|%T|%c|%f|%G"])
    if listed.returncode != 0:
        yield Finding(
            _PART, "Slurm", "bad", f"the controller does not answer: {_last_line(listed.stderr)}", "scontrol ping"
        )
        return
    rows = [line.split("|") for line in listed.stdout.splitlines()]
    seen = {row[0]: _Seen(row[0], row[1].rstrip("*~#!%$@^-"), row[2], row[3].split(","), row[4]) for row in rows}
    found = [item for item in seen.values() if node.constraint in item.features]
    if len(found) != 1:
        yield _describe_choice(node, found, sorted({feature for item in seen.values() for feature in item.features}))
        return
    (one,) = found
    faults = list(_list_faults(node, one))
    yield from faults or [
        Finding(_PART, "Slurm", "good", f"{one.name} is {node.constraint}: {one.state}, {one.cpus} CPUs, {one.gres}")
    ]
    if not faults:
        yield from _ask_node(node, one.name, place, root)


def _describe_choice(node: Node, found: Sequence[_Seen], features: Sequence[str]) -> Finding:
    if not found:
        text = f"no node has the feature {node.constraint!r}; there are {', '.join(features)}"
        return Finding(_PART, "Slurm", "bad", text, "correct nodes in the campaign, or Features in slurm.conf")
    names = ", ".join(item.name for item in found)
    text = f"{names} all have the feature {node.constraint!r}; pairs of two boards are never put together"
    return Finding(_PART, "Slurm", "bad", text, "give each board a feature and a device of its own")


def _list_faults(node: Node, one: _Seen) -> Iterator[Finding]:
    if one.state not in _FREE:
        remedy = f"scontrol show node {one.name} says why; scontrol update nodename={one.name} state=resume"
        yield Finding(_PART, "Slurm", "bad", f"{one.name} is {one.state}: its jobs wait for ever", remedy)
    if one.cpus != str(node.cpus):
        yield Finding(
            _PART,
            "Slurm",
            "bad",
            f"{one.name} has {one.cpus} CPUs and the campaign says {node.cpus}",
            f"cpus: {one.cpus}",
        )
    if node.gres.split(":")[0] not in [item.split(":")[0].split("(")[0] for item in one.gres.split(",")]:
        text = f"{one.name} has no {node.gres}, so two jobs could measure at the same time"
        yield Finding(_PART, "Slurm", "bad", text, f"Gres={node.gres} for {one.name} in slurm.conf")


def _ask_node(node: Node, name: str, place: Place, root: Path) -> Iterator[Finding]:
    folder, word = root / "results", f".doctor-{secrets.token_hex(8)}"
    folder.mkdir(exist_ok=True)
    here, there = folder / f"{word}.here", folder / f"{word}.there"
    here.write_text(word)
    try:
        wanted = [f"--constraint={node.constraint}", f"--gres={node.gres}", "--ntasks=1", "--immediate=10", "--time=1"]
        probe = [sys.executable, str(Path(__file__).with_name("node_probe.py")), str(folder), word]
        asked = _run(place, ["srun", *wanted, f"--chdir={root}", *probe])
        answered_here = there.exists() and there.read_text() == word
    finally:
        for path in (here, there):
            path.unlink(missing_ok=True)
    if "immediate" in asked.stderr or "Unable to allocate" in asked.stderr:
        yield Finding(_PART, "shared folder", "unknown", f"{name} is busy", "ask again when its jobs are over")
        return
    said = None
    with contextlib.suppress(ValueError, IndexError):
        said = json.loads(asked.stdout.splitlines()[-1])
    if said is None or said["seen"] != word or not answered_here:
        why = _last_line(asked.stderr) or "what it wrote does not arrive here"
        text = f"{name} does not have this folder ({root}): {why}"
        yield Finding(_PART, "shared folder", "bad", text, f"mount it on {name} at the same path, .venv included")
        return
    yield Finding(
        _PART, "shared folder", "good", f"{name} reads and writes {root}, and runs its Python ({said['machine']})"
    )
    if said["machine"] != platform.machine():
        text = f"{name} is {said['machine']} and this is {platform.machine()}: one .venv cannot serve both"
        yield Finding(_PART, "shared folder", "bad", text, "start Snakemake on a machine like the boards")
    if said["own_disk"]:
        yield Finding(
            _PART, "scratch", "good", f"sessions work in {said['scratch']} there, which is another file system"
        )
    else:
        text = f"{said['scratch']} there is on the share, so writing is measured along"
        yield Finding(_PART, "scratch", "absent", text, "set TMPDIR to a folder on the node's own disk")


def _run(place: Place, command: list[str]) -> subprocess.CompletedProcess[str]:
    environment = os.environ | ({"PATH": f"{place.tools}:{os.environ['PATH']}"} if place.tools else {})
    try:
        return subprocess.run(
            command, capture_output=True, text=True, timeout=_ANSWERS_IN_S, check=False, env=environment
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 1, "", f"no answer within {_ANSWERS_IN_S} s")


def _last_line(text: str) -> str:
    return next((line for line in reversed(text.splitlines()) if line.strip()), "").strip()
