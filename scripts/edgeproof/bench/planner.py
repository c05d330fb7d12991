"""The planner's benchmark on the user's path: `edgeproof plans solve` with its defaults, on version 2 files.

Beside it, on the same files and as processes too: a plain flow model for CP-SAT that gives the same three placements,
and a beam of width 128, which gives one. Seconds are those of the whole process, its start included.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import ortools

from edgeproof.core.configuration import Json
from edgeproof.core.documents import read_json

from .bench_machine import describe_bench_machine
from .scenario_families import (
    add_working_memory,
    draw_capped_chain,
    draw_chain,
    draw_crowded_graph,
    draw_graph,
    draw_scheduled,
    draw_tight_chain,
)

_PLAIN_LIMIT_S = 20.0
_SLOWER, _SLOWER_S = 1.1, 0.2  # than the plain model: at most by this factor or these seconds
_PROVED = ("optimal", "infeasible")


@dataclass(frozen=True)
class Case:
    """Scenarios of one kind: drawn by a seed, solved with the command line's defaults and `arguments`.

    `seconds`: the target for each, None where the case is for comparison; `gap`: the largest one allowed, relative.
    """

    name: str
    draw: Callable[[int], Json]
    instances: int
    seconds: float | None
    gap: float = 0.0
    arguments: tuple[str, ...] = ()


CASES = (
    Case("chain, 50 stages × 4, caps and memory", lambda s: add_working_memory(draw_capped_chain(s, 50, 4), s), 4, 2.0),
    Case("chain, 14 stages × 3, tight", lambda s: add_working_memory(draw_tight_chain(s, 14), s), 3, 2.0),
    Case("chain, 30 stages × 3, tight", lambda s: add_working_memory(draw_tight_chain(s, 30), s), 3, 2.0),
    Case("chain, 1,000 stages × 8", lambda s: add_working_memory(draw_chain(s, 1000, 8), s), 1, 2.0),
    Case("chain, 200 stages × 4, caps", lambda s: add_working_memory(draw_capped_chain(s, 200, 4), s), 1, None),
    Case("graph, 24 stages × 3, memory tight", lambda s: draw_crowded_graph(s, 24, 3), 3, 10.0),
    Case("graph, 50 stages × 4", lambda s: draw_graph(s, 50, 4, activations=True), 1, 10.0),
    Case("graph, 200 stages × 5", lambda s: draw_graph(s, 200, 5, activations=True), 2, 10.0, 0.01, ("--gap", "0.01")),
    Case("graph, 200 × 5, memory tight", lambda s: draw_crowded_graph(s, 200, 5), 1, None, 0.05, ("--gap", "0.05")),
    Case("scheduled, 8 stages × 2", lambda s: draw_scheduled(s, 8, 2), 2, 5.0),
)


def measure_planner(tell: Callable[[Json], object] = lambda case: None, cases: tuple[Case, ...] = CASES) -> Json:
    """Measure the planner and return the `bench-plans` document; `tell` is called with each case when it is done."""
    measured = []
    for case in cases:
        measured.append(_measure_case(case))
        tell(measured[-1])
    machine = describe_bench_machine() | {"ortools": ortools.__version__}
    return {"schema": "edgeproof.bench-plans.v2", "machine": machine, "cases": measured}


def _measure_case(case: Case) -> Json:
    """Return the figures of one case, and whether it met its target and was not slower than the plain model."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(case.instances):
            path, plan = Path(folder) / f"scenario-{seed}.json", Path(folder) / f"plan-{seed}.json"
            path.write_text(json.dumps(case.draw(seed)))
            ours = _run("edgeproof", "plans", "solve", str(path), "--json", "--output", str(plan), *case.arguments)
            document = read_json(plan, "plan") if plan.is_file() else None
            plain = _run("edgeproof.bench.plain_flow", str(path), str(_PLAIN_LIMIT_S), str(case.gap))
            beam = _run("edgeproof.bench.planner_baselines", str(path))
            rows.append((ours[0], document, plain[0], json.loads(plain[1]), json.loads(beam[1])["score"]))
    seconds, plain_seconds = [row[0] for row in rows], [row[2] for row in rows]
    gaps = [_relative_gap(row[1]) for row in rows]
    known = [gap for gap in gaps if gap is not None]
    keeps = case.seconds is None or (
        max(seconds) <= case.seconds and all(g is not None and g <= case.gap for g in gaps)
    )
    slower = [ours > max(_SLOWER * plain, plain + _SLOWER_S) and found["proved"] for ours, _, plain, found, _ in rows]
    return {
        "name": case.name,
        "arguments": list(case.arguments),
        "target": "none: for comparison" if case.seconds is None else _describe_target(case),
        "met": bool(keeps and not any(slower)),
        "instances": len(rows),
        "proven": sum(row[1] is not None and row[1]["status"] in _PROVED for row in rows),
        "plans_least": min(0 if row[1] is None else len(row[1]["plans"]) for row in rows),
        "seconds_median": statistics.median(seconds),
        "seconds_worst": max(seconds),
        "gap_worst": max(known) if len(known) == len(gaps) else None,
        "plain_seconds_median": statistics.median(plain_seconds),
        "plain_seconds_worst": max(plain_seconds),
        "plain_proven": sum(row[3]["proved"] for row in rows),
        "ratio_median": statistics.median(a / b for a, b in zip(plain_seconds, seconds, strict=True)),
        "slower_than_plain": sum(slower),
        "beam_missed": sum(row[4] is None and bool(row[1] and row[1]["plans"]) for row in rows),
        "beam_worse": sum(
            bool(row[1] and row[1]["plans"]) and row[4] is not None
            and row[4] > row[1]["certificate"]["objective"] * (1 + 1e-6)
            for row in rows
        ),
    }  # fmt: skip


def _describe_target(case):
    proof = "proved" if not case.gap else f"within {case.gap:.0%}"
    return f"{proof} in {case.seconds:g} s, and not slower than the plain model by more than 10 % or 0.2 s"


def _relative_gap(document: Json | None) -> float | None:
    """Return (objective − bound) / objective of a plan, 0 for a proved infeasibility, None without a plan."""
    if document is None or document["status"] == "unknown":
        return None
    if not document["plans"]:
        return 0.0
    certificate = document["certificate"]
    return certificate["gap"] / abs(certificate["objective"]) if certificate["objective"] else 0.0


def _run(module: str, *arguments: str) -> tuple[float, str]:
    """Return (seconds, standard output) of a module of this library, run as a process."""
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments], capture_output=True, text=True, cwd=Path(__file__).parents[2]
    )
    if done.returncode not in ((0, 1, 3) if module == "edgeproof" else (0,)):
        raise RuntimeError(f"{module} {' '.join(arguments)}: {done.stderr.strip()}")
    return time.perf_counter() - start, done.stdout
