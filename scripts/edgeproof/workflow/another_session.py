"""`edgeproof runs again`: one more session of a run, by the next `snakemake`, which this starts.

The wish stands beside the run's attempts (see `runs.wanted_sessions`), so neither the attempt's key nor the document's
changes; Snakemake is told which results to make again and finds the wish when it measures.
"""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from edgeproof.core.configuration import Json
from edgeproof.core.errors import UserError
from edgeproof.core.layout import Cell, run_folder
from edgeproof.core.processes import child_environment
from edgeproof.remote.boards import identify_device
from edgeproof.runs.wanted_sessions import ask_for_another

from .attempt_keys import compose_run_key
from .job_graph import Job, list_jobs
from .reasons import find_document, list_names
from .workflow_reading import Reading


def ask_for_sessions(reading: Reading, targets: Sequence[str]) -> list[Json]:
    """Ask for another session of each target: leave the wish for it, and return {document, sessions} of each.

    `targets`: cells, results, or names of comparisons of two devices, whose two sides are meant. UserError for any
    other, and where there is nothing to measure or nothing measured yet; then no wish is left.
    """
    jobs = list_jobs(reading.keys)
    documents: dict[str, Json] = {}
    for target in targets:
        for document in _find_runs(reading, jobs, target):
            if jobs[document].key["device"]["transport"] == "manual":
                raise UserError(
                    f"{target}: no job reaches its device; carry the kit there again, and bring back what it packs"
                )
            key = compose_run_key(document, jobs[document], reading.keys)
            if key is None:
                raise UserError(f"{target}: there is nothing to measure; its build failed")
            documents[document] = key
    return [
        {"document": document, "sessions": ask_for_another(Path(document).parent, key, _identify(jobs[document]))}
        for document, key in documents.items()
    ]


def compose_command(documents: Sequence[str], profile: str, files: Sequence[str], replaced: bool) -> list[str]:
    """Return the call of Snakemake for `runs again`: it measures another session of these documents and makes all that
    follows from them.

    `files`: of `--configfile`. `replaced`: without config/config.yaml.
    """
    command = [sys.executable, "-m", "snakemake", "--profile", profile]
    command += ["--configfile", *files] if files else []
    command += ["--replace-workflow-config"] if replaced else []
    return [*command, "--forcerun", *documents]


def run_command(command: Sequence[str], root: Path) -> int:
    """Run the Snakemake that measures another session, in `root`, with its output shown; return its exit code."""
    return subprocess.run(command, cwd=root, env=child_environment(sys.executable), check=False).returncode


def _identify(job: Job) -> str | None:
    """Return the id of the machine that a run's device is."""
    return identify_device(cast(Any, job.key["device"]))


def _find_runs(reading: Reading, jobs: Json, target: str) -> list[str]:
    comparison = reading.campaign.comparisons.get(target)
    if comparison is not None and target not in map(str, reading.campaign.cells):
        sides = (comparison.left, comparison.right)
        if sides[0].device == sides[1].device:
            raise UserError(
                f"{target}: its pairs are measured on one device, so sessions of its cells do not matter to it; raise "
                "`pairs:` of the comparison for more pairs"
            )
        return [f"{run_folder(side)}/result.json" for side in sides]
    document = find_document(reading, jobs, target)
    if jobs[document].rule != "measure_run":
        names = ", ".join(name for name, path in list_names(reading).items() if path.endswith("result.json"))
        raise UserError(f"{target}: only runs have sessions to add; the campaign's runs are {names}")
    return [f"{run_folder(Cell(*(jobs[document].names[field] for field in Cell._fields)))}/result.json"]
