# Calibration: what pairs of a cell show when both arms are the same artifact. It never changes a margin.


rule calibrate_cell:
    input:
        artifact=CELLS.artifact_of,
        manifest=lambda wildcards: f"{CELLS.artifact_folder_of(wildcards)}/manifest.json",
        inputs="results/sources/{model}/samples/evaluation.npz",
        script="scripts/calibrate_cell.py",
        code=list_code("scripts/calibrate_cell.py"),
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
        cell=lambda wildcards: as_json([wildcards.model, wildcards.preset, wildcards.device, wildcards.precision]),
        arm=lambda wildcards: as_json(CELLS.arm_of(wildcards)),
        device=lambda wildcards: as_json(CELLS.describe_device(wildcards.device)),
        protocol=as_json(TARGETS.run_protocol()),
        plan=as_json(TARGETS.calibration_plan()),
        runtime=host_runtime_of,
        agent=digest_agent_code(),
    message:
        "Calibrating {wildcards.model}/{wildcards.preset}/{wildcards.device}/{wildcards.precision}: the same artifact against itself"
    shell:
        "python {input.script} --cell {params.cell:q} --arm {params.arm:q} --device {params.device:q}"
        " --protocol {params.protocol:q} --plan {params.plan:q} --agent {params.agent}"
        " --artifact {input.artifact:q} --manifest {input.manifest:q} --inputs {input.inputs:q}"
        " --toolchains {input.toolchains:q} --noise {output.noise:q} --table {output.table:q} 2>&1 | tee {log:q}"
