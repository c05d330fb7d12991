# Comparability: may two results be compared at all, and only then: by how much do they differ.


rule judge_pair:
    input:
        left=lambda wildcards: f"{run_folder(TARGETS.comparison(wildcards.comparison).left)}/result.json",
        right=lambda wildcards: f"{run_folder(TARGETS.comparison(wildcards.comparison).right)}/result.json",
        samples=lambda wildcards: [
            f"{run_folder(cell)}/samples.csv" for cell in TARGETS.comparison(wildcards.comparison)[1:3]
        ],
    output:
        "results/comparability/{campaign}/{comparison}/verdict.json",
    log:
        "results/logs/judge_pair/{campaign}/{comparison}.log",
    conda:
        "../envs/edgeproof.yaml"
    params:
        key=lambda wildcards: as_json(KEYS.judge_pair(wildcards)),
    message:
        "Judging whether the pair of {wildcards.comparison} may be compared"
    shell:
        "python scripts/judge_pair.py --key {params.key:q} --made {output:q}"
        " --left {input.left:q} --right {input.right:q} --verdict {output:q} 2>&1 | tee {log:q}"


rule measure_pairs:
    input:
        verdict="results/comparability/{campaign}/{comparison}/verdict.json",
        left=lambda wildcards: CELLS.artifact_of(TARGETS.comparison(wildcards.comparison).left),
        right=lambda wildcards: CELLS.artifact_of(TARGETS.comparison(wildcards.comparison).right),
        left_inputs=TARGETS.side_file("left", "samples/evaluation.npz"),
        right_inputs=TARGETS.side_file("right", "samples/evaluation.npz"),
        builds=lambda wildcards: TARGETS.build_files(wildcards.comparison),
        toolchains=lambda wildcards: CELLS.runtimes_of(*TARGETS.comparison(wildcards.comparison)[1:3]),
        noise=lambda wildcards: TARGETS.noise_of(wildcards.comparison),
    output:
        table="results/comparability/{campaign}/{comparison}/pairs.csv",
        record="results/comparability/{campaign}/{comparison}/pairs.json",
    log:
        "results/logs/measure_pairs/{campaign}/{comparison}.log",
    conda:
        "../envs/edgeproof.yaml"
    threads: lambda wildcards: cores_to_measure(TARGETS.comparison(wildcards.comparison).left.device)
    resources:
        **device_slots(lambda wildcards: TARGETS.comparison(wildcards.comparison).left.device),
    params:
        key=lambda wildcards: as_json(KEYS.measure_pairs(wildcards)),
    message:
        "Measuring the pairs of {wildcards.comparison}"
    shell:
        "python scripts/measure_pairs.py --key {params.key:q} --made {output.record:q}"
        " --verdict {input.verdict:q} --left {input.left:q} --right {input.right:q}"
        " --left-inputs {input.left_inputs:q} --right-inputs {input.right_inputs:q} --noise {input.noise:q} --toolchains {input.toolchains:q} --table {output.table:q} --record {output.record:q} 2>&1 | tee {log:q}"


rule report_comparison:
    input:
        verdict="results/comparability/{campaign}/{comparison}/verdict.json",
        table="results/comparability/{campaign}/{comparison}/pairs.csv",
        record="results/comparability/{campaign}/{comparison}/pairs.json",
        left=TARGETS.side_file("left", "result.json"),
        right=TARGETS.side_file("right", "result.json"),
        left_parity=TARGETS.side_file("left", "parity.json"),
        right_parity=TARGETS.side_file("right", "parity.json"),
        noise=lambda wildcards: TARGETS.noise_of(wildcards.comparison),
    output:
        json="results/comparability/{campaign}/{comparison}/report.json",
        markdown="results/comparability/{campaign}/{comparison}/report.md",
    log:
        "results/logs/report_comparison/{campaign}/{comparison}.log",
    conda:
        "../envs/edgeproof.yaml"
    params:
        key=lambda wildcards: as_json(KEYS.report_comparison(wildcards)),
    message:
        "Writing the report of {wildcards.comparison}"
    shell:
        "python scripts/report_comparison.py --key {params.key:q} --made {output.json:q}"
        " --verdict {input.verdict:q} --table {input.table:q} --record {input.record:q}"
        " --noise {input.noise:q} --json {output.json:q} --markdown {output.markdown:q} 2>&1 | tee {log:q}"


rule judge_regression:
    input:
        report="results/comparability/{campaign}/{comparison}/report.json",
        beside=[
            f"results/comparability/{{campaign}}/{{comparison}}/{name}"
            for name in ("verdict.json", "pairs.csv", "pairs.json")
        ],
        left=TARGETS.side_file("left", "result.json"),
        right=TARGETS.side_file("right", "result.json"),
        left_samples=TARGETS.side_file("left", "samples.csv"),
        right_samples=TARGETS.side_file("right", "samples.csv"),
        left_parity=TARGETS.side_file("left", "parity.json"),
        right_parity=TARGETS.side_file("right", "parity.json"),
    output:
        "results/comparability/{campaign}/{comparison}/regression.json",
    log:
        "results/logs/judge_regression/{campaign}/{comparison}.log",
    conda:
        "../envs/edgeproof.yaml"
    params:
        key=lambda wildcards: as_json(KEYS.judge_regression(wildcards)),
    message:
        "Judging whether the right side of {wildcards.comparison} is worse than the left"
    shell:
        "python scripts/judge_regression.py --key {params.key:q} --made {output:q}"
        " --report {input.report:q} --left {input.left:q} --right {input.right:q}"
        " --left-parity {input.left_parity:q} --right-parity {input.right_parity:q} --output {output:q} 2>&1 | tee {log:q}"


rule decide_deployment:
    input:
        report="results/comparability/{campaign}/{comparison}/report.json",
        regression="results/comparability/{campaign}/{comparison}/regression.json",
        result=TARGETS.side_file("right", "result.json"),
        samples=TARGETS.side_file("right", "samples.csv"),
        parity=TARGETS.side_file("right", "parity.json"),
    output:
        "results/comparability/{campaign}/{comparison}/decision.json",
    log:
        "results/logs/decide_deployment/{campaign}/{comparison}.log",
    conda:
        "../envs/edgeproof.yaml"
    params:
        key=lambda wildcards: as_json(KEYS.decide_deployment(wildcards)),
    message:
        "Deciding whether the right side of {wildcards.comparison} may be deployed"
    shell:
        "python scripts/decide_deployment.py --key {params.key:q} --made {output:q}"
        " --report {input.report:q} --regression {input.regression:q} --result {input.result:q}"
        " --parity {input.parity:q} --output {output:q} 2>&1 | tee {log:q}"
