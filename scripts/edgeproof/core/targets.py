"""What the rules ask of a campaign: the sides of a comparison, who calibrates, which files it wants.

Everything here follows from the catalogues and the checked campaign alone, so it is tested without Snakemake.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .campaign import DEFAULT_MARGIN, Campaign, Comparison
from .configuration import Json
from .layout import (
    ARTIFACT_FILES,
    COMPARISON_FILES,
    PLAN_FILES,
    REPLAY_FILES,
    RUN_FILES,
    SOURCE_FILES,
    Cell,
    calibration_folder,
    comparison_folder,
    evidence_folder,
    family_folder,
    plan_folder,
    replay_folder,
    run_folder,
    source_folder,
)
from .pages import list_model_pages
from .pipelines import list_cells
from .preset_builds import draws, list_builds
from .stages import Stages
from .variant_families import list_family_cells, list_family_files

_OF_PAIRS = ("block_pairs", "block_seconds", "pair_seconds")  # keys of a protocol that no run looks at
_OF_RUNS = ("sessions", "width", "load")  # and those that no pair looks at
_AMOUNTS = ("description", "pairs", "seconds")
# The targets that a page, a gate and a bundle of the campaign speak of.
SPOKEN_OF = ("sources", "artifacts", "runs", "calibration", "comparability", "plans", "adaptation")


class Targets:
    """One campaign over `catalogues`, {kind: {name: document}}."""

    def __init__(self, campaign: Campaign, stages: Stages, catalogues: Mapping[str, Mapping[str, Any]]) -> None:
        self.campaign, self.stages, self.cells = campaign, stages, stages.cells
        self.catalogues, self.protocols = catalogues, catalogues["protocol"]
        self.regression_policies = catalogues["regression-policy"]
        self.models = list(dict.fromkeys(cell.model for cell in campaign.cells))
        self.calibrated: list[Cell] = list(campaign.calibration["cells"]) if campaign.calibration else []

    # Targets of the Snakefile

    def list_wanted(self, *names: str) -> list[str]:
        """Return the files that these targets want, each once; `names`: of SPOKEN_OF, and `pages`, `gate`."""
        return list(dict.fromkeys(path for name in names for path in self._list_wanted(name)))

    def _list_wanted(self, name: str) -> list[str]:
        cells, evidence = self.campaign.cells, evidence_folder(self.campaign.name)
        match name:
            case "sources":
                return [f"{source_folder(model)}/{file}" for model in self.models for file in SOURCE_FILES]
            case "artifacts":
                files = [self.cells.artifact_of(cell) for cell in cells]
                files += [f"{self.cells.artifact_folder_of(cell)}/{file}" for cell in cells for file in ARTIFACT_FILES]
                return files + self.build_files(*self.campaign.comparisons)
            case "runs":
                return [f"{run_folder(cell)}/{file}" for cell in cells for file in RUN_FILES]
            case "calibration":
                return self.noise_files("noise.json", "pairs.csv")
            case "comparability":
                sides = [side for item in self.campaign.comparisons.values() for side in (item.left, item.right)]
                files = self.comparison_files(*COMPARISON_FILES)
                return files + [f"{run_folder(side)}/{file}" for side in sides for file in RUN_FILES]
            case "plans":
                return self.plan_targets()
            case "adaptation":
                return self.adaptation_targets()
            case "pages":
                return [f"{evidence}/report.html", f"{evidence}/report.md", *self.model_pages()]
            case "gate":
                return [f"{evidence}/gate.json"]
            case _:
                raise ValueError(f"{name} is no target")

    # Runs and calibrations

    def run_protocol(self) -> Json:
        """Return what of the campaign's protocol decides a run."""
        return self._select(_OF_PAIRS)

    def pair_protocol(self) -> Json:
        """Return what of the campaign's protocol decides pairs, their number and time left out."""
        return self._select(_OF_RUNS)

    def _select(self, without: Sequence[str]) -> Json:
        protocol = self.protocols[self.campaign.protocol]
        kept = {key: value for key, value in protocol.items() if key not in (*_AMOUNTS, *without)}
        return {"name": self.campaign.protocol, **kept}

    def calibration_plan(self) -> Json:
        """Return how much a calibration measures, and the margin whose verdicts it predicts."""
        amounts = self.campaign.calibration or {"pairs": 0, "sessions": 0}
        return {"pairs": amounts["pairs"], "sessions": amounts["sessions"], "margin": DEFAULT_MARGIN}

    def noise_files(self, *names: str) -> list[str]:
        """Return these files (noise.json, pairs.csv) of all calibrations of the campaign."""
        folders = [calibration_folder(cell, self.campaign.protocol) for cell in self.calibrated]
        return [f"{folder}/{name}" for folder in folders for name in names]

    # Comparisons

    def comparison(self, name: str) -> Comparison:
        """Return the comparison of this name."""
        return self.campaign.comparisons[name]

    def side_file(self, side: str, file: str) -> Callable[[Any], str]:
        """Return an input function: a file of the run (result.json, …), of the artifact (parity.json) or of the sources
        (samples/…) of a side.
        """
        folder_of = run_folder if file in RUN_FILES else self.cells.artifact_folder_of
        if file in SOURCE_FILES:
            folder_of = _sources_of
        return lambda wildcards: f"{folder_of(getattr(self.comparison(wildcards.comparison), side))}/{file}"

    def noise_of(self, comparison: str) -> list[str]:
        """Return the calibrations on a comparison's left device: how much its pairs depend on each other is pooled."""
        device = self.comparison(comparison).left.device
        folders = [
            calibration_folder(cell, self.campaign.protocol) for cell in self.calibrated if cell.device == device
        ]
        return [f"{folder}/noise.json" for folder in folders]

    def comparison_files(self, *names: str) -> list[str]:
        """Return these files of all comparisons of the campaign."""
        folders = [comparison_folder(self.campaign.name, name) for name in self.campaign.comparisons]
        return [f"{folder}/{name}" for folder in folders for name in names]

    def builds_of(self, comparison: str) -> list[tuple[Cell, Cell]]:
        """Return both cells of each pair of builds of a comparison, its own first; [] if no builder draws.

        A side whose builder does not draw, or that is a stored artifact, is the same in each.
        """
        left, right = self.comparison(comparison).left, self.comparison(comparison).right
        builds = [self._builds_of(cell) for cell in (left, right)]
        count = min((len(each) for each in builds if each), default=0)
        return [(builds[0][i] if builds[0] else left, builds[1][i] if builds[1] else right) for i in range(count)]

    def _builds_of(self, cell: Cell) -> list[Cell]:
        preset = self.cells.presets[cell.preset]
        if draws(preset) and cell.model in self.cells.kept_models():
            return [cell]
        return [cell._replace(preset=name) for name in list_builds(cell.preset, preset)]

    def build_paths(self, comparison: str) -> list[Json]:
        """Return {left, right}, the paths of the artifacts, of each pair of builds of a comparison."""
        return [
            {"left": self.cells.artifact_of(left), "right": self.cells.artifact_of(right)}
            for left, right in self.builds_of(comparison)
        ]

    def build_files(self, *comparisons: str) -> list[str]:
        """Return artifact, manifest, parity and reference of every build that these comparisons pair."""
        cells = dict.fromkeys(cell for name in comparisons for pair in self.builds_of(name) for cell in pair)
        files: list[str] = []
        for cell in cells:
            files.append(self.cells.artifact_of(cell))
            files += [f"{self.cells.artifact_folder_of(cell)}/{name}" for name in ARTIFACT_FILES]
        return files

    def pair_budget(self, comparison: str) -> Json:
        """Return how much a comparison may measure: {pairs, seconds or None}. It is in no attempt's key."""
        own, protocol = self.comparison(comparison), self.protocols[self.campaign.protocol]
        return {"pairs": own.pairs or protocol["pairs"], "seconds": own.seconds or protocol.get("seconds")}

    def margin_of(self, comparison: str) -> float:
        """Return the margin within which both sides of a comparison count as equal, as a fraction."""
        return self.comparison(comparison).margin

    def design_of(self, comparison: str) -> Json:
        """Return what a verdict is fixed to before the first pair: its margin, and how many comparisons share the
        level.
        """
        return {"margin": self.margin_of(comparison), "comparisons": max(1, len(self.campaign.comparisons))}

    def gated_regressions(self) -> Json:
        """Return the comparisons whose regression shuts the gate, and the rules for it where there is one."""
        gated = [name for name, comparison in self.campaign.comparisons.items() if comparison.gated]
        return {"gated": gated, **(self.campaign.regressions if gated else {})}

    # Plans

    def list_plans(self) -> list[list[str]]:
        """Return [pipeline, goal] of every plan that the campaign wants."""
        pipelines = self.stages.pipelines
        return [[name, goal] for name in self.campaign.pipelines for goal in pipelines[name]["goals"]]

    def planned_files(self, *names: str) -> list[str]:
        """Return these files of every plan that the campaign wants."""
        return [f"{plan_folder(pipeline, goal)}/{name}" for pipeline, goal in self.list_plans() for name in names]

    def plan_targets(self) -> list[str]:
        """Return every file that planning the campaign's pipelines makes."""
        targets: list[str] = []
        for name in self.campaign.pipelines:
            document, folder = self.stages.pipelines[name], plan_folder(name)
            cells = list(dict.fromkeys(cell for _, _, cell in list_cells(name, document)))
            models = dict.fromkeys(cell.model for cell in cells)
            targets += [f"{source_folder(model)}/{file}" for model in models for file in SOURCE_FILES]
            targets += [f"{self.cells.artifact_folder_of(cell)}/{file}" for cell in cells for file in ARTIFACT_FILES]
            targets += [f"{run_folder(cell)}/{file}" for cell in cells for file in RUN_FILES]
            targets += [f"{folder}/scenario.json", *self.stages.links_of(name), *self.stages.cut_of(name)]
        return targets + self.planned_files(*PLAN_FILES)

    # Adaptation

    def list_families(self) -> list[list[str]]:
        """Return [family, device] of every family that the campaign adapts with."""
        return [[name, device] for name in self.campaign.adaptation["families"] for device in self.campaign.devices]

    def list_replays(self) -> list[list[str]]:
        """Return [family, device, policy, trace] of every replay that the campaign wants."""
        wanted = self.campaign.adaptation
        return [
            [family, device, policy, trace]
            for family, device in self.list_families()
            for policy in wanted["policies"]
            for trace in wanted["traces"]
        ]

    def family_cells(self, family: str, device: str) -> list[Cell]:
        """Return the cells whose results fill a family on a device."""
        return list(dict.fromkeys(list_family_cells(self.catalogues["family"][family], device).values()))

    def family_files(self, family: str, device: str, name: str) -> list[str]:
        """Return a file (result.json, parity.json, identity.json, …) of each cell that fills a family."""
        return [f"{self._place_of(cell, name)}/{name}" for cell in self.family_cells(family, device)]

    def family_artifacts(self, family: str, device: str) -> list[str]:
        """Return the artifacts of a family's cells on a device; files that it names enter its key by their bytes."""
        return [self.cells.artifact_of(cell) for cell in self.family_cells(family, device)]

    def family_sources(self, family: str, device: str) -> Json:
        """Return, by variant, the paths of a family's file and of what fills it: result, parity, identity."""
        document = self.catalogues["family"][family]
        sources: Json = {name: {"path": path} for name, path in list_family_files(document).items()}
        for name, cell in list_family_cells(document, device).items():
            sources[name] = {
                "path": self.cells.artifact_of(cell),
                "result": f"{run_folder(cell)}/result.json",
                "parity": f"{self.cells.artifact_folder_of(cell)}/parity.json",
                "identity": f"{source_folder(cell.model)}/identity.json",
            }
        return {name: sources[name] for name in document["variants"]}

    def replayed_files(self, *names: str) -> list[str]:
        """Return these files of every replay that the campaign wants."""
        return [f"{replay_folder(*row)}/{name}" for row in self.list_replays() for name in names]

    def adaptation_targets(self) -> list[str]:
        """Return every file that the campaign's families and replays are made of."""
        targets: list[str] = []
        for family, device in self.list_families():
            for cell in self.family_cells(family, device):
                targets += [f"{source_folder(cell.model)}/{file}" for file in SOURCE_FILES]
                targets += [f"{self.cells.artifact_folder_of(cell)}/{file}" for file in ARTIFACT_FILES]
                targets += [f"{run_folder(cell)}/{file}" for file in RUN_FILES]
            targets.append(f"{family_folder(family, device)}/family.json")
        return list(dict.fromkeys(targets)) + self.replayed_files(*REPLAY_FILES) + self.service_files()

    def list_services(self) -> list[list[str]]:
        """Return [family, device] of every family that the campaign serves."""
        return self.list_families() if "service" in self.campaign.adaptation else []

    def service_files(self) -> list[str]:
        """Return the measurement of every family that the campaign serves."""
        return [f"{family_folder(family, device)}/service.json" for family, device in self.list_services()]

    def _place_of(self, cell: Cell, name: str) -> str:
        """Return the folder of one of a cell's files."""
        if name in SOURCE_FILES:
            return source_folder(cell.model)
        return run_folder(cell) if name in RUN_FILES else self.cells.artifact_folder_of(cell)

    # Evidence

    def model_pages(self, campaign: str | None = None) -> list[str]:
        """Return the pages of models that the report has besides its first page; `campaign`: a wildcard instead."""
        return list_model_pages(campaign or self.campaign.name, self.campaign.cells, self.campaign.comparisons)

    def describe(self) -> Json:
        """Return what of the configuration decides which cells, comparisons and plans the evidence shows."""
        return {
            "campaign": self.campaign.name,
            "cells": [[*cell, self.cells.builder_of(cell)] for cell in self.campaign.cells],
            "comparisons": list(self.campaign.comparisons),
            "plans": self.list_plans(),
            **({"replays": replays} if (replays := self.list_replays()) else {}),
            **({"services": services} if (services := self.list_services()) else {}),
        }


def _sources_of(cell: Cell) -> str:
    return source_folder(cell.model)
