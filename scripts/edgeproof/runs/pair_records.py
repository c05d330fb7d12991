"""One measured pair, read from what the agent kept of it: its value, its processes, what alternation did to them.

Everything here is computed from the raw times, whose digests are checked first.
"""

import io
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeproof.core.errors import UserError
from edgeproof.core.files import sha256_bytes
from edgeproof.core.pair_values import ProcessValue, floor_of_clock, value_pair, value_process

ARMS = ("left", "right")
_STRETCH = 10  # blocks on either side of a stretch alone that it is compared with

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Pair:
    """One pair of fresh processes.

    `log_ratio`: log(right / left). `left`, `right`: latency of each process over the mix of inputs, in ns. `floor_sd`:
    the least standard deviation that the clock can show. `alone`: {arm: log(alternated / alone)} of the arms that ran
    alone for a stretch. `per_input_ns`: {arm: median per input}. `sha256`: of the agent's record of the pair, which
    names the raw files.
    """

    folder: str
    mode: str
    seconds: float
    log_ratio: float
    left: ProcessValue
    right: ProcessValue
    floor_sd: float
    alone: dict[str, float]
    per_input_ns: dict[str, tuple[float, ...]]
    sha256: str


def read_pair(folder: Path | str) -> Pair:
    """Return the Pair in a folder that the agent has filled; UserError where a file is missing or was changed."""
    folder = Path(folder)
    try:
        text = (folder / "pair.json").read_bytes()
        report = json.loads(text)
        arrays = {name: _load(folder / name, entry["sha256"]) for name, entry in report["files"].items()}
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{folder}: the pair cannot be read ({error}); remove its attempt and measure again") from error
    read = _read_blocks if report["interleaving"]["mode"] == "blocks" else _read_processes
    return Pair(
        folder=str(folder),
        mode=report["interleaving"]["mode"],
        seconds=report["seconds"],
        sha256=sha256_bytes(text),
        **read(report, arrays),
    )


def _read_blocks(report: Any, arrays: dict[str, NDArray[Any]]) -> dict[str, Any]:
    """Return the fields of a pair whose arms took turns block by block."""
    times: Floats = arrays["blocks.npy"].astype(np.float64) / report["blocks"]["calls_per_sample"]
    inputs = arrays["inputs.npy"]
    places = np.repeat(np.arange(len(inputs)), inputs.shape[1])
    value = value_pair(times[0].ravel(), times[1].ravel(), inputs.ravel())
    left, right = (value_process(arm.ravel(), inputs.ravel(), places) for arm in times)
    block_ns = float(min(np.median(arm.sum(axis=1)) for arm in times)) * report["blocks"]["calls_per_sample"]
    return {
        "log_ratio": value.log_ratio,
        "left": left,
        "right": right,
        "floor_sd": floor_of_clock(max(report["arms"][arm]["quantum_ns"] for arm in ARMS), block_ns),
        "alone": _compare_alone(report, arrays, times, inputs),
        "per_input_ns": {arm: _medians_per_input(times[k].ravel(), inputs.ravel()) for k, arm in enumerate(ARMS)},
    }


def _read_processes(report: Any, arrays: dict[str, NDArray[Any]]) -> dict[str, Any]:
    """Return the fields of a pair of whole processes, whose calls have no neighbour in the other arm."""
    levels: dict[str, ProcessValue] = {}
    medians: dict[str, tuple[float, ...]] = {}
    floors: list[float] = []
    for arm in ARMS:
        own = report["arms"][arm]
        times = arrays[f"{arm}/samples.npy"].astype(np.float64) / own["calls_per_sample"]
        inputs = arrays[f"{arm}/inputs.npy"]
        blocks = np.arange(len(times)) * 40 // len(times)
        levels[arm] = value_process(times, inputs, blocks)
        medians[arm] = _medians_per_input(times, inputs)
        floors.append(floor_of_clock(own["quantum_ns"], float(times.sum()) * own["calls_per_sample"]))
    ratio = math.log(levels["right"].value_ns / levels["left"].value_ns)
    return {"log_ratio": ratio, **levels, "floor_sd": max(floors), "alone": {}, "per_input_ns": medians}


def _compare_alone(
    report: Any, arrays: dict[str, NDArray[Any]], times: Floats, inputs: NDArray[Any]
) -> dict[str, float]:
    """Return log(alternated / alone) of the arms that ran alone, each against its blocks before and after.

    Inputs are taken out first: every time is divided by the arm's median for its input.
    """
    alone, alone_inputs = arrays["alone.npy"], arrays["alone_inputs.npy"]
    found: dict[str, list[float]] = {}
    for number, stretch in enumerate(report["blocks"]["alone"]):
        arm, at = ARMS.index(stretch["arm"]), stretch["before_block"]
        medians = np.array(_medians_per_input(times[arm].ravel(), inputs.ravel()))
        around = slice(max(0, at - _STRETCH), at + _STRETCH)
        alternated = np.median(np.log(times[arm][around] / medians[inputs[around]]))
        second = slice(alone.shape[1] // 2, None)
        own = alone[number, second].astype(np.float64) / report["blocks"]["calls_per_sample"]
        by_itself = np.median(np.log(own / medians[alone_inputs[number, second]]))
        found.setdefault(stretch["arm"], []).append(float(alternated - by_itself))
    return {arm: float(np.median(values)) for arm, values in found.items()}


def _medians_per_input(times: Floats, inputs: NDArray[Any]) -> tuple[float, ...]:
    """Return the median time of each input, by its number; NaN of one that this process never saw."""
    count = int(inputs.max()) + 1
    return tuple(float(np.median(times[inputs == k])) if (inputs == k).any() else math.nan for k in range(count))


def _load(path: Path, sha256: str) -> NDArray[Any]:
    """Return an array whose bytes are those recorded; ValueError where they are not."""
    data = path.read_bytes()
    if sha256_bytes(data) != sha256:
        raise ValueError(f"{path.name}: sha256 differs from the record")
    return np.load(io.BytesIO(data), allow_pickle=False)
