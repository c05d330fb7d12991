# Artifacts: what is deployed, the record of how it was built, and how its outputs compare with the source model's.


# A toolchain is an environment that is made from its lock when a job needs it. Runs in ONNX Runtime alone need none.


rule make_toolchain:
    input:
        lock="envs/{toolchain}.lock",
    output:
        "results/toolchains/{toolchain}.json",
    log:
        "results/logs/make_toolchain/{toolchain}.log",
    wildcard_constraints:
        toolchain=one_of(CELLS.list_toolchains()),
    conda:
        "../envs/edgeproof.yaml"
    params:
        key=lambda wildcards: as_json(KEYS.make_toolchain(wildcards)),
    message:
        "Making the environment {wildcards.toolchain} from its lock"
    shell:
        "python scripts/make_toolchain.py --key {params.key:q} --made {output:q}"
        " --lock {input.lock:q} --output {output:q} 2>&1 | tee {log:q}"


rule build_onnx:
    input:
        source="results/sources/{model}/model.onnx",
        identity="results/sources/{model}/identity.json",
        calibration=CELLS.calibration_set_of,
    output:
        artifact="results/artifacts/{model}/{preset}/{builder}/{precision}/artifact.onnx",
        manifest="results/artifacts/{model}/{preset}/{builder}/{precision}/manifest.json",
    log:
        "results/logs/build_onnx/{model}/{preset}/{builder}/{precision}.log",
    wildcard_constraints:
        model=one_of(CELLS.built_models()),
        preset=one_of(CELLS.presets_of("onnx")),
    conda:
        "../envs/edgeproof.yaml"
    params:
        key=lambda wildcards: as_json(KEYS.build(wildcards)),
    message:
        "Building {wildcards.model} as {wildcards.precision} ONNX for {wildcards.preset}"
    shell:
        "python scripts/build_onnx.py --key {params.key:q} --made {output.manifest:q}"
        " --source {input.source:q} --identity {input.identity:q} --calibration {input.calibration:q}"
        " --artifact {output.artifact:q} --manifest {output.manifest:q} 2>&1 | tee {log:q}"


rule build_fake:
    input:
        source="results/sources/{model}/model.onnx",
        identity="results/sources/{model}/identity.json",
    output:
        artifact="results/artifacts/{model}/{preset}/{builder}/{precision}/artifact.json",
        manifest="results/artifacts/{model}/{preset}/{builder}/{precision}/manifest.json",
    log:
        "results/logs/build_fake/{model}/{preset}/{builder}/{precision}.log",
    wildcard_constraints:
        model=one_of(CELLS.built_models()),
        preset=one_of(CELLS.presets_of("json")),
    conda:
        "../envs/edgeproof.yaml"
    params:
        key=lambda wildcards: as_json(KEYS.build(wildcards)),
    message:
        "Building {wildcards.model} as {wildcards.precision} for {wildcards.preset}"
    shell:
        "python scripts/build_fake.py --key {params.key:q} --made {output.manifest:q}"
        " --source {input.source:q} --identity {input.identity:q}"
        " --artifact {output.artifact:q} --manifest {output.manifest:q} 2>&1 | tee {log:q}"


rule build_saved_model:
    input:
        source="results/sources/{model}/model.onnx",
        identity="results/sources/{model}/identity.json",
        toolchain="results/toolchains/tensorflow.json",
    output:
        artifact="results/artifacts/{model}/saved_model/saved_model.zip",
        record="results/artifacts/{model}/saved_model/saved_model.json",
    log:
        script="results/logs/build_saved_model/{model}.log",
        converter="results/logs/build_saved_model/{model}.converter.log",
    conda:
        "../envs/edgeproof.yaml"
    params:
        key=lambda wildcards: as_json(KEYS.build_saved_model(wildcards)),
    message:
        "Converting {wildcards.model} to a SavedModel"
    shell:
        "python scripts/build_saved_model.py --key {params.key:q} --made {output.record:q}"
        " --source {input.source:q} --identity {input.identity:q} --toolchain {input.toolchain:q}"
        " --artifact {output.artifact:q} --record {output.record:q} --log {log.converter:q} 2>&1 | tee {log.script:q}"


