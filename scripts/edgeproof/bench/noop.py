"""The cost of asking a large campaign what is to be done, against a bare Snakefile of the same files.

The bare one has the same rules, inputs and outputs as plain patterns: no parameters, no functions, no configuration.
Both folders are filled by the user's own way: every file is there and `snakemake --touch` has noted it. What counts is
the user time of a whole process, which other work on the machine stretches least.
"""

import os
import subprocess
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from statistics import median

import yaml

from edgeproof.core.configuration import Json
from edgeproof.core.files import atomic_write
from edgeproof.core.pages import list_model_pages

from .bench_machine import describe_bench_machine
from .workflow_copies import clean_environment, compose_command, copy_workflow

PRECISIONS = ("fp32", "fp16", "int8", "int8-dynamic")
SIZES = (200, 1000)
RATIO, EXTRA_SECONDS, DRY_RATIO = 1.3, 0.6, 2.0  # no-op at the larger size, no-op at the smaller, -n from empty
_CONFIG = "config/large.yaml"
OURS = ("--profile", "local", "--configfile", _CONFIG, "--replace-workflow-config")
BARE = ("--cores", "2")

_SNAKEFILE = """\
MODELS = [f"model-{{number:04d}}" for number in range({models})]
PRECISIONS = {precisions}
ARTIFACTS = "results/artifacts/{{model}}/fake/host/{{precision}}"
RUNS = "results/runs/{{model}}/fake/local/{{precision}}"


rule copy_model:
    output: "results/sources/{{model}}/model.onnx"
    shell: "touch {{output:q}}"


rule identify_model:
    input: "results/sources/{{model}}/model.onnx"
    output: "results/sources/{{model}}/identity.json"
    shell: "touch {{output:q}}"


rule make_samples:
    input: "results/sources/{{model}}/identity.json"
    output:
        "results/sources/{{model}}/samples/calibration.npz",
        "results/sources/{{model}}/samples/evaluation.npz",
        "results/sources/{{model}}/samples/samples.json",
    shell: "touch {{output:q}}"


rule build:
    input: "results/sources/{{model}}/model.onnx", "results/sources/{{model}}/identity.json"
    output: f"{{ARTIFACTS}}/artifact.json", f"{{ARTIFACTS}}/manifest.json"
    shell: "touch {{output:q}}"


rule check_parity:
    input:
        "results/sources/{{model}}/model.onnx",
        "results/sources/{{model}}/samples/evaluation.npz",
        "results/sources/{{model}}/samples/samples.json",
        f"{{ARTIFACTS}}/artifact.json",
        f"{{ARTIFACTS}}/manifest.json",
    output: f"{{ARTIFACTS}}/parity.json", f"{{ARTIFACTS}}/reference.npz"
    shell: "touch {{output:q}}"


rule measure_run:
    input:
        f"{{ARTIFACTS}}/artifact.json",
        f"{{ARTIFACTS}}/manifest.json",
        f"{{ARTIFACTS}}/reference.npz",
        "results/sources/{{model}}/identity.json",
        "results/sources/{{model}}/samples/evaluation.npz",
    output: f"{{RUNS}}/result.json", f"{{RUNS}}/samples.csv"
    shell: "touch {{output:q}}"


rule report:
    input:
        expand(RUNS + "/{{file}}", model=MODELS, precision=PRECISIONS, file=["result.json", "samples.csv"]),
        expand(ARTIFACTS + "/{{file}}", model=MODELS, precision=PRECISIONS, file=["manifest.json", "parity.json"]),
        expand("results/sources/{{model}}/{{file}}", model=MODELS, file=["identity.json", "samples/samples.json"]),
    output:
        "results/evidence/large/report.html",
        "results/evidence/large/report.md",
        {pages},
    shell: "touch {{output:q}}"


rule gate:
    input: "results/evidence/large/report.html"
    output: "results/evidence/large/gate.json"
    shell: "touch {{output:q}}"


rule all:
    default_target: True
    input:
        "results/evidence/large/gate.json",
        rules.report.output,
        rules.report.input,
        expand(ARTIFACTS + "/{{file}}", model=MODELS, precision=PRECISIONS, file=["artifact.json", "reference.npz"]),
        expand(
            "results/sources/{{model}}/{{file}}",
            model=MODELS,
            file=["model.onnx", "samples/calibration.npz", "samples/evaluation.npz"],
        ),
"""


