# Bundles: the evidence of a campaign in one file, made on request (`snakemake --profile local bundle`).


rule make_bundle:
    input:
        report="results/evidence/{campaign}/report.html",
        gate="results/evidence/{campaign}/gate.json",
        wanted="results/evidence/{campaign}/wanted.json",
    output:
        "results/evidence/{campaign}/bundle.zip",
    log:
        "results/logs/make_bundle/{campaign}.log",
    conda:
        "../envs/edgeproof.yaml"
    params:
        key=lambda wildcards: as_json(KEYS.make_bundle(wildcards)),
    message:
        "Packing the evidence of the campaign {wildcards.campaign}"
    shell:
        "python scripts/make_bundle.py --key {params.key:q} --made {output:q} --output {output:q} > {log:q} 2>&1"
