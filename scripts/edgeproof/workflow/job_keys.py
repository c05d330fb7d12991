"""The key of every rule: named parts that decide what its job makes, from configuration and code alone.

A rule has one `params:` value, `key=lambda wildcards: as_json(KEYS.rule(wildcards))`, and Snakemake runs a job again
when that text changes. `core.job_options` turns it into the script's options. The part `watch` holds what is no option:
digests of code (comments change nothing) and versions of tools. What a job reads from files is Snakemake's input, and
in the attempt's key.
"""

import functools
from collections.abc import Callable
from typing import Any

from edgeproof.artifacts.records.formats import FORMATS, list_host_tools, select_build_options
from edgeproof.core.closure import digest_agent_code, digest_converter, digest_script, digest_text
from edgeproof.core.configuration import Json
from edgeproof.core.digest_cache import digest_user_file
from edgeproof.core.exported_sources import EXPORTERS
from edgeproof.core.layout import Cell
from edgeproof.core.pipelines import count_stage_samples
from edgeproof.core.seals import digest_json
from edgeproof.core.targets import Targets
from edgeproof.core.tasks import describe_judge, list_task_files, name_sample_task, name_task
from edgeproof.core.variant_families import list_family_files

Versions = Callable[..., Json | None]  # from package names to their versions in the workflow's own environment
_OF_CELLS = ("sessions", "width", "load")  # keys of a protocol that neither links nor checks of plans look at
_PAGES = "scripts/edgeproof/evidence"
_PARTS = ("head.md", "parts.html", "timelines.html", "figures.html", "drift.html", "controls.html")
_TEMPLATES = (
    *("page.html.j2", "report.html.j2", "report.md.j2", "first_page.html.j2", "first_page.md.j2"),
    *("report.css", "report.js", *(f"report_{part}.j2" for part in _PARTS)),
)