rule build_tflite:
    input:
        source="results/sources/{model}/model.onnx",
        identity="results/sources/{model}/identity.json",
        calibration=CELLS.calibration_set_of,
        saved_model=lambda wildcards: CELLS.saved_model_of(wildcards)[:1],
        packed=lambda wildcards: CELLS.saved_model_of(wildcards)[1:],
        toolchain=lambda wildcards: CELLS.toolchain_of(wildcards.preset),
    output:
        artifact="results/artifacts/{model}/{preset}/{builder}/{precision}/artifact.tflite",
        manifest="results/artifacts/{model}/{preset}/{builder}/{precision}/manifest.json",
    log:
        script="results/logs/build_tflite/{model}/{preset}/{builder}/{precision}.log",
        converter="results/logs/build_tflite/{model}/{preset}/{builder}/{precision}.converter.log",
    wildcard_constraints:
        model=one_of(CELLS.built_models()),
        preset=one_of(CELLS.presets_of("tflite")),
    conda:
        "../envs/edgeproof.yaml"
    params:
        key=lambda wildcards: as_json(KEYS.build(wildcards)),
    message:
        "Building {wildcards.model} as {wildcards.precision} for {wildcards.preset}"
    shell:
        "python scripts/build_converted.py --key {params.key:q} --made {output.manifest:q}"
        " --source {input.source:q} --identity {input.identity:q} --calibration {input.calibration:q}"
        " --saved-model {input.saved_model:q} --toolchain {input.toolchain:q}"
        " --artifact {output.artifact:q} --manifest {output.manifest:q} --log {log.converter:q} 2>&1 | tee {log.script:q}"


use rule build_tflite as build_coreml with:
    input:
        source="results/sources/{model}/model.onnx",
        identity="results/sources/{model}/identity.json",
        calibration=[],
        saved_model=lambda wildcards: CELLS.saved_model_of(wildcards)[:1],
        packed=lambda wildcards: CELLS.saved_model_of(wildcards)[1:],
        toolchain=lambda wildcards: CELLS.toolchain_of(wildcards.preset),
    output:
        artifact="results/artifacts/{model}/{preset}/{builder}/{precision}/artifact.mlpackage.zip",
        manifest="results/artifacts/{model}/{preset}/{builder}/{precision}/manifest.json",
    log:
        script="results/logs/build_coreml/{model}/{preset}/{builder}/{precision}.log",
        converter="results/logs/build_coreml/{model}/{preset}/{builder}/{precision}.converter.log",
    wildcard_constraints:
        model=one_of(CELLS.built_models()),
        preset=one_of(CELLS.presets_of("mlpackage.zip")),


rule build_openvino:
    input:
        source="results/sources/{model}/model.onnx",
        identity="results/sources/{model}/identity.json",
        calibration=CELLS.calibration_set_of,
        toolchain=lambda wildcards: CELLS.toolchain_of(wildcards.preset),
    output:
        artifact="results/artifacts/{model}/{preset}/{builder}/{precision}/artifact.openvino.zip",
        manifest="results/artifacts/{model}/{preset}/{builder}/{precision}/manifest.json",
    log:
        script="results/logs/build_openvino/{model}/{preset}/{builder}/{precision}.log",
        converter="results/logs/build_openvino/{model}/{preset}/{builder}/{precision}.converter.log",
    wildcard_constraints:
        model=one_of(CELLS.built_models()),
        preset=one_of(CELLS.presets_of("openvino.zip")),
    conda:
        "../envs/edgeproof.yaml"
    params:
        key=lambda wildcards: as_json(KEYS.build(wildcards)),
    message:
        "Building {wildcards.model} as {wildcards.precision} for {wildcards.preset}"
    shell:
        "python scripts/build_openvino.py --key {params.key:q} --made {output.manifest:q}"
        " --source {input.source:q} --identity {input.identity:q} --calibration {input.calibration:q}"
        " --toolchain {input.toolchain:q}"
        " --artifact {output.artifact:q} --manifest {output.manifest:q} --log {log.converter:q} 2>&1 | tee {log.script:q}"


