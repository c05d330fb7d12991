"""A campaign of thousands of cells: what it costs to plan, to report and to judge, and how large its pages are.

Planning is `snakemake -n` on a campaign whose results folder is empty. Report and gate read made-up documents that the
product accepts: nothing is measured.
"""

from collections.abc import Callable
from pathlib import Path

from edgeproof.core.configuration import Json
from edgeproof.core.layout import evidence_folder

from .bench_machine import describe_bench_machine
from .judging_cost import list_arguments, measure_process_cost, write_large_campaign
from .made_up_campaigns import CAMPAIGN
from .noop import OURS, write_campaign

PARTS = ("comparisons", "decisions", "report", "gate")
# Bytes of the first page, which has to open at once; of one command, which the kernel takes up to 131,072 of.
FIRST_PAGE, COMMAND = 500_000, 16_000
_COMMAND = "Shell command: "


def measure_scale(folder: Path, sizes: dict[str, int], tell: Callable[[Json], object] = lambda part: None) -> Json:
    """Measure a campaign of large scale in the empty folder `folder`: return the `bench-scale` document.

    `tell` is called with each part. `sizes`: as for `judging_cost.measure_judging`, cells a multiple of four. Each part
    is a process of its own.
    """
    planned, judged = folder / "planned", folder / "judged"
    write_campaign(planned, sizes["cells"], sizes["comparisons"])
    said = folder / "dry-run.txt"
    parts = [{"name": "dry-run", **measure_process_cost(["-m", "snakemake", *OURS, "-n", "-p"], planned, said)}]
    tell(parts[-1])
    judged.mkdir()
    write_large_campaign(judged, sizes)
    for name in PARTS:
        parts.append({"name": name, **measure_process_cost(list_arguments(name, judged), judged)})
        tell(parts[-1])
    pages, longest = _measure_pages(judged / evidence_folder(CAMPAIGN)), find_longest_command(said.read_text())
    return {
        "schema": "edgeproof.bench-scale.v1",
        "machine": describe_bench_machine(),
        **sizes,
        "parts": parts,
        "pages": pages,
        "longest_command_bytes": longest,
        "limits": {"first_page_bytes": FIRST_PAGE, "command_bytes": COMMAND},
        "met": pages["first_bytes"] <= FIRST_PAGE and longest <= COMMAND,
    }


def _measure_pages(folder: Path) -> Json:
    """Return the sizes of a campaign's pages in bytes; `folder`: of its evidence."""
    models = [path.stat().st_size for path in (folder / "models").glob("*.html")]
    return {
        "first_bytes": (folder / "report.html").stat().st_size,
        "first_markdown_bytes": (folder / "report.md").stat().st_size,
        "models": len(models),
        "largest_model_bytes": max(models, default=0),
        "all_bytes": sum(path.stat().st_size for path in folder.rglob("*") if path.suffix in (".html", ".md")),
    }


def find_longest_command(text: str) -> int:
    """Return the bytes of the longest command that a dry run of a campaign of this scale would start.

    `text`: of `snakemake -n -p`.
    """
    commands = [line.removeprefix(_COMMAND) for line in text.splitlines() if line.startswith(_COMMAND)]
    return max((len(command.encode()) for command in commands), default=0)
