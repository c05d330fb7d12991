"""Run one session of the agent on a device and read its results."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt

from edgeproof.core.configuration import Json, MeasuringProtocol, NamedDevice
from edgeproof.core.files import FilePath, sha256_bytes, sha256_file
from edgeproof.core.processes import child_environment

from .numbered_attempts import close_failed, open_attempt

SCRIPTS = Path(__file__).resolve().parents[2]
_TIMEOUT_S = 600

Samples = npt.NDArray[np.int64]  # nanoseconds of each sample of one process, in the order measured


class Reason(TypedDict):
    """Why there is no number: `kind` for programs, `message` for people."""

    kind: str
    message: str


class ProcessRecord(TypedDict):
    """What the agent recorded of one process; which keys there are depends on its arm's verb.

    A process that is not ok has only the first four. `handovers`: of the verb `links`. `placed`: of a placed pipeline.
    """

    slot: int
    arm: str
    status: str
    reason: Reason
    provenance: str
    runtime: Json
    latency_definition: Json
    import_ns: int
    load_ns: int
    cold_first_inference_ns: int
    warmup_runs: int
    warmup_ns: int
    samples: int
    window_ns: int
    calls_per_sample: int
    timer_cost_ns: float
    memory_baseline_bytes: int
    memory_peak_bytes: int
    context_switches_voluntary: int
    context_switches_involuntary: int
    cpu_ns: int
    handovers: list[Json]
    placed: Json


class Environment(TypedDict):
    """The machine before and after a session, and the share of CPU time that a hypervisor took (None: unknown)."""

    before: Json
    after: Json
    steal_share: float | None


class SessionRecord(TypedDict):
    """`session.json` of the agent."""

    label: str
    lock: Json
    started_at_unix_s: float
    processes: list[ProcessRecord]
    environment: Environment


@dataclass(frozen=True)
class SessionSetup:
    """What all processes of a session share.

    `inputs`: samples file whose first sample is the input, empty for an arm that needs none. `device`, `protocol`:
    their configuration. `interpreter`: the Python that runs the agent, unless the device names its own.
    """

    inputs: FilePath
    device: NamedDevice
    protocol: MeasuringProtocol
    interpreter: str


@dataclass(frozen=True)
class Session:
    """What a session of the agent measured.

    `samples`: {slot: samples} of the processes that are ok. `folder`: where the agent's files are, inside `attempt`.
    """

    record: SessionRecord
    samples: dict[int, Samples]
    folder: Path
    attempt: Path


def run_session(
    folder: FilePath, label: str, arms: Mapping[str, Mapping[str, Any]], order: Sequence[str], setup: SessionSetup
) -> Session:
    """Run one session on a device and return it; UserError if it reached no verdict (the attempt holds the reason).

    `folder`: the result's folder, which keeps the attempt. `arms`: {name: arm with the artifact's path}. `order`: arm
    names, one per process.
    """
    device = setup.device
    spec = {
        "label": label,
        "arms": arms,
        "order": list(order),
        "inputs": str(setup.inputs),
        "protocol": setup.protocol,
        "lock": device.get("lock"),
        "board": device.get("board_contains"),
        "timeout_s": device.get("timeout_s", _TIMEOUT_S),
    }
    attempt = open_attempt(folder, spec)
    out, log = attempt / "session", attempt / "agent.log"
    code = _start_agent(device.get("interpreter") or setup.interpreter, attempt / "spec.json", out, log)
    if code != 0:
        raise close_failed(attempt, label, _read_failure(out, log, code))
    record: SessionRecord = json.loads((out / "session.json").read_text())
    samples: dict[int, Samples] = {
        process["slot"]: np.load(process_folder(out, process["slot"]) / "samples.npy", allow_pickle=False)
        for process in record["processes"]
        if process["status"] == "ok"
    }
    return Session(record, samples, out, attempt)


def process_folder(session_folder: FilePath, slot: int) -> Path:
    """Return the folder of one process's files."""
    return Path(session_folder) / f"process-{slot:03d}"


def digest_agent() -> str:
    """Return one sha256 over the agent's files: name and digest of each, in order of name."""
    root = SCRIPTS / "edgeproof" / "agent"
    files = sorted((path.relative_to(root).as_posix(), path) for path in root.rglob("*.py"))
    return sha256_bytes("".join(f"{name} {sha256_file(path)}\n" for name, path in files).encode())


def _start_agent(interpreter: str, spec_path: Path, out: Path, log_path: Path) -> int:
    """Run the agent on this machine, show its progress and keep it in a log; return its exit code."""
    command = [interpreter, "-m", "edgeproof.agent", "session", str(spec_path), str(out)]
    environment = child_environment(interpreter, {"PYTHONUNBUFFERED": "1"})
    try:
        process = subprocess.Popen(
            command, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        )
    except OSError as error:
        log_path.write_text(f"{interpreter}: {error.strerror}\n")
        return 127
    with process, log_path.open("w") as log:
        try:
            for line in process.stderr or ():
                log.write(line)
                print(line, end="", file=sys.stderr, flush=True)
        except BaseException:
            process.terminate()
            raise
    return process.returncode


def _read_failure(out: Path, log_path: Path, code: int) -> Reason:
    failure = out / "failure.json"
    if failure.exists():
        reason = json.loads(failure.read_text())
        return {"kind": reason["kind"], "message": reason["message"]}
    tail = " ".join(log_path.read_text(errors="replace").split()[-40:])
    return {"kind": "agent_error", "message": f"the agent exited with {code}: {tail}"}
