# Sources: a model's ONNX file, its identity, and the samples that calibrate and evaluate it.


rule copy_model:
    input:
        source=lambda wildcards: CATALOGUES["model"][wildcards.model]["source"]["path"],
        script="scripts/copy_model.py",
        code=list_code("scripts/copy_model.py"),
    output:
        "results/sources/{model}/model.onnx",
    log:
        "results/logs/copy_model/{model}.log",
    wildcard_constraints:
        model=one_of(CELLS.models_of("file")),
    conda:
        "../envs/edgeproof.yaml"
    params:
        sha256=lambda wildcards: give_option("--sha256", CATALOGUES["model"][wildcards.model]["source"].get("sha256")),
    message:
        "Copying the model {wildcards.model}"
    shell:
        "python {input.script} --source {input.source:q} {params.sha256} --output {output:q} 2>&1 | tee {log:q}"


rule download_model:
    input:
        script="scripts/download_model.py",
        code=list_code("scripts/download_model.py"),
    output:
        "results/sources/{model}/model.onnx",
    log:
        "results/logs/download_model/{model}.log",
    wildcard_constraints:
        model=one_of(CELLS.models_of("url")),
    conda:
        "../envs/edgeproof.yaml"
    params:
        source=lambda wildcards: CATALOGUES["model"][wildcards.model]["source"],
    message:
        "Downloading the model {wildcards.model}"
    shell:
        "python {input.script} --url {params.source[url]:q} --sha256 {params.source[sha256]:q} --output {output:q} 2>&1 | tee {log:q}"


rule run_recipe:
    input:
        script=lambda wildcards: CELLS.recipe_script(wildcards.model),
        code=lambda wildcards: list_code(CELLS.recipe_script(wildcards.model)),
    output:
        "results/sources/{model}/model.onnx",
    log:
        "results/logs/run_recipe/{model}.log",
    wildcard_constraints:
        model=one_of(CELLS.models_of("recipe")),
    conda:
        "../envs/edgeproof.yaml"
    params:
        options=lambda wildcards: as_json(CATALOGUES["model"][wildcards.model]["source"].get("options", {})),
    message:
        "Making the model {wildcards.model} by its recipe"
    shell:
        "python {input.script} --options {params.options:q} --output {output:q} 2>&1 | tee {log:q}"


rule identify_model:
    input:
        model="results/sources/{model}/model.onnx",
        script="scripts/identify_model.py",
        code=list_code("scripts/identify_model.py"),
    output:
        "results/sources/{model}/identity.json",
    log:
        "results/logs/identify_model/{model}.log",
    conda:
        "../envs/edgeproof.yaml"
    message:
        "Reading what {wildcards.model} is"
    shell:
        "python {input.script} --model {wildcards.model:q} --input {input.model:q} --output {output:q} 2>&1 | tee {log:q}"


rule make_samples:
    input:
        identity="results/sources/{model}/identity.json",
        files=lambda wildcards: CELLS.sample_files(wildcards.model),
        script="scripts/make_samples.py",
        code=list_code("scripts/make_samples.py"),
    output:
        calibration="results/sources/{model}/samples/calibration.npz",
        evaluation="results/sources/{model}/samples/evaluation.npz",
        record="results/sources/{model}/samples/samples.json",
    log:
        "results/logs/make_samples/{model}.log",
    wildcard_constraints:
        model=one_of(CELLS.models_of("file", "url", "recipe")),
    conda:
        "../envs/edgeproof.yaml"
    params:
        spec=lambda wildcards: as_json(CATALOGUES["model"][wildcards.model]["samples"]),
        task=lambda wildcards: CATALOGUES["model"][wildcards.model]["task"],
    message:
        "Making calibration and evaluation samples for {wildcards.model}"
    shell:
        "python {input.script} --identity {input.identity:q} --spec {params.spec:q} --task {params.task}"
        " --calibration {output.calibration:q} --evaluation {output.evaluation:q} --output {output.record:q}"
        " 2>&1 | tee {log:q}"


# A stage of a pipeline, once it is cut out, is a model like any other; its samples are activations.


rule cut_stage:
    input:
        source=lambda wildcards: f"{source_folder(STAGES.pipeline_of_stage(wildcards.model)['model'])}/model.onnx",
        script="scripts/cut_stage.py",
        code=list_code("scripts/cut_stage.py"),
    output:
        "results/sources/{model}/model.onnx",
    log:
        "results/logs/cut_stage/{model}.log",
    wildcard_constraints:
        model=one_of(CELLS.models_of("stage")),
    conda:
        "../envs/edgeproof.yaml"
    params:
        points=lambda wildcards: list(map(as_json, STAGES.cut_points_of(wildcards.model))),
    message:
        "Cutting out {wildcards.model}"
    shell:
        "python {input.script} --source {input.source:q} --inputs {params.points[0]:q} --outputs {params.points[1]:q}"
        " --output {output:q} 2>&1 | tee {log:q}"


rule make_stage_samples:
    input:
        identity="results/sources/{model}/identity.json",
        model=lambda wildcards: STAGES.model_before(wildcards.model),
        calibration=lambda wildcards: f"{STAGES.samples_before(wildcards.model)}/calibration.npz",
        evaluation=lambda wildcards: f"{STAGES.samples_before(wildcards.model)}/evaluation.npz",
        script="scripts/make_stage_samples.py",
        code=list_code("scripts/make_stage_samples.py"),
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
        counts=lambda wildcards: as_json(count_stage_samples(STAGES.pipeline_of_stage(wildcards.model))),
        model=lambda wildcards, input: give_option("--model", input.model),
        folder=lambda wildcards, output: str(Path(output.record).parent),
        runtime=lambda wildcards: versions_of("onnxruntime"),
    message:
        "Making the samples of {wildcards.model} from what comes before it"
    shell:
        "python {input.script} --identity {input.identity:q} {params.model} --calibration {input.calibration:q}"
        " --evaluation {input.evaluation:q} --counts {params.counts:q} --folder {params.folder:q} 2>&1 | tee {log:q}"
