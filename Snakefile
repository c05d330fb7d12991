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


rule sources:
    input:
        [f"{source_folder(model)}/{name}" for model in TARGETS.models for name in SOURCE_FILES],


rule artifacts:
    input:
        [CELLS.artifact_of(cell) for cell in CAMPAIGN.cells],
        [f"{CELLS.artifact_folder_of(cell)}/{name}" for cell in CAMPAIGN.cells for name in ARTIFACT_FILES],
        TARGETS.build_files(*CAMPAIGN.comparisons),


rule runs:
    input:
        [f"{run_folder(cell)}/{name}" for cell in CAMPAIGN.cells for name in RUN_FILES],


rule calibration:
    input:
        TARGETS.noise_files("noise.json", "pairs.csv"),


rule comparability:
    input:
        TARGETS.comparison_files(*COMPARISON_FILES),
        [
            f"{run_folder(side)}/{name}"
            for comparison in CAMPAIGN.comparisons.values()
            for side in (comparison.left, comparison.right)
            for name in RUN_FILES
        ],


rule plans:
    input:
        TARGETS.plan_targets(),


rule adaptation:
    input:
        TARGETS.adaptation_targets(),


# What a page, a gate and a bundle of the campaign speak of.
SPOKEN_OF = [
    getattr(rules, name).input
    for name in ("sources", "artifacts", "runs", "calibration", "comparability", "plans", "adaptation")
]


rule evidence:
    input:
        SPOKEN_OF,
        [f"{evidence_folder(CAMPAIGN.name)}/{name}" for name in ("report.html", "report.md")],
        TARGETS.model_pages(),


rule gate:
    input:
        f"{evidence_folder(CAMPAIGN.name)}/gate.json",
        SPOKEN_OF,


# Of a campaign with `phases`: what to deploy on each device.
rule phases:
    input:
        PHASES.list_targets() + PHASES.list_evidence() if PHASES.plan else [],


# On request only: all sessions of the campaign's cells over time, and what changed where a latency stepped.
rule history:
    input:
        f"{evidence_folder(CAMPAIGN.name)}/history.html",
        rules.runs.input,


# On request only: packing takes a while, and nobody needs it to look at the page.
rule bundle:
    input:
        f"{evidence_folder(CAMPAIGN.name)}/bundle.zip",
        rules.gate.input,
        rules.evidence.input,


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
        rules.gate.input,
        rules.evidence.input,
    message:
        "All that the campaign {CAMPAIGN.name} wants is there"
