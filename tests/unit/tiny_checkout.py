"""A checkout with little in it, for tests of the command line."""

import json
import shutil

from edgeproof.__main__ import main
from edgeproof.bench.made_up_campaigns import write_wanted
from edgeproof.core.layout import REPOSITORY
from edgeproof.core.program_start import run

from .artifacts.conftest import BUILD, Job, make_classifier

ARTIFACT = "tiny/ort-cpu/host/int8"
SCENARIO = REPOSITORY / "tests/data/planner/mobile_vision_pipeline.json"


def fill_checkout(root):
    """Fill the empty folder `root` with the shipped configuration, one artifact of a model `tiny`, and one plan."""
    for name in ("config", "envs"):
        shutil.copytree(REPOSITORY / name, root / name)
    (root / "scripts").symlink_to(REPOSITORY / "scripts")
    shutil.copy(root / "config/models/digits-cnn.yaml", root / "config/models/tiny.yaml")
    folder = root / "results/sources/tiny"
    folder.mkdir(parents=True)
    job = Job(folder, make_classifier())
    (folder / "samples").mkdir()
    shutil.copy(job.evaluation, folder / "samples/evaluation.npz")
    place = f"results/artifacts/{ARTIFACT}"
    options = {"cell": dict(zip(("model", "preset", "builder", "precision"), ARTIFACT.split("/"), strict=True))}
    options |= {"source": job.source, "identity": job.identity, "precision": "int8", "calibration": job.calibration}
    options |= {"preset": {"backend": "onnxruntime", "artifact": "onnx", "build": BUILD}}
    options |= {name: f"{place}/{name}" for name in ("artifact", "manifest")}
    texts = {key: json.dumps(value) if isinstance(value, dict) else str(value) for key, value in options.items()}
    job.folder = root
    command = ["scripts/build_onnx.py", *(part for key, text in texts.items() for part in (f"--{key}", text))]
    job.build("int8", folder=place, script=command[0], argv=command[1:])
    scenario = root / "results/plans/vision/scenario.json"
    scenario.parent.mkdir(parents=True)
    shutil.copy(SCENARIO, scenario)
    plan = str(root / "results/plans/vision/balanced/plan.json")
    argv = ["plans", "solve", "vision", "--json", "--draws", "0", "--output", plan]
    assert run(lambda arguments: main(arguments, root), argv) == 0
    cell = ["tiny", "ort-cpu", "local", "fp32", "host"]
    broken = root / "results/runs/tiny/ort-cpu/local/int8/result.json"
    broken.parent.mkdir(parents=True)
    broken.write_text("{}")
    evidence = root / "results/evidence/trial"
    write_wanted(evidence, {"campaign": "trial", "cells": [cell], "comparisons": [], "plans": []})


def walk(parser, place=()):
    """Yield (words, parser) of every verb of a parser."""
    for name, verb in parser.verbs.items():
        if verb.verbs:
            yield from walk(verb, (*place, name))
        else:
            yield " ".join((*place, name)), verb
