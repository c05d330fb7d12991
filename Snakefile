# edgeproof: from a model to deployment artifacts and honest evidence about them.
#
#     snakemake --profile local          everything the campaign in config/config.yaml wants
#     snakemake --profile local -n       what would run, and why
#
# Rooms are in rules/, one file each; docs/architecture.md says what they make.

from snakemake.utils import min_version

min_version("9.27.1")


configfile: "config/config.yaml"


include: "rules/common.smk"
include: "rules/sources.smk"
include: "rules/artifacts.smk"
include: "rules/runs.smk"
include: "rules/comparability.smk"
include: "rules/evidence.smk"


wildcard_constraints:
    model=one_of(CATALOGUES["model"]),
    preset=one_of(CATALOGUES["preset"]),
    device=one_of(CATALOGUES["device"]),
    builder=one_of(["host", *CATALOGUES["device"]]),
    precision=one_of(["fp32", "fp16", "int8", "int8-dynamic", "int8-weights"]),
    comparison=one_of(CAMPAIGN.comparisons),
    campaign=one_of([CAMPAIGN.name]),


rule all:
    default_target: True
    input:
        f"results/evidence/{CAMPAIGN.name}/gate.json",


rule sources:
    input:
        [f"{source_folder(cell.model)}/samples/samples.json" for cell in CAMPAIGN.cells],


rule artifacts:
    input:
        [f"{artifact_folder_of(cell)}/parity.json" for cell in CAMPAIGN.cells],


rule runs:
    input:
        [f"{run_folder(cell)}/result.json" for cell in CAMPAIGN.cells],


rule comparability:
    input:
        [f"results/comparability/{name}/report.json" for name in CAMPAIGN.comparisons],


rule evidence:
    input:
        f"results/evidence/{CAMPAIGN.name}/report.html",
