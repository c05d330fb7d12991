"""Small drawn scenarios with everything that docs/plans.md knows, in whole numbers so that many things are equal."""

import itertools
import random

GOALS = ("balanced", "latency", "efficiency", "min-latency", "min-energy", "throughput", "accuracy-first",
         "lex:period,accuracy", "lex:switches,energy")  # fmt: skip
SUSTAINED = (
    {"latency_factor": 1.5},
    [{"after_s": 0, "latency_factor": 1, "energy_factor": 1.25}, {"after_s": 10, "latency_factor": 2}],
)


def draw_scenario(seed, execution):
    """Return (document, goal). Some documents have a hand-over that no placement can make, which reading refuses."""
    rng = random.Random(f"{execution} {seed}")
    scheduled = execution in ("scheduled", "contended")
    devices = [{"name": f"d{i}", "memory_mb": rng.choice((1000, 22, 30, 40))} for i in range(rng.choice((1, 2, 2, 3)))]
    names = [device["name"] for device in devices]
    # With contention, the solver looks for the least memory that would do for minutes where four stages do not fit.
    count = rng.randint(2, 3 if execution == "contended" or (scheduled and len(names) == 3) else 4)
    document = {
        "schema": "edgeproof.scenario.v2",
        "name": f"drawn-{seed}",
        "execution": "scheduled" if scheduled else execution,
        "devices": devices,
        "links": draw_links(rng, names),
    }
    for device in devices:
        if execution == "serial" and rng.random() < 0.3:
            device["entry_ms"] = rng.randint(0, 3)
        if not scheduled and rng.random() < 0.3:
            device["idle_mw"] = rng.choice((0, 500, 2000))
        if rng.random() < 0.3:
            device["modes"] = ["low", "high"]
    if rng.random() < 0.3:
        document["thermal"] = "sustained"
        devices[0]["sustained"] = rng.choice(SUSTAINED)
        if rng.random() < 0.5:
            document["sustained_s"] = rng.choice((0, 5, 20))
    document["stages"] = [draw_stage(rng, number, devices, scheduled) for number in range(count)]
    if scheduled or rng.random() < 0.6:
        document["edges"] = draw_edges(rng, count)
    if rng.random() < 0.3:
        document["ingest"] = {"device": rng.choice(names), "input_mb": rng.randint(0, 9)}
    if rng.random() < 0.3:
        document["egress"] = {"device": rng.choice(names)}
    if rng.random() < 0.4:
        caps = {"max_total_latency_ms": 45, "max_total_energy_mj": 60, "max_accuracy_drop": 3, "max_period_ms": 20}
        for key in rng.sample(sorted(caps), rng.randint(1, 2)):
            if execution != "contended" or key != "max_period_ms":
                document.setdefault("constraints", {})[key] = rng.randint(caps[key] // 4, caps[key])
    goals = GOALS if execution != "contended" else ("min-latency", "balanced", "min-energy")
    if execution == "contended":
        pairs = [pair for pair in itertools.permutations(names, 2) if rng.random() < 0.7]
        document["contention"] = [{"slowed": a, "by": b, "factor": rng.choice((1.25, 1.6))} for a, b in pairs]
    if execution == "serial" and any("entry_ms" in device for device in devices):
        document.get("constraints", {}).pop("max_period_ms", None)
        goals = tuple(goal for goal in goals if "period" not in goal and goal != "throughput")
    return document, rng.choice(goals)


def draw_links(rng, names):
    links = []
    for a, b in itertools.combinations(names, 2):
        both = rng.random() < 0.5
        for source, target in ((a, b),) if both else ((a, b), (b, a)):
            if rng.random() < 0.9:
                rates = {key: rng.randint(0, 2) for key in ("latency_ms_per_mb", "energy_mj_per_mb")}
                setup = {"setup_ms": rng.randint(0, 2), "setup_mj": rng.randint(0, 2)} if rng.random() < 0.5 else {}
                links.append({"source": source, "target": target, "bidirectional": both, **rates, **setup})
    return links


def draw_stage(rng, number, devices, scheduled):
    profiles = {}
    for device in [d for d in devices if rng.random() < 0.8] or [rng.choice(devices)]:
        variants = [draw_variant(rng, v, device) for v in range(1 if scheduled else rng.choice((1, 1, 2)))]
        profiles[device["name"]] = variants if len(variants) > 1 or rng.random() < 0.5 else variants[0]
    stage = {"name": f"s{number}", "output_mb": rng.choice((0, 2, 2, 4, 8)), "profiles": profiles}
    if rng.random() < 0.1:
        stage["deadline_ms"] = rng.randint(5, 40)
    return stage


def draw_variant(rng, number, device):
    variant = {
        "precision": f"p{number}",
        "latency_ms": rng.choice((0, 1, 2, 3, 5, 8)),
        "energy_mj": rng.randint(0, 9),
        "weights_mb": rng.randint(0, 8),
        "activations_mb": rng.randint(0, 9),
        "accuracy_drop": rng.choice((0, 0, 1, 2)),
    }
    if rng.random() < 0.15:
        variant |= {"shared_weights": "common", "weights_mb": 4}
    if "modes" in device and rng.random() < 0.6:
        variant["mode"] = rng.choice(device["modes"])
    return variant


def draw_edges(rng, count):
    """Return edges of a random graph; a stage may hand over two tensors of one size."""
    edges = []
    for a, b in itertools.combinations(range(count), 2):
        if rng.random() < 0.6:
            edge = {"source": f"s{a}", "target": f"s{b}"}
            if rng.random() < 0.3:
                edge |= {"tensor": rng.choice("xy"), "output_mb": 4}
            edges.append(edge)
    return edges
