"""The document of the trial of interruptions: `results/bench/survival.json`."""

import random
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path

from edgeproof.core.configuration import Json

from .bench_machine import describe_bench_machine
from .survival import KILL, Trial, mount_disk, prepare_trial, try_revert
from .workflow_copies import copy_workflow

_DEMO_OPTIONS = ("--profile", "local", "--nolock", "runs", "comparability", "calibration", "evidence")
_DEMO_SESSIONS = 3  # its protocol measures an unstable cell again, twice at most


def report_survival(
    folder: Path, counts: Mapping[str, int], demo: int, seed: int, tell: Callable[[Json], object] = lambda row: None
) -> Json:
    """Run all trials of survival in the empty folder `folder` and return the report on them, `bench-survival`.

    `counts`: {kind of interruption: how often}. `demo`: how often the demo campaign is killed, 0 for no demo. `tell` is
    called with each interruption.
    """
    trial = prepare_trial(folder / "campaign", seed)
    with mount_disk(trial.results) as disk:
        trial.finish()
        trial.inspect()
        kinds = [kind for kind, count in counts.items() for _ in range(count)]
        trial.draw.shuffle(kinds)
        rows = [_tell(tell, trial.interrupt(kind)) for kind in kinds]
        trial.close()
        revert = try_revert(trial)
        attempts = len(trial.kept)
    demo_rows = _kill_demo(folder / "demo", demo, seed, tell) if demo else []
    faults = [fault for row in (*rows, *demo_rows) for fault in row["faults"]]
    return {
        "schema": "edgeproof.bench-survival.v1",
        "machine": describe_bench_machine() | {"snakemake": metadata.version("snakemake")},
        "seed": seed,
        "full_disk_by": "a file system of its own" if disk else "a limit on the size of files",
        "interruptions": rows,
        "demo": demo_rows,
        "complete_attempts": attempts,
        "revert": revert,
        "met": not faults and revert["failed"] and not revert["changed"] and not revert["sessions"],
    }


def _kill_demo(folder: Path, count: int, seed: int, tell: Callable[[Json], object]) -> list[Json]:
    """Kill the demo campaign so often, continue it, and return a row for each time."""
    trial = Trial(copy_workflow(folder), random.Random(seed), options=_DEMO_OPTIONS, sessions=_DEMO_SESSIONS)
    trial.results.mkdir()
    trial.span_s = 120.0
    rows = [_tell(tell, trial.interrupt(KILL)) for _ in range(count)]
    trial.close()
    return rows


def describe_row(row: Json) -> str:
    """Return one line of the survival report, about one interruption."""
    working = f", while {' and '.join(row['open'])} were at work" if row["open"] else ""
    found = "; ".join(row["faults"]) or "nothing lost, repeated or half-written"
    return f"{row['kind']} after {row['after_s']} s{working}: {found}"


def _tell(tell: Callable[[Json], object], row: Json) -> Json:
    tell(row)
    return row
