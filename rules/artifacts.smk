# Artifacts: what is deployed, the record of how it was built, and how its outputs compare with the source model's.


# A toolchain is an environment that is made from its lock when a job needs it. Runs in ONNX Runtime alone need none.


rule make_toolchain:
    input:
        lock="envs/{toolchain}.lock",
        script="scripts/make_toolchain.py",
        code=list_code("scripts/make_toolchain.py"),
    output:
        "results/toolchains/{toolchain}.json",
    log:
        "results/logs/make_toolchain/{toolchain}.log",
    wildcard_constraints:
        toolchain=one_of(CELLS.list_toolchains()),
    conda:
        "../envs/edgeproof.yaml"
    message:
        "Making the environment {wildcards.toolchain} from its lock"
    shell:
        "python {input.script} --toolchain {wildcards.toolchain} --lock {input.lock:q} --output {output:q} 2>&1 | tee {log:q}"


rule build_onnx:
    input:
        source="results/sources/{model}/model.onnx",
        identity="results/sources/{model}/identity.json",
        calibration=CELLS.calibration_set_of,
        script="scripts/build_onnx.py",
        code=list_code("scripts/build_onnx.py"),
    output:
        artifact="results/artifacts/{model}/{preset}/{builder}/{precision}/artifact.onnx",
        manifest="results/artifacts/{model}/{preset}/{builder}/{precision}/manifest.json",
    log:
        "results/logs/build_onnx/{model}/{preset}/{builder}/{precision}.log",
    wildcard_constraints:
        preset=one_of(CELLS.presets_of("onnx")),
    conda:
        "../envs/edgeproof.yaml"
    params:
        cell=lambda wildcards: as_json(dict(wildcards)),
        preset=lambda wildcards: as_json(build_snapshot(wildcards)),
        calibration=lambda wildcards, input: give_option("--calibration", input.calibration),
        tools=host_tools_of,
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
        code=list_code("scripts/build_fake.py"),
    output:
        artifact="results/artifacts/{model}/{preset}/{builder}/{precision}/artifact.json",
        manifest="results/artifacts/{model}/{preset}/{builder}/{precision}/manifest.json",
    log:
        "results/logs/build_fake/{model}/{preset}/{builder}/{precision}.log",
    wildcard_constraints:
        preset=one_of(CELLS.presets_of("json")),
    message:
        "Building {wildcards.model} as {wildcards.precision} for {wildcards.preset}"


rule build_saved_model:
    input:
        source="results/sources/{model}/model.onnx",
        identity="results/sources/{model}/identity.json",
        toolchain="results/toolchains/tensorflow.json",
        script="scripts/build_saved_model.py",
        code=list_code("scripts/build_saved_model.py"),
        converter=list_converter_code("saved_model"),
    output:
        artifact="results/artifacts/{model}/saved_model/saved_model.zip",
        record="results/artifacts/{model}/saved_model/saved_model.json",
    log:
        script="results/logs/build_saved_model/{model}.log",
        converter="results/logs/build_saved_model/{model}.converter.log",
    conda:
        "../envs/edgeproof.yaml"
    message:
        "Converting {wildcards.model} to a SavedModel"
    shell:
        "python {input.script} --source {input.source:q} --identity {input.identity:q} --toolchain {input.toolchain:q}"
        " --artifact {output.artifact:q} --record {output.record:q} --log {log.converter:q} 2>&1 | tee {log.script:q}"


