"""The cost of judging: a large made-up campaign is read, recomputed and judged by the product's own functions.

The time of Snakemake, of starting one process per rule, and of measuring is not included: it is the same for every
workflow.
"""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path

from edgeproof.comparability.deciding import read_decision
from edgeproof.comparability.judging import Latitude, judge_pair
from edgeproof.comparability.reading import read_comparison
from edgeproof.comparability.regression import read_regression
from edgeproof.comparability.reporting import report_comparison
from edgeproof.core.configuration import Json
from edgeproof.core.layout import Cell, comparison_folder, run_folder
from edgeproof.core.reader import reading_once
from edgeproof.core.shares import share_work, sharing
from edgeproof.core.yaml_files import read_yaml
from edgeproof.runs.results import read_result

from .bench_machine import describe_bench_machine
from .made_up_campaigns import CAMPAIGN, REPOSITORY, make_campaign, write_judgements, write_pairs, write_wanted
from .made_up_cells import name_cell
from .made_up_pairs import PairsNoise

PARTS = ("results", "comparisons", "decisions", "report", "gate")
TARGET_SECONDS = 20.0
_SCRIPT = "scripts/bench_judge.py"
_PRECISIONS = ("fp32", "fp16", "int8", "int8-dynamic")
_MAXRSS_BYTES = 1 if sys.platform == "darwin" else 1024
_SIDES = ("left", "right")
_PLAN = "campaign.json"
_RATIOS = (0.6, 1.0, 0.97, 1.05)  # right / left of the comparisons, in turn; the gate asks about every fourth


def measure_judging(
    folder: str | Path, sizes: dict[str, int], tell: Callable[[Json], object] = lambda part: None
) -> Json:
    """Measure the cost of judging in the empty folder `folder`: return the `bench-judge` document.

    `tell` is called with each part. `sizes`: {cells, processes, samples, comparisons, pairs}. Each part is a process of
    its own; `peak_bytes` is its peak memory.
    """
    folder = Path(folder)
    write_large_campaign(folder, sizes)
    parts = []
    for name in PARTS:
        parts.append({"name": name, **measure_process_cost(list_arguments(name, folder), folder)})
        tell(parts[-1])
    seconds = sum(part["seconds"] for part in parts)
    return {
        "schema": "edgeproof.bench-judge.v1",
        "machine": describe_bench_machine(),
        **sizes,
        "seconds": seconds,
        "peak_bytes": max(part["peak_bytes"] for part in parts),
        "target_seconds": TARGET_SECONDS,
        "met": seconds <= TARGET_SECONDS,
        "parts": parts,
    }


