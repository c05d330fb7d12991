# Calibration: what a device can tell apart, from the same artifact measured against itself.


rule calibrate_device:
    input:
        artifact=lambda wildcards: artifact_of(calibrating_cell(wildcards)),
        manifest=lambda wildcards: f"{artifact_folder_of(calibrating_cell(wildcards))}/manifest.json",
        inputs=lambda wildcards: f"{source_folder(calibrating_cell(wildcards).model)}/samples/evaluation.npz",
        script="scripts/calibrate_device.py",
        code=source_closure("scripts/calibrate_device.py"),
        agent=agent_code(),
        toolchains=lambda wildcards: runtimes_of(calibrating_cell(wildcards)),
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
        cell=lambda wildcards: as_json(calibrating_cell(wildcards)._asdict()),
        arm=lambda wildcards: as_json(arm_of(calibrating_cell(wildcards))),
        device=lambda wildcards: as_json(device_snapshot(wildcards.device)),
        protocol=as_json(run_protocol()),
        plan=lambda wildcards: as_json(calibration_plan(wildcards)),
    message:
        "Calibrating {wildcards.device}: the same artifact against itself"
    shell:
        "python {input.script} --cell {params.cell:q} --arm {params.arm:q} --device {params.device:q}"
        " --protocol {params.protocol:q} --plan {params.plan:q}"
        " --artifact {input.artifact:q} --manifest {input.manifest:q} --inputs {input.inputs:q}"
        " --toolchains {input.toolchains:q} --noise {output.noise:q} --table {output.table:q} 2>&1 | tee {log:q}"
