# Runs: one cell, measured on its device by fresh processes of the agent.


rule measure_run:
    input:
        artifact=CELLS.artifact_of,
        manifest=lambda wildcards: f"{CELLS.artifact_folder_of(wildcards)}/manifest.json",
        reference=lambda wildcards: f"{CELLS.artifact_folder_of(wildcards)}/reference.npz",
        identity="results/sources/{model}/identity.json",
        inputs="results/sources/{model}/samples/evaluation.npz",
        script="scripts/measure_run.py",
        code=list_code("scripts/measure_run.py"),
        agent=list_agent_code(),
        toolchains=CELLS.runtimes_of,
    output:
        result="results/runs/{model}/{preset}/{device}/{precision}/result.json",
        samples="results/runs/{model}/{preset}/{device}/{precision}/samples.csv",
    log:
        "results/logs/measure_run/{model}/{preset}/{device}/{precision}.log",
    conda:
        "../envs/edgeproof.yaml"
    threads: lambda wildcards: cores_to_measure(wildcards.device)
    resources:
        **device_slots(lambda wildcards: wildcards.device),
    params:
        cell=lambda wildcards: as_json(dict(wildcards)),
        task=lambda wildcards: CATALOGUES["model"][wildcards.model]["task"],
        arm=lambda wildcards: as_json(CELLS.arm_of(wildcards)),
        device=lambda wildcards: as_json(CELLS.describe_device(wildcards.device)),
        protocol=as_json(TARGETS.run_protocol()),
        runtime=host_runtime_of,
    message:
        "Measuring {wildcards.model}/{wildcards.preset}/{wildcards.device}/{wildcards.precision}"
    shell:
        "python {input.script} --cell {params.cell:q} --task {params.task} --arm {params.arm:q}"
        " --device {params.device:q} --protocol {params.protocol:q}"
        " --artifact {input.artifact:q} --manifest {input.manifest:q} --reference {input.reference:q}"
        " --identity {input.identity:q} --inputs {input.inputs:q} --toolchains {input.toolchains:q}"
        " --result {output.result:q} --samples {output.samples:q} 2>&1 | tee {log:q}"
