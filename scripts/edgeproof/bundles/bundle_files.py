"""Which files a bundle is made of: everything that the evidence of a campaign, or one run, rests on.

Models, samples and artifacts may be large or not yours to give away: they are named by digest and stay out, unless they
are asked for.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from edgeproof.artifacts.records.manifests import read_manifest
from edgeproof.core.attempts import FOLDER, RECORD
from edgeproof.core.configuration import Json
from edgeproof.core.documents import read_json
from edgeproof.core.errors import UserError
from edgeproof.core.files import is_file
from edgeproof.core.job_key import place_of, read_kept_key
from edgeproof.core.layout import (
    Cell,
    artifact_folder,
    comparison_folder,
    evidence_folder,
    family_folder,
    plan_folder,
    replay_folder,
    run_folder,
    source_folder,
    toolchain_record,
)
from edgeproof.core.pages import list_model_pages
from edgeproof.evidence.evidence_files import list_attempt_names, list_cells, list_pipelines

from .redaction import is_log

_ENVIRONMENT = "envs/edgeproof.lock"
_COMPARED = ("verdict.json", "pairs.json", "report.json", "regression.json", "decision.json")
_PLANNED = ("plan.json", "check.json")
_PLAN_VIEWS = ("plan.csv", "pareto.csv", "plan.txt", "plan.html")  # made from plan.json, as report.md from report.json
_CUT = ("scenario.json", "cut.json", "links.json")


class BundleFile(NamedTuple):
    """A file of a bundle: its path below the checkout, and its role: see `roles` in the schema `bundle`."""

    path: str
    role: str


def list_campaign_files(campaign: str) -> tuple[list[BundleFile], list[str]]:
    """Return (files, large ones that may stay out) of a campaign's bundle, sorted; the current folder has `results/`.

    UserError where a file is missing that the workflow makes.
    """
    wanted = read_json(f"{evidence_folder(campaign)}/wanted.json", "wanted")
    snapshot = wanted["campaign"]
    found = _Files()
    folder = evidence_folder(campaign)
    found.add("document", f"{folder}/wanted.json")
    pages = [f"{folder}/report.html", f"{folder}/report.md"]
    found.add("page", *pages, *list_model_pages(campaign, snapshot["cells"], snapshot["comparisons"]))
    found.add_if_there("document", f"{folder}/gate.json")
    for row in snapshot.get("replays", []):
        found.add_replay(replay_folder(*row))
    for row in snapshot.get("services", []):
        found.add_service(family_folder(*row))
    found.add_if_there("document", *wanted["keys"])  # what else the evidence is held against
    found.add_phases(f"{folder}/phases")
    for row in list_cells(snapshot):
        found.add_cell(Cell(*row[:4]), row[4])
    for path in wanted["noise"]:
        found.add("document", path)
        found.add("raw", str(Path(path).with_name("pairs.csv")))
        found.add_attempts(read_json(path, "noise"))
    for name in snapshot["comparisons"]:
        found.add_comparison(comparison_folder(campaign, name))
    for pipeline in list_pipelines(snapshot):
        found.add_if_there("document", *(f"{plan_folder(pipeline)}/{name}" for name in _CUT))
        for name in ("cut", "links"):
            if is_file(path := f"{plan_folder(pipeline)}/{name}.json"):
                found.add_attempts(read_json(path, name))
    for pipeline, goal in snapshot["plans"]:
        place = plan_folder(pipeline, goal)
        found.add("document", *(f"{place}/{name}" for name in _PLANNED))
        found.add("raw", f"{place}/samples.csv")
        found.add_if_there("page", *(f"{place}/{name}" for name in _PLAN_VIEWS))
        found.add_attempts(read_json(f"{place}/check.json", "plan-check"))
        found.add_if_there("configuration", f"config/pipelines/{pipeline}.yaml")
    return found.finish()


def list_family_cells(family: str) -> Iterator[tuple[Cell, str]]:
    """Yield (cell, builder) of every result that a filled family and so its bundle rests on; `family`: family.json."""
    for source in read_json(family, "filled-family")["sources"].values():
        result = source.get("result")
        if result and is_file(result):
            cell = read_json(result, "result")["cell"]
            yield Cell(*(cell[field] for field in Cell._fields)), cell["builder"]


def list_run_files(cell: Cell) -> tuple[list[BundleFile], list[str]]:
    """Return (files, large ones that may stay out) of the bundle of one run with its artifact and model, sorted."""
    result = f"{run_folder(cell)}/result.json"
    if not is_file(result):
        raise UserError(f"{result}: is missing; the cell has not been measured")
    found = _Files()
    found.add_cell(cell, read_json(result, "result")["cell"]["builder"])
    return found.finish()


def list_failed_files(attempt: str) -> tuple[list[BundleFile], list[str]]:
    """Return (files, none) of the bundle of a failed attempt, given the attempt's folder.

    They are its record, why it failed, and its logs.
    """
    found = _Files()
    found.add_attempt(attempt)
    return found.finish()


class _Files:
    """Files of a bundle as they are found: each once, with the role that it was first given."""

    def __init__(self) -> None:
        self._roles: dict[str, str] = {}
        self._large: dict[str, None] = {}

    def add(self, role: str, *paths: str) -> None:
        for path in paths:
            if not is_file(path):
                raise UserError(f"{path}: is missing; run the workflow before you make a bundle")
            self._roles.setdefault(path, role)

    def add_if_there(self, role: str, *paths: str) -> None:
        self.add(role, *(path for path in paths if is_file(path)))

    def add_large(self, *paths: str) -> None:
        """Add files that stay out unless they are asked for; an empty one, of a failed build, is always in."""
        for path in paths:
            if is_file(path) and Path(path).stat().st_size == 0:
                self.add("artifact", path)
            elif is_file(path):
                self._large[path] = None

    def add_cell(self, cell: Cell, builder: str) -> None:
        sources, built = source_folder(cell.model), artifact_folder(cell.model, cell.preset, builder, cell.precision)
        self.add("document", f"{sources}/identity.json", f"{sources}/samples/samples.json")
        self.add_large(f"{sources}/model.onnx", *(f"{sources}/samples/{n}.npz" for n in ("calibration", "evaluation")))
        self.add("document", f"{built}/manifest.json", f"{built}/parity.json")
        self.add("raw", f"{built}/reference.npz")
        manifest = read_manifest(f"{built}/manifest.json")
        self.add_large(f"{built}/{manifest['artifact']['file']}")
        if made := manifest.get("intermediate"):
            self.add("document", str(Path(made["file"]).with_suffix(".json")))
            self.add_large(made["file"])
        if lock := manifest.get("toolchain_lock_file"):
            self.add_if_there("environment", toolchain_record(Path(lock).stem), lock)
        folder = run_folder(cell)
        if is_file(f"{folder}/result.json"):  # a scenario's cell may have none
            self.add("document", f"{folder}/result.json")
            self.add("raw", f"{folder}/samples.csv")
            result = read_json(f"{folder}/result.json", "result")
            self.add_attempts(result)
            protocol = result["protocol"]["requested"].get("name")
            self.add_if_there("configuration", f"config/protocols/{protocol}.yaml")
        kinds = {"models": cell.model, "presets": cell.preset, "devices": cell.device}
        self.add_if_there("configuration", *(f"config/{kind}/{name}.yaml" for kind, name in kinds.items()))

    def add_comparison(self, folder: str) -> None:
        self.add("document", *(f"{folder}/{name}" for name in _COMPARED))
        self.add("raw", f"{folder}/pairs.csv")
        self.add_if_there("page", f"{folder}/report.md")
        self.add_attempts(read_json(f"{folder}/pairs.json", "pairs"))
        verdict, regression = (read_json(f"{folder}/{name}.json", name) for name in ("verdict", "regression"))
        decision = read_json(f"{folder}/decision.json", "decision")
        self.add_if_there("configuration", f"config/policies/{verdict['policy']}.yaml")
        self.add_if_there("configuration", f"config/criteria/{decision['criteria']}.yaml")
        self.add_if_there("configuration", f"config/regressions/{regression['policy']}.yaml")
        self.add_if_there("configuration", *(str(path) for path in sorted(Path("config/policies").glob("*.yaml"))))

    def add_replay(self, folder: str) -> None:
        """Add a trace that was replayed, and the family whose variants it chose from."""
        self.add("document", f"{folder}/summary.json")
        summary = read_json(f"{folder}/summary.json", "adaptation")
        self.add("document", summary["family"]["path"])
        self.add("configuration", summary["trace"]["document"]["file"])
        for cell, builder in list_family_cells(summary["family"]["path"]):
            self.add_cell(cell, builder)
        self.add("raw", f"{folder}/decisions.jsonl")
        self.add_if_there("page", f"{folder}/page.html")

    def add_service(self, folder: str) -> None:
        """Add what a served family can take, with its raw answers, and the family."""
        self.add("document", f"{folder}/service.json", f"{folder}/family.json")
        self.add("raw", f"{folder}/service.npz")

    def add_phases(self, folder: str) -> None:
        """Add the phases of a campaign, which not every campaign has, and the criteria of its decisions."""
        for path in sorted(Path(folder).rglob("*")):
            if path.is_file() and not path.name.startswith("."):
                self.add("document" if path.suffix == ".json" else "page", str(path))
        if is_file(report := f"{folder}/report.json") and is_file(place_of(report)):
            for service in read_kept_key(place_of(report))["parts"].get("services", {}).values():
                self.add_service(str(Path(service).parent))
        for path in sorted(Path(folder).glob("*/decision.json")):
            criteria = read_json(path, "phase-decision")["criteria"]
            self.add_if_there("configuration", f"config/criteria/{criteria}.yaml")

    def add_attempts(self, document: Any) -> None:
        for folder in dict.fromkeys(list_attempt_names(document)):
            self.add_attempt(folder)

    def add_attempt(self, folder: str) -> None:
        if not is_file(f"{folder}/{RECORD}"):
            raise UserError(f"{folder}/{RECORD}: is missing; run the workflow before you make a bundle")
        for path in sorted(Path(folder).rglob("*")):
            if path.is_file() and not path.name.endswith((".lock", ".part")):
                self.add("log" if is_log(path.name) else "raw", str(path))

    def finish(self) -> tuple[list[BundleFile], list[str]]:
        """Return everything, with the keys of what is there, and the environment."""
        for path in list(self._roles):
            if path.startswith("results/") and f"/{FOLDER}/" not in path:
                self.add_if_there("key", str(place_of(path)))
        for path in list(self._large):
            self.add_if_there("key", str(place_of(path)))
        self.add_if_there("environment", _ENVIRONMENT)
        files = [BundleFile(path, role) for path, role in sorted(self._roles.items())]
        return files, sorted(self._large)


def group_by_role(files: Iterable[Json]) -> Iterator[tuple[str, int, int]]:
    """Yield (role, how many files, their bytes) of the files of a bundle, entries of its manifest, sorted by role."""
    counts: dict[str, list[int]] = {}
    for entry in files:
        count = counts.setdefault(entry["role"], [0, 0])
        count[0] += 1
        count[1] += entry["bytes"]
    for role, (number, size) in sorted(counts.items()):
        yield role, number, size
