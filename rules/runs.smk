# Runs: one cell, measured on its device by fresh processes of the agent.


rule measure_run:
    input:
        artifact=CELLS.artifact_of,
        manifest=lambda wildcards: f"{CELLS.artifact_folder_of(wildcards)}/manifest.json",
        reference=lambda wildcards: f"{CELLS.artifact_folder_of(wildcards)}/reference.npz",
        identity="results/sources/{model}/identity.json",
        inputs="results/sources/{model}/samples/evaluation.npz",
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
        key=lambda wildcards: as_json(KEYS.measure_run(wildcards)),
    message:
        "Measuring {wildcards.model}/{wildcards.preset}/{wildcards.device}/{wildcards.precision}"
    shell:
        "python scripts/measure_run.py --key {params.key:q} --made {output.result:q}"
        " --artifact {input.artifact:q} --manifest {input.manifest:q} --reference {input.reference:q}"
        " --identity {input.identity:q} --inputs {input.inputs:q} --toolchains {input.toolchains:q}"
        " --result {output.result:q} --samples {output.samples:q} 2>&1 | tee {log:q}"
