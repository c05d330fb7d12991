"""Running a converter in its toolchain: a process that gets a JSON of options and leaves an artifact, or says why not.

What the converters are told and what they answer is in `edgeproof.converters.protocol`.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from ..core.errors import UserError
from ..core.files import atomic_write, sha256_file
from ..sources.onnx_files import load_model
from .failures import explain_failure
from .manifests import describe_lock
from .toolchains import open_toolchain

SCRIPTS = Path(__file__).resolve().parents[2]
_ENVIRONMENT = {
    "PYTHONHASHSEED": "0",  # names inside the artifacts follow the order of sets
    "CUDA_VISIBLE_DEVICES": "-1",  # what a GPU would compute is not what another machine would
    "TF_ENABLE_ONEDNN_OPTS": "0",  # likewise for kernels chosen by the kind of processor
    "TF_CPP_MIN_LOG_LEVEL": "1",
    "TF_USE_LEGACY_KERAS": "1",
}


def run_converter(name, toolchain, packages, spec, source, scratch, log, facts):
    """Run a converter in its toolchain and return its facts, with `path` of the artifact; BuildError is its verdict.

    What a manifest says of it (toolchain and lock, exit code, digest of the log) goes into `facts`. `source`: the
    model, whose nodes a failure may name.
    """
    out = Path(scratch) / "out"
    out.mkdir()
    spec_path = Path(scratch) / "spec.json"
    spec_path.write_text(json.dumps(spec, default=str))
    with open_toolchain(toolchain) as (interpreter, record):
        facts |= describe_record(record, packages)
        environment = {**os.environ, **_ENVIRONMENT, "PYTHONPATH": str(SCRIPTS)}
        # Tools call each other by name: onnx2tf finds onnxsim on the PATH, or goes without.
        environment["PATH"] = os.pathsep.join([str(Path(interpreter).parent), environment.get("PATH", os.defpath)])
        command = [interpreter, "-m", f"edgeproof.converters.{name}", str(spec_path), str(out)]
        code, text = run_logged(command, out, environment)
    atomic_write(log, text.replace(str(scratch), "SCRATCH"))
    facts |= {"exit_code": code, "log_sha256": sha256_file(log)}
    if (out / "failure.json").is_file():
        raise explain_failure(json.loads((out / "failure.json").read_text()), load_model(source))
    if code == 0:
        converted = json.loads((out / "facts.json").read_text())
        return {**converted, "path": out / converted["artifact"]}
    if code < 0:  # killed, as a rule for want of memory: trying again on a larger machine may help, so no verdict
        raise UserError(f"converter {name}: ended by signal {-code}; free memory if it ran out, and run again")
    raise UserError(f"converter {name}: exited with {code} and no verdict; {log} says why")


def run_logged(command, folder, environment):
    """Run a command in `folder`, its output shown on stderr as it comes; return (exit code, output as text)."""
    lines = []
    with subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        for line in process.stdout:
            lines.append(line)
            sys.stderr.write(line)
    return process.returncode, "".join(lines)


def describe_record(record, packages):
    """Return the manifest's entries about a toolchain: versions of Python and the packages named, and its lock."""
    versions = {name.replace("_", "-"): version for name, version in record["packages"].items()}
    tools = {"python": record["interpreter"]["version"], **{name: versions[name] for name in sorted(packages)}}
    return {"toolchain": tools, **describe_lock(record["lock"]["file"])}
