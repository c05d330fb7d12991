# Artifacts: what is deployed, the record of how it was built, and how its outputs compare with the source model's.


rule build_onnx:
    input:
        source="results/sources/{model}/model.onnx",
        identity="results/sources/{model}/identity.json",
        calibration=calibration_of,
        script="scripts/build_onnx.py",
        code=source_closure("scripts/build_onnx.py"),
    output:
        artifact="results/artifacts/{model}/{preset}/{builder}/{precision}/artifact.onnx",
        manifest="results/artifacts/{model}/{preset}/{builder}/{precision}/manifest.json",
    log:
        "results/logs/build_onnx/{model}/{preset}/{builder}/{precision}.log",
    wildcard_constraints:
        preset=one_of(presets_of("onnx")),
    conda:
        "../envs/edgeproof.yaml"
    params:
        cell=lambda wildcards: as_json(dict(wildcards)),
        preset=lambda wildcards: as_json(build_snapshot(wildcards.preset)),
        calibration=lambda wildcards, input: (f"--calibration {input.calibration}" if input.calibration else ""),
    message:
        "Building {wildcards.model} as {wildcards.precision} ONNX for {wildcards.preset}"
    shell:
        "python {input.script} --cell {params.cell:q} --source {input.source:q} --identity {input.identity:q}"
        " --preset {params.preset:q} --precision {wildcards.precision} {params.calibration}"
        " --artifact {output.artifact:q} --manifest {output.manifest:q} 2>&1 | tee {log:q}"


use rule build_onnx as build_fake with:
    input:
        source="results/sources/{model}/model.onnx",
        identity="results/sources/{model}/identity.json",
        calibration=[],
        script="scripts/build_fake.py",
        code=source_closure("scripts/build_fake.py"),
    output:
        artifact="results/artifacts/{model}/{preset}/{builder}/{precision}/artifact.json",
        manifest="results/artifacts/{model}/{preset}/{builder}/{precision}/manifest.json",
    log:
        "results/logs/build_fake/{model}/{preset}/{builder}/{precision}.log",
    wildcard_constraints:
        preset=one_of(presets_of("json")),
    message:
        "Building {wildcards.model} as {wildcards.precision} for {wildcards.preset}"


rule check_parity:
    input:
        source="results/sources/{model}/model.onnx",
        inputs="results/sources/{model}/samples/evaluation.npz",
        samples="results/sources/{model}/samples/samples.json",
        artifact=lambda wildcards: "results/artifacts/{model}/{preset}/{builder}/{precision}/artifact."
        + CATALOGUES["preset"][wildcards.preset]["artifact"],
        manifest="results/artifacts/{model}/{preset}/{builder}/{precision}/manifest.json",
        script="scripts/check_parity.py",
        code=source_closure("scripts/check_parity.py"),
        agent=agent_code(),
    output:
        parity="results/artifacts/{model}/{preset}/{builder}/{precision}/parity.json",
        reference="results/artifacts/{model}/{preset}/{builder}/{precision}/reference.npz",
    log:
        "results/logs/check_parity/{model}/{preset}/{builder}/{precision}.log",
    conda:
        "../envs/edgeproof.yaml"
    params:
        cell=lambda wildcards: as_json(dict(wildcards)),
        arm=lambda wildcards: as_json(arm_of(wildcards)),
        thresholds=lambda wildcards: as_json(
            CATALOGUES["preset"][wildcards.preset]["parity"].get(wildcards.precision, {})
        ),
    message:
        "Checking the outputs of {wildcards.model} {wildcards.precision} ({wildcards.preset}) against the source"
    shell:
        "python {input.script} --cell {params.cell:q} --source {input.source:q} --artifact {input.artifact:q}"
        " --manifest {input.manifest:q} --inputs {input.inputs:q} --samples {input.samples:q} --arm {params.arm:q}"
        " --thresholds {params.thresholds:q}"
        " --parity {output.parity:q} --reference {output.reference:q} 2>&1 | tee {log:q}"
