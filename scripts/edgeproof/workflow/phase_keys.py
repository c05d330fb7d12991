"""What the rules of a five-phase evaluation ask: the files of its candidates, and the key of every job."""

import os
from types import SimpleNamespace
from typing import Any

from edgeproof.core.campaign_files import CampaignFiles
from edgeproof.core.campaign_view import BASE
from edgeproof.core.configuration import Json
from edgeproof.core.errors import UserError
from edgeproof.core.layout import (
    ARTIFACT_FILES,
    RUN_FILES,
    SOURCE_FILES,
    Cell,
    comparison_folder,
    evidence_folder,
    family_folder,
    run_folder,
    source_folder,
    toolchain_record,
)
from edgeproof.core.phase_plan import PhasePlan, expand_phases

from .job_graph import Job
from .job_keys import JobKeys, digest_job

_PHASES = ("preparation.json", "conversion.json")
_PAGES = ("report.json", "report.md", "report.html", "candidates.csv", "latency.svg")
_OF_DEVICE = ("decision.json", "runbook.md")


class PhaseKeys:
    """The five-phase evaluation of a campaign; `plan` is None where it has none, and then nothing below is asked."""

    def __init__(self, files: CampaignFiles, keys: JobKeys) -> None:
        self.files, self.keys, self.targets, self.cells = files, keys, keys.targets, keys.targets.cells
        where = files.locate("phases")
        self.plan = expand_phases(files.config, self.targets.campaign, self.targets.catalogues, where)

    @property
    def known(self) -> PhasePlan:
        """The plan; UserError where the campaign has none."""
        if self.plan is None:
            raise UserError(f"{self.targets.campaign.name}: has no `phases`; see config/phases-demo.yaml")
        return self.plan

    @property
    def folder(self) -> str:
        """Where everything of the evaluation is."""
        return f"{evidence_folder(self.targets.campaign.name)}/phases"

    # Files

    def list_targets(self) -> list[str]:
        """Return every file that the evaluation makes; UserError where the campaign has none."""
        own = [f"{self.folder}/{device}/{name}" for device in self.known.devices for name in _OF_DEVICE]
        return [f"{self.folder}/{name}" for name in (*_PHASES, *_PAGES)] + own

    def list_evidence(self) -> list[str]:
        """Return every file that the evaluation rests on: of its samples, candidates, comparisons and services."""
        plan = self.known
        files = [f"{source_folder(plan.model)}/{name}" for name in SOURCE_FILES]
        files += [self.cells.artifact_of(cell) for cell in plan.cells()]
        files += self.artifacts(*ARTIFACT_FILES)
        for device in plan.devices:
            files += [*self.results(device, *RUN_FILES), *self.comparisons(device)]
        return list(dict.fromkeys([*files, *self.services().values()]))

    def files_of_devices(self, name: str) -> list[str]:
        """Return this file of every device."""
        return [f"{self.folder}/{device}/{name}" for device in self.known.devices]

    def artifacts(self, *names: str) -> list[str]:
        """Return these files of the artifact of every candidate."""
        folders = dict.fromkeys(self.cells.artifact_folder_of(cell) for cell in self.known.cells())
        return [f"{folder}/{name}" for folder in folders for name in names]

    def results(self, device: str, *names: str) -> list[str]:
        """Return these files of the run of every candidate on a device."""
        return [f"{run_folder(cell)}/{name}" for cell in self.known.cells_of(device).values() for name in names]

    def comparisons(self, device: str) -> list[str]:
        """Return the reports of the campaign's comparisons between two candidates on a device."""
        return list(self._name_comparisons(device).values())

    def services(self) -> dict[str, str]:
        """Return {device: service.json} of the family that is served beside the runs."""
        plan = self.known
        return {
            device: f"{family_folder(plan.service, device)}/service.json" for device in plan.devices if plan.service
        }

    def list_made(self) -> dict[str, Json]:
        """Return {path: today's key} of the evaluation's JSON documents that are there; the report names stale ones."""
        known = {path: job.key for path, job in list_phase_jobs(self).items() if path.endswith(".json")}
        return {path: key for path, key in known.items() if os.path.isfile(path)}

    def toolchains(self) -> list[str]:
        """Return the records of the toolchains that build the candidates."""
        named = (self.cells.presets[cell.preset].get("toolchain") for cell in self.known.cells())
        return [toolchain_record(name) for name in dict.fromkeys(named) if name]

    # Keys

    def prepare_phases(self, w: Any) -> Json:
        """The model, and how many samples are not enough."""
        plan = self.known
        names = {"campaign": w.campaign, "model": plan.model, "more_than": plan.more_than}
        return {**names, **digest_job("prepare_phases")}

    def collect_conversions(self, w: Any) -> Json:
        """The candidates' artifacts."""
        plan = self.known
        folders = {
            name: self.cells.artifact_folder_of(cell)
            for device in plan.devices
            for name, cell in plan.cells_of(device).items()
        }
        names = {"campaign": w.campaign, "model": plan.model, "more_than": plan.more_than}
        return {**names, "folders": folders, **digest_job("collect_conversions")}

    def decide_device(self, w: Any) -> Json:
        """The candidates, what they are held to, and how one of them is chosen."""
        plan = self.known
        criteria = self.targets.catalogues["criteria"][plan.criteria]
        values = {key: value for key, value in criteria.items() if key != "description"}
        return {"request": self._request(w.device), **digest_job("decide_device", criteria=values)}

    def write_runbook(self, w: Any) -> Json:
        """The device, its candidates, and the campaign's files."""
        cells = {name: list(cell) for name, cell in self.known.cells_of(w.device).items()}
        return {
            "device": w.device,
            "description": self.cells.describe_device(w.device),
            "cells": cells,
            "protocol": self.targets.run_protocol(),
            "files": [os.path.relpath(path) for path in self.files.files if path != BASE],
            **digest_job("write_runbook"),
        }

    def report_phases(self, w: Any) -> Json:
        """What every device was decided from."""
        requests = {device: self._request(device) for device in self.known.devices}
        return {"requests": requests, "services": self.services(), **digest_job("report_phases", campaign=w.campaign)}

    def _request(self, device: str) -> Json:
        plan = self.known
        cells = plan.cells_of(device)
        return {
            "campaign": self.targets.campaign.name,
            "device": device,
            "cells": {name: list(cell) for name, cell in cells.items()},
            "artifacts": {name: self.cells.artifact_folder_of(cell) for name, cell in cells.items()},
            "comparisons": self._name_comparisons(device),
            "criteria": plan.criteria,
            "lighter_by": plan.lighter_by,
            "best_by": plan.best_by,
            "declared": plan.declared,
        }

    def _name_comparisons(self, device: str) -> dict[str, str]:
        own: set[Cell] = set(self.known.cells_of(device).values())
        campaign = self.targets.campaign
        return {
            name: f"{comparison_folder(campaign.name, name)}/report.json"
            for name, comparison in campaign.comparisons.items()
            if {comparison.left, comparison.right} <= own
        }


