"""The campaign of `edgeproof compare`: one comparison, written as a file that Snakemake and you can read."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import yaml

from edgeproof.comparability.field_views import FieldReason
from edgeproof.comparability.judging import Latitude
from edgeproof.core.campaign_files import CampaignFiles
from edgeproof.core.campaign_view import describe_campaign
from edgeproof.core.catalogues import CATALOGUES, read_catalogue
from edgeproof.core.configuration import Json
from edgeproof.core.files import atomic_write
from edgeproof.core.layout import Cell, comparison_folder, evidence_folder
from edgeproof.core.seals import digest_json

from .foreseen_refusals import foresee_refusals
from .sides import Sides, read_sides

_HORIZON = 60  # pairs: the test is over then
_DECIDED = ("faster", "slower", "equivalent")


class QuickCampaign(NamedTuple):
    """A campaign that was written: its name and that of its comparison, its file (below the root), its two cells.

    `refusals`: fields in which the two may not differ, as far as that is known before anything is built; then no file
    was written. `notes`: what to know of how the sides were read.
    """

    name: str
    comparison: str
    file: str
    cells: tuple[Cell, Cell]
    refusals: Sequence[FieldReason] = ()
    notes: Sequence[str] = ()

    @property
    def folder(self) -> str:
        """Where its comparison is."""
        return comparison_folder(self.name, self.comparison)

    @property
    def page(self) -> str:
        """Its page."""
        return f"{evidence_folder(self.name)}/report.html"


class Question(NamedTuple):
    """What `edgeproof compare` is asked; None: what the file or the default says.

    `varies`: fields besides model and precision. `waive`: (field, reason). `within`: seconds. `margin`: a fraction.
    """

    left: str
    right: str
    device: str | None
    preset: str | None
    precision: str | None
    like: str | None
    protocol: str | None
    varies: Sequence[str]
    waive: Sequence[tuple[str, str]]
    within: float
    margin: float
    profile: str | None


def read_question(options: argparse.Namespace) -> Question:
    """Return what a quick campaign is to answer, from the options of a call of `edgeproof compare`."""
    return Question(*(getattr(options, field) for field in Question._fields))


def write_campaign(question: Question, root: Path, pairs: int = _HORIZON, foresee: bool = False) -> QuickCampaign:
    """Write a quick campaign, `results/compare/{digest}/campaign.yaml`, and return what it is; UserError for a mistake
    in the question.

    `foresee`: write nothing where the two may not be compared by what is known already (`refusals`).

    `pairs`: at which it stops. The budget is no part of the digest: asked again, a comparison continues where it ended.
    """
    catalogues = {kind: read_catalogue(kind, root / "config") for kind in CATALOGUES}
    device = question.device or (question.profile if question.profile in catalogues["device"] else "local")
    defaults = {"preset": question.preset or "ort-cpu", "device": device, "precision": question.precision or "fp32"}
    sides = read_sides((question.left, question.right), defaults, question.like, catalogues, root)
    document = _describe(question, sides, device)
    digest = digest_json(document)[:12]
    document["campaign"], comparison = f"compare-{digest}", document["comparisons"][0]["name"]
    file, latitude = f"results/compare/{digest}/campaign.yaml", _read_latitude(document)
    models = {**catalogues["model"], **sides.models}
    refusals: list[FieldReason] = []
    if foresee and all(cell.model in models for cell in sides.cells):  # a stored artifact's model is none of them
        refusals = foresee_refusals(sides.cells, models, catalogues["preset"], latitude, root)
    campaign = QuickCampaign(document["campaign"], comparison, file, sides.cells, refusals, sides.notes)
    if refusals:
        return campaign
    document["comparisons"][0] |= {"seconds": _choose_budget(question.within, campaign, root), "pairs": pairs}
    _write(campaign, document, f"edgeproof compare {question.left} {question.right}", root)
    return campaign


def write_cell_campaign(cell: Cell, protocol: str, root: Path) -> QuickCampaign:
    """Write a quick campaign that measures one cell and compares nothing; return it. UserError for an unknown name."""
    one = {"models": [cell.model], "presets": [cell.preset], "devices": [cell.device], "precisions": [cell.precision]}
    head = {"campaign": "compare", "protocol": protocol, "policy": "strict", "devices": [cell.device]}
    document: Json = {**head, "matrices": [one], "comparisons": [], "gate": {"tolerate": []}}
    digest = digest_json(document)[:12]
    document["campaign"] = f"compare-{digest}"
    campaign = QuickCampaign(document["campaign"], "none", f"results/compare/{digest}/campaign.yaml", (cell, cell))
    _write(campaign, document, f"edgeproof replicate: {cell}", root)
    return campaign


def _read_latitude(document: Json) -> Latitude:
    (comparison,) = document["comparisons"]
    return Latitude(comparison["varies"], comparison.get("waive", {}))


def _write(campaign: QuickCampaign, document: Json, title: str, root: Path) -> None:
    describe_campaign(CampaignFiles((campaign.file,), document, {}), root)  # says what is wrong before anything starts
    text = f"# {title}\n" + yaml.safe_dump(document, sort_keys=False, width=1000)
    path = root / campaign.file
    if not path.is_file() or path.read_text() != text:
        atomic_write(path, text)


def _describe(question: Question, sides: Sides, device: str) -> Json:
    left, right = sides.cells
    studied = [field for field in ("model", "precision") if getattr(left, field) != getattr(right, field)]
    cells = [right] if set(sides.left) & {"artifact", "baseline"} else [left]
    return {
        "campaign": "compare",
        "protocol": question.protocol or "quick",
        "policy": "strict",
        "devices": [device],
        **({"models": sides.models} if sides.models else {}),
        "matrices": [
            {"models": [cell.model], "presets": [cell.preset], "devices": [cell.device], "precisions": [cell.precision]}
            for cell in cells
        ],
        "comparisons": [
            {
                "name": _name_comparison(sides.cells),
                "left": sides.left,
                "right": sides.right,
                "varies": [*studied, *question.varies],
                **({"waive": dict(question.waive)} if question.waive else {}),
                "pairs": _HORIZON,
                "margin": question.margin,
            }
        ],
        "gate": {"tolerate": []},
    }


def _name_comparison(cells: tuple[Cell, Cell]) -> str:
    """Return what differs as a name: `fp32-vs-int8`; `aa` for a cell and itself."""
    differing = [field for field in Cell._fields if getattr(cells[0], field) != getattr(cells[1], field)]
    left, right = ("-".join(getattr(cell, field) for field in differing) for cell in cells)
    return f"{left}-vs-{right}" if differing else "aa"


def _choose_budget(within: float, campaign: QuickCampaign, root: Path) -> float:
    """Return the seconds that the whole sequence may measure: what was spent before and as much again as asked for.

    A decided comparison keeps its budget, so that asking again runs nothing.
    """
    records = (root / campaign.folder).glob("attempts/*/session/session.json")
    spent = sum(json.loads(path.read_bytes())["seconds"] for path in records)
    report, file = root / campaign.folder / "report.json", root / campaign.file
    if report.is_file() and file.is_file():  # of whatever version: the workflow makes it again where it must
        known: Json = json.loads(report.read_bytes())
        if known["verdict"] in _DECIDED:
            return yaml.safe_load(file.read_text())["comparisons"][0]["seconds"]
        spent = max(spent, known["seconds"])  # pairs that another campaign has measured count as well
    return round(spent + within, 3)
