# Calibration: what pairs of a cell show when both arms are the same artifact. It never changes a margin.


rule calibrate_cell:
    input:
        artifact=CELLS.artifact_of,
        manifest=lambda wildcards: f"{CELLS.artifact_folder_of(wildcards)}/manifest.json",
        inputs="results/sources/{model}/samples/evaluation.npz",
        toolchains=CELLS.runtimes_of,
    output:
        noise="results/calibration/{model}/{preset}/{device}/{precision}/{protocol}/noise.json",
        table="results/calibration/{model}/{preset}/{device}/{precision}/{protocol}/pairs.csv",
    log:
        "results/logs/calibrate_cell/{model}/{preset}/{device}/{precision}/{protocol}.log",
    wildcard_constraints:
        protocol=one_of([CAMPAIGN.protocol]),
    conda:
        "../envs/edgeproof.yaml"
    threads: lambda wildcards: cores_to_measure(wildcards.device)
    resources:
        **device_slots(lambda wildcards: wildcards.device),
    params:
        key=lambda wildcards: as_json(KEYS.calibrate_cell(wildcards)),
    message:
        "Calibrating {wildcards.model}/{wildcards.preset}/{wildcards.device}/{wildcards.precision}: the same artifact against itself"
    shell:
        "python scripts/calibrate_cell.py --key {params.key:q} --made {output.noise:q}"
        " --artifact {input.artifact:q} --manifest {input.manifest:q} --inputs {input.inputs:q}"
        " --toolchains {input.toolchains:q} --noise {output.noise:q} --table {output.table:q} 2>&1 | tee {log:q}"
