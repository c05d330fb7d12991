"""Running a converter in its toolchain: a process that gets a JSON of options and leaves an artifact or a reason.

It is started first and gets its job later, so that it loads its packages (two seconds for TensorFlow) while the model
is checked. `edgeproof.converters.protocol` describes what converters are told and what they answer.
"""

import contextlib
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from edgeproof.agent.messages import tell
from edgeproof.artifacts.toolchains.toolchain_use import open_toolchain
from edgeproof.core.configuration import Json
from edgeproof.core.errors import UserError
from edgeproof.core.files import atomic_write, sha256_file
from edgeproof.core.processes import child_environment

from .build_failures import explain_failed_build

ENVIRONMENT = {
    "PYTHONHASHSEED": "0",  # names inside artifacts depend on the order of sets
    "CUDA_VISIBLE_DEVICES": "-1",  # a GPU would compute other values than other machines
    "TF_ENABLE_ONEDNN_OPTS": "0",  # so would kernels that are chosen by the kind of processor
    "TF_CPP_MIN_LOG_LEVEL": "1",
    "TF_USE_LEGACY_KERAS": "1",
}


@contextlib.contextmanager
def start_converter(name: str, toolchain: str | Path) -> Iterator["Converter"]:
    """Yield a Converter, a process in the toolchain whose record is `toolchain`; it ends with the context."""
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
    """A converter that has been started.

    `record`: of its toolchain; `scratch`: a folder, removed with the converter.
    """

    def __init__(self, name: str, process: subprocess.Popen, scratch: Path, record: Json) -> None:
        self._name, self._process = name, process
        self.scratch, self.record = scratch, record

    def convert(self, spec: Json, source: str | Path | None, log: str | Path, facts: Json) -> Json:
        """Have the converter's process carry out `spec`; return its facts with the artifact's `path`.

        BuildError is its verdict. The exit code and the digest of the log are added to `facts`. `source`: the ONNX
        model, whose nodes a failure may name; None where there is none. `log`: file for its output. UserError if there
        is no verdict.
        """
        out = self.scratch / "out"
        code, text = self._run(json.dumps(spec, default=str))
        atomic_write(log, text.replace(str(self.scratch), "SCRATCH"))
        facts |= {"exit_code": code, "log_sha256": sha256_file(log)}
        if (out / "failure.json").is_file():
            from edgeproof.sources.onnx_files import (
                load_known_model,  # onnx takes long to import, and most builds succeed
            )

            model = load_known_model(source) if source else None
            raise explain_failed_build(json.loads((out / "failure.json").read_text()), model)
        if code == 0:
            converted = json.loads((out / "facts.json").read_text())
            return {**converted, "path": out / converted["artifact"]}
        if code < 0:  # killed, usually for lack of memory; a larger machine may help, so no verdict
            raise UserError(
                f"converter {self._name}: ended by signal {-code}; free memory if it ran out, and run again"
            )
        raise UserError(f"converter {self._name}: exited with {code} and no verdict; see {log}")

    def _run(self, spec):
        """Return (exit code, output as text), which is shown on stderr as it comes."""
        with contextlib.suppress(BrokenPipeError):  # it has ended already; its output says why
            assert self._process.stdin is not None
            self._process.stdin.write(spec)
            self._process.stdin.close()
        lines = []
        for line in self._process.stdout or ():
            lines.append(line)
            tell(line, end="")
        return self._process.wait(), "".join(lines)
