# Functions that the rooms share. No rules here.

import ast
import json
import re
import shlex
import sys
import time
from functools import cache
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.settings.types import DeploymentMethod

sys.path.insert(0, str(Path(workflow.basedir) / "scripts"))

from edgeproof.artifacts.records.formats import FORMATS, list_host_tools, select_build_options
from edgeproof.artifacts.records.manifests import version_of
from edgeproof.core.campaign import CATALOGUES as KINDS
from edgeproof.core.campaign import builder_of, expand_campaign, read_catalogue
from edgeproof.core.errors import UserError
from edgeproof.core.pipelines import (
    HOST,
    count_stage_samples,
    list_cells,
    list_cut_points,
    list_stage_models,
    name_stage_model,
)
from edgeproof.core.layout import (
    artifact_folder,
    calibration_folder,
    comparison_folder,
    evidence_folder,
    plan_folder,
    run_folder,
    source_folder,
    toolchain_interpreter,
    toolchain_record,
)

# `python` in a rule is the one that runs Snakemake, unless --sdm conda gives the rule an environment of its own.
# A prefix of ours takes the place of Snakemake's, so that strict mode must be asked for again.
if DeploymentMethod.CONDA not in workflow.deployment_settings.deployment_method:
    shell.prefix(f"set -euo pipefail; PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH; ")

try:
    CATALOGUES = {kind: read_catalogue(kind) for kind in KINDS}
    CATALOGUES["model"] |= list_stage_models(CATALOGUES["pipeline"])
    CAMPAIGN = expand_campaign(config, CATALOGUES, " + ".join(map(str, workflow.configfiles)))
except UserError as error:
    raise WorkflowError(str(error)) from None


STARTED = time.time()
MODELS = list(dict.fromkeys(cell.model for cell in CAMPAIGN.cells))

CALIBRATED = list(CAMPAIGN.calibration["cells"]) if CAMPAIGN.calibration else []
DEFAULT_MARGIN = 0.02

# What each room makes for one model, cell or comparison (an artifact's own name depends on its preset).
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


def one_of(names):
    """Return a wildcard constraint that matches the names and nothing else; with no name it matches nothing."""
    return "|".join(map(re.escape, names)) or "(?!)"


def models_of(*source_kinds):
    """Return the names of the models that come from a file, a url, a recipe, or are stages of another model."""
    return [name for name, model in CATALOGUES["model"].items() if model["source"]["kind"] in source_kinds]


def recipe_script(model):
    """Return the script that makes a model of kind recipe."""
    return "scripts/recipe_{}.py".format(CATALOGUES["model"][model]["source"]["recipe"].replace("-", "_"))


def sample_files(model):
    """Return the sample files that a model's configuration names (kind file), for a rule's `input:`."""
    samples = CATALOGUES["model"][model]["samples"]
    return [samples["calibration"], samples["evaluation"]] if samples["kind"] == "file" else []


def presets_of(artifact):
    """Return the names of the presets whose artifact is such a file."""
    return [name for name, preset in CATALOGUES["preset"].items() if preset["artifact"] == artifact]


# `cell` below is anything with model, preset, device and precision: a Cell, or the wildcards of a rule.


def artifact_folder_of(cell):
    """Return where the artifact of a cell is."""
    builder = builder_of(CATALOGUES["preset"][cell.preset], cell.device)
    return artifact_folder(cell.model, cell.preset, builder, cell.precision)


def artifact_of(cell):
    """Return the path of a cell's artifact."""
    return f"{artifact_folder_of(cell)}/artifact.{CATALOGUES['preset'][cell.preset]['artifact']}"


def as_json(value):
    """Return a params value for the command line: canonical JSON, so that equal knobs are equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def files_of(module, root):
    """Yield the files below root that importing the dotted module executes, packages first."""
    stem = root
    for part in module.split("."):
        stem /= part
        for path in (stem / "__init__.py", stem.with_suffix(".py")):
            if path.is_file():
                yield path


def imports_of(path, root):
    """Yield the absolute dotted names that one source file imports."""
    package = path.parent.relative_to(root).parts
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            anchor = package[: len(package) + 1 - node.level] if node.level else ()
            prefix = [*anchor, *filter(None, [node.module])]
            yield from (".".join([*prefix, alias.name]) for alias in node.names)


@cache
def source_closure(script):
    """Return the project files that a script imports, for a rule's `input:`; editing one of them makes the rule's results stale.

    Imports are read from the syntax tree and followed inside scripts/, so they must be static.
    """
    root = Path("scripts")
    found, pending = set(), {Path(script)}
    while pending:
        path = pending.pop()
        found.add(path)
        for module in imports_of(path, root):
            pending.update(set(files_of(module, root)) - found)
    return sorted(str(path) for path in found - {Path(script)})


def show_gate():
    """Print what the gate said, if it has spoken in this run: Snakemake's own last words list every file of a campaign."""
    said = Path(f"results/logs/check_gate/{CAMPAIGN.name}.log")
    if said.is_file() and said.stat().st_mtime >= STARTED:
        print("", said.read_text().strip(), sep="\n", file=sys.stderr)


