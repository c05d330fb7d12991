"""Running an artifact on samples: the agent's `infer`, as a process, in the interpreter that has the runtime."""

import json
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgeproof.core.errors import UserError
from edgeproof.core.processes import child_environment
from edgeproof.core.tensors import read_tensors

_CRASHES = {signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL}
_PREFIX = "outputs/"


@dataclass(frozen=True)
class Inference:
    """What one arm made of a set of samples.

    `outputs`: `{output name: array (n, …)}`, None with a `reason` {kind, message}. `runtime`: name, version and
    execution providers as the agent reports them, None where the artifact did not load.
    """

    outputs: dict[str, np.ndarray] | None
    runtime: dict | None
    reason: dict | None


def infer_outputs(interpreter, arm, artifact, inputs, limit=None):
    """Return the Inference of `artifact` on the samples of the npz `inputs` (the first `limit`, or all), one at a time.

    `arm`: backend, precision and runtime options. An artifact that cannot run, or crashes its process, has a reason;
    UserError when there is no verdict: the interpreter or its runtime is missing, or the process was killed.
    """
    spec = {"arm": {**arm, "artifact": str(artifact)}, "inputs": str(inputs), "limit": limit}
    with tempfile.TemporaryDirectory(prefix="edgeproof-infer-") as folder:
        spec_path, out = Path(folder, "spec.json"), Path(folder, "out")
        spec_path.write_text(json.dumps(spec))
        command = [interpreter, "-m", "edgeproof.agent", "infer", str(spec_path), str(out)]
        try:
            process = subprocess.run(
                command,
                env=child_environment(interpreter),
                capture_output=True,
                text=True,
                errors="replace",
            )
        except OSError as error:
            raise UserError(f"{interpreter}: cannot be started ({error.strerror}); --interpreter is wrong") from error
        return _read_inference(interpreter, process, out)


def _read_inference(interpreter, process, out):
    code, last = process.returncode, (process.stderr.strip().splitlines() or ["no message"])[-1]
    if code < 0:
        message = f"the process was ended by {signal.Signals(-code).name}"
        if -code in _CRASHES:
            return Inference(None, None, {"kind": "crashed", "message": message})
        raise UserError(f"{interpreter}: {message}; free memory if it ran out, and run again")
    if code == 3:
        raise UserError(f"{interpreter}: {last}")
    if code:
        raise RuntimeError(f"the agent exited with {code}: {process.stderr[-2000:]}")
    report = json.loads((out / "infer.json").read_text())
    if report["status"] != "ok":
        return Inference(None, report["runtime"], report["reason"])
    outputs = read_tensors(out / "outputs.npz")
    return Inference({name.removeprefix(_PREFIX): array for name, array in outputs.items()}, report["runtime"], None)
