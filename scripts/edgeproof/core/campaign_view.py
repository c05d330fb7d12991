"""`edgeproof campaign`: what would be measured and compared, what each part needs, where each value was written."""

from collections.abc import Sequence
from pathlib import Path

from .campaign_files import CampaignFiles, expand_campaign_files, list_added_cells, read_campaign_files
from .campaign_hosts import reach_hosts
from .campaign_models import add_models
from .catalogues import CATALOGUES, list_entries, read_catalogue
from .cells import Cells
from .command_line import CommandParser, add_json, read_options, show
from .configuration import Json
from .exit_codes import ExitCode
from .layout import REPOSITORY, Cell
from .measuring_budgets import budget_measuring, name_counts, sum_budgets
from .pipelines import list_stage_models
from .progress import COUNTED, format_duration

BASE = "config/config.yaml"
_DESCRIPTION = "Show what a campaign measures and compares, what each cell needs, and which file each value comes from."


def main(argv: list[str], root: Path = REPOSITORY) -> ExitCode:
    """Print the view of a campaign (`edgeproof campaign`).

    UserError for a mistake in a file. `root`: has `config/`.
    """
    options = read_options(build_parser(), argv)
    base = [] if options.replace and options.files else [root / BASE]
    files = read_campaign_files([*base, *_find_files(options.files, root)], root=root)
    document = describe_campaign(files, root)
    return show(options, document, lambda: render_campaign(document))


def build_parser() -> CommandParser:
    """Return the parser of `edgeproof campaign`, the view of a campaign."""
    parser = add_json(CommandParser(prog="edgeproof campaign", description=_DESCRIPTION))
    parser.add_argument("files", nargs="*", metavar="CAMPAIGN", help=f"campaign files, laid over {BASE} in this order")
    parser.add_argument(
        "--replace", action="store_true", help=f"leave {BASE} out, as Snakemake does with --replace-workflow-config"
    )
    return parser


def list_campaign_files(root: Path) -> list[str]:
    """Return, for completion, the files whose campaign the view `edgeproof campaign` can show."""
    return [str(path.relative_to(root)) for path in list_entries(root / "config")]


def describe_campaign(files: CampaignFiles, root: Path = REPOSITORY) -> Json:
    """Return the view of a campaign as JSON, from its files: cells, comparisons, their needs, and places of values."""
    catalogues = {kind: read_catalogue(kind, root / "config") for kind in CATALOGUES}
    catalogues["model"] |= list_stage_models(catalogues["pipeline"])
    files, catalogues = add_models(files, catalogues, root)
    catalogues = reach_hosts(files, catalogues)
    campaign = expand_campaign_files(files, catalogues)
    cells = Cells(catalogues)
    budgets = budget_measuring(campaign, catalogues["protocol"])
    return {
        "campaign": campaign.name,
        "files": list(files.files),
        "protocol": campaign.protocol,
        "cells": [
            {"cell": str(cell), "artifact": cells.artifact_of(cell), "toolchains": _list_needs(cells, cell)}
            for cell in campaign.cells
        ],
        "comparisons": [
            {"name": name, "left": str(item.left), "right": str(item.right), "varies": list(item.varies)}
            for name, item in campaign.comparisons.items()
        ],
        "calibrates": [str(cell) for cell in (campaign.calibration["cells"] if campaign.calibration else [])],
        "pipelines": list(campaign.pipelines),
        "measuring": {
            "counts": {COUNTED[rule]: budget.jobs for rule, budget in budgets.items()},
            "seconds_at_most": sum_budgets(budgets),
        },
        "notes": list_added_cells(campaign, files),
        "places": {key: str(place) for key, place in sorted(files.places.items()) if "[" not in key},
    }


def render_campaign(document: Json) -> list[str]:
    """Return the view of a campaign as the lines that people read."""
    lines = [
        f"Campaign {document['campaign']}, protocol {document['protocol']}, from {' + '.join(document['files'])}",
        "",
    ]
    lines.append(f"{len(document['cells'])} cells")
    for cell in document["cells"]:
        needs = f"  needs {', '.join(cell['toolchains'])}" if cell["toolchains"] else ""
        lines.append(f"  {cell['cell']}{needs}")
    lines += ["", f"{len(document['comparisons'])} comparisons"]
    lines += [f"  {item['name']}: {item['left']} with {item['right']}" for item in document["comparisons"]]
    if document["calibrates"]:
        lines += ["", f"Calibration of {', '.join(document['calibrates'])}"]
    measuring = document["measuring"]
    planned = " (what pipelines measure comes on top)" if document["pipelines"] else ""
    duration = format_duration(measuring["seconds_at_most"])
    lines += ["", f"{name_counts(measuring['counts'])}: about {duration} at most to measure{planned}"]
    lines += ["", *document["notes"]] if document["notes"] else []
    lines += ["", "Where each value was written"]
    lines += [f"  {key:<24} {place}" for key, place in document["places"].items()]
    return lines


def _list_needs(cells: Cells, cell: Cell) -> list[str]:
    preset = cells.presets[cell.preset]
    return sorted({name for name in (preset.get("toolchain"), preset.get("runtime_toolchain")) if name})


def _find_files(paths: Sequence[str], root: Path) -> list[Path]:
    """Return the paths as given, or in the repository where there is no such file here."""
    return [Path(path) if Path(path).exists() or not (root / path).exists() else root / path for path in paths]
