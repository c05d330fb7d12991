"""What the doctor says of samplers: each is run for a moment, by the Python and the code that a session would use."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from edgeproof.core.configuration import Json, NamedDevice
from edgeproof.core.processes import child_environment

from .findings import Finding

# Those that need no options of the user's; a meter needs its file.
_ALWAYS = ("hwmon", "tegrastats", "rapl", "nvml", "vcgencmd", "procfs")
# What gets a sampler to work where it does not say so itself.
_REMEDIES = {
    "hwmon": "sudo modprobe ina3221",
    "tegrastats": "sudo apt-get install nvidia-l4t-tools",
    "rapl": "sudo modprobe intel_rapl_msr",
    "nvml": "nvidia-smi",
    "vcgencmd": "sudo apt install raspi-utils",
}
_MOMENT_S = 0.4
_TIMEOUT_S = 60


def inspect_samplers(device: NamedDevice, others: Sequence[Json] | None = None) -> Iterator[Finding]:
    """Yield the doctor's findings on samplers: what each watches here, or why it cannot and what would help.

    The device's own samplers come first, with its options; `others`: the options of those that it could have besides.
    """
    own: list[Json] = list(device.get("samplers") or [])
    others = [{"name": name} for name in _ALWAYS] if others is None else others
    options = [*own, *(item for item in others if item["name"] not in {each["name"] for each in own})]
    found = _sample(device.get("interpreter") or sys.executable, options)
    if isinstance(found, str):
        remedy = f"correct interpreter in {_name_file(device)}"
        yield Finding("samplers", "all of them", "bad" if own else "unknown", found, remedy)
        return
    for number, (asked, report) in enumerate(zip(options, found, strict=True)):
        yield _judge(asked, report, device if number < len(own) else None)


def _sample(python: str, options: Sequence[Json]) -> list[Json] | str:
    """Return what each sampler says of itself after a moment, or why none could be asked."""
    with tempfile.TemporaryDirectory(prefix="edgeproof-doctor-") as folder:
        spec = {
            "samplers": [{**item, "required": False} for item in options],
            "command": [sys.executable, "-c", f"import time; time.sleep({_MOMENT_S})"],
            "idle_seconds": 0,
        }
        path = Path(folder, "spec.json")
        path.write_text(json.dumps(spec))
        command = [python, "-m", "edgeproof.agent", "sample", str(path), folder]
        try:
            ended = subprocess.run(
                command, env=child_environment(python), capture_output=True, text=True, errors="replace",
                timeout=_TIMEOUT_S, check=False,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"{python}: {error}"
        if ended.returncode:
            return (ended.stderr.strip().splitlines() or [f"exit code {ended.returncode}"])[-1][:300]
        return json.loads(Path(folder, "sample.json").read_text())["telemetry"]["samplers"]


def _name_file(device: NamedDevice) -> str:
    return f"config/devices/{device['name']}.yaml"


def _judge(asked: Json, report: Json, owner: NamedDevice | None) -> Finding:
    """Return the finding of one sampler. `owner`: the device whose configuration names it, None for another one."""
    name = f"{asked['name']}, configured" if owner else asked["name"]
    if report["reason"] or not report["samples"]:
        text, _, remedy = (report["reason"] or "nothing came in").partition("; run: ")
        if owner is None:
            return Finding("samplers", name, "absent", text, remedy or None)
        known = _REMEDIES.get(asked["name"]) or f"correct {asked['name']} below samplers in {_name_file(owner)}"
        return Finding("samplers", name, "bad", text, remedy or known)
    text = ", ".join(_describe(report))
    if report["notes"]:
        text = f"{text}; {'; '.join(report['notes'])}"
    return Finding("samplers", name, "good", text)


def _describe(report: Json) -> Iterator[str]:
    power: Any = report["power"]
    if power:
        yield f"power of the {power['boundary']} ({power['kind']}: {' + '.join(power['rails'])})"
    kinds = dict.fromkeys(channel.split(":")[0] for channel in report["samples"])
    watched = [kind for kind in kinds if kind not in ("total_w", "total_j", "rail_w", "rail_j")]
    if watched:
        yield ", ".join(kind.replace("_", " ") for kind in watched)
    yield f"every {report['interval_ms']} ms"
