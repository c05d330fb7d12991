# Toolchains: environments with what builds or runs one kind of artifact, made from their locks when a job needs them.
# Nobody who only uses ONNX Runtime makes one.

TOOLCHAINS = sorted(
    {
        preset[key]
        for preset in CATALOGUES["preset"].values()
        for key in ("toolchain", "runtime_toolchain")
        if key in preset
    }
)


rule make_toolchain:
    input:
        lock="envs/{toolchain}.lock",
        script="scripts/make_toolchain.py",
        code=source_closure("scripts/make_toolchain.py"),
    output:
        "results/toolchains/{toolchain}.json",
    log:
        "results/logs/make_toolchain/{toolchain}.log",
    wildcard_constraints:
        toolchain=one_of(TOOLCHAINS),
    conda:
        "../envs/edgeproof.yaml"
    message:
        "Making the environment {wildcards.toolchain} from its lock"
    shell:
        "python {input.script} --toolchain {wildcards.toolchain} --lock {input.lock:q} --output {output:q} 2>&1 | tee {log:q}"