def measure_noop(
    folder: Path,
    repeats: int = 3,
    tell: Callable[[Json], object] = lambda case: None,
    sizes: tuple[int, int] = SIZES,
) -> Json:
    """Return the `bench-noop` document, measured in the empty folder `folder`; `tell` is called with each case.

    `sizes`: cells of the smaller and the larger campaign, multiples of four.
    """
    cases: list[Json] = []
    for cells in sizes:
        ours, bare = write_campaign(folder / f"ours-{cells}", cells), write_bare(folder / f"bare-{cells}", cells)
        if cells == sizes[-1]:
            cases.append(_compare("dry-run", cells, (ours, [*OURS, "-n", "-q"]), (bare, [*BARE, "-n", "-q"]), repeats))
            tell(cases[-1])
        prepare_noop(ours, OURS)
        prepare_noop(bare, BARE)
        cases.append(_compare("no-op", cells, (ours, [*OURS]), (bare, [*BARE]), repeats, cells != sizes[-1]))
        tell(cases[-1])
    return {
        "schema": "edgeproof.bench-noop.v1",
        "machine": describe_bench_machine() | {"snakemake": metadata.version("snakemake")},
        "repeats": repeats,
        "cases": cases,
        "met": all(case["met"] for case in cases),
    }


def write_campaign(folder: Path, cells: int, comparisons: int = 0) -> Path:
    """Write the large campaign that is asked what is to be done (`noop`), in a copy of the workflow; return the folder.

    `cells`: a multiple of four. `comparisons`: as many models at most, fp32 against int8 each.
    """
    copy_workflow(folder)
    model = (folder / "config/models/digits-cnn.yaml").read_text()
    for name in list_models(cells):
        atomic_write(folder / f"config/models/{name}.yaml", model)
    matrix = {"models": list_models(cells), "presets": ["fake"], "precisions": [*PRECISIONS]}
    config = {"campaign": "large", "protocol": "quick", "policy": "strict", "devices": ["local"], "matrices": [matrix]}
    left = {"preset": "fake", "precision": "fp32"}
    config["comparisons"] = [
        {
            "name": f"{name}-int8",
            "left": {"model": name, **left},
            "right": {"precision": "int8"},
            "varies": ["precision"],
        }
        for name in list_models(cells)[:comparisons]
    ]
    atomic_write(folder / _CONFIG, yaml.safe_dump(config))
    return folder


def write_bare(folder: Path, cells: int) -> Path:
    """Write the bare Snakefile that a no-op (`noop`) is compared with, over the files of `write_campaign`.

    Returns the folder.
    """
    models = list_models(cells)
    pages = list_model_pages("large", [[model] for model in models for _ in PRECISIONS], [])
    text = _SNAKEFILE.format(models=len(models), precisions=list(PRECISIONS), pages=", ".join(map(repr, pages)))
    folder.mkdir(parents=True)
    atomic_write(folder / "Snakefile", text)
    return folder


def list_models(cells: int) -> list[str]:
    """Return the model names of the campaign of so many cells whose run is a no-op (`noop`)."""
    return [f"model-{number:04d}" for number in range(cells // len(PRECISIONS))]


def list_files(folder: Path, options: Sequence[str]) -> list[str]:
    """Return the files that must be there for a no-op (`noop`) of the workflow in a folder, relative to it."""
    lines = _start(folder, [*options, "--summary"])[1].splitlines()
    return [line.split("\t")[0] for line in lines if line.startswith("results/")]


def prepare_noop(folder: Path, options: Sequence[str]) -> None:
    """Prepare a no-op: make all files of a workflow, empty, and let Snakemake note what they were made from."""
    for name in list_files(folder, options):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    _start(folder, [*options, "--touch", "--forceall", "-q"])


def _compare(
    name: str,
    cells: int,
    ours: tuple[Path, list[str]],
    bare: tuple[Path, list[str]],
    repeats: int,
    smaller: bool = False,
) -> Json:
    """Return one case: both in turn, medians of their user times. `smaller`: judged by seconds and not by the ratio."""
    times: dict[str, list[float]] = {"ours": [], "bare": []}
    for _ in range(repeats):
        for side, (folder, options) in (("ours", ours), ("bare", bare)):
            seconds, said = _start(folder, options)
            times[side].append(seconds)
            if name == "no-op" and "Nothing to be done" not in said:
                raise RuntimeError(f"{folder}: something was to be done:\n{said[-2000:]}")
    mine, theirs = median(times["ours"]), median(times["bare"])
    figures = {"ours_user_seconds": mine, "bare_user_seconds": theirs, "ratio": mine / theirs, "extra": mine - theirs}
    target, value = (
        (EXTRA_SECONDS, mine - theirs) if smaller else (RATIO if name == "no-op" else DRY_RATIO, mine / theirs)
    )
    limits = {"target": f"at most {target:g}{' s more' if smaller else ' times'}", "met": value <= target}
    return {"name": name, "cells": cells, **figures, **limits, "times": times}


def _start(folder: Path, options: Sequence[str]) -> tuple[float, str]:
    """Run Snakemake in a folder; return (user seconds of its process, what it said)."""
    before, command = os.times().children_user, compose_command(options)
    out, err = subprocess.PIPE, subprocess.STDOUT
    done = subprocess.run(command, cwd=folder, env=clean_environment(), text=True, check=False, stdout=out, stderr=err)
    if done.returncode:
        raise RuntimeError(f"{folder}: snakemake {' '.join(options)} failed:\n{done.stdout[-2000:]}")
    return os.times().children_user - before, done.stdout
