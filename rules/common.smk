# What the rules share that needs the workflow or the campaign. No rules here; what can be told from the catalogues alone is in
# scripts/edgeproof/core (cells, stages, closure), where it is tested without Snakemake.

import json
import re
import shlex
import sys
from pathlib import Path

from snakemake.logging import logger
from snakemake.settings.types import DeploymentMethod

sys.path.insert(0, str(Path(workflow.basedir) / "scripts"))

from edgeproof.core.processes import drop_foreign_paths, keep_pandas_out, shell_prefix

drop_foreign_paths()
keep_pandas_out()

from edgeproof.core.wildcard_names import one_of
from edgeproof.core.campaign_files import list_added_cells
from edgeproof.core.campaign_nodes import read_nodes
from edgeproof.core.campaign_view import BASE
from edgeproof.core.checkout import require_own_environment
from edgeproof.core.closing import compose_closing, mark_file, read_if_new
from edgeproof.core.errors import UserError
from edgeproof.core.layout import (
    comparison_folder,
    evidence_folder,
    plan_folder,
    run_folder,
    source_folder,
)
from edgeproof.core.progress import ProgressHandler, ShortErrors, ShortReasons, describe_failures, describe_stopped
from edgeproof.core.targets import SPOKEN_OF
from edgeproof.remote.device_links import VARIABLE as LINKS_VARIABLE
from edgeproof.remote.device_links import describe_links
from edgeproof.workflow.job_graph import ON_DEVICE
from edgeproof.workflow.local_boards import find_other_boards
from edgeproof.workflow.lost_attempts import renew_documents
from edgeproof.workflow.phase_keys import PhaseKeys
from edgeproof.workflow.workflow_reading import read_versions, read_workflow
from edgeproof.workflow.wanted_file import compose_options, describe_wanted, write_wanted

IN_CONDA = DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method
# `python` in a rule is the one that runs Snakemake, unless --sdm conda gives the rule an environment of its own.
# Our prefix replaces Snakemake's, so it must ask for strict mode again.
FIRST = "" if IN_CONDA else f"PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH; "


def versions_of(*packages):
    """Return {package: version} of the workflow's own environment.

    None with --sdm conda, where rules have environments of their own; Snakemake itself looks whether these have changed.
    """
    return None if IN_CONDA else read_versions(*packages)


# The campaign is read here and not by `configfile:`, which keeps the last of two equal keys and names no line.
SETTINGS = workflow.config_settings
CAMPAIGN_FILES = [*([] if SETTINGS.replace_workflow_config else [BASE]), *SETTINGS.configfiles]
try:
    require_own_environment(Path(workflow.basedir))
    FILES, CATALOGUES, CAMPAIGN, KEYS = read_workflow(CAMPAIGN_FILES, SETTINGS.config, versions_of)
    NODES = read_nodes(FILES, dict.fromkeys(cell.device for cell in CAMPAIGN.cells), CATALOGUES["device"])
    PHASES = PhaseKeys(FILES, KEYS)
except UserError as error:  # one line, without Snakemake's own words about the file that noticed it
    print(f"error: {error}", file=sys.stderr)
    sys.exit(2)

# How boards are reached is no key of a job: it decides nothing that is measured.
LINKS = f"export {LINKS_VARIABLE}={shlex.quote(describe_links(CATALOGUES['device']))}; "
LINKS = LINKS.translate({ord("{"): "{{", ord("}"): "}}"})  # Snakemake formats the prefix with the command
shell.prefix(f"set -euo pipefail; {shell_prefix()}{LINKS}{FIRST}")

# Snakemake says only after reading this file whether it is a dry run.
DRY = any(re.fullmatch("-[a-zA-Z]*n[a-zA-Z]*|--dry-?run", word) for word in sys.argv)

PROGRESS = ProgressHandler()
if workflow.is_main_process:
    for sentence in [*list_added_cells(CAMPAIGN, FILES), *renew_documents(KEYS.targets, DRY)]:
        print(sentence, file=sys.stderr)

    PROGRESS.foretell(CAMPAIGN, CATALOGUES["protocol"], silent=workflow.output_settings.dryrun)
    logger.addHandler(PROGRESS)
    if not workflow.output_settings.verbose:
        for handler in logger.handlers:
            if handler.name == "DefaultStreamHandler":
                handler.addFilter(ShortErrors())
                if not workflow.output_settings.dryrun:
                    handler.setFormatter(ShortReasons(handler.formatter))

# What the gate says in this run is shown at its end, and never what it said in an earlier one.
GATE_LOG = f"results/logs/check_gate/{CAMPAIGN.name}.log"
GATE_BEFORE = mark_file(GATE_LOG)

CELLS, STAGES, TARGETS = KEYS.cells, KEYS.stages, KEYS.targets
# One slot per device, of which there is one.
SLOTS = {name: "slot_{}".format(name.replace("-", "_")) for name in CATALOGUES["device"]}
for slot in SLOTS.values():
    workflow.register_resource(slot, 1)


def as_json(value):
    """Return a params value for the command line: canonical JSON, so that equal knobs are equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def cores_to_measure(device):
    """Return the threads of a measuring rule: all of them when this machine is the device, so that nothing runs beside it."""
    if NODES:
        return NODES[device].cpus
    return workflow.cores if CATALOGUES["device"][device]["transport"] == "local" else 1


def device_slots(device_of):
    """Return the resources of a measuring rule. `device_of`: from wildcards to the name of the device.

    On a cluster it asks Slurm for the node with the board, and for all of that node.
    """
    slots = {slot: lambda wildcards, name=name: int(device_of(wildcards) == name) for name, slot in SLOTS.items()}
    asked = {"constraint": "constraint", "gres": "gres", "cpus_per_task": "cpus"} if NODES else {}
    return slots | {
        resource: lambda wildcards, field=field: getattr(NODES[device_of(wildcards)], field)
        for resource, field in asked.items()
    }


# What today's configuration and code want, for report and gate.
# A job on a node reads it and is another machine, so it writes none.
if workflow.is_main_process:
    OPTIONS = compose_options(SETTINGS.configfiles, SETTINGS.replace_workflow_config, SETTINGS.config)
    write_wanted(describe_wanted(KEYS, PHASES, OPTIONS), DRY)


def require_own_boards():
    """End the run in one line per device if a job would measure a board that this machine is not; nothing is built before."""
    jobs = [] if NODES else list(workflow.dag.needrun_jobs())
    names = [name for name, slot in SLOTS.items() if any(job.resources.get(slot) for job in jobs)]
    if lines := find_other_boards(names, CATALOGUES["device"]):
        print(*(f"error: {line}" for line in lines), sep="\n", file=sys.stderr)
        sys.exit(2)


def show_end():
    """Print verdicts, what failed and where the page is: Snakemake's own last words list every file of a campaign."""
    gate = read_if_new(GATE_LOG, GATE_BEFORE)
    failed = [job for job in PROGRESS.failed if not gate or job[0] != "check_gate"]
    told = compose_closing(gate, [*describe_failures(failed), *describe_stopped(PROGRESS.stopped)])
    print("", *told, sep="\n", file=sys.stderr)
