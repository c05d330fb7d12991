# Evidence: one page per campaign that anyone can read offline, and the gate that turns it into an exit code.


rule write_report:
    input:
        results=[f"{run_folder(cell)}/result.json" for cell in CAMPAIGN.cells],
        samples=[f"{run_folder(cell)}/samples.csv" for cell in CAMPAIGN.cells],
        manifests=[f"{CELLS.artifact_folder_of(cell)}/manifest.json" for cell in CAMPAIGN.cells],
        parities=[f"{CELLS.artifact_folder_of(cell)}/parity.json" for cell in CAMPAIGN.cells],
        identities=[f"{source_folder(name)}/identity.json" for name in TARGETS.models],
        sample_records=[f"{source_folder(name)}/samples/samples.json" for name in TARGETS.models],
        comparisons=TARGETS.comparison_files("report.json"),
        verdicts=TARGETS.comparison_files("verdict.json"),
        pairs=TARGETS.comparison_files("pairs.csv"),
        pair_records=TARGETS.comparison_files("pairs.json"),
        regressions=TARGETS.comparison_files("regression.json"),
        decisions=TARGETS.comparison_files("decision.json"),
        plans=TARGETS.planned_files("plan.json", "check.json", "samples.csv", "plan.html"),
        replays=TARGETS.replayed_files("summary.json", "decisions.jsonl", "page.html"),
        services=TARGETS.service_files(),
        scenarios=[f"{plan_folder(name)}/scenario.json" for name in CAMPAIGN.pipelines],
        noise=TARGETS.noise_files("noise.json"),
        noise_pairs=TARGETS.noise_files("pairs.csv"),
        phases=list(PHASES.list_made()),
        wanted="results/evidence/{campaign}/wanted.json",
    output:
        html=report(
            "results/evidence/{campaign}/report.html",
            caption="captions/campaign.rst",
            category="Campaigns",
            labels={"campaign": "{campaign}"},
        ),
        markdown="results/evidence/{campaign}/report.md",
        models=TARGETS.model_pages("{campaign}"),
    log:
        "results/logs/write_report/{campaign}.log",
    conda:
        "../envs/edgeproof.yaml"
    threads: 4
    params:
        key=lambda wildcards: as_json(KEYS.write_report(wildcards)),
    message:
        "Writing the report of the campaign {wildcards.campaign}"
    shell:
        "python scripts/write_report.py --key {params.key:q} --made {output.html:q}"
        " --threads {threads} --wanted {input.wanted:q}"
        " --html {output.html:q} --markdown {output.markdown:q} 2>&1 | tee {log:q}"


rule check_gate:
    input:
        report="results/evidence/{campaign}/report.html",
        results=[f"{run_folder(cell)}/result.json" for cell in CAMPAIGN.cells],
        parities=[f"{CELLS.artifact_folder_of(cell)}/parity.json" for cell in CAMPAIGN.cells],
        comparisons=TARGETS.comparison_files("report.json", "verdict.json", "pairs.csv", "pairs.json"),
        regressions=[
            f"{comparison_folder(CAMPAIGN.name, name)}/regression.json"
            for name in TARGETS.gated_regressions()["gated"]
        ],
        plans=TARGETS.planned_files("plan.json", "check.json", "samples.csv"),
        phases=list(PHASES.list_made()),
        wanted="results/evidence/{campaign}/wanted.json",
    output:
        "results/evidence/{campaign}/gate.json",
    log:
        "results/logs/check_gate/{campaign}.log",
    conda:
        "../envs/edgeproof.yaml"
    threads: 4
    params:
        key=lambda wildcards: as_json(KEYS.check_gate(wildcards)),
    message:
        "Checking that every wanted cell of {wildcards.campaign} is ok"
    shell:
        "python scripts/check_gate.py --key {params.key:q} --made {output:q}"
        " --threads {threads} --wanted {input.wanted:q} --output {output:q} > {log:q} 2>&1"


# On request: all sessions of each cell over time, whatever their keys.
rule write_history:
    input:
        results=[f"{run_folder(cell)}/result.json" for cell in CAMPAIGN.cells],
    output:
        page="results/evidence/{campaign}/history.html",
        json="results/evidence/{campaign}/history.json",
    log:
        "results/logs/write_history/{campaign}.log",
    conda:
        "../envs/edgeproof.yaml"
    params:
        key=lambda wildcards: as_json(KEYS.write_history(wildcards)),
    message:
        "Writing the history of the cells of {wildcards.campaign}"
    shell:
        "python scripts/write_history.py --key {params.key:q} --made {output.json:q}"
        " --page {output.page:q} --output {output.json:q} 2>&1 | tee {log:q}"
