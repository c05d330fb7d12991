"""`main([...])` of the room's scripts."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest
from edgeproof.core.documents import read_json
from edgeproof.core.program_start import run

from .conftest import BUILD, RUNTIME

SCRIPTS = Path(__file__).resolve().parents[3] / "scripts"


def load_main(name):
    spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main


def options_of(values):
    return [str(part) for name, value in values.items() for part in (f"--{name}", value)]


def make_options(job, backend, precision):
    folder = job.folder / backend
    suffix, build = ("json", {"latency_ms": 2}) if backend == "fake" else ("onnx", BUILD)
    cell = json.dumps({"model": "tiny", "preset": "p", "builder": "host", "precision": precision})
    built = {
        "cell": cell,
        "source": job.source,
        "artifact": folder / f"artifact.{suffix}",
        "manifest": folder / "manifest.json",
    }
    build_options = {
        **built,
        "identity": job.identity,
        "preset": json.dumps({"backend": backend, "artifact": suffix, "build": build}),
        "precision": precision,
    }
    arm = {"backend": backend, "precision": precision, "runtime": RUNTIME if backend == "onnxruntime" else {}}
    parity_options = {
        **built,
        "inputs": job.evaluation,
        "samples": job.samples,
        "arm": json.dumps(arm),
        "thresholds": json.dumps({"min_cosine": 0.9} if backend == "onnxruntime" else {}),
        "interpreter": sys.executable,
        "parity": folder / "parity.json",
        "reference": folder / "reference.npz",
    }
    return build_options, parity_options


@pytest.mark.parametrize(("backend", "script"), [("onnxruntime", "build_onnx"), ("fake", "build_fake")])
def test_build_then_check(job, backend, script):
    build_options, parity_options = make_options(job, backend, "int8")
    argv = options_of({**build_options, "calibration": job.calibration})
    assert run(load_main(script), argv) == 0
    manifest = read_json(build_options["manifest"], "manifest")
    assert manifest["command"] == [f"scripts/{script}.py", *argv]
    assert run(load_main("check_parity"), options_of(parity_options)) == 0
    assert read_json(parity_options["parity"], "parity")["status"] == "passed"


def test_a_mistake_is_one_line_and_nothing_is_written(job, capsys):
    build_options, parity_options = make_options(job, "onnxruntime", "int8")
    assert run(load_main("build_onnx"), options_of(build_options)) == 2
    assert capsys.readouterr().err == "error: int8 needs a calibration set; give one with --calibration\n"
    assert not (job.folder / "onnxruntime").exists()
    assert run(load_main("check_parity"), options_of(parity_options)) == 2
    assert capsys.readouterr().err.startswith("error: ")
