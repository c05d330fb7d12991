"""What two memory-bound stages lose to each other, and whether plans with contention foretell it.

Factors come from two stages of one length. They then have to foretell what stages of other lengths take side by side.
"""

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edgeproof.agent.flow import Flow
from edgeproof.agent.placement_specs import Overlap, Tensor
from edgeproof.core.configuration import Json
from edgeproof.plans.scenario.contention import run_side_by_side
from edgeproof.plans.scenario.costs import UNIT, Problem
from edgeproof.plans.scenario.loading import parse_scenario

from .bench_machine import describe_bench_machine

_EXECUTORS = ("left", "right")
_CALIBRATING = (1, 1)
_JUDGED = ((1, 2), (2, 1), (3, 2))
_LIMIT = 0.1
_WARM_UP = 3
_MOST = 0.99  # of its speed that a stage can lose

Pair = tuple[int, int]  # how many matrices the stage on the left and the one on the right go through
Times = dict[str, tuple[float, float]]  # per executor, when its stage starts and ends in ms


@dataclass(frozen=True)
class Setting:
    """What is measured: matrices of `width` × `width` floats, so many rounds of fresh processes, and calls in each."""

    folder: Path
    width: int
    rounds: int
    calls: int


def run_trials(setting: Setting, show: Callable[[str], object]) -> Json:
    """Run trials of contention in rounds and return the `bench-contention` document.

    `show` gets a line for each pair of stages.
    """
    pairs = (_CALIBRATING, *_JUDGED)
    files = {count: _save_stage(setting, count) for count in sorted({n for pair in pairs for n in pair})}
    alone: dict[tuple[str, int], list[float]] = {}
    together: dict[Pair, list[Times]] = {}
    for _ in range(setting.rounds):
        for side, executor in enumerate(_EXECUTORS):
            for count in sorted({pair[side] for pair in pairs}):
                start, end = _time_stages(setting, {executor: files[count]})[executor]
                alone.setdefault((executor, count), []).append(end - start)
        for pair in pairs:
            placed = {executor: files[count] for executor, count in zip(_EXECUTORS, pair, strict=True)}
            together.setdefault(pair, []).append(_time_stages(setting, placed))
    undisturbed = {key: statistics.median(values) for key, values in alone.items()}
    of_pair = {pair: {e: undisturbed[e, n] for e, n in zip(_EXECUTORS, pair, strict=True)} for pair in together}
    rounds = [find_factors(of_pair[_CALIBRATING], times) for times in together[_CALIBRATING]]
    factors = {executor: statistics.median(found[executor] for found in rounds) for executor in _EXECUTORS}
    cases = [_judge(pair, of_pair[pair], factors, together[pair]) for pair in _JUDGED]
    for case in cases:
        rows = (f"{row['executor']} {row['measured_slowdown']:.3f}, {row['error']:+.1%}" for row in case["stages"])
        show(f"{case['matrices'][0]} beside {case['matrices'][1]}: {'; '.join(rows)}")
    return {
        "schema": "edgeproof.bench-contention.v1",
        "machine": describe_bench_machine(),
        "width": setting.width,
        "rounds": setting.rounds,
        "calls": setting.calls,
        "limit": _LIMIT,
        "factors": [
            {"slowed": slowed, "by": by, "factor": factors[slowed], "rounds": [found[slowed] for found in rounds]}
            for slowed, by in (_EXECUTORS, _EXECUTORS[::-1])
        ],
        "cases": cases,
        "met": all(abs(row["error"]) <= _LIMIT for case in cases for row in case["stages"]),
    }


def find_factors(alone: dict[str, float], times: Times) -> dict[str, float]:
    """Return the factor of contention per executor, from trials of its stage alone and of both at once.

    A stage loses (time − time alone) / overlap of its speed; the factor is 1 over what is left.
    """
    overlap = min(end for _, end in times.values()) - max(start for start, _ in times.values())
    losses = {name: (end - start - alone[name]) / overlap if overlap > 0 else 0 for name, (start, end) in times.items()}
    return {name: 1 / (1 - min(max(loss, 0), _MOST)) for name, loss in losses.items()}


