# Adaptation: a family of variants is filled from measured results, and traces of a device's state are replayed over it.


rule fill_family:
    input:
        artifacts=lambda wildcards: TARGETS.family_artifacts(wildcards.family, wildcards.device),
        results=lambda wildcards: TARGETS.family_files(wildcards.family, wildcards.device, "result.json"),
        samples=lambda wildcards: TARGETS.family_files(wildcards.family, wildcards.device, "samples.csv"),
        parities=lambda wildcards: TARGETS.family_files(wildcards.family, wildcards.device, "parity.json"),
        identities=lambda wildcards: TARGETS.family_files(wildcards.family, wildcards.device, "identity.json"),
    output:
        "results/adaptation/{family}/{device}/family.json",
    log:
        "results/logs/fill_family/{family}/{device}.log",
    conda:
        "../envs/edgeproof.yaml"
    params:
        key=lambda wildcards: as_json(KEYS.fill_family(wildcards)),
    message:
        "Filling the family {wildcards.family} on {wildcards.device} from what was measured"
    shell:
        "python scripts/fill_family.py --key {params.key:q} --made {output:q}" " --output {output:q} 2>&1 | tee {log:q}"


rule measure_service:
    input:
        family="results/adaptation/{family}/{device}/family.json",
    output:
        document="results/adaptation/{family}/{device}/service.json",
        raw="results/adaptation/{family}/{device}/service.npz",
    log:
        "results/logs/measure_service/{family}/{device}.log",
    conda:
        "../envs/edgeproof.yaml"
    threads: lambda wildcards: cores_to_measure(wildcards.device)
    resources:
        **device_slots(lambda wildcards: wildcards.device),
    params:
        key=lambda wildcards: as_json(KEYS.measure_service(wildcards)),
    message:
        "Measuring what {wildcards.family} can take when it is served on {wildcards.device}"
    shell:
        "python scripts/measure_service.py --key {params.key:q} --made {output.document:q}"
        " --family {input.family:q} --output {output.document:q} --raw {output.raw:q} 2>&1 | tee {log:q}"


rule replay_trace:
    input:
        family="results/adaptation/{family}/{device}/family.json",
    output:
        decisions="results/adaptation/{family}/{device}/{policy}/{trace}/decisions.jsonl",
        summary="results/adaptation/{family}/{device}/{policy}/{trace}/summary.json",
    log:
        "results/logs/replay_trace/{family}/{device}/{policy}/{trace}.log",
    conda:
        "../envs/edgeproof.yaml"
    params:
        key=lambda wildcards: as_json(KEYS.replay_trace(wildcards)),
    message:
        "Replaying {wildcards.trace} by {wildcards.policy} over {wildcards.family} on {wildcards.device}"
    shell:
        "python scripts/replay_trace.py --key {params.key:q} --made {output.summary:q}"
        " --family {input.family:q} --decisions {output.decisions:q} --summary {output.summary:q} 2>&1 | tee {log:q}"


rule write_replay_page:
    input:
        decisions="results/adaptation/{family}/{device}/{policy}/{trace}/decisions.jsonl",
        summary="results/adaptation/{family}/{device}/{policy}/{trace}/summary.json",
    output:
        report(
            "results/adaptation/{family}/{device}/{policy}/{trace}/page.html",
            caption="captions/replay.rst",
            category="Adaptation",
            labels={"family": "{family}", "device": "{device}", "policy": "{policy}", "trace": "{trace}"},
        ),
    log:
        "results/logs/write_replay_page/{family}/{device}/{policy}/{trace}.log",
    conda:
        "../envs/edgeproof.yaml"
    params:
        key=lambda wildcards: as_json(KEYS.write_replay_page(wildcards)),
    message:
        "Writing the page of {wildcards.policy} over {wildcards.trace}"
    shell:
        "python scripts/write_replay_page.py --key {params.key:q} --made {output:q}"
        " --summary {input.summary:q} --decisions {input.decisions:q} --output {output:q} 2>&1 | tee {log:q}"
