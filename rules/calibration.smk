# Calibration: what a device can tell apart, from the same artifact measured against itself.


rule calibrate_device:
    input:
        artifact=lambda wildcards: CELLS.artifact_of(TARGETS.calibrating_cell(wildcards.device)),
        manifest=lambda wildcards: f"{CELLS.artifact_folder_of(TARGETS.calibrating_cell(wildcards.device))}/manifest.json",
        inputs=lambda wildcards: f"{source_folder(TARGETS.calibrating_cell(wildcards.device).model)}/samples/evaluation.npz",
        script="scripts/calibrate_device.py",
        code=list_code("scripts/calibrate_device.py"),
        agent=list_agent_code(),
        toolchains=lambda wildcards: CELLS.runtimes_of(TARGETS.calibrating_cell(wildcards.device)),
    output:
        noise="results/calibration/{device}/noise.json",
        table="results/calibration/{device}/pairs.csv",
    log:
        "results/logs/calibrate_device/{device}.log",
    conda:
        "../envs/edgeproof.yaml"
    threads: lambda wildcards: cores_to_measure(wildcards.device)
    resources:
        **device_slots(lambda wildcards: wildcards.device),
    params:
        cell=lambda wildcards: as_json(TARGETS.calibrating_cell(wildcards.device)._asdict()),
        arm=lambda wildcards: as_json(CELLS.arm_of(TARGETS.calibrating_cell(wildcards.device))),
        device=lambda wildcards: as_json(CELLS.describe_device(wildcards.device)),
        protocol=as_json(TARGETS.run_protocol()),
        plan=lambda wildcards: as_json(
            TARGETS.calibration_plan(wildcards.device, host_runtime_of(TARGETS.calibrating_cell(wildcards.device)))
        ),
    message:
        "Calibrating {wildcards.device}: the same artifact against itself"
    shell:
        "python {input.script} --cell {params.cell:q} --arm {params.arm:q} --device {params.device:q}"
        " --protocol {params.protocol:q} --plan {params.plan:q}"
        " --artifact {input.artifact:q} --manifest {input.manifest:q} --inputs {input.inputs:q}"
        " --toolchains {input.toolchains:q} --noise {output.noise:q} --table {output.table:q} 2>&1 | tee {log:q}"
