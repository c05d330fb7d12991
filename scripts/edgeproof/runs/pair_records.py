"""One measured pair, read from what the agent kept of it: its value, its processes, what alternation did to them.

Everything here is computed from the raw times, whose digests are checked first.
"""

import json
import math
import os
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from edgeproof.core.errors import UserError
from edgeproof.core.medians import median_by_label, middle_of_rows
from edgeproof.core.npy_arrays import parse_array
from edgeproof.core.pair_values import (
    ProcessValue,
    floor_of_clock,
    value_pairs,
    value_process,
    value_processes,
)
from edgeproof.core.reader import current_reader

from .attempt_remedies import name_remedy

ARMS = ("left", "right")
_STRETCH = 10  # blocks on either side of a stretch alone that it is compared with

Floats: TypeAlias = NDArray[np.float64]


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


class Window(NamedTuple):
    """A stretch of one arm, in ns of the agent's clock, and its inferences."""

    start_ns: int
    stop_ns: int
    inferences: int


def read_pair(folder: Path | str, sha256: str | None = None) -> Pair:
    """Return the Pair whose record is in a folder that the agent has filled; UserError for a missing or changed file.

    `sha256`: of `pair.json` as it was measured; None while the session goes on.
    """
    return read_pairs([folder], [sha256])[0]


def read_pairs(folders: Sequence[Path | str], digests: Sequence[str | None]) -> list[Pair]:
    """Return the Pair of each folder's record, as `read_pair` does; faster, since pairs are computed together."""
    raws = [_read_raw(*each) for each in zip(folders, digests, strict=True)]
    found: list[dict[str, Any]] = [{} for _ in raws]
    alike: dict[Hashable, list[int]] = {}
    for number, raw in enumerate(raws):
        if raw.mode == "blocks":
            times, inputs = raw.load("blocks.npy"), raw.load("inputs.npy")
            alike.setdefault((times.shape, inputs.shape, inputs.tobytes()), []).append(number)
        else:
            found[number] = _value_processes(raw)
    for numbers in alike.values():
        for number, fields in zip(numbers, _value_blocks([raws[number] for number in numbers]), strict=True):
            found[number] = fields
    return [
        Pair(raw.folder, raw.mode, raw.report["seconds"], sha256=raw.sha256, **fields)
        for raw, fields in zip(raws, found, strict=True)
    ]


def list_windows(pair: Pair) -> tuple[list[Window], list[Window]]:
    """Return the stretches of both arms in the record of a measured pair that samplers watched: its alternated blocks
    with their untimed calls, or the timed loops of its two processes. UserError where a file was changed.
    """
    raw = _read_raw(pair.folder, pair.sha256)
    if raw.mode == "blocks":
        blocks = raw.report["blocks"]
        inferences = blocks["untimed_calls"] + blocks["samples"] * blocks["calls_per_sample"]
        arms: list[list[list[int]]] = raw.load("windows.npy").tolist()
        left, right = ([Window(start, stop, inferences) for start, stop in rows] for rows in arms)
        return left, right
    sides: list[list[Window]] = []
    for arm in ARMS:
        own = raw.report["arms"][arm]
        start, count = own["window_start_ns"], own["samples"] * own["calls_per_sample"]
        sides.append([Window(start, start + own["window_ns"], count)])
    return sides[0], sides[1]


def find_block_variance(pair: Pair) -> float | None:
    """Return the variance of a pair's log-ratio, from the blocks in its record; None where arms took no turns."""
    raw = _read_raw(pair.folder, pair.sha256)
    if raw.mode != "blocks":
        return None
    times, inputs = raw.load("blocks.npy").astype(np.float64), raw.load("inputs.npy")
    ratios = (times[1] / times[0]).ravel()
    error = value_process(ratios, inputs.ravel(), np.repeat(np.arange(len(inputs)), inputs.shape[1])).log_error
    return None if error is None else error**2


class _Raw(NamedTuple):
    """What the agent kept of a pair. `files`: bytes by name, which are those recorded. `sha256`: of `report`."""

    folder: str
    report: Any
    files: dict[str, bytes]
    sha256: str

    @property
    def mode(self) -> str:
        return self.report["interleaving"]["mode"]

    def load(self, name: str) -> NDArray[Any]:
        return parse_array(self.files[name])


def _read_raw(folder: Path | str, sha256: str | None) -> _Raw:
    folder = str(folder)
    try:
        text, digest = _read(f"{folder}/pair.json")
        if sha256 in (None, digest):
            report = json.loads(text)
            files = {name: _read_recorded(folder, name, entry["sha256"]) for name, entry in report["files"].items()}
            return _Raw(folder, report, files, digest)
    except (UserError, ValueError, KeyError) as error:
        raise UserError(f"{folder}: the pair cannot be read ({error}){name_remedy(folder)}") from error
    raise UserError(f"{folder}/pair.json: was changed since it was measured{name_remedy(folder)}")


