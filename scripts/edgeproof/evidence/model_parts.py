"""The evidence of a large campaign, model by model: each part is what the page of one model shows."""

from collections import defaultdict
from collections.abc import Sequence

from edgeproof.core.layout import comparison_folder

from .collecting import CalibrationEvidence, CellEvidence, ComparisonEvidence, Evidence
from .stale import Stale

_BY_MODEL = ("artifacts", "runs", "calibration")  # results/{room}/{model}/…


def split_evidence(evidence: Evidence, models: Sequence[str]) -> dict[str, Evidence]:
    """Return a large campaign's evidence in parts, one for each of these models.

    A comparison of two models is in both parts. Plans are in none: a pipeline belongs to no single model.
    """
    cells: dict[str, list[CellEvidence]] = defaultdict(list)
    comparisons: dict[str, list[ComparisonEvidence]] = defaultdict(list)
    calibrations: dict[str, list[CalibrationEvidence]] = defaultdict(list)
    stale: dict[str, list[Stale]] = defaultdict(list)
    for cell in evidence.cells:
        cells[cell.cell.model].append(cell)
    for comparison in evidence.comparisons:
        for model in list_sides(comparison):
            comparisons[model].append(comparison)
    for calibration in evidence.calibrations:
        calibrations[calibration.noise["cell"]["model"]].append(calibration)
    folders = {
        comparison_folder(evidence.campaign, item.report["comparison"]): list_sides(item)
        for item in evidence.comparisons
    }
    for document in evidence.stale:
        for model in _list_concerned(document.path, folders):
            stale[model].append(document)
    gated = {entry["comparison"]: entry for entry in evidence.gated}
    return {
        model: evidence._replace(
            cells=cells[model],
            comparisons=comparisons[model],
            calibrations=calibrations[model],
            identities={model: evidence.identities[model]},
            samples={model: evidence.samples[model]},
            plans=[],
            replays=[],
            services=[],
            gated=[gated[name] for name in _name_all(comparisons[model]) if name in gated],
            stale=tuple(stale[model]),
        )
        for model in models
    }


def list_sides(comparison: ComparisonEvidence) -> list[str]:
    """Return the models in whose parts a comparison is shown, the left one first; one if both sides have the same."""
    return list(dict.fromkeys(comparison.report[side]["model"] for side in ("left", "right")))


def _name_all(comparisons: list[ComparisonEvidence]) -> list[str]:
    return [item.report["comparison"] for item in comparisons]


def _list_concerned(path: str, folders: dict[str, list[str]]) -> list[str]:
    """Return the models that a stale document is about; `folders`: {folder of a comparison: its models}."""
    if path.split("/")[1] in _BY_MODEL:
        return [path.split("/")[2]]
    return folders.get(path.rpartition("/")[0], [])
