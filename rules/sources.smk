# Sources: the model's ONNX file, what it is, and the samples it is calibrated and evaluated on.


rule copy_model:
    input:
        source=lambda wildcards: model_of(wildcards.model)["source"]["path"],
        script="scripts/copy_model.py",
        code=source_closure("scripts/copy_model.py"),
    output:
        "results/sources/{model}/model.onnx",
    log:
        "results/logs/copy_model/{model}.log",
    wildcard_constraints:
        model=one_of(models_of("file")),
    conda:
        "../envs/edgeproof.yaml"
    params:
        sha256=lambda wildcards: model_of(wildcards.model)["source"].get("sha256", ""),
    message:
        "Copying the model {wildcards.model}"
    shell:
        "python {input.script} --source {input.source:q} --sha256 {params.sha256:q} --output {output:q} 2>&1 | tee {log:q}"


rule download_model:
    input:
        script="scripts/download_model.py",
        code=source_closure("scripts/download_model.py"),
    output:
        "results/sources/{model}/model.onnx",
    log:
        "results/logs/download_model/{model}.log",
    wildcard_constraints:
        model=one_of(models_of("url")),
    conda:
        "../envs/edgeproof.yaml"
    params:
        source=lambda wildcards: model_of(wildcards.model)["source"],
    message:
        "Downloading the model {wildcards.model}"
    shell:
        "python {input.script} --url {params.source[url]:q} --sha256 {params.source[sha256]:q} --output {output:q} 2>&1 | tee {log:q}"


rule run_recipe:
    input:
        script=lambda wildcards: recipe_script(wildcards.model),
        code=lambda wildcards: source_closure(recipe_script(wildcards.model)),
    output:
        "results/sources/{model}/model.onnx",
    log:
        "results/logs/run_recipe/{model}.log",
    wildcard_constraints:
        model=one_of(models_of("recipe")),
    conda:
        "../envs/edgeproof.yaml"
    params:
        options=lambda wildcards: as_json(model_of(wildcards.model)["source"].get("options", {})),
    message:
        "Making the model {wildcards.model} by its recipe"
    shell:
        "python {input.script} --options {params.options:q} --output {output:q} 2>&1 | tee {log:q}"


rule identify_model:
    input:
        model="results/sources/{model}/model.onnx",
        script="scripts/identify_model.py",
        code=source_closure("scripts/identify_model.py"),
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
        files=lambda wildcards: sample_files(wildcards.model),
        script="scripts/make_samples.py",
        code=source_closure("scripts/make_samples.py"),
    output:
        calibration="results/sources/{model}/samples/calibration.npz",
        evaluation="results/sources/{model}/samples/evaluation.npz",
        record="results/sources/{model}/samples/samples.json",
    log:
        "results/logs/make_samples/{model}.log",
    conda:
        "../envs/edgeproof.yaml"
    params:
        spec=lambda wildcards: as_json(model_of(wildcards.model)["samples"]),
        task=lambda wildcards: model_of(wildcards.model)["task"],
    message:
        "Making calibration and evaluation samples for {wildcards.model}"
    shell:
        "python {input.script} --identity {input.identity:q} --spec {params.spec:q} --task {params.task}"
        " --calibration {output.calibration:q} --evaluation {output.evaluation:q} --output {output.record:q}"
        " 2>&1 | tee {log:q}"
