"""The jobs of a campaign and what each reads, as `rules/` have them: computed from configuration and code alone.

A job is named by its document, the file that `--made` names. A test holds this graph against what Snakemake lists.
"""

from collections.abc import Iterable, Iterator
from types import SimpleNamespace
from typing import Any, NamedTuple

from edgeproof.artifacts.records.formats import FORMATS
from edgeproof.core.configuration import Json
from edgeproof.core.exported_sources import EXPORTING_TOOLCHAINS
from edgeproof.core.layout import (
    Cell,
    artifact_folder,
    calibration_folder,
    comparison_folder,
    evidence_folder,
    family_folder,
    plan_folder,
    replay_folder,
    run_folder,
    source_folder,
    toolchain_record,
)
from edgeproof.core.progress import COUNTED

from .job_keys import JobKeys

# Rules whose jobs start sessions of the agent, which are found again in the store, and all that take a device's time.
MEASURING = tuple(COUNTED)
_SOURCES = {
    "file": "copy_model",
    "url": "download_model",
    "recipe": "run_recipe",
    "torch": "export_model",
    "tensorflow": "export_model",
    "stage": "cut_stage",
}
ON_DEVICE = (*MEASURING, "build_tensorrt", "build_rknn", "check_parity_on_device")


class Job(NamedTuple):
    """One job: its rule, today's key, and the documents of the jobs that it reads from. `names`: its wildcards."""

    rule: str
    key: Json
    reads: tuple[str, ...]
    names: Json


def list_jobs(keys: JobKeys, further: Iterable[Cell] = ()) -> dict[str, Job]:
    """Return the graph of jobs, {document: its Job}, of all that a campaign wants, each after those that it reads from.

    `further`: cells that something else wants to have measured, such as candidates of its phases.
    """
    builder = _Builder(keys)
    builder.build()
    for cell in further:
        builder.run(cell)
    return builder.jobs


def list_downstream(jobs: dict[str, Job], made: Iterable[str]) -> list[str]:
    """Return, by the graph of jobs, these documents and all that follow from them, in order of making."""
    found = set(made)
    for document, job in jobs.items():
        if not found.isdisjoint(job.reads):
            found.add(document)
    return [document for document in jobs if document in found]


def list_upstream(jobs: dict[str, Job], document: str) -> list[str]:
    """Return, by the graph of jobs, all that a document follows from, in order of making, without itself."""
    found, pending = set[str](), [document]
    while pending:
        for read in jobs[pending.pop()].reads:
            if read not in found:
                found.add(read)
                pending.append(read)
    return [item for item in jobs if item in found]