def list_phase_jobs(phases: PhaseKeys) -> dict[str, Job]:
    """Return {document: its Job} of a five-phase evaluation, with its keys; `job_graph.list_jobs` has the rest."""
    if phases.plan is None:
        return {}
    campaign, folder = phases.targets.campaign.name, phases.folder
    preparation, conversion = f"{folder}/preparation.json", f"{folder}/conversion.json"
    samples = f"{source_folder(phases.plan.model)}/samples/samples.json"
    jobs: dict[str, Job] = {}

    def add(document: str, rule: str, reads: list[str], **names: str) -> None:
        names = {"campaign": campaign, **names}
        jobs[document] = Job(rule, getattr(phases, rule)(SimpleNamespace(**names)), tuple(reads), names)

    add(preparation, "prepare_phases", [samples, *phases.toolchains()])
    add(conversion, "collect_conversions", phases.artifacts("manifest.json", "parity.json"))
    for device in phases.plan.devices:
        reads = [preparation, conversion, *phases.results(device, "result.json"), *phases.comparisons(device)]
        add(f"{folder}/{device}/decision.json", "decide_device", reads, device=device)
        add(f"{folder}/{device}/runbook.md", "write_runbook", [], device=device)
    decisions = phases.files_of_devices("decision.json")
    add(f"{folder}/report.json", "report_phases", [preparation, conversion, *decisions, *phases.services().values()])
    return jobs