rule build_tflite:
    input:
        source="results/sources/{model}/model.onnx",
        identity="results/sources/{model}/identity.json",
        calibration=CELLS.calibration_set_of,
        saved_model="results/artifacts/{model}/saved_model/saved_model.json",
        packed="results/artifacts/{model}/saved_model/saved_model.zip",
        toolchain=lambda wildcards: CELLS.toolchain_of(wildcards.preset),
        script="scripts/build_converted.py",
        code=list_code("scripts/build_converted.py"),
        converter=list_converter_code("tflite"),
    output:
        artifact="results/artifacts/{model}/{preset}/{builder}/{precision}/artifact.tflite",
        manifest="results/artifacts/{model}/{preset}/{builder}/{precision}/manifest.json",
    log:
        script="results/logs/build_tflite/{model}/{preset}/{builder}/{precision}.log",
        converter="results/logs/build_tflite/{model}/{preset}/{builder}/{precision}.converter.log",
    wildcard_constraints:
        preset=one_of(CELLS.presets_of("tflite")),
    conda:
        "../envs/edgeproof.yaml"
    params:
        cell=lambda wildcards: as_json(dict(wildcards)),
        preset=lambda wildcards: as_json(build_snapshot(wildcards)),
        calibration=lambda wildcards, input: give_option("--calibration", input.calibration),
        tools=host_tools_of,
        saved_model=lambda wildcards, input: give_option("--saved-model", input.get("saved_model")),
    message:
        "Building {wildcards.model} as {wildcards.precision} for {wildcards.preset}"
    shell:
        "python {input.script} --cell {params.cell:q} --source {input.source:q} --identity {input.identity:q}"
        " --preset {params.preset:q} --precision {wildcards.precision} {params.calibration} {params.saved_model}"
        " --toolchain {input.toolchain:q} --artifact {output.artifact:q} --manifest {output.manifest:q}"
        " --log {log.converter:q} 2>&1 | tee {log.script:q}"


use rule build_tflite as build_coreml with:
    input:
        source="results/sources/{model}/model.onnx",
        identity="results/sources/{model}/identity.json",
        calibration=[],
        saved_model="results/artifacts/{model}/saved_model/saved_model.json",
        packed="results/artifacts/{model}/saved_model/saved_model.zip",
        toolchain=lambda wildcards: CELLS.toolchain_of(wildcards.preset),
        script="scripts/build_converted.py",
        code=list_code("scripts/build_converted.py"),
        converter=list_converter_code("coreml"),
    output:
        artifact="results/artifacts/{model}/{preset}/{builder}/{precision}/artifact.mlpackage.zip",
        manifest="results/artifacts/{model}/{preset}/{builder}/{precision}/manifest.json",
    log:
        script="results/logs/build_coreml/{model}/{preset}/{builder}/{precision}.log",
        converter="results/logs/build_coreml/{model}/{preset}/{builder}/{precision}.converter.log",
    wildcard_constraints:
        preset=one_of(CELLS.presets_of("mlpackage.zip")),


use rule build_tflite as build_openvino with:
    input:
        source="results/sources/{model}/model.onnx",
        identity="results/sources/{model}/identity.json",
        calibration=CELLS.calibration_set_of,
        toolchain=lambda wildcards: CELLS.toolchain_of(wildcards.preset),
        script="scripts/build_openvino.py",
        code=list_code("scripts/build_openvino.py"),
        converter=list_converter_code("openvino"),
    output:
        artifact="results/artifacts/{model}/{preset}/{builder}/{precision}/artifact.openvino.zip",
        manifest="results/artifacts/{model}/{preset}/{builder}/{precision}/manifest.json",
    log:
        script="results/logs/build_openvino/{model}/{preset}/{builder}/{precision}.log",
        converter="results/logs/build_openvino/{model}/{preset}/{builder}/{precision}.converter.log",
    wildcard_constraints:
        preset=one_of(CELLS.presets_of("openvino.zip")),


use rule build_tflite as build_torchscript with:
    input:
        source="results/sources/{model}/model.onnx",
        identity="results/sources/{model}/identity.json",
        calibration=[],
        toolchain=lambda wildcards: CELLS.toolchain_of(wildcards.preset),
        script="scripts/build_converted.py",
        code=list_code("scripts/build_converted.py"),
        converter=list_converter_code("torchscript"),
    output:
        artifact="results/artifacts/{model}/{preset}/{builder}/{precision}/artifact.pt",
        manifest="results/artifacts/{model}/{preset}/{builder}/{precision}/manifest.json",
    log:
        script="results/logs/build_torchscript/{model}/{preset}/{builder}/{precision}.log",
        converter="results/logs/build_torchscript/{model}/{preset}/{builder}/{precision}.converter.log",
    wildcard_constraints:
        preset=one_of(CELLS.presets_of("pt")),


# Built on the device, with the tools that it has; nothing is installed.


