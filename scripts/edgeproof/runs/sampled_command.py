"""`edgeproof runs sample`: the samplers around any command of the user's, on this machine."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from edgeproof.core.configuration import Json
from edgeproof.core.errors import UserError
from edgeproof.core.files import sha256_file
from edgeproof.core.formatting import format_bytes, format_fixed, format_number
from edgeproof.core.processes import child_environment

from .run_power import WatchedSession, summarise_telemetry
from .telemetry_files import FILE, read_telemetry


def sample_command(
    command: Sequence[str], samplers: Sequence[Json], idle_seconds: float, folder: Path, output: int | None = None
) -> Json:
    """Run a command with samplers around it and return what they saw; the whole run of the command is one window.

    `samplers`: entries as in a device. `idle_seconds`: how long they watch before and after. `folder`: gets
    `telemetry.csv` and the raw logs. `output`: descriptor for the command's output, None for ours. UserError if it
    cannot be started, or a required sampler cannot run.
    """
    folder.mkdir(parents=True, exist_ok=True)
    spec, interpreter = folder / "spec.json", sys.executable
    spec.write_text(
        json.dumps({"command": list(command), "samplers": samplers, "idle_seconds": idle_seconds}, indent=2)
    )
    words = [interpreter, "-m", "edgeproof.agent", "sample", str(spec), str(folder)]
    ended = subprocess.run(words, env=child_environment(interpreter), stdout=output, check=False)
    if ended.returncode != 0:
        failure = folder / "failure.json"
        if not failure.exists():
            raise UserError(f"the agent ended with exit code {ended.returncode}; see what it said above")
        raise UserError(f"no verdict: {json.loads(failure.read_text())['message']}")
    made = json.loads((folder / "sample.json").read_text())
    told, window = made["telemetry"], made["window"]
    path = folder / FILE
    described = {**told, "sha256": sha256_file(path)}
    described["windows"] = [{"start_ns": window[0], "stop_ns": window[1], "inferences": 1}]
    found = summarise_telemetry([WatchedSession(described, read_telemetry(path))], "measured")
    return {
        "command": list(command),
        "exit_code": made["exit_code"],
        "seconds": (window[1] - window[0]) / 1e9,
        **{part: found[part] for part in ("power", "energy", "temperature", "memory")},
        "throttled": found["throttled"][0],
        "samplers": told["samplers"],
        "sampler_cpu_s": told["cpu_s"],
    }


def render_sampled(found: Json) -> list[str]:
    """Return what samplers saw of a command as lines of text."""
    power, energy, heat, memory = (found[part] for part in ("power", "energy", "temperature", "memory"))
    lines = [f"ended with exit code {found['exit_code']} after {found['seconds']:.3f} s"]
    if power["mean_w"] is None:
        lines.append(f"power: unknown ({power['reason']})")
    else:
        of = f"{power['boundary']}, {' + '.join(power['rails'])}, {power['kind']}, by {power['sampler']}"
        lines.append(
            f"power: {format_number(power['mean_w'])} W on average, {format_number(power['peak_w'])} W peak ({of})"
        )
        lines.append(f"energy: {format_number(energy['value_j'], 4)} J, error budget {energy['budget']['total']:.1%}")
        net = energy["net_j"]
        lines.append(f"beyond idling: {f'{format_number(net, 4)} J' if net is not None else energy['net_reason']}")
    if heat["peak_c"] is not None:
        lines.append(f"temperature: {format_fixed(heat['peak_c'], 1)} °C peak ({heat['sensor']})")
    if memory["peak_bytes"] is not None:
        mean, peak = (format_bytes(memory[key]) for key in ("mean_bytes", "peak_bytes"))
        lines.append(f"memory: {mean} on average, {peak} peak (process)")
    lines += [f"throttled: {', '.join(found['throttled'])}"] if found["throttled"] else []
    for sampler in found["samplers"]:
        count = max(sampler["samples"].values(), default=0)
        lines.append(f"{sampler['id']}: {count} samples{', ' + sampler['reason'] if sampler['reason'] else ''}")
        lines += [f"  {note}" for note in sampler["notes"]]
    return lines
