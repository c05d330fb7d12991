# Phases: for one model, keep the vendor's SDK, deploy a converted model, or neither: a decision for each device.


rule prepare_phases:
    input:
        samples=lambda wildcards: f"{source_folder(PHASES.known.model)}/samples/samples.json",
        toolchains=lambda wildcards: PHASES.toolchains(),
    output:
        "results/evidence/{campaign}/phases/preparation.json",
    log:
        "results/logs/prepare_phases/{campaign}.log",
    conda:
        "../envs/edgeproof.yaml"
    params:
        key=lambda wildcards: as_json(PHASES.prepare_phases(wildcards)),
    message:
        "Looking at what is installed and at the samples of {wildcards.campaign}"
    shell:
        "python scripts/prepare_phases.py --key {params.key:q} --made {output:q}"
        " --samples {input.samples:q} --toolchains {input.toolchains:q} --output {output:q} 2>&1 | tee {log:q}"


rule collect_conversions:
    input:
        lambda wildcards: PHASES.artifacts("manifest.json", "parity.json"),
    output:
        "results/evidence/{campaign}/phases/conversion.json",
    log:
        "results/logs/collect_conversions/{campaign}.log",
    conda:
        "../envs/edgeproof.yaml"
    params:
        key=lambda wildcards: as_json(PHASES.collect_conversions(wildcards)),
    message:
        "Collecting what became of the candidates of {wildcards.campaign}"
    shell:
        "python scripts/collect_conversions.py --key {params.key:q} --made {output:q}"
        " --output {output:q} 2>&1 | tee {log:q}"


rule decide_device:
    input:
        preparation="results/evidence/{campaign}/phases/preparation.json",
        conversion="results/evidence/{campaign}/phases/conversion.json",
        results=lambda wildcards: PHASES.results(wildcards.device, "result.json", "samples.csv"),
        comparisons=lambda wildcards: PHASES.comparisons(wildcards.device),
    output:
        "results/evidence/{campaign}/phases/{device}/decision.json",
    log:
        "results/logs/decide_device/{campaign}/{device}.log",
    conda:
        "../envs/edgeproof.yaml"
    params:
        key=lambda wildcards: as_json(PHASES.decide_device(wildcards)),
    message:
        "Deciding what to deploy on {wildcards.device}"
    shell:
        "python scripts/decide_device.py --key {params.key:q} --made {output:q}"
        " --preparation {input.preparation:q} --conversion {input.conversion:q} --output {output:q} 2>&1 | tee {log:q}"


rule write_runbook:
    output:
        "results/evidence/{campaign}/phases/{device}/runbook.md",
    log:
        "results/logs/write_runbook/{campaign}/{device}.log",
    conda:
        "../envs/edgeproof.yaml"
    params:
        key=lambda wildcards: as_json(PHASES.write_runbook(wildcards)),
    message:
        "Writing the runbook of {wildcards.device}"
    shell:
        "python scripts/write_runbook.py --key {params.key:q} --made {output:q} --output {output:q} 2>&1 | tee {log:q}"


rule report_phases:
    input:
        preparation="results/evidence/{campaign}/phases/preparation.json",
        conversion="results/evidence/{campaign}/phases/conversion.json",
        decisions=lambda wildcards: PHASES.files_of_devices("decision.json"),
        services=lambda wildcards: list(PHASES.services().values()),
    output:
        json="results/evidence/{campaign}/phases/report.json",
        pages=expand(
            "results/evidence/{{campaign}}/phases/{name}",
            name=("report.md", "report.html", "candidates.csv", "latency.svg"),
        ),
    log:
        "results/logs/report_phases/{campaign}.log",
    conda:
        "../envs/edgeproof.yaml"
    params:
        key=lambda wildcards: as_json(PHASES.report_phases(wildcards)),
    message:
        "Writing the five-phase report of {wildcards.campaign}"
    shell:
        "python scripts/report_phases.py --key {params.key:q} --made {output.json:q}"
        " --preparation {input.preparation:q} --conversion {input.conversion:q} --decisions {input.decisions:q}"
        " --output {output.json:q} 2>&1 | tee {log:q}"
