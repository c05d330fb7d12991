# edgeproof: from a model to deployment artifacts and honest evidence about them.
#
#     snakemake --profile local          everything the campaign in config/config.yaml wants
#     snakemake --profile local -n       what would run, and why
#
# Rooms are in rules/, one file each; docs/architecture.md says what they make.
#
# A target names every file that its answer rests on, not only the last one: Snakemake does not miss an intermediate file
# that was deleted as long as what was made from it is there, but to us the whole results folder is the evidence.

from snakemake.utils import min_version

min_version("9.27.1")


include: "rules/common.smk"
include: "rules/sources.smk"
include: "rules/artifacts.smk"
include: "rules/runs.smk"
include: "rules/calibration.smk"
include: "rules/comparability.smk"
include: "rules/plans.smk"
include: "rules/adaptation.smk"
include: "rules/evidence.smk"
include: "rules/phases.smk"
include: "rules/bundles.smk"


wildcard_constraints:
    model=one_of(CATALOGUES["model"]),
    preset=one_of(CATALOGUES["preset"]),
    device=one_of(CATALOGUES["device"]),
    builder=one_of(["host", *CATALOGUES["device"]]),
    precision=one_of(["fp32", "fp16", "int8", "int8-dynamic", "int8-weights"]),
    comparison=one_of(CAMPAIGN.comparisons),
    campaign=one_of([CAMPAIGN.name]),
    pipeline=one_of(CATALOGUES["pipeline"]),
    goal="[a-z-]+",
    family=one_of(CATALOGUES["family"]),
    policy=one_of(CATALOGUES["selection"]),
    trace=one_of(CATALOGUES["trace"]),


# Functions, so that a run lists the files of its own targets only: a campaign has thousands.


rule sources:
    input:
        lambda wildcards: TARGETS.list_wanted("sources"),


rule artifacts:
    input:
        lambda wildcards: TARGETS.list_wanted("artifacts"),


rule runs:
    input:
        lambda wildcards: TARGETS.list_wanted("runs"),


rule calibration:
    input:
        lambda wildcards: TARGETS.list_wanted("calibration"),


rule comparability:
    input:
        lambda wildcards: TARGETS.list_wanted("comparability"),


rule plans:
    input:
        lambda wildcards: TARGETS.list_wanted("plans"),


rule adaptation:
    input:
        lambda wildcards: TARGETS.list_wanted("adaptation"),


rule evidence:
    input:
        lambda wildcards: TARGETS.list_wanted(*SPOKEN_OF, "pages"),


rule gate:
    input:
        lambda wildcards: TARGETS.list_wanted(*SPOKEN_OF, "gate"),


# Of a campaign with `phases`: what to deploy on each device.
rule phases:
    input:
        PHASES.list_targets() + PHASES.list_evidence() if PHASES.plan else [],


# On request only: all sessions of the campaign's cells over time, and what changed where a latency stepped.
rule history:
    input:
        f"{evidence_folder(CAMPAIGN.name)}/history.html",
        lambda wildcards: TARGETS.list_wanted("runs"),


# On request only: packing takes a while, and nobody needs it to look at the page.
rule bundle:
    input:
        f"{evidence_folder(CAMPAIGN.name)}/bundle.zip",
        lambda wildcards: TARGETS.list_wanted(*SPOKEN_OF, "pages", "gate"),


# On a cluster the boards measure and build; all else runs where Snakemake was started, which has the models and the time.
if NODES:
    workflow.localrules(*(rule.name for rule in workflow.rules if rule.name not in ON_DEVICE), "all")


onstart:
    require_own_boards()


onsuccess:
    show_end()


onerror:
    show_end()


rule all:
    default_target: True
    input:
        lambda wildcards: TARGETS.list_wanted(*SPOKEN_OF, "gate", "pages"),
    message:
        "All that the campaign {CAMPAIGN.name} wants is there"
