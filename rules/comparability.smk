# Comparability: may two results be compared at all, and only then: by how much do they differ.


rule judge_pair:
    input:
        left=lambda wildcards: f"{run_folder(comparison_of(wildcards).left)}/result.json",
        right=lambda wildcards: f"{run_folder(comparison_of(wildcards).right)}/result.json",
        samples=lambda wildcards: [f"{run_folder(cell)}/samples.csv" for cell in comparison_of(wildcards)[1:3]],
        policy=lambda wildcards: f"config/policies/{comparison_of(wildcards).policy}.yaml",
        script="scripts/judge_pair.py",
        code=source_closure("scripts/judge_pair.py"),
    output:
        "results/comparability/{comparison}/verdict.json",
    log:
        "results/logs/judge_pair/{comparison}.log",
    conda:
        "../envs/edgeproof.yaml"
    params:
        sides=lambda wildcards: as_json(comparison_of(wildcards)[1:3]),  # swapped sides are the same set of inputs
        varies=lambda wildcards: as_json(comparison_of(wildcards).varies),
    message:
        "Judging whether the pair of {wildcards.comparison} may be compared"
    shell:
        "python {input.script} --comparison {wildcards.comparison} --policy {input.policy:q}"
        " --varies {params.varies:q} --left {input.left:q} --right {input.right:q} --verdict {output:q} 2>&1 | tee {log:q}"


rule measure_pairs:
    input:
        verdict="results/comparability/{comparison}/verdict.json",
        left=lambda wildcards: artifact_of(comparison_of(wildcards).left),
        right=lambda wildcards: artifact_of(comparison_of(wildcards).right),
        inputs=lambda wildcards: f"{source_folder(comparison_of(wildcards).left.model)}/samples/evaluation.npz",
        script="scripts/measure_pairs.py",
        code=source_closure("scripts/measure_pairs.py"),
        agent=agent_code(),
        toolchains=lambda wildcards: runtimes_of(*comparison_of(wildcards)[1:3]),
    output:
        table="results/comparability/{comparison}/pairs.csv",
        record="results/comparability/{comparison}/pairs.json",
    log:
        "results/logs/measure_pairs/{comparison}.log",
    conda:
        "../envs/edgeproof.yaml"
    threads: lambda wildcards: cores_to_measure(comparison_of(wildcards).left.device)
    resources:
        **device_slots(lambda wildcards: comparison_of(wildcards).left.device),
    params:
        arms=lambda wildcards: as_json(
            {
                "left": arm_of(comparison_of(wildcards).left),
                "right": arm_of(comparison_of(wildcards).right),
            }
        ),
        device=lambda wildcards: as_json(device_snapshot(comparison_of(wildcards).left.device)),
        protocol=as_json(run_protocol()),
        pairs=pair_budget,
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
        left=side_of("left", "result.json"),
        right=side_of("right", "result.json"),
        noise=noise_of,
        script="scripts/report_comparison.py",
        code=source_closure("scripts/report_comparison.py"),
    output:
        json="results/comparability/{comparison}/report.json",
        markdown="results/comparability/{comparison}/report.md",
    log:
        "results/logs/report_comparison/{comparison}.log",
    conda:
        "../envs/edgeproof.yaml"
    params:
        margin=lambda wildcards: comparison_of(wildcards).margin or DEFAULT_MARGIN,
    message:
        "Writing the report of {wildcards.comparison}"
    shell:
        "python {input.script} --verdict {input.verdict:q} --table {input.table:q} --record {input.record:q}"
        " --margin {params.margin} --noise {input.noise:q} --json {output.json:q} --markdown {output.markdown:q} 2>&1 | tee {log:q}"


rule judge_regression:
    input:
        report="results/comparability/{comparison}/report.json",
        beside=[f"results/comparability/{{comparison}}/{name}" for name in ("verdict.json", "pairs.csv", "pairs.json")],
        policy_of_verdict=lambda wildcards: f"config/policies/{comparison_of(wildcards).policy}.yaml",
        left=side_of("left", "result.json"),
        right=side_of("right", "result.json"),
        left_samples=side_of("left", "samples.csv"),
        right_samples=side_of("right", "samples.csv"),
        left_parity=side_of("left", "parity.json"),
        right_parity=side_of("right", "parity.json"),
        policy=f"config/regressions/{CAMPAIGN.regressions['policy']}.yaml",
        comparability=comparability_of_regressions(),
        script="scripts/judge_regression.py",
        code=source_closure("scripts/judge_regression.py"),
    output:
        "results/comparability/{comparison}/regression.json",
    log:
        "results/logs/judge_regression/{comparison}.log",
    conda:
        "../envs/edgeproof.yaml"
    params:
        comparability=lambda wildcards, input: give_option("--comparability", input.comparability),
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
        result=side_of("right", "result.json"),
        samples=side_of("right", "samples.csv"),
        parity=side_of("right", "parity.json"),
        criteria=lambda wildcards: f"config/criteria/{comparison_of(wildcards).criteria}.yaml",
        script="scripts/decide_deployment.py",
        code=source_closure("scripts/decide_deployment.py"),
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