class _Builder:
    """Adds jobs in the order of making: each method returns its document, after adding what it reads."""

    def __init__(self, keys: JobKeys) -> None:
        self.keys, self.cells, self.stages, self.targets = keys, keys.cells, keys.stages, keys.targets
        self.jobs: dict[str, Job] = {}

    def build(self) -> None:
        campaign = self.targets.campaign
        for cell in campaign.cells:
            self.run(cell)
        for cell in self.targets.calibrated:
            self.noise(cell)
        for name in campaign.comparisons:
            self.decision(name)
        for pipeline, goal in self.targets.list_plans():
            self.plan_page(pipeline, goal)
        for row in self.targets.list_replays():
            self.replay_page(row)
        for row in self.targets.list_services():
            self.service(*row)
        self.evidence()

    def add(self, document: str, rule: str, key: str, names: Json, reads: Iterable[str]) -> str:
        """Add a job unless it is there. `key`: the method of JobKeys. `reads`: added when they are first asked for."""
        if document not in self.jobs:
            wanted = tuple(dict.fromkeys(reads))
            parts = getattr(self.keys, key)(SimpleNamespace(**names))
            self.jobs[document] = Job(rule, parts, wanted, names)
        return document

    # Sources

    def model(self, name: str) -> str:
        rule = _SOURCES[self.cells.models[name]["source"]["kind"]]
        names = {"model": name}
        return self.add(f"{source_folder(name)}/model.onnx", rule, rule, names, self._model_reads(name))

    def _model_reads(self, name: str) -> Iterator[str]:
        if self.cells.models[name]["source"]["kind"] == "stage":
            yield self.model(self.stages.pipeline_of_stage(name)["model"])
        elif self.cells.models[name]["source"]["kind"] in EXPORTING_TOOLCHAINS:
            yield from self.toolchains([self.cells.exporting_toolchain_of(name)])

    def identity(self, name: str) -> str:
        document = f"{source_folder(name)}/identity.json"
        return self.add(document, "identify_model", "identify_model", {"model": name}, (self.model(name),))

    def samples(self, name: str) -> str:
        staged = self.cells.models[name]["source"]["kind"] == "stage"
        rule = "make_stage_samples" if staged else "make_samples"
        return self.add(
            f"{source_folder(name)}/samples/samples.json", rule, rule, {"model": name}, self._samples_read(name, staged)
        )

    def _samples_read(self, name: str, staged: bool) -> Iterator[str]:
        yield self.identity(name)
        if staged:
            before = self.stages.stages_before(name)
            yield from map(self.model, before)
            yield from map(self.samples, before or [self.stages.pipeline_of_stage(name)["model"]])

    # Artifacts

    def toolchains(self, records: Iterable[str]) -> Iterator[str]:
        for record in records:
            name = record.rsplit("/", 1)[1].removesuffix(".json")
            yield self.add(record, "make_toolchain", "make_toolchain", {"toolchain": name}, ())

    def manifest(self, cell: Cell) -> str:
        names = self._built(cell)
        folder = artifact_folder(**names)
        if self.cells.kept_of(cell.model):
            return self.add(f"{folder}/manifest.json", "use_manifest", "use_manifest", names, ())
        rule = FORMATS[self.cells.presets[cell.preset]["artifact"]].rule
        return self.add(f"{folder}/manifest.json", rule, "build", names, self._manifest_reads(cell))

    def _manifest_reads(self, cell: Cell) -> Iterator[str]:
        preset: Any = self.cells.presets[cell.preset]
        kind = FORMATS[preset["artifact"]]
        yield self.model(cell.model)
        yield self.identity(cell.model)
        if kind.rule not in ("build_fake", "build_coreml", "build_torchscript") and cell.precision == "int8":
            yield self.samples(cell.model)
        if kind.origin == "saved_model":
            yield self.saved_model(cell.model)
        if kind.packages:
            yield from self.toolchains([self.cells.toolchain_of(cell.preset)])

    def saved_model(self, name: str) -> str:
        document = f"results/artifacts/{name}/saved_model/saved_model.json"
        tools = self.toolchains([toolchain_record("tensorflow")])
        reads = (self.model(name), self.identity(name), *tools)
        return self.add(document, "build_saved_model", "build_saved_model", {"model": name}, reads)

    def parity(self, cell: Cell) -> str:
        names = self._built(cell)
        folder = artifact_folder(**names)
        rule = "check_parity" if names["builder"] == "host" else "check_parity_on_device"
        return self.add(f"{folder}/parity.json", rule, "check_parity", names, self._parity_reads(cell))

    def _parity_reads(self, cell: Cell) -> Iterator[str]:
        yield from (self.model(cell.model), self.samples(cell.model), self.manifest(cell))
        yield from self.toolchains(self.cells.parity_runtime_of(cell.preset))

    def _built(self, cell: Cell) -> Json:
        builder = self.cells.builder_of(cell)
        return {"model": cell.model, "preset": cell.preset, "builder": builder, "precision": cell.precision}

    # Measurements

    def run(self, cell: Cell) -> str:
        names = cell._asdict()
        return self.add(f"{run_folder(cell)}/result.json", "measure_run", "measure_run", names, self._run_reads(cell))

    def _run_reads(self, cell: Cell) -> Iterator[str]:
        yield from (self.manifest(cell), self.parity(cell), self.identity(cell.model), self.samples(cell.model))
        yield from self.toolchains(self.cells.runtimes_of(cell))

    def noise(self, cell: Cell) -> str:
        protocol = self.targets.campaign.protocol
        document = f"{calibration_folder(cell, protocol)}/noise.json"
        reads = (*self._artifacts(cell), self.samples(cell.model), *self.toolchains(self.cells.runtimes_of(cell)))
        names = cell._asdict() | {"protocol": protocol}
        return self.add(document, "calibrate_cell", "calibrate_cell", names, reads)

    # Judgements

    def decision(self, name: str) -> str:
        """Add all documents of a comparison; return the last."""
        comparison = self.targets.comparison(name)
        sides = (comparison.left, comparison.right)
        names = {"campaign": self.targets.campaign.name, "comparison": name}
        folder = comparison_folder(self.targets.campaign.name, name)
        calibrated = [cell for cell in self.targets.calibrated if cell.device == comparison.left.device]
        results, parities = [self.run(cell) for cell in sides], [self.parity(cell) for cell in sides]
        noise = [self.noise(cell) for cell in calibrated]

        def add(file: str, rule: str, reads: Iterable[str]) -> str:
            return self.add(f"{folder}/{file}.json", rule, rule, names, reads)

        verdict = add("verdict", "judge_pair", results)
        tools = self.toolchains(self.cells.runtimes_of(*sides))
        builds = [cell for pair in self.targets.builds_of(name) for cell in pair]
        built = [document for cell in builds for document in (self.manifest(cell), self.parity(cell))]
        samples = [self.samples(cell.model) for cell in sides]
        measured = (verdict, *self._artifacts(*sides), *built, *samples, *tools, *noise)
        pairs = add("pairs", "measure_pairs", measured)
        report = add("report", "report_comparison", (verdict, pairs, *results, *parities, *noise))
        regression = add("regression", "judge_regression", (report, verdict, pairs, *results, *parities))
        return add("decision", "decide_deployment", (report, regression, results[1], parities[1]))

    def _artifacts(self, *cells: Cell) -> list[str]:
        return [self.manifest(cell) for cell in cells]

    # Adaptation

    def family(self, name: str, device: str) -> str:
        cells = self.targets.family_cells(name, device)
        rests = [*map(self.run, cells), *map(self.parity, cells), *map(self.manifest, cells)]
        rests += [self.identity(cell.model) for cell in cells]
        document, names = f"{family_folder(name, device)}/family.json", {"family": name, "device": device}
        return self.add(document, "fill_family", "fill_family", names, rests)

    def service(self, name: str, device: str) -> str:
        """Add the measurement of a served family and return it."""
        names = {"family": name, "device": device}
        document = f"{family_folder(name, device)}/service.json"
        return self.add(document, "measure_service", "measure_service", names, (self.family(name, device),))

    def replay_page(self, row: list[str]) -> str:
        """Add all documents of a replay, [family, device, policy, trace]; return the last."""
        names: Json = dict(zip(("family", "device", "policy", "trace"), row, strict=True))
        folder = replay_folder(*row)
        family = self.family(names["family"], names["device"])
        summary = self.add(f"{folder}/summary.json", "replay_trace", "replay_trace", names, (family,))
        return self.add(f"{folder}/page.html", "write_replay_page", "write_replay_page", names, (summary,))

    # Plans

    def plan_page(self, pipeline: str, goal: str) -> str:
        """Add all documents of a plan; return the last."""
        folder, place = plan_folder(pipeline), plan_folder(pipeline, goal)
        one, names = {"pipeline": pipeline}, {"pipeline": pipeline, "goal": goal}
        cells, models = self.stages.cells_of(pipeline), self.stages.models_of(pipeline)
        tools = [*self.toolchains(self.cells.runtimes_of(*cells))]
        identities = [self.identity(model) for model in models]
        cut = [self._cut(pipeline, document) for document in self.stages.cut_of(pipeline)]
        links = [
            self.add(document, "measure_links", "measure_links", one, tools)
            for document in self.stages.links_of(pipeline)
        ]
        results, parities = [self.run(cell) for cell in cells], [self.parity(cell) for cell in cells]
        rests = (*identities, *results, *parities, *links, *cut)
        scenario = self.add(f"{folder}/scenario.json", "write_scenario", "write_scenario", one, rests)
        plan = self.add(f"{place}/plan.json", "solve_plan", "solve_plan", names, (scenario,))
        references = parities if self.stages.references_of(pipeline) else ()
        placed = (plan, *identities, *self._artifacts(*cells), *references, self.samples(models[0]), *tools)
        check = self.add(f"{place}/check.json", "check_plan", "check_plan", names, placed)
        return self.add(f"{place}/plan.html", "write_plan_page", "write_plan_page", names, (plan, check))

    def _cut(self, pipeline: str, document: str) -> str:
        models = (self.stages.pipelines[pipeline]["model"], *self.stages.models_of(pipeline))
        reads = [item for name in models for item in (self.model(name), self.identity(name), self.samples(name))]
        return self.add(document, "prove_cut", "prove_cut", {"pipeline": pipeline}, reads)

    # Evidence

    def evidence(self) -> None:
        """Add the report, which reads every other document, and the gate."""
        name = self.targets.campaign.name
        folder, names = evidence_folder(name), {"campaign": name}
        for document, rule in (("report.html", "write_report"), ("gate.json", "check_gate")):
            self.add(f"{folder}/{document}", rule, rule, names, tuple(self.jobs))