@cache
def agent_code():
    """Return the files of the agent; it is started as a program, so no import shows it."""
    return sorted(str(path) for path in Path("scripts/edgeproof/agent").rglob("*.py"))


def cores_to_measure(device):
    """Return the threads of a measuring rule: all of them when this machine is the device, so that nothing runs beside it."""
    return workflow.cores if CATALOGUES["device"][device]["transport"] == "local" else 1


def model_of(model):
    """Return the configuration of a model."""
    return CATALOGUES["model"][model]


@cache
def versions_of(*packages):
    """Return the versions of packages beside Snakemake, for a rule's `params:`: a new `.venv` makes again what they made.

    With --sdm conda a rule has an environment of its own, and Snakemake itself looks whether that has changed.
    """
    if DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method:
        return ""
    return as_json({name: version_of(name) for name in packages})


def host_tools_of(wildcards):
    """Return the versions of what builds an artifact in the workflow's own environment; empty where nothing does."""
    tools = list_host_tools(CATALOGUES["preset"][wildcards.preset], wildcards.precision)
    return versions_of(*tools) if tools else ""


def host_runtime_of(cell):
    """Return the version of what measures a cell in the workflow's own environment; other runtimes have records."""
    elsewhere = runtime_toolchain_of(cell) or CATALOGUES["device"][cell.device].get("interpreter")
    ours = CATALOGUES["preset"][cell.preset]["backend"] == "onnxruntime" and not elsewhere
    return versions_of("onnxruntime") if ours else ""


def calibration_of(wildcards):
    """Return the calibration set for a precision that needs one, else nothing: a changed sample rebuilds int8 only."""
    return [f"{source_folder(wildcards.model)}/samples/calibration.npz"] if wildcards.precision == "int8" else []


def build_snapshot(wildcards):
    """Return what of a preset decides how an artifact of this precision is built."""
    return select_build_options(CATALOGUES["preset"][wildcards.preset], wildcards.precision)


def parity_arm_of(cell):
    """Return what of a cell decides what its artifact computes: the agent's arm, less the artifact's path."""
    preset = CATALOGUES["preset"][cell.preset]
    return {
        "backend": preset["backend"],
        "precision": cell.precision,
        "runtime": preset["runtime"],
    }


def arm_of(cell):
    """Return what of a cell decides how its artifact is measured: the arm, the interpreter that has its runtime, and for a
    stage of a pipeline what happens between two calls.
    """
    name = runtime_toolchain_of(cell)
    arm = parity_arm_of(cell) | ({"interpreter": toolchain_interpreter(name)} if name else {})
    source = model_of(cell.model)["source"]
    between = CATALOGUES["pipeline"][source["pipeline"]].get("between_calls") if source["kind"] == "stage" else None
    return arm | ({"between_calls": between} if between else {})


def runtime_toolchain_of(cell):
    """Return the environment in which a cell is measured; None where ours will do, or the device has an interpreter."""
    device = CATALOGUES["device"][cell.device]
    if device["transport"] != "local" or device.get("interpreter"):
        return None
    return CATALOGUES["preset"][cell.preset].get("runtime_toolchain")


def runtimes_of(*cells):
    """Return the records of the environments that measuring these cells needs, for a rule's `input:`."""
    names = dict.fromkeys(map(runtime_toolchain_of, cells))
    return [toolchain_record(name) for name in names if name]


def parity_runtime_of(preset):
    """Return the record of the environment in which this machine runs a preset's artifacts, if it is not ours."""
    name = CATALOGUES["preset"][preset].get("runtime_toolchain")
    return [toolchain_record(name)] if name else []


def parity_interpreter_option(preset, builder):
    """Return the option that names the interpreter that has a preset's runtime, empty where ours will do.

    What a device has built runs in the Python that its configuration names: nobody else may have the runtime.
    """
    if builder in CATALOGUES["device"]:
        return interpreter_option(builder)
    name = CATALOGUES["preset"][preset].get("runtime_toolchain")
    return f"--interpreter {toolchain_interpreter(name)}" if name else ""


