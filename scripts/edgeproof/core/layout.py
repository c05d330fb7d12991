"""Where results are: the path grammar of docs/architecture.md, in one place."""

import os
from pathlib import Path
from typing import NamedTuple

FilePath = str | os.PathLike[str]
REPOSITORY = Path(__file__).resolve().parents[3]
IMPORTED = "results/imported"  # bundles of evidence that were made elsewhere, each in a folder of its own
REFUTED = "-refuted"  # ends the name of one that was taken in although a claim in it is refuted

# What each room makes for one model, cell, comparison or plan (an artifact's own name depends on its preset).
SOURCE_FILES = (
    "model.onnx",
    "identity.json",
    "samples/calibration.npz",
    "samples/evaluation.npz",
    "samples/samples.json",
)
ARTIFACT_FILES = ("manifest.json", "parity.json", "reference.npz")
RUN_FILES = ("result.json", "samples.csv")
COMPARISON_FILES = (
    "verdict.json",
    "pairs.csv",
    "pairs.json",
    "report.json",
    "report.md",
    "regression.json",
    "decision.json",
)
PLAN_FILES = ("plan.json", "plan.csv", "pareto.csv", "plan.txt", "plan.html", "check.json", "samples.csv")

REPLAY_FILES = ("decisions.jsonl", "summary.json", "page.html")


def name_from_here(path: FilePath, root: Path) -> str:
    """Return a path of the layout as a user is to see it: as it is in the repository `root`, elsewhere absolute."""
    return str(path) if Path.cwd() == root.resolve() else str(root.resolve() / path)


class Cell(NamedTuple):
    """One measurement that a campaign wants."""

    model: str
    preset: str
    device: str
    precision: str

    def __str__(self) -> str:
        return "/".join(self)


def toolchain_record(name: str) -> str:
    """Return the layout's path of the record of an environment that builds or runs artifacts."""
    return f"results/toolchains/{name}.json"


def toolchain_interpreter(name: str) -> str:
    """Return the layout's path of such an environment's Python: outside results/, for environments are no results."""
    return f".toolchains/{name}/bin/python"


def source_folder(model: str) -> str:
    """Return the layout's folder of a model's sources, relative to the repository."""
    return f"results/sources/{model}"


def artifact_folder(model: str, preset: str, builder: str, precision: str) -> str:
    """Return the layout's folder of one artifact; `builder` is `host` or the device that built it."""
    return f"results/artifacts/{model}/{preset}/{builder}/{precision}"


def name_build(preset: str, number: int) -> str:
    """Return how the layout of results names a preset in the paths of its build of this number, from 1.

    The first has the preset's own. Only presets whose builder draws have others (`core.preset_builds`).
    """
    return preset if number == 1 else f"{preset}-build-{number}"


def run_folder(cell: Cell) -> str:
    """Return the layout's folder of a cell's measurement."""
    return f"results/runs/{cell}"


def observed_folder(name: str) -> str:
    """Return the layout's folder of an observed run: a recording of a user's own loop, under the name it was given."""
    return f"results/observed/{name}"


def calibration_folder(cell: Cell, protocol: str) -> str:
    """Return the layout's folder of a cell's calibration by a protocol."""
    return f"results/calibration/{cell}/{protocol}"


def comparison_folder(campaign: str, name: str) -> str:
    """Return the layout's folder of a campaign's comparison: another campaign may use the same name."""
    return f"results/comparability/{campaign}/{name}"


def plan_folder(pipeline: str, goal: str | None = None) -> str:
    """Return the layout's folder of a pipeline's plans, or of the plan for one goal."""
    return f"results/plans/{pipeline}" + (f"/{goal}" if goal else "")


def family_folder(family: str, device: str) -> str:
    """Return the layout's folder of a family on a device."""
    return f"results/adaptation/{family}/{device}"


def replay_folder(family: str, device: str, policy: str, trace: str) -> str:
    """Return the layout's folder of a trace replayed by a policy."""
    return f"{family_folder(family, device)}/{policy}/{trace}"


def evidence_folder(campaign: str) -> str:
    """Return the layout's folder of a campaign's evidence."""
    return f"results/evidence/{campaign}"


def relative_to_repository(path: FilePath, root: FilePath = ".") -> str:
    """Return `path` as the layout has it, text relative to the repository, if it lies inside; else unchanged.

    Records hold such paths, so that they do not depend on where the repository is. A link inside the repository that
    points outside (the Python of a virtual environment) counts as inside.
    """
    if root == "." and not os.path.isabs(path):
        inside = os.path.normpath(path)  # as below, without asking where the repository is
        if inside.split(os.sep, 1)[0] != os.pardir:
            return inside
    for follow in (os.path.abspath, os.path.realpath):
        place, base = follow(path), follow(root)
        if place == base:
            return "."
        if place.startswith(inside := base.rstrip(os.sep) + os.sep):
            return place.removeprefix(inside)
    return str(path)


def locate(path: FilePath) -> str:
    """Return a path as the layout of results writes it: relative to this repository if inside it, else unchanged."""
    return relative_to_repository(path, REPOSITORY)
