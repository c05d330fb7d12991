"""One measured pair, read from what the agent kept of it: its value, its processes, what alternation did to them.

Everything here is computed from the raw times, whose digests are checked first.
"""

import io
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from edgeproof.core.errors import UserError
from edgeproof.core.files import sha256_bytes, sha256_file
from edgeproof.core.pair_values import ProcessValue, floor_of_clock, value_pair, value_process
from edgeproof.core.reader import current_reader, reading_once

ARMS = ("left", "right")
_STRETCH = 10  # blocks on either side of a stretch alone that it is compared with

Floats: TypeAlias = NDArray[np.float64]
Load: TypeAlias = Callable[[str], NDArray[Any]]  # gives an array of the pair by the name of its file


@dataclass(frozen=True)
class Pair:
    """One pair of fresh processes.

    `log_ratio`: log(right / left). `left`, `right`: latency of each process over the mix of inputs, in ns. `floor_sd`:
    the least standard deviation that the clock can show. `alone`: {arm: log(alternated / alone)} of the arms that ran
    alone for a stretch. `sha256`: of the agent's record of the pair, which
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
    sha256: str


@reading_once()
def read_pair(folder: Path | str, sha256: str | None = None) -> Pair:
    """Return the Pair in a folder that the agent has filled; UserError where a file is missing or was changed.

    `sha256`: of `pair.json` as it was measured; None while the session goes on.
    """
    folder = Path(folder)
    try:
        text = _read_bytes(folder / "pair.json")
        if sha256 not in (None, sha256_bytes(text)):
            raise UserError(f"{folder}/pair.json: was changed since it was measured; remove its attempt")
        report = json.loads(text)
        files = {name: _read_bytes(folder / name, entry["sha256"]) for name, entry in report["files"].items()}
    except (ValueError, KeyError) as error:
        raise UserError(f"{folder}: the pair cannot be read ({error}); remove its attempt and measure again") from error
    read = _read_blocks if report["interleaving"]["mode"] == "blocks" else _read_processes
    return Pair(
        folder=str(folder),
        mode=report["interleaving"]["mode"],
        seconds=report["seconds"],
        sha256=sha256_bytes(text),
        **read(report, lambda name: np.load(io.BytesIO(files[name]), allow_pickle=False)),
    )


def _read_blocks(report: Any, load: Load) -> dict[str, Any]:
    """Return the fields of a pair whose arms took turns block by block."""
    times: Floats = load("blocks.npy").astype(np.float64) / report["blocks"]["calls_per_sample"]
    inputs = load("inputs.npy")
    places = np.repeat(np.arange(len(inputs)), inputs.shape[1])
    value = value_pair(times[0].ravel(), times[1].ravel(), inputs.ravel())
    left, right = (value_process(arm.ravel(), inputs.ravel(), places) for arm in times)
    block_ns = float(min(np.median(arm.sum(axis=1)) for arm in times)) * report["blocks"]["calls_per_sample"]
    return {
        "log_ratio": value.log_ratio,
        "left": left,
        "right": right,
        "floor_sd": floor_of_clock(max(report["arms"][arm]["quantum_ns"] for arm in ARMS), block_ns),
        "alone": _compare_alone(report, load, times, inputs),
    }


def _read_processes(report: Any, load: Load) -> dict[str, Any]:
    """Return the fields of a pair of whole processes, whose calls have no neighbour in the other arm."""
    levels: dict[str, ProcessValue] = {}
    floors: list[float] = []
    for arm in ARMS:
        own = report["arms"][arm]
        times = load(f"{arm}/samples.npy").astype(np.float64) / own["calls_per_sample"]
        inputs = load(f"{arm}/inputs.npy")
        blocks = np.arange(len(times)) * 40 // len(times)
        levels[arm] = value_process(times, inputs, blocks)
        floors.append(floor_of_clock(own["quantum_ns"], float(times.sum()) * own["calls_per_sample"]))
    ratio = math.log(levels["right"].value_ns / levels["left"].value_ns)
    return {"log_ratio": ratio, **levels, "floor_sd": max(floors), "alone": {}}


def _compare_alone(report: Any, load: Load, times: Floats, inputs: NDArray[Any]) -> dict[str, float]:
    """Return log(alternated / alone) of the arms that ran alone, each against its blocks before and after.

    Inputs are taken out first: every time is divided by the arm's median for its input.
    """
    if not report["blocks"]["alone"]:
        return {}
    alone, alone_inputs = load("alone.npy"), load("alone_inputs.npy")
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


def _read_bytes(path: Path, sha256: str | None = None) -> bytes:
    """Return the bytes of a file; ValueError where they cannot be read, or are not those recorded."""
    try:
        if sha256 not in (None, sha256_file(path)):
            raise ValueError(f"{path.name}: sha256 differs from the record")
        return current_reader().read(path)
    except UserError as error:
        raise ValueError(str(error)) from error