def _value_blocks(raws: Sequence[_Raw]) -> list[dict[str, Any]]:
    """Return the fields of pairs whose arms took turns block by block, all with the same inputs in the same blocks."""
    calls = [raw.report["blocks"]["calls_per_sample"] for raw in raws]
    times: Floats = np.stack([raw.load("blocks.npy") for raw in raws]).astype(np.float64)
    times /= np.array(calls)[:, None, None, None]
    inputs = raws[0].load("inputs.npy")
    labels, places = inputs.ravel(), np.repeat(np.arange(len(inputs)), inputs.shape[1])
    arms = times.reshape(len(raws), len(ARMS), -1)
    values = value_pairs(arms[:, 0], arms[:, 1], labels)
    processes = value_processes(arms.reshape(-1, arms.shape[2]), labels, places)
    block_ns = middle_of_rows(times.sum(axis=3)).min(axis=1).tolist()
    return [
        {
            "log_ratio": values[k].log_ratio,
            "left": processes[2 * k],
            "right": processes[2 * k + 1],
            "floor_sd": floor_of_clock(
                max(raw.report["arms"][arm]["quantum_ns"] for arm in ARMS), block_ns[k] * calls[k]
            ),
            "alone": _compare_alone(raw, times[k], inputs),
        }
        for k, raw in enumerate(raws)
    ]


def _value_processes(raw: _Raw) -> dict[str, Any]:
    """Return the fields of a pair of whole processes, whose calls have no neighbour in the other arm."""
    levels: dict[str, ProcessValue] = {}
    floors: list[float] = []
    for arm in ARMS:
        own = raw.report["arms"][arm]
        times = raw.load(f"{arm}/samples.npy").astype(np.float64) / own["calls_per_sample"]
        inputs = raw.load(f"{arm}/inputs.npy")
        blocks = np.arange(len(times)) * 40 // len(times)
        levels[arm] = value_process(times, inputs, blocks)
        floors.append(floor_of_clock(own["quantum_ns"], float(times.sum()) * own["calls_per_sample"]))
    ratio = math.log(levels["right"].value_ns / levels["left"].value_ns)
    return {"log_ratio": ratio, **levels, "floor_sd": max(floors), "alone": {}}


def _compare_alone(raw: _Raw, times: Floats, inputs: NDArray[Any]) -> dict[str, float]:
    """Return log(alternated / alone) of the arms that ran alone, each against its blocks before and after.

    Inputs are taken out first: every time is divided by the arm's median for its input.
    """
    blocks = raw.report["blocks"]
    if not blocks["alone"]:
        return {}
    alone, alone_inputs = raw.load("alone.npy"), raw.load("alone_inputs.npy")
    medians = _medians_per_input(times, inputs)
    found: dict[str, list[float]] = {}
    for number, stretch in enumerate(blocks["alone"]):
        arm, at = ARMS.index(stretch["arm"]), stretch["before_block"]
        around = slice(max(0, at - _STRETCH), at + _STRETCH)
        alternated = np.median(np.log(times[arm][around] / medians[arm][inputs[around]]))
        second = slice(alone.shape[1] // 2, None)
        own = alone[number, second].astype(np.float64) / blocks["calls_per_sample"]
        by_itself = np.median(np.log(own / medians[arm][alone_inputs[number, second]]))
        found.setdefault(stretch["arm"], []).append(float(alternated - by_itself))
    return {arm: float(np.median(values)) for arm, values in found.items()}


def _medians_per_input(times: Floats, inputs: NDArray[Any]) -> Floats:
    """Return each arm's median time of each input, by its number; NaN of one that this pair never saw."""
    medians = np.full((len(times), int(inputs.max()) + 1), np.nan)
    medians[:, np.unique(inputs)] = median_by_label(times.reshape(len(times), -1), inputs.ravel())
    return medians


def _read_recorded(folder: str, name: str, sha256: str) -> bytes:
    """Return the bytes of a file, which are those recorded; ValueError where they are not."""
    data, digest = _read(os.path.join(folder, name))
    if digest != sha256:
        raise ValueError(f"{os.path.basename(name)}: sha256 differs from the record")
    return data


def _read(path: str) -> tuple[bytes, str]:
    """Return the bytes of a file and their sha256."""
    reader = current_reader()
    return reader.read(path), reader.digest(path)
