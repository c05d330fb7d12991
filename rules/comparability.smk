# Comparability: may two results be compared at all, and only then: by how much do they differ.


rule judge_pair:
    input:
        left=lambda wildcards: f"{run_folder(TARGETS.comparison(wildcards.comparison).left)}/result.json",
        right=lambda wildcards: f"{run_folder(TARGETS.comparison(wildcards.comparison).right)}/result.json",
        samples=lambda wildcards: [
            f"{run_folder(cell)}/samples.csv" for cell in TARGETS.comparison(wildcards.comparison)[1:3]
        ],
        policy=lambda wildcards: f"config/policies/{TARGETS.comparison(wildcards.comparison).policy}.yaml",
        script="scripts/judge_pair.py",
        code=list_code("scripts/judge_pair.py"),
    output:
        "results/comparability/{comparison}/verdict.json",
    log:
        "results/logs/judge_pair/{comparison}.log",
    conda:
        "../envs/edgeproof.yaml"
    params:
        sides=lambda wildcards: as_json(TARGETS.comparison(wildcards.comparison)[1:3]),  # swapped sides are the same set of inputs
        varies=lambda wildcards: as_json(TARGETS.comparison(wildcards.comparison).varies),
    message:
        "Judging whether the pair of {wildcards.comparison} may be compared"
    shell:
        "python {input.script} --comparison {wildcards.comparison} --policy {input.policy:q}"
        " --varies {params.varies:q} --left {input.left:q} --right {input.right:q} --verdict {output:q} 2>&1 | tee {log:q}"


rule measure_pairs:
    input:
        verdict="results/comparability/{comparison}/verdict.json",
        left=lambda wildcards: CELLS.artifact_of(TARGETS.comparison(wildcards.comparison).left),
        right=lambda wildcards: CELLS.artifact_of(TARGETS.comparison(wildcards.comparison).right),
        inputs=lambda wildcards: f"{source_folder(TARGETS.comparison(wildcards.comparison).left.model)}/samples/evaluation.npz",
        script="scripts/measure_pairs.py",
        code=list_code("scripts/measure_pairs.py"),
        agent=list_agent_code(),
        toolchains=lambda wildcards: CELLS.runtimes_of(*TARGETS.comparison(wildcards.comparison)[1:3]),
    output:
        table="results/comparability/{comparison}/pairs.csv",
        record="results/comparability/{comparison}/pairs.json",
    log:
        "results/logs/measure_pairs/{comparison}.log",
    conda:
        "../envs/edgeproof.yaml"
    threads: lambda wildcards: cores_to_measure(TARGETS.comparison(wildcards.comparison).left.device)
    resources:
        **device_slots(lambda wildcards: TARGETS.comparison(wildcards.comparison).left.device),
    params:
        arms=lambda wildcards: as_json(
            {
                "left": CELLS.arm_of(TARGETS.comparison(wildcards.comparison).left),
                "right": CELLS.arm_of(TARGETS.comparison(wildcards.comparison).right),
            }
        ),
        device=lambda wildcards: as_json(CELLS.describe_device(TARGETS.comparison(wildcards.comparison).left.device)),
        protocol=as_json(TARGETS.run_protocol()),
        pairs=lambda wildcards: TARGETS.pair_budget(wildcards.comparison),
    message:
        "Measuring the pairs of {wildcards.comparison}"
    shell:
        "python {input.script} --comparison {wildcards.comparison} --verdict {input.verdict:q} --arms {params.arms:q}"
        " --left {input.left:q} --right {input.right:q} --inputs {input.inputs:q} --device {params.device:q}"
        " --protocol {params.protocol:q} --pairs {params.pairs} --toolchains {input.toolchains:q}"
        " --table {output.table:q} --record {output.record:q} 2>&1 | tee {log:q}"


rule report_comparison:
    input:
        verdict="results/comparability/{comparison}/verdict.json",
        table="results/comparability/{comparison}/pairs.csv",
        record="results/comparability/{comparison}/pairs.json",
        left=TARGETS.side_file("left", "result.json"),
        right=TARGETS.side_file("right", "result.json"),
        noise=lambda wildcards: TARGETS.noise_of(wildcards.comparison),
        script="scripts/report_comparison.py",
        code=list_code("scripts/report_comparison.py"),
    output:
        json="results/comparability/{comparison}/report.json",
        markdown="results/comparability/{comparison}/report.md",
    log:
        "results/logs/report_comparison/{comparison}.log",
    conda:
        "../envs/edgeproof.yaml"
    params:
        margin=lambda wildcards: TARGETS.margin_of(wildcards.comparison),
    message:
        "Writing the report of {wildcards.comparison}"
    shell:
        "python {input.script} --verdict {input.verdict:q} --table {input.table:q} --record {input.record:q}"
        " --margin {params.margin} --noise {input.noise} --json {output.json:q} --markdown {output.markdown:q} 2>&1 | tee {log:q}"


rule judge_regression:
    input:
        report="results/comparability/{comparison}/report.json",
        beside=[f"results/comparability/{{comparison}}/{name}" for name in ("verdict.json", "pairs.csv", "pairs.json")],
        policy_of_verdict=lambda wildcards: f"config/policies/{TARGETS.comparison(wildcards.comparison).policy}.yaml",
        left=TARGETS.side_file("left", "result.json"),
        right=TARGETS.side_file("right", "result.json"),
        left_samples=TARGETS.side_file("left", "samples.csv"),
        right_samples=TARGETS.side_file("right", "samples.csv"),
        left_parity=TARGETS.side_file("left", "parity.json"),
        right_parity=TARGETS.side_file("right", "parity.json"),
        policy=f"config/regressions/{CAMPAIGN.regressions['policy']}.yaml",
        comparability=TARGETS.regression_comparability(),
        script="scripts/judge_regression.py",
        code=list_code("scripts/judge_regression.py"),
    output:
        "results/comparability/{comparison}/regression.json",
    log:
        "results/logs/judge_regression/{comparison}.log",
    conda:
        "../envs/edgeproof.yaml"
    params:
        comparability=lambda wildcards, input: (f"--comparability {input.comparability}" if input.comparability else ""),
    message:
        "Judging whether the right side of {wildcards.comparison} is worse than the left"
    shell:
        "python {input.script} --report {input.report:q} --left {input.left:q} --right {input.right:q}"
        " --left-parity {input.left_parity:q} --right-parity {input.right_parity:q}"
        " --policy {input.policy:q} {params.comparability} --output {output:q} 2>&1 | tee {log:q}"


rule decide_deployment:
    input:
        report="results/comparability/{comparison}/report.json",
        regression="results/comparability/{comparison}/regression.json",
        result=TARGETS.side_file("right", "result.json"),
        samples=TARGETS.side_file("right", "samples.csv"),
        parity=TARGETS.side_file("right", "parity.json"),
        criteria=lambda wildcards: f"config/criteria/{TARGETS.comparison(wildcards.comparison).criteria}.yaml",
        script="scripts/decide_deployment.py",
        code=list_code("scripts/decide_deployment.py"),
    output:
        "results/comparability/{comparison}/decision.json",
    log:
        "results/logs/decide_deployment/{comparison}.log",
    conda:
        "../envs/edgeproof.yaml"
    message:
        "Deciding whether the right side of {wildcards.comparison} may be deployed"
    shell:
        "python {input.script} --report {input.report:q} --regression {input.regression:q}"
        " --result {input.result:q} --parity {input.parity:q} --criteria {input.criteria:q}"
        " --output {output:q} 2>&1 | tee {log:q}"
