"""Our timing beside MLPerf LoadGen's SingleStream, on the same session in the same process, in turn.

What is left of their ratio is what LoadGen's way through Python costs a query, and chance. The unit is the process:
its value is the median over turns of log(LoadGen's median / ours).
"""

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgeproof.core.configuration import Json
from edgeproof.core.files import atomic_write
from edgeproof.core.processes import child_environment
from edgeproof.core.statistics import geometric_mean_interval

from .trial_arms import TrialArm

LOW, HIGH = 0.99, 1.01  # of the ratio of medians: what is expected


@dataclass(frozen=True)
class Setting:
    """What is timed and how: fresh processes, each with so many turns of either way, of so many queries.

    `folder`: where LoadGen's logs go.
    """

    model: str
    arm: TrialArm
    processes: int
    turns: int
    queries: int
    interpreter: str
    folder: Path


def run_trials(setting: Setting, loadgen_version: str, show: Callable[[str], object]) -> Json:
    """Run the trials beside LoadGen and return the `bench-loadgen` document; `show` gets a line for each process."""
    reports: list[Json] = []
    for number in range(setting.processes):
        reports.append(_run_process(setting, number))
        show(f"{setting.model}: process {number + 1}: LoadGen / ours {_ratio_of(reports[-1]):.4f}")
    ratios = geometric_mean_interval([_ratio_of(report) for report in reports])
    return {
        "schema": "edgeproof.bench-loadgen.v1",
        "model": setting.model,
        "scenario": "SingleStream",
        "loadgen_version": loadgen_version,
        "runtime": reports[0]["runtime"],
        "options": setting.arm.arm["runtime"],
        "processes": len(reports),
        "turns": setting.turns,
        "queries": setting.queries,
        "loadgen_ms": [float(np.median(report["loadgen_ns"])) / 1e6 for report in reports],
        "ours_ms": [float(np.median(report["ours_ns"])) / 1e6 for report in reports],
        "ratios": [_ratio_of(report) for report in reports],
        "ratio": ratios.estimate,
        "interval": {"low": ratios.low, "high": ratios.high, "confidence": ratios.confidence},
        "expected": {"low": LOW, "high": HIGH, "met": LOW <= ratios.estimate <= HIGH},
    }


def _ratio_of(report: Json) -> float:
    turns = np.log(report["loadgen_ns"]) - np.log(report["ours_ns"])
    return float(np.exp(np.median(turns)))


def _run_process(setting: Setting, number: int) -> Json:
    """Run `loadgen_turns` in the environment that has LoadGen and return its report."""
    folder = setting.folder / f"process-{number:03d}"
    folder.mkdir(parents=True, exist_ok=True)
    spec: dict[str, Any] = {
        "arm": setting.arm.located,
        "inputs": str(setting.arm.inputs),
        "protocol": {},
        "turns": setting.turns,
        "queries": setting.queries,
        "seed": number,
    }
    atomic_write(folder / "spec.json", json.dumps(spec, indent=2) + "\n")
    command = [setting.interpreter, "-m", "edgeproof.bench.loadgen_turns", str(folder / "spec.json"), str(folder)]
    subprocess.run(command, env=child_environment(setting.interpreter, {}), check=True)
    return json.loads((folder / "turns.json").read_text())
