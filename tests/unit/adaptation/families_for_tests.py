"""Families, traces and choosers that several tests use: the example of EdgeAdapt's contract, and random worlds."""

import json
import random

from edgeproof.adaptation.trace_replay import Conditions, replay_trace
from edgeproof.adaptation.traces import Moment
from edgeproof.runtime.feasibility import Limits
from edgeproof.runtime.selection import Balanced, MaximizeAccuracy, MinimizePower
from edgeproof.runtime.stability import StabilityGuard
from edgeproof.runtime.variant_choice import Chooser
from edgeproof.runtime.variants import ModelFamily, Variant, VariantMetadata

# latency ms, MB, accuracy, power
EXAMPLE = {
    "full": (120.0, 250.0, 0.92, "high"),
    "quantized": (45.0, 80.0, 0.87, "medium"),
    "tiny": (15.0, 20.0, 0.74, "low"),
}


def make_family(rows=EXAMPLE):
    """Return a family from {name: (latency, memory, accuracy, power)}."""
    return ModelFamily(
        "example",
        [Variant(name, f"{name}.onnx", "high", "onnx", VariantMetadata(*row)) for name, row in rows.items()],
    )


def make_moments(free_mb, seconds=2000, poll_s=5):
    """Return moments of a device with so much memory free without us; `free_mb`: a number, or a function of time."""
    times = range(0, seconds, poll_s)
    return [Moment(float(t), free_mb(t) if callable(free_mb) else free_mb, 10.0, 10.0, None, None, None) for t in times]


def play(family, policy, moments, mode="fixed", conditions=None, limits=None, **guard):
    """Return the steps of a replay."""
    chooser = Chooser(family, policy, StabilityGuard(mode=mode, **guard), limits)
    return list(replay_trace(chooser, moments, conditions or Conditions()))


def list_commits(steps):
    """Return the times of all commits."""
    return [time for step in steps for time, _ in step.commits]


def make_random_world(seed):
    """Return (chooser, moments, conditions, cap, window) of a random family, device and guard, drawn by the seed."""
    random_ = random.Random(seed)
    names = [f"v{number}" for number in range(random_.randint(1, 5))]
    powers = ("low", "medium", "high")
    family = make_family(
        {
            name: (
                random_.choice([5.0, 20.0, 80.0, 200.0]),
                float(random_.choice([10, 40, 40, 150, 400])),
                round(random_.random(), 2),
                random_.choice(powers),
            )
            for name in names
        }
    )
    policy = random_.choice(
        [
            MaximizeAccuracy(latency_ceiling_ms=random_.choice([None, 50.0])),
            MinimizePower(min_accuracy_floor=random_.random()),
            Balanced(latency_ceiling_ms=100.0),
            lambda state, family, names=names: names[int(state.timestamp // 7) % len(names)],
            lambda state, family: "nobody",
        ]
    )
    cap, window = random_.randint(1, 4), random_.choice([20.0, 60.0])
    guard = StabilityGuard(
        hysteresis=random_.choice([0.0, 0.05, 0.3]),
        cooldown_sec=random_.choice([0.0, 10.0, 30.0]),
        max_swaps_per_window=cap,
        swap_window_sec=window,
    )
    limits = Limits(
        random_.choice([1.0, 64.0]), random_.choice([None, 60.0]), "low", random_.choice([None, 30.0]), "medium"
    )
    free, moments, at = 500.0, [], 0.0
    for _ in range(random_.randint(1, 60)):
        free = min(900.0, max(0.0, free + random_.choice([-300, -60, 0, 0, 60, 300])))
        heat, charge = random_.choice([None, 50.0, 70.0]), random_.choice([None, 20.0, 90.0])
        moments.append(Moment(at, free, 20.0, 20.0, heat, charge, random_.choice([None, True, False])))
        at += random_.choice([1.0, 5.0, 5.0, 20.0])
    conditions = Conditions(
        initial=random_.choice(names),
        load_s={name: random_.choice([0.0, 0.5, 12.0]) for name in names},
        faults={
            (name, number): random_.choice(["fails", "hangs"])
            for name in names
            for number in (1, 2)
            if random_.random() < 0.2
        },
        load_timeout_s=random_.choice([10.0, 60.0]),
    )
    return Chooser(family, policy, guard, limits), moments, conditions, cap, window


def write_trace(path, lines):
    """Write a trace of these lines, each completed to a state, one second apart."""
    plain = {"available_ram_mb": 500.0, "cpu_utilization_pct": 10.0}
    path.write_text(
        "".join(json.dumps({**plain, "timestamp": float(n), **line}) + "\n" for n, line in enumerate(lines))
    )
    return path
