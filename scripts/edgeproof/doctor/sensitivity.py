"""What the calibrations of a device say: which differences this machine can tell apart, and in how many seconds."""

import contextlib
from pathlib import Path

from edgeproof.agent.machine import describe_machine
from edgeproof.calibration.noise import read_noise
from edgeproof.core.configuration import Json, NamedDevice
from edgeproof.core.errors import UserError
from edgeproof.core.formatting import format_number, plain, plural

from .findings import Finding, Place
from .workflow_commands import compose_run

ASKED = (0.01, 0.05, 0.10)


def read_sensitivity(device: NamedDevice, place: Place, root: Path) -> tuple[list[Json], list[Finding]]:
    """Return a machine's sensitivity, (per calibrated cell what it can tell, findings), recomputed from raw times.

    A cell: {cell, protocol, machine: `here`, `elsewhere` or `simulated`, reason, seconds: {"1%": …}}. Seconds are None
    where half of all comparisons are not decided within the test's pairs, and all of them with a `reason`.
    """
    here = describe_machine(str(place.root))["id"]
    cells: list[Json] = []
    findings: list[Finding] = []
    with contextlib.chdir(root):  # documents name their attempts relative to it
        for path in sorted(Path("results/calibration").glob(f"*/*/{device['name']}/*/*/noise.json")):
            try:
                cells.append(_describe_cell(path, read_noise(path)[0], here))
            except UserError as error:
                findings.append(
                    Finding("differences", _name(path), "bad", str(error), compose_run(device, "calibration", root))
                )
    findings += [_judge_cell(cell) for cell in cells]
    if not cells:
        text = "no calibration of this device is here, so nobody knows which differences it can tell"
        remedy = compose_run(device, "calibration", root)
        findings.append(Finding("differences", "calibration", "absent", text, remedy))
    return cells, findings


def _describe_cell(path: Path, noise: Json, here: str | None) -> Json:
    machines = {session["machine"] for session in noise["sessions"]}
    origin = "here" if machines == {here} else "elsewhere"
    costs = {entry["effect"]: entry["seconds"] for entry in noise["expected"]}
    return {
        "cell": "/".join(noise["cell"].values()),
        "protocol": path.parent.name,
        "machine": "simulated" if noise["provenance"] == "simulated" else origin,
        "reason": noise["failure"]["message"] if noise["failure"] else None,
        "seconds": {f"{100 * effect:g}%": costs.get(effect) for effect in ASKED},
    }


def _judge_cell(cell: Json) -> Finding:
    name = f"{cell['cell']} by {cell['protocol']}"
    if cell["reason"]:
        return Finding("differences", name, "unknown", f"not calibrated: {cell['reason']}")
    told = [f"{effect} {_say(seconds)}" for effect, seconds in cell["seconds"].items()]
    note = {"here": "", "elsewhere": " (measured on another machine)", "simulated": " (simulated times)"}
    state = "good" if cell["machine"] == "here" else "unknown"
    return Finding("differences", name, state, f"{', '.join(told)}{note[cell['machine']]}")


def _say(seconds: float | None) -> str:
    return "not within the test's pairs" if seconds is None else plain(f"in {format_number(seconds, 2)} s")


def _name(path: Path) -> str:
    return "/".join(path.parts[2:-1])


def describe_best(cells: list[Json]) -> str:
    """Return one sentence on this machine's sensitivity: what it can tell apart, over the cells calibrated on it."""
    own = [cell for cell in cells if cell["machine"] == "here" and not cell["reason"]]
    if not own:
        return "Nobody has calibrated a cell on this machine."
    told: list[str] = []
    for effect in own[0]["seconds"]:
        known = [seconds for cell in own if (seconds := cell["seconds"][effect]) is not None]
        share = f"in {len(known)} of {plural(len(own), 'cell')}" if len(own) > 1 else ""
        span = f"{effect} in {format_number(min(known), 2)} s" if known else f"{effect} not"
        if len(known) > 1:
            span = f"{effect} in {format_number(min(known), 2)} to {format_number(max(known), 2)} s"
        told.append(f"{span} {share}".strip())
    return plain(f"This machine tells apart: {'; '.join(told)}.")
