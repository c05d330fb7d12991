"""`edgeproof campaign`: what would be measured and compared, what each part needs, where each value was written."""

import argparse
import json

from .campaign import CATALOGUES, read_catalogue
from .campaign_files import CampaignFiles, expand_campaign_files, list_added_cells, read_campaign_files
from .cells import Cells
from .configuration import Json
from .layout import Cell
from .pipelines import list_stage_models

BASE = "config/config.yaml"


def main(argv: list[str]) -> int:
    """Print the campaign of the files given, laid over `config/config.yaml` unless `--replace` says otherwise."""
    parser = argparse.ArgumentParser(prog="edgeproof campaign", description=main.__doc__)
    parser.add_argument("files", nargs="*", metavar="FILE", help=f"campaign files, laid over {BASE} in this order")
    parser.add_argument(
        "--replace", action="store_true", help=f"without {BASE} (--replace-workflow-config of Snakemake)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(argv)
    files = read_campaign_files([*([] if options.replace and options.files else [BASE]), *options.files])
    document = describe_campaign(files)
    print(json.dumps(document, indent=2, ensure_ascii=False) if options.json else "\n".join(render_campaign(document)))
    return 0


def describe_campaign(files: CampaignFiles) -> Json:
    """Return what the campaign of these files wants, as JSON: cells, comparisons, their needs, and places of values."""
    catalogues = {kind: read_catalogue(kind) for kind in CATALOGUES}
    catalogues["model"] |= list_stage_models(catalogues["pipeline"])
    campaign = expand_campaign_files(files, catalogues)
    cells = Cells(catalogues)
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
        "notes": list_added_cells(campaign, files),
        "places": {key: str(place) for key, place in sorted(files.places.items()) if "[" not in key},
    }


def render_campaign(document: Json) -> list[str]:
    """Return the lines that people read."""
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
    lines += ["", *document["notes"]] if document["notes"] else []
    lines += ["", "Where each value was written"]
    lines += [f"  {key:<24} {place}" for key, place in document["places"].items()]
    return lines


def _list_needs(cells: Cells, cell: Cell) -> list[str]:
    preset = cells.presets[cell.preset]
    return sorted({name for name in (preset.get("toolchain"), preset.get("runtime_toolchain")) if name})
