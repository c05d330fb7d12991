# Sources: a model's ONNX file, its identity, and the samples that calibrate and evaluate it.


rule copy_model:
    output:
        "results/sources/{model}/model.onnx",
    log:
        "results/logs/copy_model/{model}.log",
    wildcard_constraints:
        model=one_of(CELLS.models_of("file")),
    conda:
        "../envs/edgeproof.yaml"
    params:
        key=lambda wildcards: as_json(KEYS.copy_model(wildcards)),
    message:
        "Copying the model {wildcards.model}"
    shell:
        "python scripts/copy_model.py --key {params.key:q} --made {output:q}" " --output {output:q} 2>&1 | tee {log:q}"


rule download_model:
    output:
        "results/sources/{model}/model.onnx",
    log:
        "results/logs/download_model/{model}.log",
    wildcard_constraints:
        model=one_of(CELLS.models_of("url")),
    conda:
        "../envs/edgeproof.yaml"
    params:
        key=lambda wildcards: as_json(KEYS.download_model(wildcards)),
    message:
        "Downloading the model {wildcards.model}"
    shell:
        "python scripts/download_model.py --key {params.key:q} --made {output:q}"
        " --output {output:q} 2>&1 | tee {log:q}"


rule run_recipe:
    output:
        "results/sources/{model}/model.onnx",
    log:
        "results/logs/run_recipe/{model}.log",
    wildcard_constraints:
        model=one_of(CELLS.models_of("recipe")),
    conda:
        "../envs/edgeproof.yaml"
    params:
        key=lambda wildcards: as_json(KEYS.run_recipe(wildcards)),
        script=lambda wildcards: CELLS.recipe_script(wildcards.model),
    message:
        "Making the model {wildcards.model} by its recipe"
    shell:
        "python {params.script} --key {params.key:q} --made {output:q}" " --output {output:q} 2>&1 | tee {log:q}"


rule export_model:
    input:
        toolchain=lambda wildcards: CELLS.exporting_toolchain_of(wildcards.model),
    output:
        model="results/sources/{model}/model.onnx",
        record="results/sources/{model}/export.json",
    log:
        script="results/logs/export_model/{model}.log",
        converter="results/logs/export_model/{model}.converter.log",
    wildcard_constraints:
        model=one_of(CELLS.models_of("torch", "tensorflow")),
    conda:
        "../envs/edgeproof.yaml"
    params:
        key=lambda wildcards: as_json(KEYS.export_model(wildcards)),
    message:
        "Exporting {wildcards.model} to ONNX"
    shell:
        "python scripts/export_model.py --key {params.key:q} --made {output.model:q}"
        " --toolchain {input.toolchain:q} --output {output.model:q} --record {output.record:q}"
        " --log {log.converter:q} 2>&1 | tee {log.script:q}"


rule identify_model:
    input:
        model="results/sources/{model}/model.onnx",
    output:
        "results/sources/{model}/identity.json",
    log:
        "results/logs/identify_model/{model}.log",
    conda:
        "../envs/edgeproof.yaml"
    params:
        key=lambda wildcards: as_json(KEYS.identify_model(wildcards)),
    message:
        "Reading what {wildcards.model} is"
    shell:
        "python scripts/identify_model.py --key {params.key:q} --made {output:q}"
        " --input {input.model:q} --output {output:q} 2>&1 | tee {log:q}"


rule make_samples:
    input:
        identity="results/sources/{model}/identity.json",
    output:
        calibration="results/sources/{model}/samples/calibration.npz",
        evaluation="results/sources/{model}/samples/evaluation.npz",
        record="results/sources/{model}/samples/samples.json",
    log:
        "results/logs/make_samples/{model}.log",
    wildcard_constraints:
        model=one_of(CELLS.models_of("file", "url", "recipe", "torch", "tensorflow")),
    conda:
        "../envs/edgeproof.yaml"
    params:
        key=lambda wildcards: as_json(KEYS.make_samples(wildcards)),
    message:
        "Making calibration and evaluation samples for {wildcards.model}"
    shell:
        "python scripts/make_samples.py --key {params.key:q} --made {output.record:q}"
        " --identity {input.identity:q} --calibration {output.calibration:q}"
        " --evaluation {output.evaluation:q} --output {output.record:q} 2>&1 | tee {log:q}"


# A stage of a pipeline, once it is cut out, is a model like any other; its samples are activations.


rule cut_stage:
    input:
        source=lambda wildcards: f"{source_folder(STAGES.pipeline_of_stage(wildcards.model)['model'])}/model.onnx",
    output:
        "results/sources/{model}/model.onnx",
    log:
        "results/logs/cut_stage/{model}.log",
    wildcard_constraints:
        model=one_of(CELLS.models_of("stage")),
    conda:
        "../envs/edgeproof.yaml"
    params:
        key=lambda wildcards: as_json(KEYS.cut_stage(wildcards)),
    message:
        "Cutting out {wildcards.model}"
    shell:
        "python scripts/cut_stage.py --key {params.key:q} --made {output:q}"
        " --source {input.source:q} --output {output:q} 2>&1 | tee {log:q}"


rule make_stage_samples:
    input:
        identity="results/sources/{model}/identity.json",
        models=lambda wildcards: STAGES.models_before(wildcards.model),
        calibrations=lambda wildcards: STAGES.samples_before(wildcards.model, "calibration"),
        evaluations=lambda wildcards: STAGES.samples_before(wildcards.model, "evaluation"),
    output:
        calibration="results/sources/{model}/samples/calibration.npz",
        evaluation="results/sources/{model}/samples/evaluation.npz",
        record="results/sources/{model}/samples/samples.json",
    log:
        "results/logs/make_stage_samples/{model}.log",
    wildcard_constraints:
        model=one_of(CELLS.models_of("stage")),
    conda:
        "../envs/edgeproof.yaml"
    params:
        key=lambda wildcards: as_json(KEYS.make_stage_samples(wildcards)),
    message:
        "Making the samples of {wildcards.model} from what comes before it"
    shell:
        "python scripts/make_stage_samples.py --key {params.key:q} --made {output.record:q}"
        " --identity {input.identity:q} --models {input.models:q} --calibrations {input.calibrations:q}"
        " --evaluations {input.evaluations:q} --record {output.record:q} 2>&1 | tee {log:q}"
