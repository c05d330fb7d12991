# Evidence: one page per campaign that anyone can read offline, and the gate that turns it into an exit code.


rule write_report:
    input:
        results=[f"{run_folder(cell)}/result.json" for cell in CAMPAIGN.cells],
        samples=[f"{run_folder(cell)}/samples.csv" for cell in CAMPAIGN.cells],
        manifests=[f"{CELLS.artifact_folder_of(cell)}/manifest.json" for cell in CAMPAIGN.cells],
        parities=[f"{CELLS.artifact_folder_of(cell)}/parity.json" for cell in CAMPAIGN.cells],
        identities=[f"{source_folder(name)}/identity.json" for name in TARGETS.models],
        sample_records=[f"{source_folder(name)}/samples/samples.json" for name in TARGETS.models],
        comparisons=[f"results/comparability/{name}/report.json" for name in CAMPAIGN.comparisons],
        verdicts=[f"results/comparability/{name}/verdict.json" for name in CAMPAIGN.comparisons],
        pairs=[f"results/comparability/{name}/pairs.csv" for name in CAMPAIGN.comparisons],
        pair_records=[f"results/comparability/{name}/pairs.json" for name in CAMPAIGN.comparisons],
        regressions=[f"{comparison_folder(name)}/regression.json" for name in CAMPAIGN.comparisons],
        decisions=[f"{comparison_folder(name)}/decision.json" for name in CAMPAIGN.comparisons],
        plans=TARGETS.planned_files("plan.json", "check.json", "samples.csv", "plan.html"),
        scenarios=[f"{plan_folder(name)}/scenario.json" for name in CAMPAIGN.pipelines],
        noise=[f"{calibration_folder(device)}/noise.json" for device in TARGETS.calibrated],
        noise_pairs=[f"{calibration_folder(device)}/pairs.csv" for device in TARGETS.calibrated],
        templates=[
            f"scripts/edgeproof/evidence/{name}"
            for name in (
                "report.html.j2",
                "report_parts.html.j2",
                "report_figures.html.j2",
                "report.css",
                "report.md.j2",
            )
        ],
        script="scripts/write_report.py",
        code=list_code("scripts/write_report.py"),
    output:
        html="results/evidence/{campaign}/report.html",
        markdown="results/evidence/{campaign}/report.md",
        verdicts="results/evidence/{campaign}/verdicts.txt",
    log:
        "results/logs/write_report/{campaign}.log",
    conda:
        "../envs/edgeproof.yaml"
    params:
        campaign=as_json(TARGETS.describe()),
        tolerate=as_json(CAMPAIGN.tolerate),
        regressions=as_json(TARGETS.gated_regressions()),
    message:
        "Writing the report of the campaign {wildcards.campaign}"
    shell:
        "python {input.script} --campaign {params.campaign:q} --tolerate {params.tolerate:q}"
        " --regressions {params.regressions:q}"
        " --noise {input.noise:q} --html {output.html:q} --markdown {output.markdown:q}"
        " --verdicts {output.verdicts:q} 2>&1 | tee {log:q}"


rule check_gate:
    input:
        report="results/evidence/{campaign}/report.html",
        results=[f"{run_folder(cell)}/result.json" for cell in CAMPAIGN.cells],
        parities=[f"{CELLS.artifact_folder_of(cell)}/parity.json" for cell in CAMPAIGN.cells],
        regressions=[f"{comparison_folder(name)}/regression.json" for name in TARGETS.gated_regressions()["gated"]],
        plans=TARGETS.planned_files("plan.json", "check.json", "samples.csv"),
        script="scripts/check_gate.py",
        code=list_code("scripts/check_gate.py"),
    output:
        "results/evidence/{campaign}/gate.json",
    log:
        "results/logs/check_gate/{campaign}.log",
    conda:
        "../envs/edgeproof.yaml"
    params:
        campaign=as_json(TARGETS.describe()),
        tolerate=as_json(CAMPAIGN.tolerate),
        regressions=as_json(TARGETS.gated_regressions()),
    message:
        "Checking that every wanted cell of {wildcards.campaign} is ok"
    shell:
        "python {input.script} --campaign {params.campaign:q} --tolerate {params.tolerate:q}"
        " --regressions {params.regressions:q} --output {output:q} > {log:q} 2>&1"