def write_large_campaign(folder: str | Path, sizes: dict[str, int]) -> None:
    """Write the large campaign on which the cost of judging is measured: results, pairs, and the work of each part.

    `folder`: an empty one.
    """
    before = Path.cwd()
    os.chdir(folder)
    try:
        models = -(-sizes["cells"] // len(_PRECISIONS))
        cells = [(f"model-{number:04d}", "ort-cpu", "desk", kind) for number in range(models) for kind in _PRECISIONS]
        options = {"processes": sizes["processes"], "count": sizes["samples"]}
        named = [dict(zip(Cell._fields, cell, strict=True)) for cell in cells[: sizes["cells"]]]
        snapshot = make_campaign(folder, [cell | options for cell in named], name=CAMPAIGN)
        sides = [(left, right) for left, right in pairwise(cells) if left[0] == right[0]]
        spread = sides[:: max(1, len(sides) // max(1, sizes["comparisons"]))]  # over as many models as there are
        plan = {f"pair-{number:04d}": pair for number, pair in enumerate(spread[: sizes["comparisons"]])}
        for number, (name, pair) in enumerate(plan.items()):
            cells = {side: name_cell(cell) for side, cell in zip(("left", "right"), pair, strict=True)}
            write_pairs(name, cells, pairs=sizes["pairs"], noise=PairsNoise(_RATIOS[number % len(_RATIOS)], 0.01))
        snapshot["comparisons"] = list(plan)
        Path(_PLAN).write_text(json.dumps({"snapshot": snapshot, "comparisons": plan}))
    finally:
        os.chdir(before)


@reading_once()
def run_part(name: str, threads: int = 1) -> None:
    """Do one part of the judging whose cost is measured, in the current folder.

    `report` and `gate` are scripts of their own. `threads`: processes that share it, as Snakemake runs as many jobs at
    once as there are cores.
    """
    plan = json.loads(Path(_PLAN).read_text())
    with sharing(threads):
        if name == "results":
            share_work(_read_result, plan["snapshot"]["cells"])
        elif name == "comparisons":
            policy = read_yaml("config/policies/strict.yaml", "policy")
            share_work(partial(_judge_comparison, policy), list(plan["comparisons"].items()))
        else:
            share_work(_decide, list(plan["comparisons"].items()))


def _read_result(cell: Sequence[str]) -> None:
    read_result(f"{run_folder(name_cell(cell))}/result.json")


def _decide(comparison: tuple[str, Sequence[Sequence[str]]]) -> None:
    name, cells = comparison
    write_judgements(name, {side: name_cell(cell) for side, cell in zip(_SIDES, cells, strict=True)})
    read_regression(f"{comparison_folder(CAMPAIGN, name)}/regression.json")  # as the scripts do
    read_decision(f"{comparison_folder(CAMPAIGN, name)}/decision.json")


def _judge_comparison(policy: Json, comparison: tuple[str, Sequence[Sequence[str]]]) -> None:
    name, cells = comparison
    folder = comparison_folder(CAMPAIGN, name)
    left, right = (f"{run_folder(name_cell(cell))}/result.json" for cell in cells)
    judge_pair(
        name, {"left": left, "right": right}, "strict", policy, Latitude(["precision"]), f"{folder}/verdict.json"
    )
    verdict, table, record = (f"{folder}/{file}" for file in ("verdict.json", "pairs.csv", "pairs.json"))
    report_comparison(verdict, table, record, (), f"{folder}/report.json", f"{folder}/report.md")
    read_comparison(f"{folder}/report.json")


def list_arguments(name: str, folder: Path) -> list[str]:
    """Return the arguments of Python that do a part of judging, whose cost is measured.

    The scripts are started as the rules start them, on all cores.
    """
    threads = ["--threads", str(min(4, os.cpu_count() or 1))]  # what the rules of report and gate ask for
    if name not in ("report", "gate"):
        return [str(REPOSITORY / _SCRIPT), "--part", name, *threads]
    snapshot = json.loads((folder / _PLAN).read_text())["snapshot"]
    if name == "report":
        page = "results/evidence/trial/report"
        pages = ["--html", f"{page}.html", "--markdown", f"{page}.md"]
        wanted = write_wanted(folder, snapshot)
        return [str(REPOSITORY / "scripts/write_report.py"), *threads, "--wanted", wanted, *pages]
    wanted = write_wanted(folder, snapshot, gated=snapshot["comparisons"][:: len(_RATIOS)])
    gate = [*threads, "--wanted", wanted, "--output", "results/evidence/trial/gate.json"]
    return [str(REPOSITORY / "scripts/check_gate.py"), *gate]


def measure_process_cost(arguments: Sequence[str], folder: Path, output: Path | None = None) -> Json:
    """Run a part of judging, or other Python, in a fresh process; return its cost {seconds, cpu_seconds, peak_bytes}.

    The wall time includes the start of the interpreter. `output`: file that takes what it says on stdout.
    """
    start = time.perf_counter()
    with contextlib.ExitStack() as stack:
        said = stack.enter_context(output.open("wb")) if output else None
        process = subprocess.Popen([sys.executable, *arguments], cwd=folder, stdout=said)
        _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, list(arguments))
    computing = usage.ru_utime + usage.ru_stime
    return {"seconds": seconds, "cpu_seconds": computing, "peak_bytes": usage.ru_maxrss * _MAXRSS_BYTES}


def describe_part(part: Json) -> str:
    """Return one line about the cost of a part of judging, as measured: seconds, computing, peak memory."""
    seconds = f"{part['seconds']:.1f} s, {part['cpu_seconds']:.1f} s of it computing"
    return f"{part['name']}: {seconds}, {part['peak_bytes'] / 1e6:.0f} MB at most"
