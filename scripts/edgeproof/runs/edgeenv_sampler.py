"""The `sampler:` block of EdgeEnv's target profile, by our own samplers: drained while they run, and only what was
sampled while the command ran counts.

Source: InferEdgeEnv v0.1.5 (contract, sections 11 and 12).
"""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from edgeproof.core.configuration import Json
from edgeproof.core.files import atomic_write, sha256_file
from edgeproof.core.processes import child_environment

from .run_power import WatchedSession, summarise_telemetry
from .telemetry_files import FILE, read_telemetry

FOLDER = "sampler"
_RECORD = "sampled.json"  # beside it: what the samplers were, and when the command ran
_INTERVAL_MS, _STARTUP_MS = 500, 600  # EdgeEnv's own defaults
_PATIENCE_S = 60.0


class SamplerFailed(Exception):
    """A required sampler did not run, or gave no sample."""


class CommandWatch:
    """The sampler of a target profile around one command: `start` before it, `stop` after it."""

    def __init__(self, block: Json, folder: Path) -> None:
        self._block, self._folder = block, folder / FOLDER
        self._process: subprocess.Popen[bytes] | None = None
        self._begin_ns = 0

    def start(self) -> None:
        """Start the sampler of an EdgeEnv profile and wait as long as that says.

        SamplerFailed if a required one cannot run.
        """
        self._folder.mkdir()
        path = self._folder / "spec.json"
        path.write_text(json.dumps({"samplers": [_translate_sampler(self._block)]}))
        command = [sys.executable, "-m", "edgeproof.agent", "record", str(path), str(self._folder)]
        with open(self._folder / "agent.log", "wb") as log:
            self._process = subprocess.Popen(
                command,
                env=child_environment(sys.executable),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        assert self._process.stdout
        if self._process.stdout.readline() != b"ready\n":
            self.stop()
            failure = self._folder / "failure.json"
            told = json.loads(failure.read_text())["message"] if failure.exists() else "the sampler's process ended"
            raise SamplerFailed(told)
        time.sleep(self._block.get("startup_wait_ms", _STARTUP_MS) / 1000)
        self._begin_ns = time.perf_counter_ns()

    def stop(self) -> None:
        """Stop the sampler of an EdgeEnv profile and keep what it was.

        SamplerFailed if it is required and gave no sample.
        """
        end_ns, process, self._process = time.perf_counter_ns(), self._process, None
        if process is None:
            return
        process.communicate(timeout=_PATIENCE_S)
        path = self._folder / "telemetry.json"
        if process.returncode != 0 or not path.exists():
            return
        told = json.loads(path.read_text())
        record = {"telemetry": told, "window": [self._begin_ns, end_ns]}
        atomic_write(self._folder / _RECORD, json.dumps(record, indent=2) + "\n")
        (sampler,) = told["samplers"]
        if self._block.get("required") and not sampler["samples"]:
            raise SamplerFailed(f"{sampler['id']}: {sampler['reason'] or 'no sample came in'}")


def _translate_sampler(block: Json) -> Json:
    """Return EdgeEnv's `sampler:` block as an entry of a device's `samplers`."""
    return {
        "name": "tegrastats",
        "required": block.get("required", False),
        "interval_ms": block.get("interval_ms", _INTERVAL_MS),
        "command": [block.get("tegrastats_path", "tegrastats")],
    }


def read_sampled(folder: Path) -> tuple[Json | None, Json | None]:
    """Return (resource metrics, {name, samples, reason}) of an attempt's EdgeEnv sampler; (None, None) without one.

    The metrics are computed from its telemetry inside the command's time; those that it does not give are left out.
    """
    path = folder / FOLDER / _RECORD
    if not path.is_file():
        return None, None
    record = json.loads(path.read_text())
    told, (start_ns, stop_ns), table = record["telemetry"], record["window"], folder / FOLDER / FILE
    (sampler,) = told["samplers"]
    windows = [{"start_ns": start_ns, "stop_ns": stop_ns, "inferences": 1}]
    described = {**told, "idle": {"before": None, "after": None}, "sha256": sha256_file(table), "windows": windows}
    found = summarise_telemetry([WatchedSession(described, read_telemetry(table))], "measured")
    values: dict[str, Any] = {
        "power_mean_w": found["power"]["mean_w"],
        "power_peak_w": found["power"]["peak_w"],
        "energy_j": found["energy"]["value_j"],
        "temperature_peak_c": found["temperature"]["peak_c"],
    }
    metrics = {key: value for key, value in values.items() if value is not None}
    state = {
        "name": sampler["name"],
        "samples": max(sampler["samples"].values(), default=0),
        "reason": sampler["reason"] or (None if metrics else found["power"]["reason"]),
    }
    return ({**metrics, "source": sampler["name"]} if metrics else None), state
