"""Phase 4: what a person does on a device, step by step, generated from its configuration and the campaign.

Every step names its command, the file that it leaves and the schema of that, how long it takes, and the check that says
whether its evidence is accepted.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from edgeproof.core.configuration import Json
from edgeproof.core.files import FilePath, atomic_write
from edgeproof.core.layout import Cell, run_folder

_PROFILES = ("rpi", "jetson")  # devices whose names start so have a profile of their own
_START_S = 3.0  # to start a process and load an artifact; a guess that only the duration of a step shows


class Step(NamedTuple):
    """One step. `leaves`: (file, schema) or None. `check`: command that fails where the evidence is not accepted."""

    title: str
    commands: tuple[str, ...]
    leaves: tuple[str, str] | None
    duration: str
    check: str | None
    safety: str | None = None


def write_runbook(
    device: str, description: Json, cells: Mapping[str, Cell], protocol: Json, files: Sequence[str], output: FilePath
) -> None:
    """Write `runbook.md`. `description`: of the device. `cells`: of its candidates. `files`: the campaign's."""
    steps = list(list_steps(device, description, cells, protocol, files))
    lines = [
        f"# Runbook: {device}",
        "",
        f"Board: {description['board']}. Run every command in the folder of the repository"
        f"{'' if description['transport'] == 'local' else ', on the host'}.",
        "",
    ]
    for number, step in enumerate(steps, 1):
        lines += [*_render(number, step), ""]
    atomic_write(output, "\n".join(lines))


def list_steps(
    device: str, description: Json, cells: Mapping[str, Cell], protocol: Json, files: Sequence[str]
) -> Iterator[Step]:
    """Yield the steps of a device, in order."""
    overlay = f" --configfile {' '.join(files)}" if files else ""
    run = f"snakemake --profile {next((name for name in _PROFILES if device.startswith(name)), 'local')}"
    yield Step(
        "Install, once",
        ("make setup", ". .venv/bin/activate"),
        None,
        "5 minutes",
        "edgeproof --help",
        "Nothing is installed outside the repository.",
    )
    interpreter = description.get("interpreter")
    if interpreter:
        yield Step(
            "See that the device's own Python has its runtime",
            (f"{interpreter} -c 'import numpy'",),
            None,
            "a second",
            f"{interpreter} -c 'import numpy'",
        )
    yield Step(
        "See what would be done",
        (f"{run} -n phases{overlay}",),
        None,
        "seconds",
        f"edgeproof campaign {' '.join(files)}".rstrip(),
    )
    for name, cell in cells.items():
        seconds = _estimate(protocol)
        result = f"{run_folder(cell)}/result.json"
        yield Step(
            f"Measure {name} ({cell.preset}, {cell.precision})",
            (f"{run} {result}{overlay}",),
            (result, "result"),
            f"about {max(1, round(seconds / 60))} min, and its build",
            f"edgeproof runs why {cell}{overlay}",
            "The device is loaded fully. Leave it cooled as it will be used, and close other programs.",
        )
    yield Step(
        "Decide",
        (f"{run} phases{overlay}",),
        ("results/evidence/*/phases/" + device + "/decision.json", "phase-decision"),
        "seconds",
        f"{run} phases{overlay}",
    )


def _estimate(protocol: Json) -> float:
    once = (
        _START_S + protocol["warmup_seconds"] + protocol["min_seconds"] + protocol.get("load", {}).get("seconds", 0.0)
    )
    return protocol["processes"] * once * protocol.get("sessions", 1)


def _render(number: int, step: Step) -> Iterator[str]:
    yield f"## {number}. {step.title}"
    yield ""
    if step.commands:
        yield "```"
        yield from step.commands
        yield "```"
        yield ""
    yield f"- takes: {step.duration}"
    if step.leaves:
        yield f"- leaves: `{step.leaves[0]}` (`config/schemas/{step.leaves[1]}.schema.json`)"
    if step.check:
        yield f"- accepted if this succeeds: `{step.check}`"
    if step.safety:
        yield f"- mind: {step.safety}"