rule build_tensorrt:
    input:
        source="results/sources/{model}/model.onnx",
        identity="results/sources/{model}/identity.json",
        calibration=CELLS.calibration_set_of,
        script="scripts/build_tensorrt.py",
        code=list_code("scripts/build_tensorrt.py"),
        converter=list_converter_code("tensorrt_calibration"),
    output:
        artifact="results/artifacts/{model}/{preset}/{builder}/{precision}/artifact.engine",
        manifest="results/artifacts/{model}/{preset}/{builder}/{precision}/manifest.json",
    log:
        script="results/logs/build_tensorrt/{model}/{preset}/{builder}/{precision}.log",
        converter="results/logs/build_tensorrt/{model}/{preset}/{builder}/{precision}.converter.log",
    wildcard_constraints:
        preset=one_of(CELLS.presets_of("engine")),
        builder=one_of(CATALOGUES["device"]),
    conda:
        "../envs/edgeproof.yaml"
    resources:
        **device_slots(lambda wildcards: wildcards.builder),
    params:
        cell=lambda wildcards: as_json(dict(wildcards)),
        preset=lambda wildcards: as_json(build_snapshot(wildcards)),
        calibration=lambda wildcards, input: give_option("--calibration", input.calibration),
        tools=host_tools_of,
        device=lambda wildcards: CELLS.builder_options(wildcards.builder),
    message:
        "Building {wildcards.model} as {wildcards.precision} for {wildcards.preset} on {wildcards.builder}"
    shell:
        "python {input.script} --cell {params.cell:q} --source {input.source:q} --identity {input.identity:q}"
        " --preset {params.preset:q} --precision {wildcards.precision} {params.calibration} {params.device}"
        " --artifact {output.artifact:q} --manifest {output.manifest:q} --log {log.converter:q} 2>&1 | tee {log.script:q}"


use rule build_tensorrt as build_rknn with:
    input:
        source="results/sources/{model}/model.onnx",
        identity="results/sources/{model}/identity.json",
        calibration=CELLS.calibration_set_of,
        script="scripts/build_rknn.py",
        code=list_code("scripts/build_rknn.py"),
        converter=list_converter_code("rknn"),
    output:
        artifact="results/artifacts/{model}/{preset}/{builder}/{precision}/artifact.rknn",
        manifest="results/artifacts/{model}/{preset}/{builder}/{precision}/manifest.json",
    log:
        script="results/logs/build_rknn/{model}/{preset}/{builder}/{precision}.log",
        converter="results/logs/build_rknn/{model}/{preset}/{builder}/{precision}.converter.log",
    wildcard_constraints:
        preset=one_of(CELLS.presets_of("rknn")),
        builder=one_of(CATALOGUES["device"]),


rule check_parity:
    input:
        source="results/sources/{model}/model.onnx",
        inputs="results/sources/{model}/samples/evaluation.npz",
        samples="results/sources/{model}/samples/samples.json",
        artifact=lambda wildcards: "results/artifacts/{model}/{preset}/{builder}/{precision}/artifact."
        + CATALOGUES["preset"][wildcards.preset]["artifact"],
        manifest="results/artifacts/{model}/{preset}/{builder}/{precision}/manifest.json",
        script="scripts/check_parity.py",
        code=list_code("scripts/check_parity.py"),
        agent=list_agent_code(),
        toolchains=lambda wildcards: CELLS.parity_runtime_of(wildcards.preset),
    output:
        parity="results/artifacts/{model}/{preset}/{builder}/{precision}/parity.json",
        reference="results/artifacts/{model}/{preset}/{builder}/{precision}/reference.npz",
    log:
        "results/logs/check_parity/{model}/{preset}/{builder}/{precision}.log",
    conda:
        "../envs/edgeproof.yaml"
    params:
        cell=lambda wildcards: as_json(dict(wildcards)),
        arm=lambda wildcards: as_json(CELLS.parity_arm_of(wildcards)),
        interpreter=lambda wildcards: CELLS.parity_interpreter_option(wildcards.preset, wildcards.builder),
        reference=lambda wildcards: versions_of("onnxruntime"),
        thresholds=lambda wildcards: as_json(CELLS.parity_limits_of(wildcards.preset, wildcards.precision)),
    message:
        "Checking the outputs of {wildcards.model} {wildcards.precision} ({wildcards.preset}) against the source"
    shell:
        "python {input.script} --cell {params.cell:q} --source {input.source:q} --artifact {input.artifact:q}"
        " --manifest {input.manifest:q} --inputs {input.inputs:q} --samples {input.samples:q} --arm {params.arm:q}"
        " --thresholds {params.thresholds:q} {params.interpreter} --toolchains {input.toolchains:q}"
        " --parity {output.parity:q} --reference {output.reference:q} 2>&1 | tee {log:q}"
