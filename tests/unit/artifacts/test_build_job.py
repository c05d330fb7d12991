"""The job of a build script: its command line is read once, by a module that loads fast."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from edgeproof.artifacts.builds.build_job import CONVERTED, ON_DEVICE, parse_build_job

SCRIPTS = Path(__file__).resolve().parents[3] / "scripts"
CELL = {"model": "m", "preset": "p", "builder": "host", "precision": "int8"}
OPTIONS = {
    "cell": json.dumps(CELL),
    "source": "model.onnx",
    "identity": "identity.json",
    "preset": json.dumps({"backend": "b", "artifact": "a", "build": {}}),
    "precision": "int8",
    "artifact": "out/a",
    "manifest": "out/manifest.json",
}


def compose(options):
    return [part for name, value in options.items() for part in (f"--{name}", value)]


def test_a_job_is_its_command_line():
    argv = compose({**OPTIONS, "calibration": "c.npz"})
    job = parse_build_job("scripts/build_x.py", "text", argv)
    assert (job.script, job.argv, job.cell, str(job)) == ("scripts/build_x.py", argv, CELL, "m/p/host/int8")
    assert (job.calibration, job.log, job.toolchain, job.lock) == ("c.npz", "", None, None)


def test_further_options_are_those_that_were_asked_for():
    further = {"toolchain": "t.json", "saved-model": "s.json", "log": "l"}
    job = parse_build_job("s", None, compose({**OPTIONS, **further}), CONVERTED)
    assert (job.toolchain, job.saved_model, job.log) == ("t.json", "s.json", "l")
    device = {"board": "rk3588", "interpreter": "py", "lock": "k", "log": "l"}
    job = parse_build_job("s", None, compose({**OPTIONS, **device}), ON_DEVICE)
    assert (job.board, job.interpreter, job.lock) == ("rk3588", "py", "k")


@pytest.mark.parametrize("name", ["cell", "source", "identity", "preset", "precision", "artifact", "manifest"])
def test_an_option_that_is_needed_is_named(capsys, name):
    with pytest.raises(SystemExit):
        parse_build_job("s", None, compose({key: value for key, value in OPTIONS.items() if key != name}))
    assert f"the following arguments are required: --{name}" in capsys.readouterr().err


def test_an_option_of_another_script_is_refused(capsys):
    with pytest.raises(SystemExit):
        parse_build_job("s", None, compose({**OPTIONS, "board": "x"}))
    assert "unrecognized arguments: --board x" in capsys.readouterr().err


def test_a_converter_starts_before_anything_slow_is_imported():
    """Every import here delays the converter, whose own imports take seconds."""
    program = (
        "import sys; import edgeproof.artifacts.builds.converter_scripts;"
        "print(*{'onnx', 'numpy', 'jsonschema_rs', 'yaml', 'inspect', 'importlib.metadata', 'uv'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=SCRIPTS, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == []
