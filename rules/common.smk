# What the rules share that needs the workflow or the campaign. No rules here; what can be told from the catalogues alone is in
# scripts/edgeproof/core (cells, stages, closure), where it is tested without Snakemake.

import json
import shlex
import sys
import time
from functools import cache
from pathlib import Path

from snakemake.settings.types import DeploymentMethod

sys.path.insert(0, str(Path(workflow.basedir) / "scripts"))

from edgeproof.core.processes import drop_foreign_paths, shell_prefix

drop_foreign_paths()

from edgeproof.artifacts.records.formats import list_channels_last_backends, list_host_tools, select_build_options
from edgeproof.artifacts.records.manifests import version_of
from edgeproof.core.campaign import CATALOGUES as KINDS
from edgeproof.core.campaign import one_of, read_catalogue
from edgeproof.core.campaign_files import expand_campaign_files, list_added_cells, read_campaign_files
from edgeproof.core.cells import Cells, give_option
from edgeproof.core.checkout import require_own_environment
from edgeproof.core.closure import list_agent_code, list_code, list_converter_code
from edgeproof.core.errors import UserError
from edgeproof.core.layout import (
    ARTIFACT_FILES,
    COMPARISON_FILES,
    RUN_FILES,
    SOURCE_FILES,
    calibration_folder,
    comparison_folder,
    evidence_folder,
    plan_folder,
    run_folder,
    source_folder,
)
from edgeproof.core.pipelines import count_stage_samples, list_stage_models
from edgeproof.core.stages import Stages
from edgeproof.core.targets import Targets

STARTED = time.time()
IN_CONDA = DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method
# `python` in a rule is the one that runs Snakemake, unless --sdm conda gives the rule an environment of its own.
# Our prefix replaces Snakemake's, so it must ask for strict mode again.
FIRST = "" if IN_CONDA else f"PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH; "
shell.prefix(f"set -euo pipefail; {shell_prefix()}{FIRST}")

# The campaign is read here and not by `configfile:`, which keeps the last of two equal keys and names no line.
BASE = [] if workflow.config_settings.replace_workflow_config else ["config/config.yaml"]
try:
    require_own_environment(Path(workflow.basedir))
    CATALOGUES = {kind: read_catalogue(kind) for kind in KINDS}
    CATALOGUES["model"] |= list_stage_models(CATALOGUES["pipeline"])
    FILES = read_campaign_files([*BASE, *workflow.config_settings.configfiles], dict(workflow.config_settings.config))
    CAMPAIGN = expand_campaign_files(FILES, CATALOGUES)
except UserError as error:  # one line, without Snakemake's own words about the file that noticed it
    print(f"error: {error}", file=sys.stderr)
    sys.exit(2)

if workflow.is_main_process:
    for sentence in list_added_cells(CAMPAIGN, FILES):
        print(sentence, file=sys.stderr)

CELLS = Cells(CATALOGUES)
STAGES = Stages(CELLS, list_channels_last_backends())
TARGETS = Targets(CAMPAIGN, STAGES, CATALOGUES)
# One slot per device, of which there is one.
SLOTS = {name: "slot_{}".format(name.replace("-", "_")) for name in CATALOGUES["device"]}
for slot in SLOTS.values():
    workflow.register_resource(slot, 1)


def as_json(value):
    """Return a params value for the command line: canonical JSON, so that equal knobs are equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def cores_to_measure(device):
    """Return the threads of a measuring rule: all of them when this machine is the device, so that nothing runs beside it."""
    return workflow.cores if CATALOGUES["device"][device]["transport"] == "local" else 1


def device_slots(device_of):
    """Return the resources of a measuring rule. `device_of`: from wildcards to the name of the device."""
    return {slot: lambda wildcards, name=name: int(device_of(wildcards) == name) for name, slot in SLOTS.items()}


@cache
def versions_of(*packages):
    """Return the versions of packages beside Snakemake, for a rule's `params:`: a new `.venv` makes again what they made.

    With --sdm conda a rule has an environment of its own, and Snakemake itself looks whether that has changed.
    """
    return "" if IN_CONDA else as_json({name: version_of(name) for name in packages})


def host_tools_of(wildcards):
    """Return the versions of what builds an artifact in the workflow's own environment; empty where nothing does."""
    tools = list_host_tools(CATALOGUES["preset"][wildcards.preset], wildcards.precision)
    return versions_of(*tools) if tools else ""


def host_runtime_of(cell):
    """Return the version of what measures a cell in the workflow's own environment; other runtimes have records."""
    return versions_of("onnxruntime") if CELLS.runs_in_our_python(cell) else ""


def build_snapshot(wildcards):
    """Return what of a preset decides how an artifact of this precision is built."""
    return select_build_options(CATALOGUES["preset"][wildcards.preset], wildcards.precision)


def show_gate():
    """Print what the gate said, if it has spoken in this run: Snakemake's own last words list every file of a campaign."""
    said = Path(f"results/logs/check_gate/{CAMPAIGN.name}.log")
    if said.is_file() and said.stat().st_mtime >= STARTED:
        print("", said.read_text().strip(), sep="\n", file=sys.stderr)
