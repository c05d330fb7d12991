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
_WHERE = {
    "local": "Run every command in the folder of the repository.",
    "ssh": "Run every command in the folder of the repository, on the host.",
    "manual": "No job reaches it: each step says where it is done. On the host, run commands in the folder of the "
    "repository, with its environment activated.",
}
_START_S = 3.0  # to start a process and load an artifact; a guess that only the duration of a step shows


class Step(NamedTuple):
    """One step. `leaves`: (file, its schema or None) or None. `check`: command that fails where the evidence is not
    accepted. `first`: what a person does before the commands.
    """

    title: str
    commands: tuple[str, ...]
    leaves: tuple[str, str | None] | None
    duration: str
    check: str | None
    safety: str | None = None
    first: str | None = None


def write_runbook(
    device: str, description: Json, cells: Mapping[str, Cell], protocol: Json, files: Sequence[str], output: FilePath
) -> None:
    """Write a device's `runbook.md`. `description`: of the device. `cells`: its candidates. `files`: the campaign's."""
    steps = list(list_steps(device, description, cells, protocol, files))
    lines = [f"# Runbook: {device}", "", f"Board: {description['board']}. {_WHERE[description['transport']]}", ""]
    for number, step in enumerate(steps, 1):
        lines += [*_render(number, step), ""]
    atomic_write(output, "\n".join(lines))


def list_steps(
    device: str, description: Json, cells: Mapping[str, Cell], protocol: Json, files: Sequence[str]
) -> Iterator[Step]:
    """Yield the steps of a device's runbook, in order."""
    overlay = f" --configfile {' '.join(files)}" if files else ""
    run = f"snakemake --profile {next((name for name in _PROFILES if device.startswith(name)), 'local')}"
    yield Step(
        "Install, once" + (", on the host" if description["transport"] == "manual" else ""),
        ("make setup", ". .venv/bin/activate"),
        None,
        "5 minutes",
        "edgeproof --help",
        "Nothing is installed outside the repository.",
    )
    interpreter = description.get("interpreter")
    if description["transport"] == "manual":
        yield from _list_carried(device, interpreter or "python3", cells, protocol, f"{run} phases{overlay}")
        return
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


def _list_carried(device: str, python: str, cells: Mapping[str, Cell], protocol: Json, phases: str) -> Iterator[Step]:
    """Yield the steps for a device that no job reaches: kits are carried there, and what they pack is brought back."""
    kits = {name.replace("/", "-"): (f"{run_folder(cell)}/kit.zip", cell) for name, cell in cells.items()}
    presets = dict.fromkeys(cell.preset for cell in cells.values())
    yield Step(
        "Make the kits, on the host",
        (phases,),
        None,
        "the builds of all candidates",
        " && ".join(f"test -f {path}" for path, _ in kits.values()),
    )
    yield Step(
        "See that the device has a Python with numpy, on the device",
        (f"{python} -c 'import numpy'",),
        None,
        "a second",
        f"{python} -c 'import numpy'",
        f"It needs Python 3.8 or newer, numpy, and the runtime of {', '.join(presets)}.",
    )
    for name, (path, cell) in kits.items():
        yield Step(
            f"Measure {name} ({cell.preset}, {cell.precision}), on the device",
            (f"{python} -m zipfile -e {name}.zip {name}", f"{python} {name}/measure.py"),
            (f"{name}/brought.zip", None),
            f"about {max(1, round(_estimate(protocol) / 60))} min",
            f"{python} -m zipfile -t {name}/brought.zip",
            "The device is loaded fully. Leave it cooled as it will be used, and close other programs.",
            f"Copy `{path}` of the host to the device as `{name}.zip`.",
        )
        yield Step(
            f"Bring {name} back, on the host",
            (f'edgeproof import-step {cell} {name}-brought.zip --operator "$USER" --instrument "clock of {device}"',),
            (f"{run_folder(cell)}/attempts/*/attempt.json", "attempt"),
            "seconds",
            f"edgeproof runs history {cell}",
            "Write who measured, if it was not you. A meter or another instrument is named here too.",
            f"Copy `{name}/brought.zip` of the device to the host as `{name}-brought.zip`.",
        )
    yield Step(
        "Decide, on the host",
        (phases,),
        (f"results/evidence/*/phases/{device}/decision.json", "phase-decision"),
        "seconds",
        phases,
    )


def _estimate(protocol: Json) -> float:
    once = (
        _START_S + protocol["warmup_seconds"] + protocol["min_seconds"] + protocol.get("load", {}).get("seconds", 0.0)
    )
    return protocol["processes"] * once * protocol.get("sessions", 1)


def _render(number: int, step: Step) -> Iterator[str]:
    yield f"## {number}. {step.title}"
    yield ""
    if step.first:
        yield step.first
        yield ""
    if step.commands:
        yield "```"
        yield from step.commands
        yield "```"
        yield ""
    yield f"- takes: {step.duration}"
    if step.leaves:
        schema = f" (`config/schemas/{step.leaves[1]}.schema.json`)" if step.leaves[1] else ""
        yield f"- leaves: `{step.leaves[0]}`{schema}"
    if step.check:
        yield f"- accepted if this succeeds: `{step.check}`"
    if step.safety:
        yield f"- mind: {step.safety}"
