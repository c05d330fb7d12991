"""Made-up sessions of pairs: attempts of the store with raw times, as the agent would have left them."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgeproof.core.attempts import find_attempts, open_attempt
from edgeproof.core.configuration import Json
from edgeproof.core.files import sha256_file
from edgeproof.core.keys import compose_key
from edgeproof.runs.paired_sessions import PairsSession, describe_end, read_session
from edgeproof.runs.telemetry_files import path_in_attempt

MACHINE = {"id": "0" * 16, "board": "desk", "cpu": "a cpu"}
_BLOCKS, _SAMPLES = 10, 4
_BLOCK_NS, _READING_NS = 50_000_000, 5_000_000  # of what a made-up sampler watches
_IDLE_W = 2.0


@dataclass(frozen=True)
class PairsNoise:
    """`ratio`: right / left; `spread`: standard deviation of the logarithm between pairs; `seconds`: of a pair;
    `slowdown`: by which share the machine is slower from the middle of a session.
    """

    ratio: float = 1.0
    spread: float = 0.002
    seconds: float = 2.0
    slowdown: float = 0.0
    watts: tuple[float, float] | None = None


def write_session(
    folder: str, pairs: int, noise: PairsNoise, state: Json, backend: str = "onnxruntime"
) -> PairsSession:
    """Write one made-up session of pairs below a result's folder and return it.

    `state`: {left, right}, as results have it; `backend`: `fake` makes the session simulated.
    """
    key = compose_sessions_key(folder, noise)
    first = sum(len(known.record["facts"]["pairs"]) for known in find_attempts(folder, key))  # it goes on with those
    with open_attempt(folder, "pairs", key, MACHINE) as attempt:
        out = attempt.folder / "session"
        random = np.random.default_rng(list(attempt.folder.name.encode()))
        arms = {arm: {"backend": backend} for arm in ("left", "right")}
        (attempt.folder / "spec.json").write_text(json.dumps({"arms": arms}))
        written = (_write_pair(out, number, noise, random, state) for number in range(pairs))
        entries = [{**entry, "pair": first + entry["pair"]} for entry in written]
        before = {"throttled": None, **{k: v for k, v in state["left"].items() if k != "runtime_version"}}
        record = {
            "seconds": noise.seconds * pairs,
            "interleaving": {"mode": "blocks", "reason": None},
            "inputs": 1,
            "pairs": entries,
            "ended_by": "budget",
            "environment": {"before": before, "after": {"throttled": None}, "steal_share": 0.0},
            "drift": None if backend == "fake" else make_drift(noise.seconds * pairs, noise.slowdown, random),
            "telemetry": _write_telemetry(attempt.folder, pairs, noise) if noise.watts and backend != "fake" else None,
        }
        (out / "session.json").write_text(json.dumps(record))
        return read_session(attempt.complete(**describe_end(attempt.folder)))


def compose_sessions_key(folder: str, noise: PairsNoise) -> Json:
    """Return the key of the made-up sessions of pairs below a folder, which says whether energy was asked for."""
    return compose_key({"made up": folder, **({"timing": {"energy": True}} if noise.watts else {})})


def make_drift(seconds: float, slowdown: float, random: np.random.Generator, points: int = 12) -> Json:
    """Return the drift control of a made-up session of pairs, on a machine that is slower from the middle of it on."""
    places = ["start", *["between"] * (points - 2), "end"]
    times = 1e6 * np.exp(0.002 * random.standard_normal(points)) * (1 + slowdown * (np.arange(points) >= points // 2))
    return {
        "kernel": "elementwise-1",
        "numpy": np.__version__,
        "points": [
            {
                "place": place,
                "at_s": round(seconds * number / (points - 1), 3),
                "repetitions": 200,
                "seconds": round(200 * mean / 1e9, 4),
                "complete": True,
                "mean_ns": int(mean),
                "median_ns": int(mean),
            }
            for number, (place, mean) in enumerate(zip(places, times, strict=True))
        ],
        "share": 0.028,
        "file": "drift.npy",
    }


def _write_pair(out: Path, number: int, noise: PairsNoise, random: np.random.Generator, state: Json) -> Json:
    folder = out / f"pair-{number:03d}"
    folder.mkdir(parents=True)
    levels = 1e6 * np.array([1.0, noise.ratio * np.exp(noise.spread * random.standard_normal())])
    times = levels[:, None, None] * np.exp(0.002 * random.standard_normal((2, _BLOCKS, _SAMPLES)))
    arrays = {
        "blocks.npy": times.astype("int64"),
        "inputs.npy": np.zeros((_BLOCKS, _SAMPLES), "uint16"),
        "order.npy": (np.arange(_BLOCKS) % 2).astype("uint8"),
        "alone.npy": np.zeros((0, 10, _SAMPLES), "int64"),
        "alone_inputs.npy": np.zeros((0, 10, _SAMPLES), "uint16"),
    }
    if noise.watts:
        arrays["windows.npy"] = _place_blocks(number, noise.ratio)
    for name, array in arrays.items():
        np.save(folder / name, array)
    report = {
        "pair": number,
        "status": "ok",
        "seconds": noise.seconds,
        "interleaving": {"mode": "blocks", "reason": None},
        "blocks": {"calls_per_sample": 1, "samples": _SAMPLES, "untimed_calls": 1, "alone": []},
        "arms": {arm: {"quantum_ns": 1, "runtime": {"version": state[arm].get("runtime_version")}} for arm in state},
        "files": {name: {"sha256": sha256_file(folder / name)} for name in arrays},
    }
    (folder / "pair.json").write_text(json.dumps(report))
    return {"pair": number, "status": "ok", "folder": folder.name}


def _place_blocks(pair: int, ratio: float) -> np.ndarray:
    """Return when each block of a pair began and ended, in ns: int64 (2, blocks, 2)."""
    lengths = np.array([_BLOCK_NS, round(ratio * _BLOCK_NS)])
    begins = 1_000_000_000 + (pair * _BLOCKS + np.arange(_BLOCKS)) * (lengths.sum() + 2_000_000)
    starts = np.stack([begins, begins + lengths[0] + 1_000_000])
    return np.stack([starts, starts + lengths[:, None]], axis=2).astype("int64")


def _write_telemetry(attempt: Path, pairs: int, noise: PairsNoise) -> Json:
    """Write what a sampler of power saw of a made-up session, and return what the agent says of it."""
    windows = np.concatenate([_place_blocks(pair, noise.ratio) for pair in range(pairs)], axis=1)
    times = np.arange(500_000_000, windows.max() + 500_000_000, _READING_NS)
    levels = np.full(len(times), _IDLE_W)
    for watts, arm in zip(noise.watts or (), windows, strict=True):
        for start, stop in arm:
            levels[(times >= start) & (times <= stop)] = watts
    path = path_in_attempt(attempt)
    path.parent.mkdir()
    rows = (f"{at},hwmon,total_w,{level}\n" for at, level in zip(times, levels, strict=True))
    path.write_text("at_ns,sampler,channel,value\n" + "".join(rows))
    power = {"channel": "total_w", "boundary": "module", "rails": ["VDD_IN"], "kind": "measured"}
    sampler = {"id": "hwmon", "name": "hwmon", "required": False, "interval_ms": 5, "power": power, "quantum": 0.04}
    sampler |= {"lag_s": 0.001, "samples": {"total_w": len(times)}, "reason": None, "notes": []}
    return {"file": path.name, "samplers": [sampler], "cpu_s": 0.1, "idle": {"before": None, "after": None}}