use rule build_tflite as build_torchscript with:
    input:
        source="results/sources/{model}/model.onnx",
        identity="results/sources/{model}/identity.json",
        calibration=[],
        saved_model=[],
        toolchain=lambda wildcards: CELLS.toolchain_of(wildcards.preset),
    output:
        artifact="results/artifacts/{model}/{preset}/{builder}/{precision}/artifact.pt",
        manifest="results/artifacts/{model}/{preset}/{builder}/{precision}/manifest.json",
    log:
        script="results/logs/build_torchscript/{model}/{preset}/{builder}/{precision}.log",
        converter="results/logs/build_torchscript/{model}/{preset}/{builder}/{precision}.converter.log",
    wildcard_constraints:
        model=one_of(CELLS.built_models()),
        preset=one_of(CELLS.presets_of("pt")),


# Built on the device, with the tools that it has; nothing is installed.


rule build_tensorrt:
    input:
        source="results/sources/{model}/model.onnx",
        identity="results/sources/{model}/identity.json",
        calibration=CELLS.calibration_set_of,
    output:
        artifact="results/artifacts/{model}/{preset}/{builder}/{precision}/artifact.engine",
        manifest="results/artifacts/{model}/{preset}/{builder}/{precision}/manifest.json",
    log:
        script="results/logs/build_tensorrt/{model}/{preset}/{builder}/{precision}.log",
        converter="results/logs/build_tensorrt/{model}/{preset}/{builder}/{precision}.converter.log",
    wildcard_constraints:
        model=one_of(CELLS.built_models()),
        preset=one_of(CELLS.presets_of("engine")),
        builder=one_of(CATALOGUES["device"]),
    conda:
        "../envs/edgeproof.yaml"
    resources:
        **device_slots(lambda wildcards: wildcards.builder),
    params:
        key=lambda wildcards: as_json(KEYS.build(wildcards)),
    message:
        "Building {wildcards.model} as {wildcards.precision} for {wildcards.preset} on {wildcards.builder}"
    shell:
        "python scripts/build_tensorrt.py --key {params.key:q} --made {output.manifest:q}"
        " --source {input.source:q} --identity {input.identity:q} --calibration {input.calibration:q}"
        " --artifact {output.artifact:q} --manifest {output.manifest:q} --log {log.converter:q} 2>&1 | tee {log.script:q}"


rule build_rknn:
    input:
        source="results/sources/{model}/model.onnx",
        identity="results/sources/{model}/identity.json",
        calibration=CELLS.calibration_set_of,
    output:
        artifact="results/artifacts/{model}/{preset}/{builder}/{precision}/artifact.rknn",
        manifest="results/artifacts/{model}/{preset}/{builder}/{precision}/manifest.json",
    log:
        script="results/logs/build_rknn/{model}/{preset}/{builder}/{precision}.log",
        converter="results/logs/build_rknn/{model}/{preset}/{builder}/{precision}.converter.log",
    wildcard_constraints:
        model=one_of(CELLS.built_models()),
        preset=one_of(CELLS.presets_of("rknn")),
        builder=one_of(CATALOGUES["device"]),
    conda:
        "../envs/edgeproof.yaml"
    resources:
        **device_slots(lambda wildcards: wildcards.builder),
    params:
        key=lambda wildcards: as_json(KEYS.build(wildcards)),
    message:
        "Building {wildcards.model} as {wildcards.precision} for {wildcards.preset} on {wildcards.builder}"
    shell:
        "python scripts/build_rknn.py --key {params.key:q} --made {output.manifest:q}"
        " --source {input.source:q} --identity {input.identity:q} --calibration {input.calibration:q}"
        " --artifact {output.artifact:q} --manifest {output.manifest:q} --log {log.converter:q} 2>&1 | tee {log.script:q}"


