# Plans: a pipeline's stages are measured like any model, then placed, and the placement is run to check the prediction.


# A pipeline's knobs, each rule its own: what a goal or a budget changes must not measure anything again.


rule prove_cut:
    input:
        models=lambda wildcards: [f"{folder}/model.onnx" for folder in STAGES.cut_folders(wildcards.pipeline)],
        identities=lambda wildcards: [f"{folder}/identity.json" for folder in STAGES.cut_folders(wildcards.pipeline)],
        evaluations=lambda wildcards: [
            f"{folder}/samples/evaluation.npz" for folder in STAGES.cut_folders(wildcards.pipeline)
        ],
    output:
        "results/plans/{pipeline}/cut.json",
    log:
        "results/logs/prove_cut/{pipeline}.log",
    wildcard_constraints:
        pipeline=one_of([name for name, document in CATALOGUES["pipeline"].items() if "model" in document]),
    conda:
        "../envs/edgeproof.yaml"
    params:
        key=lambda wildcards: as_json(KEYS.prove_cut(wildcards)),
    message:
        "Comparing the stages of {wildcards.pipeline} with the whole model"
    shell:
        "python scripts/prove_cut.py --key {params.key:q} --made {output:q}"
        " --models {input.models:q} --identities {input.identities:q} --evaluations {input.evaluations:q}"
        " --output {output:q} 2>&1 | tee {log:q}"


rule measure_links:
    input:
        toolchains=lambda wildcards: CELLS.runtimes_of(*STAGES.cells_of(wildcards.pipeline)),
    output:
        "results/plans/{pipeline}/links.json",
    log:
        "results/logs/measure_links/{pipeline}.log",
    conda:
        "../envs/edgeproof.yaml"
    threads: lambda wildcards: cores_to_measure(STAGES.device_of(wildcards.pipeline))
    resources:
        **device_slots(lambda wildcards: STAGES.device_of(wildcards.pipeline)),
    params:
        key=lambda wildcards: as_json(KEYS.measure_links(wildcards)),
    message:
        "Measuring the hand-overs between the executors of {wildcards.pipeline}"
    shell:
        "python scripts/measure_links.py --key {params.key:q} --made {output:q}"
        " --toolchains {input.toolchains:q} --output {output:q} 2>&1 | tee {log:q}"


rule write_scenario:
    input:
        identities=lambda wildcards: STAGES.stage_files(wildcards.pipeline, "identity.json"),
        results=lambda wildcards: [f"{run_folder(cell)}/result.json" for cell in STAGES.cells_of(wildcards.pipeline)],
        samples=lambda wildcards: [f"{run_folder(cell)}/samples.csv" for cell in STAGES.cells_of(wildcards.pipeline)],
        parities=lambda wildcards: [
            f"{CELLS.artifact_folder_of(cell)}/parity.json" for cell in STAGES.cells_of(wildcards.pipeline)
        ],
        links=lambda wildcards: STAGES.links_of(wildcards.pipeline),
        cut=lambda wildcards: STAGES.cut_of(wildcards.pipeline),
    output:
        "results/plans/{pipeline}/scenario.json",
    log:
        "results/logs/write_scenario/{pipeline}.log",
    conda:
        "../envs/edgeproof.yaml"
    params:
        key=lambda wildcards: as_json(KEYS.write_scenario(wildcards)),
    message:
        "Writing the scenario of {wildcards.pipeline} from what was measured"
    shell:
        "python scripts/write_scenario.py --key {params.key:q} --made {output:q}"
        " --identities {input.identities:q} --results {input.results:q} --parities {input.parities:q}"
        " --links {input.links:q} --cut {input.cut:q} --output {output:q} 2>&1 | tee {log:q}"


rule solve_plan:
    input:
        scenario="results/plans/{pipeline}/scenario.json",
    output:
        plan="results/plans/{pipeline}/{goal}/plan.json",
        csv="results/plans/{pipeline}/{goal}/plan.csv",
        pareto="results/plans/{pipeline}/{goal}/pareto.csv",
        text="results/plans/{pipeline}/{goal}/plan.txt",
    log:
        "results/logs/solve_plan/{pipeline}/{goal}.log",
    conda:
        "../envs/edgeproof.yaml"
    params:
        key=lambda wildcards: as_json(KEYS.solve_plan(wildcards)),
    message:
        "Planning {wildcards.pipeline} for {wildcards.goal}"
    shell:
        "python scripts/solve_plan.py --key {params.key:q} --made {output.plan:q}"
        " --scenario {input.scenario:q} --plan {output.plan:q} --csv {output.csv:q}"
        " --pareto {output.pareto:q} --text {output.text:q} 2>&1 | tee {log:q}"


rule check_plan:
    input:
        plan="results/plans/{pipeline}/{goal}/plan.json",
        identities=lambda wildcards: STAGES.stage_files(wildcards.pipeline, "identity.json"),
        artifacts=lambda wildcards: [CELLS.artifact_of(cell) for cell in STAGES.cells_of(wildcards.pipeline)],
        references=lambda wildcards: STAGES.references_of(wildcards.pipeline),
        inputs=lambda wildcards: STAGES.stage_files(wildcards.pipeline, "samples/evaluation.npz")[0],
        toolchains=lambda wildcards: CELLS.runtimes_of(*STAGES.cells_of(wildcards.pipeline)),
    output:
        check="results/plans/{pipeline}/{goal}/check.json",
        samples="results/plans/{pipeline}/{goal}/samples.csv",
    log:
        "results/logs/check_plan/{pipeline}/{goal}.log",
    conda:
        "../envs/edgeproof.yaml"
    threads: lambda wildcards: cores_to_measure(STAGES.device_of(wildcards.pipeline))
    resources:
        **device_slots(lambda wildcards: STAGES.device_of(wildcards.pipeline)),
    params:
        key=lambda wildcards: as_json(KEYS.check_plan(wildcards)),
    message:
        "Running {wildcards.pipeline} as placed for {wildcards.goal}"
    shell:
        "python scripts/check_plan.py --key {params.key:q} --made {output.check:q}"
        " --plan {input.plan:q} --identities {input.identities:q} --artifacts {input.artifacts:q}"
        " --references {input.references:q} --inputs {input.inputs:q} --toolchains {input.toolchains:q}"
        " --check {output.check:q} --samples {output.samples:q} 2>&1 | tee {log:q}"


rule write_plan_page:
    input:
        plan="results/plans/{pipeline}/{goal}/plan.json",
        check="results/plans/{pipeline}/{goal}/check.json",
        samples="results/plans/{pipeline}/{goal}/samples.csv",
    output:
        report(
            "results/plans/{pipeline}/{goal}/plan.html",
            caption="captions/plan.rst",
            category="Plans",
            labels={"pipeline": "{pipeline}", "goal": "{goal}"},
        ),
    log:
        "results/logs/write_plan_page/{pipeline}/{goal}.log",
    conda:
        "../envs/edgeproof.yaml"
    params:
        key=lambda wildcards: as_json(KEYS.write_plan_page(wildcards)),
    message:
        "Writing the page of {wildcards.pipeline} for {wildcards.goal}"
    shell:
        "python scripts/write_plan_page.py --key {params.key:q} --made {output:q}"
        " --plan {input.plan:q} --check {input.check:q} --output {output:q} 2>&1 | tee {log:q}"