def predict_times(alone: dict[str, float], factors: dict[str, float]) -> dict[str, float]:
    """Return what a trial's two stages take in ms when they start together, as plans count contention."""
    document = {
        "schema": "edgeproof.scenario.v2",
        "name": "contention",
        "execution": "scheduled",
        "devices": [{"name": name, "memory_mb": 1024} for name in alone],
        "links": [],
        "contention": [{"slowed": a, "by": b, "factor": factors[a]} for a, b in (_EXECUTORS, _EXECUTORS[::-1])],
        "stages": [{"name": name, "profiles": {name: {"latency_ms": round(ms, 6)}}} for name, ms in alone.items()],
        "edges": [],
    }
    problem = Problem(parse_scenario(document))
    if problem.losses is None:  # nobody slows anybody
        return alone
    works = [row[0] for row in problem.latency]
    nothing = [frozenset[int]()] * len(works)
    devices = [row[0] for row in problem.device]
    starts, ends = run_side_by_side(works, devices, [0] * len(works), nothing, problem.losses)
    return {name: (end - start) / UNIT for name, start, end in zip(alone, starts, ends, strict=True)}


def _judge(pair: Pair, alone: dict[str, float], factors: dict[str, float], rounds: list[Times]) -> Json:
    foretold, stages = predict_times(alone, factors), []
    for executor in _EXECUTORS:
        measured = statistics.median(end - start for start, end in (times[executor] for times in rounds))
        stages.append(
            {
                "executor": executor,
                "alone_ms": alone[executor],
                "predicted_slowdown": foretold[executor] / alone[executor],
                "measured_slowdown": measured / alone[executor],
                "error": foretold[executor] / measured - 1,
            }
        )
    return {"matrices": list(pair), "stages": stages}


def _save_stage(setting: Setting, count: int) -> Path:
    """Save a stage that multiplies a row by `count` matrices, of which each is read once; return its path."""
    shape = [1, setting.width]
    matrix = np.full((setting.width, setting.width), 1 / setting.width, "float32")
    stored = [numpy_helper.from_array(matrix + number, f"w{number}") for number in range(count)]
    names = ["x", *(f"h{number}" for number in range(1, count)), "y"]
    nodes = [helper.make_node("MatMul", [names[n], f"w{n}"], [names[n + 1]]) for n in range(count)]
    ends = [[helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)] for name in "xy"]
    graph = helper.make_graph(nodes, "memory-bound", ends[0], ends[1], stored)
    path = setting.folder / f"{count}.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def _time_stages(setting: Setting, placed: dict[str, Path]) -> Times:
    """Return when the stages start and end, medians over the calls, in fresh processes, side by side."""
    runtime = {"intra_op_threads": 1}
    arm = {"backend": "onnxruntime", "precision": "fp32", "runtime": runtime}
    made = {executor: f"{number}/0" for number, executor in enumerate(placed, 1)}
    tensor: Tensor = {"dtype": "float32", "shape": [1, setting.width]}
    overlap: Overlap = {"depth": 1, "in_order": True, "taken": list(made.values())}
    crew = Flow(
        {
            "executors": {executor: {"interpreter": None} for executor in placed},
            "tensors": dict.fromkeys(("0/0", *made.values()), tensor),
            "steps": [
                {
                    "name": executor,
                    "executor": executor,
                    "arm": {**arm, "artifact": str(path)},
                    "inputs": [("x", "0/0")],
                    "outputs": [("y", made[executor])],
                }
                for executor, path in placed.items()
            ],
            "overlap": overlap,
        },
        overlap,
    )
    stamps = []
    try:
        crew.area.tensors["0/0"][:] = 1
        for _ in range(_WARM_UP + setting.calls):
            crew.run()
            stamps.append(crew.area.stamps[:, :2] - crew.area.stamps[:, :1].min())
    finally:
        crew.close()
    medians = np.median(stamps[_WARM_UP:], axis=0) / 1e6
    return {executor: (float(row[0]), float(row[1])) for executor, row in zip(placed, medians, strict=True)}