# A stored artifact (a baseline, or one that a comparison names by its digest) takes the place of a build.


rule use_artifact:
    input:
        lambda wildcards: CELLS.kept_of(wildcards.model)["artifact"],
    output:
        "results/artifacts/{model}/{preset}/{builder}/{precision}/artifact.{format}",
    log:
        "results/logs/use_artifact/{model}/{preset}/{builder}/{precision}.{format}.log",
    wildcard_constraints:
        model=one_of(CELLS.kept_models()),
        format=one_of(preset["artifact"] for preset in CATALOGUES["preset"].values()),
    conda:
        "../envs/edgeproof.yaml"
    params:
        key=lambda wildcards: as_json(KEYS.use_artifact(wildcards)),
    message:
        "Using the stored artifact {wildcards.model}"
    shell:
        "python scripts/use_artifact.py --key {params.key:q} --made {output:q} --output {output:q} 2>&1 | tee {log:q}"


rule use_manifest:
    input:
        lambda wildcards: CELLS.kept_of(wildcards.model)["manifest"],
    output:
        "results/artifacts/{model}/{preset}/{builder}/{precision}/manifest.json",
    log:
        "results/logs/use_manifest/{model}/{preset}/{builder}/{precision}.log",
    wildcard_constraints:
        model=one_of(CELLS.kept_models()),
    conda:
        "../envs/edgeproof.yaml"
    params:
        key=lambda wildcards: as_json(KEYS.use_manifest(wildcards)),
    message:
        "Using the manifest of the stored artifact {wildcards.model}"
    shell:
        "python scripts/use_manifest.py --key {params.key:q} --made {output:q} --output {output:q} 2>&1 | tee {log:q}"


rule check_parity:
    input:
        source="results/sources/{model}/model.onnx",
        inputs="results/sources/{model}/samples/evaluation.npz",
        samples="results/sources/{model}/samples/samples.json",
        artifact=lambda wildcards: "results/artifacts/{model}/{preset}/{builder}/{precision}/artifact."
        + CATALOGUES["preset"][wildcards.preset]["artifact"],
        manifest="results/artifacts/{model}/{preset}/{builder}/{precision}/manifest.json",
        toolchains=lambda wildcards: CELLS.parity_runtime_of(wildcards.preset),
    output:
        parity="results/artifacts/{model}/{preset}/{builder}/{precision}/parity.json",
        reference="results/artifacts/{model}/{preset}/{builder}/{precision}/reference.npz",
    log:
        "results/logs/check_parity/{model}/{preset}/{builder}/{precision}.log",
    wildcard_constraints:
        builder="host",
    conda:
        "../envs/edgeproof.yaml"
    params:
        key=lambda wildcards: as_json(KEYS.check_parity(wildcards)),
    message:
        "Checking the outputs of {wildcards.model} {wildcards.precision} ({wildcards.preset}) against the source"
    shell:
        "python scripts/check_parity.py --key {params.key:q} --made {output.parity:q}"
        " --source {input.source:q} --artifact {input.artifact:q} --manifest {input.manifest:q}"
        " --inputs {input.inputs:q} --samples {input.samples:q} --toolchains {input.toolchains:q}"
        " --parity {output.parity:q} --reference {output.reference:q} 2>&1 | tee {log:q}"


# What only its device can run has its outputs checked there, and nothing is measured beside it.
use rule check_parity as check_parity_on_device with:
    wildcard_constraints:
        builder=one_of(CATALOGUES["device"]),
    resources:
        **device_slots(lambda wildcards: wildcards.builder),
