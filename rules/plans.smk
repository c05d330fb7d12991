# Plans: a pipeline's stages are measured like any model, then placed, and the placement is run to check the prediction.


# A pipeline's knobs, each rule its own: what a goal or a budget changes must not measure anything again.


rule prove_cut:
    input:
        models=lambda wildcards: [f"{folder}/model.onnx" for folder in STAGES.cut_folders(wildcards.pipeline)],
        identities=lambda wildcards: [f"{folder}/identity.json" for folder in STAGES.cut_folders(wildcards.pipeline)],
        evaluations=lambda wildcards: [
            f"{folder}/samples/evaluation.npz" for folder in STAGES.cut_folders(wildcards.pipeline)
        ],
        script="scripts/prove_cut.py",
        code=list_code("scripts/prove_cut.py"),
        agent=list_agent_code(),
    output:
        "results/plans/{pipeline}/cut.json",
    log:
        "results/logs/prove_cut/{pipeline}.log",
    wildcard_constraints:
        pipeline=one_of([name for name, document in CATALOGUES["pipeline"].items() if "model" in document]),
    conda:
        "../envs/edgeproof.yaml"
    params:
        runtime=lambda wildcards: versions_of("onnxruntime"),
    message:
        "Comparing the stages of {wildcards.pipeline} with the whole model"
    shell:
        "python {input.script} --pipeline {wildcards.pipeline} --models {input.models:q} --identities {input.identities:q}"
        " --evaluations {input.evaluations:q} --output {output:q} 2>&1 | tee {log:q}"


rule measure_links:
    input:
        script="scripts/measure_links.py",
        code=list_code("scripts/measure_links.py"),
        agent=list_agent_code(),
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
        arm=lambda wildcards: as_json(STAGES.links_arm(wildcards.pipeline)),
        device=lambda wildcards: as_json(CELLS.describe_device(STAGES.device_of(wildcards.pipeline))),
        protocol=as_json(TARGETS.run_protocol()),
    message:
        "Measuring the hand-overs between the executors of {wildcards.pipeline}"
    shell:
        "python {input.script} --pipeline {wildcards.pipeline} --arm {params.arm:q} --device {params.device:q}"
        " --protocol {params.protocol:q} --toolchains {input.toolchains:q} --output {output:q} 2>&1 | tee {log:q}"


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
        script="scripts/write_scenario.py",
        code=list_code("scripts/write_scenario.py"),
    output:
        "results/plans/{pipeline}/scenario.json",
    log:
        "results/logs/write_scenario/{pipeline}.log",
    conda:
        "../envs/edgeproof.yaml"
    params:
        document=lambda wildcards: as_json(STAGES.describe_scenario(wildcards.pipeline)),
        cells=lambda wildcards: as_json(STAGES.describe_cells(wildcards.pipeline)),
        links=lambda wildcards, input: f"--links {input.links}" if input.links else "",
        cut=lambda wildcards, input: f"--cut {input.cut}" if input.cut else "",
    message:
        "Writing the scenario of {wildcards.pipeline} from what was measured"
    shell:
        "python {input.script} --pipeline {wildcards.pipeline} --document {params.document:q}"
        " --identities {input.identities:q} --cells {params.cells:q} --results {input.results:q}"
        " --parities {input.parities:q} {params.links} {params.cut} --output {output:q} 2>&1 | tee {log:q}"


rule solve_plan:
    input:
        scenario="results/plans/{pipeline}/scenario.json",
        script="scripts/solve_plan.py",
        code=list_code("scripts/solve_plan.py"),
    output:
        plan="results/plans/{pipeline}/{goal}/plan.json",
        csv="results/plans/{pipeline}/{goal}/plan.csv",
        pareto="results/plans/{pipeline}/{goal}/pareto.csv",
        text="results/plans/{pipeline}/{goal}/plan.txt",
    log:
        "results/logs/solve_plan/{pipeline}/{goal}.log",
    conda:
        "../envs/edgeproof.yaml"
    message:
        "Planning {wildcards.pipeline} for {wildcards.goal}"
    shell:
        "python {input.script} --scenario {input.scenario:q} --goal {wildcards.goal} --plan {output.plan:q}"
        " --csv {output.csv:q} --pareto {output.pareto:q} --text {output.text:q} 2>&1 | tee {log:q}"


rule check_plan:
    input:
        plan="results/plans/{pipeline}/{goal}/plan.json",
        identities=lambda wildcards: STAGES.stage_files(wildcards.pipeline, "identity.json"),
        artifacts=lambda wildcards: [CELLS.artifact_of(cell) for cell in STAGES.cells_of(wildcards.pipeline)],
        references=lambda wildcards: STAGES.references_of(wildcards.pipeline),
        inputs=lambda wildcards: STAGES.stage_files(wildcards.pipeline, "samples/evaluation.npz")[0],
        script="scripts/check_plan.py",
        code=list_code("scripts/check_plan.py"),
        agent=list_agent_code(),
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
        cells=lambda wildcards: as_json(STAGES.describe_cells(wildcards.pipeline, arms=True)),
        device=lambda wildcards: as_json(CELLS.describe_device(STAGES.device_of(wildcards.pipeline))),
        protocol=as_json(TARGETS.run_protocol()),
    message:
        "Running {wildcards.pipeline} as placed for {wildcards.goal}"
    shell:
        "python {input.script} --plan {input.plan:q} --identities {input.identities:q} --cells {params.cells:q}"
        " --device {params.device:q} --protocol {params.protocol:q} --artifacts {input.artifacts:q}"
        " --references {input.references:q} --inputs {input.inputs:q} --toolchains {input.toolchains:q}"
        " --check {output.check:q} --samples {output.samples:q} 2>&1 | tee {log:q}"


rule write_plan_page:
    input:
        plan="results/plans/{pipeline}/{goal}/plan.json",
        check="results/plans/{pipeline}/{goal}/check.json",
        samples="results/plans/{pipeline}/{goal}/samples.csv",
        script="scripts/write_plan_page.py",
        code=list_code("scripts/write_plan_page.py"),
        template="scripts/edgeproof/plans/outcome/plan.html.j2",
    output:
        "results/plans/{pipeline}/{goal}/plan.html",
    log:
        "results/logs/write_plan_page/{pipeline}/{goal}.log",
    conda:
        "../envs/edgeproof.yaml"
    message:
        "Writing the page of {wildcards.pipeline} for {wildcards.goal}"
    shell:
        "python {input.script} --plan {input.plan:q} --check {input.check:q} --output {output:q} 2>&1 | tee {log:q}"
