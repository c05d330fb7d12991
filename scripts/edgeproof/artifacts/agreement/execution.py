"""Running an artifact on samples with the agent's `infer`, in a process of the interpreter that has the runtime."""

import json
import math
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgeproof.core.configuration import Device, Json
from edgeproof.core.errors import UserError
from edgeproof.core.files import sha256_file
from edgeproof.core.processes import child_environment
from edgeproof.core.seals import digest_json
from edgeproof.core.tensors import read_tensors
from edgeproof.remote.boards import BoardJob, reach_board
from edgeproof.remote.ssh_link import LinkLost

from .output_agreement import Entries

_CRASH_SIGNALS = {signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL}
_BOARD_S = 3600.0  # the longest that a board may take for a set of samples
_STACKED, _FLAT, _SHAPES = "outputs/", "flat/", "shapes/"  # see the agent's `infer_samples`


@dataclass(frozen=True)
class Inference:
    """The outputs of one arm on a set of samples.

    `outputs`: `{output name: one array per sample}`; None if there is a `reason` {kind, message}. Of a model with a
    fixed batch, an output without a row per sample has one array per call. `runtime`: name, version and execution
    providers as the agent reports them; None if the artifact did not load.
    """

    outputs: dict[str, Entries] | None
    runtime: dict | None
    reason: dict | None


def infer_outputs(
    interpreter: str, arm: Json, artifact: str | Path, inputs: str | Path, limit: int | None = None
) -> Inference:
    """Execute `artifact` on samples of the npz `inputs` (the first `limit`, or all); return the Inference.

    Samples are run one at a time. `interpreter`: the Python that has the runtime. `arm`: backend, precision and runtime
    options. If the artifact cannot run, or crashes its process, the Inference has a reason. UserError if there is no
    verdict: the interpreter or its runtime is missing, or the process was killed.
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


def infer_on_board(
    device: Device, arm: Json, artifact: str | Path, inputs: str | Path, limit: int | None = None
) -> Inference:
    """Execute `artifact` on samples on a board behind ssh, and return the Inference as `infer_outputs` does."""
    spec = {"label": f"outputs of {artifact}", "arm": {**arm, "artifact": str(artifact)}, "inputs": str(inputs)}
    key = digest_json({"arm": arm, "artifact": sha256_file(artifact), "inputs": sha256_file(inputs), "limit": limit})
    job = BoardJob("infer", spec["label"], key, Path(artifact).parent, {**spec, "limit": limit}, _BOARD_S)
    with reach_board(device) as board, tempfile.TemporaryDirectory(prefix="edgeproof-infer-") as folder:
        out, log = Path(folder, "out"), Path(folder, "agent.log")
        try:
            code = board.carry_out(job, out, log)
        except LinkLost:
            raise
        except UserError:
            board.forget_session()
            raise
        board.forget_session()
        text = log.read_text(errors="replace") if log.exists() else ""
        process = subprocess.CompletedProcess([], code, "", text)
        return _read_inference(board.link.host, process, out)


def _read_inference(interpreter, process, out):
    code, last = process.returncode, (process.stderr.strip().splitlines() or ["no message"])[-1]
    if code < 0:
        message = f"the process was ended by {signal.Signals(-code).name}"
        if -code in _CRASH_SIGNALS:
            return Inference(None, None, {"kind": "crashed", "message": message})
        raise UserError(f"{interpreter}: {message}; free memory if it ran out, and run again")
    if code == 3:
        raise UserError(f"{interpreter}: {last}")
    if code:
        raise RuntimeError(f"the agent exited with {code}: {process.stderr[-2000:]}")
    report = json.loads((out / "infer.json").read_text())
    if report["status"] != "ok":
        return Inference(None, report["runtime"], report["reason"])
    return Inference(_unpack_entries(read_tensors(out / "outputs.npz")), report["runtime"], None)


def _unpack_entries(arrays: dict[str, np.ndarray]) -> dict[str, Entries]:
    outputs: dict[str, Entries] = {}
    for key, array in arrays.items():
        if key.startswith(_STACKED):
            outputs[key.removeprefix(_STACKED)] = [array[index, ...] for index in range(len(array))]
        elif key.startswith(_FLAT):
            name = key.removeprefix(_FLAT)
            shapes = [tuple(row[row >= 0].tolist()) for row in arrays[f"{_SHAPES}{name}"]]
            ends = np.cumsum([math.prod(shape) for shape in shapes])
            parts = np.split(array, ends[:-1])
            outputs[name] = [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]
    return outputs
