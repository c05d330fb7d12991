"""Running a converter in its toolchain: a process that gets a JSON of options and leaves an artifact, or says why not.

It is started first and told what to do later, so that it loads its packages (two seconds of TensorFlow) while the model
is being checked. What converters are told and what they answer is in `edgeproof.converters.protocol`.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from edgeproof.artifacts.toolchains.environments import open_toolchain
from edgeproof.core.errors import UserError
from edgeproof.core.files import atomic_write, sha256_file
from edgeproof.core.processes import child_environment

from .build_failures import explain_failure

ENVIRONMENT = {
    "PYTHONHASHSEED": "0",  # names inside the artifacts follow the order of sets
    "CUDA_VISIBLE_DEVICES": "-1",  # what a GPU would compute is not what another machine would
    "TF_ENABLE_ONEDNN_OPTS": "0",  # likewise for kernels chosen by the kind of processor
    "TF_CPP_MIN_LOG_LEVEL": "1",
    "TF_USE_LEGACY_KERAS": "1",
}


@contextlib.contextmanager
def start_converter(name, toolchain):
    """Yield a Converter in the toolchain whose record is `toolchain`. Without a job it is ended on the way out."""
    with contextlib.ExitStack() as stack:
        interpreter, record = stack.enter_context(open_toolchain(toolchain))
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="edgeproof-build-")))
        for folder in ("out", "tmp"):
            (scratch / folder).mkdir()
        environment = child_environment(interpreter, {**ENVIRONMENT, "TMPDIR": str(scratch / "tmp")})
        # Tools call each other by name: onnx2tf finds onnxsim on the PATH, or goes without.
        environment["PATH"] = os.pathsep.join([str(Path(interpreter).parent), environment.get("PATH", os.defpath)])
        process = subprocess.Popen(
            [interpreter, "-m", "edgeproof.converters", name, "-", str(scratch / "out")],
            cwd=scratch / "out",
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        stack.enter_context(process)
        stack.callback(process.kill)
        yield Converter(name, process, scratch, record)


class Converter:
    """A converter that has been started. `record`: of its toolchain; `scratch`: a folder, gone with the converter."""

    def __init__(self, name, process, scratch, record):
        self._name, self._process = name, process
        self.scratch, self.record = scratch, record

    def convert(self, spec, source, log, facts):
        """Have it carry out `spec` and return its facts, with `path` of the artifact; BuildError is its verdict.

        What a manifest says of it (exit code, digest of the log) goes into `facts`. `source`: the model, whose nodes a
        failure may name. `log`: file for what it said.
        """
        out = self.scratch / "out"
        code, text = self._run(json.dumps(spec, default=str))
        atomic_write(log, text.replace(str(self.scratch), "SCRATCH"))
        facts |= {"exit_code": code, "log_sha256": sha256_file(log)}
        if (out / "failure.json").is_file():
            from edgeproof.sources.onnx_files import (
                load_known_model,  # onnx takes long to import, and most builds succeed
            )

            raise explain_failure(json.loads((out / "failure.json").read_text()), load_known_model(source))
        if code == 0:
            converted = json.loads((out / "facts.json").read_text())
            return {**converted, "path": out / converted["artifact"]}
        if code < 0:  # killed, as a rule for want of memory: trying again on a larger machine may help, so no verdict
            raise UserError(
                f"converter {self._name}: ended by signal {-code}; free memory if it ran out, and run again"
            )
        raise UserError(f"converter {self._name}: exited with {code} and no verdict; {log} says why")

    def _run(self, spec):
        """Return (exit code, output as text), which is shown on stderr as it comes."""
        with contextlib.suppress(BrokenPipeError):  # it is gone already; its output says why
            self._process.stdin.write(spec)
            self._process.stdin.close()
        lines = []
        for line in self._process.stdout:
            lines.append(line)
            sys.stderr.write(line)
        return self._process.wait(), "".join(lines)