class JobKeys:
    """The keys of one campaign's jobs. Every method takes the wildcards of its rule (or a cell) and returns the
    parts.
    """

    def __init__(self, targets: Targets, versions: Versions) -> None:
        self.targets, self.cells, self.stages, self.versions = targets, targets.cells, targets.stages, versions

    # Sources

    def copy_model(self, w: Any) -> Json:
        """The path and digest that the model's file must have, and its bytes: an older file is another one."""
        source = self.cells.models[w.model]["source"]
        watch = {"bytes": digest_user_file(source["path"])}
        return {
            "source": source["path"],
            "sha256": source.get("sha256"),
            **self._fixed_shapes(w),
            **digest_job("copy_model", **watch),
        }

    def download_model(self, w: Any) -> Json:
        """The address of a model and its digest."""
        source = self.cells.models[w.model]["source"]
        return {
            "url": source["url"],
            "sha256": source["sha256"],
            **self._fixed_shapes(w),
            **digest_job("download_model"),
        }

    def run_recipe(self, w: Any) -> Json:
        """The options of a recipe, and the recipe itself."""
        options = self.cells.models[w.model]["source"].get("options", {})
        code = digest_script(self.cells.recipe_script(w.model))
        return {"options": options, **self._fixed_shapes(w), "watch": {"code": code}}

    def export_model(self, w: Any) -> Json:
        """Which module, SavedModel or TFLite file is exported and how, with the bytes of its files."""
        source = self.cells.models[w.model]["source"]
        files = {path: digest_user_file(path) for path in self.cells.exported_files(w.model)}
        converter = digest_converter(EXPORTERS[source["kind"]])
        watch = {"files": files, "converter": converter, "runtime": self.versions("onnxruntime")}
        return {
            "model": w.model,
            "source": source,
            **self._fixed_shapes(w),
            **digest_job("export_model", **watch),
        }

    def _fixed_shapes(self, w: Any) -> Json:
        return {"input_shapes": self.cells.models[w.model].get("input_shapes")}

    def identify_model(self, w: Any) -> Json:
        """The name of the model, and which of its inputs have no batch."""
        whole = self.cells.models[w.model].get("whole_inputs")
        return {"model": w.model, "whole_inputs": whole, **digest_job("identify_model")}

    def make_samples(self, w: Any) -> Json:
        """What the samples are, and what for; files of the user's enter by their bytes."""
        model = self.cells.models[w.model]
        files = {path: digest_user_file(path) for path in self.cells.sample_files(w.model)}
        task = name_sample_task(model["task"])
        return {"spec": model["samples"], "task": task, **digest_job("make_samples", files=files)}

    def cut_stage(self, w: Any) -> Json:
        """Between which tensors a stage lies."""
        inputs, outputs = self.stages.cut_points_of(w.model)
        return {"inputs": inputs or "null", "outputs": outputs or "null", **digest_job("cut_stage")}

    def make_stage_samples(self, w: Any) -> Json:
        """How many samples of the whole model become a stage's."""
        counts = count_stage_samples(self.stages.pipeline_of_stage(w.model))
        return {"counts": counts, **digest_job("make_stage_samples", runtime=self.versions("onnxruntime"))}

    # Artifacts

    def make_toolchain(self, w: Any) -> Json:
        """The name of the toolchain; its lock is an input."""
        return {"toolchain": w.toolchain, **digest_job("make_toolchain")}

    def build(self, w: Any) -> Json:
        """What of a preset decides an artifact of this precision, and the board that builds it where one does."""
        preset: Json = dict(self.cells.presets[w.preset])
        kind = FORMATS[preset["artifact"]]
        tools = list_host_tools(preset, w.precision)
        watch = {
            "tools": self.versions(*tools) if tools else None,
            "converter": digest_converter(_CONVERTERS.get(kind.converter, kind.converter)) if kind.converter else None,
        }
        device: Json = dict(self.cells.devices[w.builder]) if w.builder in self.cells.devices else {}
        on_device = {"board": device.get("board_contains"), "interpreter": device.get("interpreter")}
        return {
            "cell": {"model": w.model, "preset": w.preset, "builder": w.builder, "precision": w.precision},
            "preset": select_build_options(preset, w.precision),
            "precision": w.precision,
            **self._supplied(w),
            **(on_device if preset["built"] == "device" else {}),
            **digest_job(_BUILDERS.get(kind.rule, kind.rule), **watch),
        }

    def _supplied(self, w: Any) -> Json:
        """Return which file of the user's is the artifact, with its bytes; {} where one is built."""
        entry = self.cells.supplied_of(w)
        if entry is None:
            return {}
        files = {"bytes": entry["file"], "record_bytes": entry.get("record")}
        files["weights"] = entry["file"].replace(".xml", ".bin") if entry["file"].endswith(".xml") else None
        return {"supplied": {**entry, **{name: digest_user_file(path) for name, path in files.items() if path}}}

    def use_artifact(self, w: Any) -> Json:
        """Which stored artifact takes the place of a build."""
        kept = self.cells.kept_of(w.model)
        return {"kept": kept["artifact"], "sha256": kept["sha256"], **digest_job("use_artifact")}

    def use_manifest(self, w: Any) -> Json:
        """The manifest of a stored artifact, and the cell that it is now of."""
        path = self.cells.kept_of(w.model)["manifest"]
        cell = {"model": w.model, "preset": w.preset, "builder": w.builder, "precision": w.precision}
        return {"kept": path, "cell": cell, **digest_job("use_manifest", bytes=digest_user_file(path))}

    def build_saved_model(self, w: Any) -> Json:
        """Nothing but code: a SavedModel follows from its source."""
        return digest_job("build_saved_model", model=w.model, converter=digest_converter("saved_model"))

    def check_parity(self, w: Any) -> Json:
        """What runs the artifact, and the limits that its outputs are held to."""
        task = self.cells.models[w.model]["task"]
        watch = {
            "reference": self.versions("onnxruntime"),
            "agent": digest_agent_code(),
            "files": {path: digest_user_file(path) for path in list_task_files(task)},
        }
        return {
            "cell": {"model": w.model, "preset": w.preset, "builder": w.builder, "precision": w.precision},
            "task": name_task(task, digest_user_file),
            "judge": describe_judge(task),
            "declared": self._declared(w),
            "arm": self.cells.parity_arm_of(w),
            "thresholds": self.cells.parity_limits_of(w.preset, w.precision),
            "interpreter": self.cells.parity_interpreter(w.preset, w.builder),
            **digest_job("check_parity", **watch),
        }

    def _declared(self, w: Any) -> list[Json] | None:
        """Return the accuracies that the model declares for the source and for this precision, with their digests."""
        known = self.cells.models[w.model].get("declared_accuracies", [])
        own = [item for item in known if item["precision"] in ("fp32", w.precision)]
        return [
            {**item, **({"sha256": digest_user_file(item["file"])} if "file" in item else {})} for item in own
        ] or None

    # Measurements

    def measure_run(self, w: Any) -> Json:
        """The arm, the device, the protocol and the agent."""
        return {
            "cell": {"model": w.model, "preset": w.preset, "device": w.device, "precision": w.precision},
            "task": name_task(self.cells.models[w.model]["task"], digest_user_file),
            "arm": self.cells.arm_of(w),
            "device": self.cells.describe_device(w.device),
            "protocol": self.targets.run_protocol(),
            **digest_job(
                "measure_run", runtime=self._runtime_of(w), agent=digest_agent_code(), **self.cells.list_brought(w)
            ),
        }

    def calibrate_cell(self, w: Any) -> Json:
        """As for a run, and how many pairs are measured."""
        return {
            "cell": [w.model, w.preset, w.device, w.precision],
            "arm": self.cells.arm_of(w),
            "device": self.cells.describe_device(w.device),
            "protocol": self.targets.pair_protocol(),
            "plan": self.targets.calibration_plan(),
            "agent": digest_agent_code(),
            **digest_job("calibrate_cell", runtime=self._runtime_of(w)),
        }

    def measure_pairs(self, w: Any) -> Json:
        """The two arms, the design of the test, the budget, and where the builds are of a builder that draws."""
        comparison, builds = self.targets.comparison(w.comparison), self.targets.build_paths(w.comparison)
        return {
            "comparison": w.comparison,
            **({"builds": builds} if builds else {}),
            "arms": {"left": self.cells.arm_of(comparison.left), "right": self.cells.arm_of(comparison.right)},
            "device": self.cells.describe_device(comparison.left.device),
            "protocol": self.targets.pair_protocol() | ({"energy": True} if comparison.energy else {}),
            "budget": self.targets.pair_budget(w.comparison),
            "design": self.targets.design_of(w.comparison),
            "agent": digest_agent_code(),
            **digest_job("measure_pairs"),
        }

    # Judgements

    def judge_pair(self, w: Any) -> Json:
        """Which cells are judged, by which policy, and what may differ."""
        comparison = self.targets.comparison(w.comparison)
        sides = [list(comparison.left), list(comparison.right)]
        return {
            "comparison": w.comparison,
            "policy": f"config/policies/{comparison.policy}.yaml",
            "varies": list(comparison.varies),
            "waive": comparison.waive,
            **digest_job("judge_pair", sides=sides, policy=self._document("policy", comparison.policy)),
        }

    def report_comparison(self, w: Any) -> Json:
        """Nothing but code: what is reported stands in the files."""
        return digest_job("report_comparison", comparison=w.comparison)

    def judge_regression(self, w: Any) -> Json:
        """The policy by which a regression is judged, and that by which two results may meet."""
        name = self.targets.campaign.regressions["policy"]
        policy = self._document("regression-policy", name)
        comparability = policy["comparability"]
        watch = {
            "comparison": w.comparison,
            "policy": policy,
            "comparability": comparability and self._document("policy", comparability),
        }
        return {
            "policy": f"config/regressions/{name}.yaml",
            "comparability": comparability and f"config/policies/{comparability}.yaml",
            **digest_job("judge_regression", **watch),
        }

    def decide_deployment(self, w: Any) -> Json:
        """The criteria that the right side must meet."""
        name = self.targets.comparison(w.comparison).criteria
        criteria = self._document("criteria", name)
        return {
            "criteria": f"config/criteria/{name}.yaml",
            **digest_job("decide_deployment", comparison=w.comparison, criteria=criteria),
        }

    # Plans

    def prove_cut(self, w: Any) -> Json:
        """The name of the pipeline, and which stages a stage reads."""
        watch = {"runtime": self.versions("onnxruntime"), "agent": digest_agent_code()}
        reads = self.stages.readings_of(w.pipeline)
        return {"pipeline": w.pipeline, "reads": reads, **digest_job("prove_cut", **watch)}

    def measure_links(self, w: Any) -> Json:
        """Between which executors tensors are handed over, and on which device."""
        return {
            "pipeline": w.pipeline,
            "arm": self.stages.links_arm(w.pipeline),
            **self._placing(w.pipeline),
            **digest_job("measure_links", agent=digest_agent_code()),
        }

    def write_scenario(self, w: Any) -> Json:
        """What of a pipeline decides its scenario."""
        return {
            "pipeline": w.pipeline,
            "document": self.stages.describe_scenario(w.pipeline),
            "cells": self.stages.describe_cells(w.pipeline),
            **digest_job("write_scenario"),
        }

    def solve_plan(self, w: Any) -> Json:
        """The goal."""
        return {"goal": w.goal, **digest_job("solve_plan", tools=self.versions("ortools", "numpy"))}

    def check_plan(self, w: Any) -> Json:
        """What runs a plan as placed."""
        return {
            "cells": self.stages.describe_cells(w.pipeline, arms=True),
            "reads": self.stages.readings_of(w.pipeline),
            **self._placing(w.pipeline),
            **digest_job("check_plan", agent=digest_agent_code()),
        }

    def write_plan_page(self, w: Any) -> Json:
        """The template of the page."""
        return digest_job("write_plan_page", template=digest_text("scripts/edgeproof/plans/outcome/plan.html.j2"))

    # Adaptation

    def fill_family(self, w: Any) -> Json:
        """The family as it is declared, and what fills it; files that it names enter by their bytes."""
        document = self._document("family", w.family)
        files = {path: digest_user_file(path) for path in list_family_files(document).values()}
        return {
            "family": w.family,
            "device": w.device,
            "document": document,
            "sources": self.targets.family_sources(w.family, w.device),
            **digest_job("fill_family", files=files),
        }

    def replay_trace(self, w: Any) -> Json:
        """The policy with its guard and limits, and the trace with its conditions; its file enters by its bytes."""
        trace = self._document("trace", w.trace)
        return {
            "policy": w.policy,
            "policy_document": self._document("selection", w.policy),
            "trace": w.trace,
            "trace_document": trace,
            **digest_job("replay_trace", bytes=digest_user_file(trace["file"])),
        }

    def measure_service(self, w: Any) -> Json:
        """What load the served family gets."""
        setting = self.targets.campaign.adaptation.get("service", {})
        return {"device": w.device, "setting": setting, **digest_job("measure_service")}

    def write_replay_page(self, w: Any) -> Json:
        """The template of the page."""
        return digest_job("write_replay_page", template=digest_text("scripts/edgeproof/adaptation/replay.html.j2"))

    # Evidence

    def write_report(self, w: Any) -> Json:
        """The templates, and what of the campaign no job above has; its keys are an input."""
        templates = [digest_text(f"{_PAGES}/{name}") for name in _TEMPLATES]
        return digest_job("write_report", templates=templates, campaign=self._campaign_digest)

    def write_history(self, w: Any) -> Json:
        """The cells whose sessions are shown, and the template."""
        cells = {"cells": [list(cell) for cell in self.targets.campaign.cells], "campaign": w.campaign}
        return {**cells, **digest_job("write_history", template=digest_text(f"{_PAGES}/history.html.j2"))}

    def check_gate(self, w: Any) -> Json:
        """What of the campaign no job above has; its keys are an input."""
        return digest_job("check_gate", campaign=self._campaign_digest)

    def make_bundle(self, w: Any) -> Json:
        """The campaign, and what of it no job above has."""
        return {"campaign": w.campaign, **digest_job("make_bundle", digest=self._campaign_digest)}

    @functools.cached_property
    def _campaign_digest(self) -> str:
        targets = self.targets
        gate = (list(targets.campaign.tolerate), targets.gated_regressions(), targets.noise_files("noise.json"))
        return digest_json([targets.describe(), *gate])

    def _document(self, kind: str, name: str) -> Json:
        """Return the values of a configuration file that decide something: comments and its description do not."""
        values = self.targets.catalogues[kind][name]
        return {key: value for key, value in values.items() if key != "description"}

    def _placing(self, pipeline: str) -> Json:
        device = self.cells.describe_device(self.stages.device_of(pipeline))
        protocol = {key: value for key, value in self.targets.run_protocol().items() if key not in _OF_CELLS}
        return {"device": device, "protocol": protocol}

    def _runtime_of(self, cell: Cell) -> Json | None:
        """Return the version of what measures a cell in the workflow's own environment; other runtimes have records."""
        return self.versions("onnxruntime") if self.cells.runs_in_our_python(cell) else None


# The build rules whose script has another name, and the converter that a vendor's Python runs.
_BUILDERS: dict[str, str] = dict.fromkeys(("build_tflite", "build_coreml", "build_torchscript"), "build_converted")
_CONVERTERS = {"tensorrt": "tensorrt_calibration"}


def digest_job(script: str, **parts: Any) -> Json:
    """Return the part `watch` of a job's key: the digest of its script's code, and what else is watched."""
    return {"watch": {"code": digest_script(f"scripts/{script}.py"), **parts}}
