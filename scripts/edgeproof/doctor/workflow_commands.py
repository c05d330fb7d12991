"""The command that runs the workflow for a device, as the doctor tells it."""

import shlex
from pathlib import Path

from edgeproof.core.configuration import NamedDevice

_LOCAL = "local"


def compose_run(device: NamedDevice, target: str, root: Path) -> str:
    """Return the command of the workflow that makes a target with a device: with the profile of its name, or of one of
    its tags, and `local` where it has none. `root`: the repository.
    """
    name = device["name"]
    names = (name, *device.get("tags", []))
    profile = next((each for each in names if (root / "profiles" / each).is_dir()), _LOCAL)
    command = f"snakemake --profile {profile} {target}"
    return command if profile == name else f"{command} --config {shlex.quote(f'devices=[{name}]')}"
