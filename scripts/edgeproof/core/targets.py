"""What the rules ask of a campaign: the sides of a comparison, who calibrates, which files it wants.

Everything here follows from the catalogues and the checked campaign alone, so it is tested without Snakemake.
"""

from collections.abc import Callable, Mapping
from typing import Any

from .campaign import DEFAULT_MARGIN, Campaign, Comparison
from .configuration import Json
from .errors import UserError
from .layout import (
    ARTIFACT_FILES,
    PLAN_FILES,
    RUN_FILES,
    SOURCE_FILES,
    Cell,
    calibration_folder,
    plan_folder,
    run_folder,
    source_folder,
)
from .pipelines import list_cells
from .stages import Stages


class Targets:
    """One campaign over the catalogues; `protocols` and `regression_policies` are those of the configuration."""

    def __init__(self, campaign: Campaign, stages: Stages, catalogues: Mapping[str, Mapping[str, Any]]) -> None:
        self.campaign, self.stages, self.cells = campaign, stages, stages.cells
        self.protocols = catalogues["protocol"]
        self.regression_policies = catalogues["regression-policy"]
        self.models = list(dict.fromkeys(cell.model for cell in campaign.cells))
        self.calibrated = list(campaign.calibration["cells"]) if campaign.calibration else []

    # Runs and calibrations

    def run_protocol(self) -> Json:
        """Return what of the campaign's protocol decides a run."""
        protocol = self.protocols[self.campaign.protocol]
        kept = {key: value for key, value in protocol.items() if key not in ("description", "pairs")}
        return {"name": self.campaign.protocol, **kept}

    def calibrating_cell(self, device: str) -> Cell:
        """Return the cell that calibrates a device; UserError when the campaign does not calibrate it."""
        if self.campaign.calibration is None or device not in self.calibrated:
            raise UserError(
                f"the campaign {self.campaign.name} does not calibrate {device}: add `calibration` to its file"
            )
        return self.campaign.calibration["cells"][device]

    def calibration_plan(self, device: str, runtime: str) -> Json:
        """Return how much is measured for a calibration, the version of the runtime, and the margin asked about."""
        self.calibrating_cell(device)
        amounts = self.campaign.calibration or {}
        return {key: amounts[key] for key in ("pairs", "sessions")} | {"margin": DEFAULT_MARGIN, "runtime": runtime}

    # Comparisons

    def comparison(self, name: str) -> Comparison:
        """Return the comparison of this name."""
        return self.campaign.comparisons[name]

    def side_file(self, side: str, file: str) -> Callable[[Any], str]:
        """Return an input function: a file of the run (result.json, …) or of the artifact (parity.json) of a side."""
        folder_of = run_folder if file in RUN_FILES else self.cells.artifact_folder_of
        return lambda wildcards: f"{folder_of(getattr(self.comparison(wildcards.comparison), side))}/{file}"

    def noise_of(self, comparison: str) -> list[str]:
        """Return the calibrations that a comparison's report uses: those of its devices that are calibrated."""
        sides = self.comparison(comparison)
        devices = dict.fromkeys((sides.left.device, sides.right.device))
        return [f"{calibration_folder(device)}/noise.json" for device in devices if device in self.calibrated]

    def pair_budget(self, comparison: str) -> int:
        """Return how many pairs a comparison may measure."""
        return self.comparison(comparison).pairs or self.protocols[self.campaign.protocol]["pairs"]

    def margin_of(self, comparison: str) -> float:
        """Return the margin within which both sides of a comparison count as equal, as a fraction."""
        return self.comparison(comparison).margin

    def regression_comparability(self) -> list[str]:
        """Return the comparability policy that the regression policy names, as a list of none or one file."""
        policy = self.regression_policies[self.campaign.regressions["policy"]]["comparability"]
        return [f"config/policies/{policy}.yaml"] if policy else []

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

    # Evidence

    def describe(self) -> Json:
        """Return what of the configuration decides which cells, comparisons and plans the evidence shows."""
        return {
            "campaign": self.campaign.name,
            "cells": [[*cell, self.cells.builder_of(cell)] for cell in self.campaign.cells],
            "comparisons": list(self.campaign.comparisons),
            "plans": self.list_plans(),
        }