def interpreter_option(device):
    """Return the option that names a device's own Python, empty where it has none."""
    interpreter = CATALOGUES["device"][device].get("interpreter")
    return f"--interpreter {shlex.quote(interpreter)}" if interpreter else ""


def builder_options(device):
    """Return the options that tell a build on a device which board that must be, its lock, and which Python is its own."""
    document = CATALOGUES["device"][device]
    options = {"--board": document.get("board_contains"), "--lock": document.get("lock")}
    given = [f"{name} {shlex.quote(value)}" for name, value in options.items() if value]
    return " ".join(filter(None, (*given, interpreter_option(device))))


def toolchain_of(wildcards):
    """Return the record of the environment that builds a preset's artifacts."""
    return toolchain_record(CATALOGUES["preset"][wildcards.preset]["toolchain"])


def converter_code(name):
    """Return the files of a converter; it is started as a program in its toolchain, so no import shows it."""
    folder = "scripts/edgeproof/converters"
    return [f"{folder}/__main__.py", f"{folder}/to_{name}.py", *source_closure(f"{folder}/to_{name}.py")]


def device_snapshot(device):
    """Return what of a device decides how it is measured and what it is called in a comparison."""
    return {"name": device} | {k: v for k, v in CATALOGUES["device"][device].items() if k != "description"}


def run_protocol():
    """Return what of the campaign's protocol decides a run."""
    protocol = CATALOGUES["protocol"][CAMPAIGN.protocol]
    return {"name": CAMPAIGN.protocol} | {k: v for k, v in protocol.items() if k not in ("description", "pairs")}


def comparison_of(wildcards):
    """Return the comparison that the wildcards name."""
    return CAMPAIGN.comparisons[wildcards.comparison]


def side_of(side, name):
    """Return an input function: a file of the run (result.json, samples.csv) or of the artifact (parity.json) of a side."""
    folder_of = run_folder if name in RUN_FILES else artifact_folder_of
    return lambda wildcards: f"{folder_of(getattr(comparison_of(wildcards), side))}/{name}"


def comparability_of_regressions():
    """Return the comparability policy that the campaign's regression policy names, as a list of none or one file."""
    policy = CATALOGUES["regression-policy"][CAMPAIGN.regressions["policy"]]["comparability"]
    return [f"config/policies/{policy}.yaml"] if policy else []


def calibrating_cell(wildcards):
    """Return the cell that calibrates a device of the campaign."""
    if wildcards.device not in CALIBRATED:
        raise WorkflowError(
            f"the campaign does not calibrate {wildcards.device}: its configuration has no `calibration` for it"
        )
    return CAMPAIGN.calibration["cells"][wildcards.device]


def calibration_plan(wildcards):
    """Return how much is measured for a calibration, with what, and the margin that it is asked about."""
    cell = calibrating_cell(wildcards)
    plan = {key: CAMPAIGN.calibration[key] for key in ("pairs", "sessions")}
    return plan | {"margin": DEFAULT_MARGIN, "runtime": host_runtime_of(cell)}


def noise_of(wildcards):
    """Return the calibrations that a comparison's report uses: of both sides' devices, as far as the campaign calibrates."""
    devices = dict.fromkeys((comparison_of(wildcards).left.device, comparison_of(wildcards).right.device))
    return [f"{calibration_folder(device)}/noise.json" for device in devices if device in CALIBRATED]


def pair_budget(wildcards):
    """Return how many pairs a comparison may measure."""
    return comparison_of(wildcards).pairs or CATALOGUES["protocol"][CAMPAIGN.protocol]["pairs"]


def campaign_snapshot():
    """Return what of the configuration decides which cells and comparisons the evidence shows."""
    return {
        "campaign": CAMPAIGN.name,
        "cells": [[*cell, builder_of(CATALOGUES["preset"][cell.preset], cell.device)] for cell in CAMPAIGN.cells],
        "comparisons": list(CAMPAIGN.comparisons),
        "plans": list_plans(),
    }


def device_slots(device_of):
    """Return the resources of a measuring rule: one slot per device, of which there is one. `device_of`: wildcards to name."""
    return {slot: lambda wildcards, name=name: int(device_of(wildcards) == name) for name, slot in SLOTS.items()}


SLOTS = {name: "slot_{}".format(name.replace("-", "_")) for name in CATALOGUES["device"]}
for slot in SLOTS.values():
    workflow.register_resource(slot, 1)
