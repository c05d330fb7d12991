"""Running one session of the agent on a device, and reading what it brought back."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np

from edgeproof.core.files import sha256_bytes, sha256_file

from .attempts import close_failed, open_attempt

SCRIPTS = Path(__file__).resolve().parents[2]
_TIMEOUT_S = 600


class Session(NamedTuple):
    """What a session of the agent found.

    `record`: session.json (label, lock, processes, environment). `samples`: {slot: int64 nanoseconds per sample} of
    the processes that are ok. `folder`: where the agent's files are, inside `attempt`.
    """

    record: dict
    samples: dict
    folder: Path
    attempt: Path


def run_session(folder, label, arms, order, inputs, device, protocol, interpreter):
    """Run one session on a device and return it; UserError when it reached no verdict (the attempt says why).

    `folder`: the result's folder, which keeps the attempt. `arms`: {name: arm with the artifact's path}; `order`: arm
    names, one per process. `inputs`: samples file whose first sample is the input. `device`, `protocol`: their
    configuration.
    """
    spec = {
        "label": label,
        "arms": arms,
        "order": list(order),
        "inputs": str(inputs),
        "protocol": protocol,
        "lock": device.get("lock"),
        "board": device.get("board_contains"),
        "timeout_s": device.get("timeout_s", _TIMEOUT_S),
    }
    attempt = open_attempt(folder, spec)
    out = attempt / "session"
    code = _start_local(device.get("interpreter") or interpreter, attempt / "spec.json", out, attempt / "agent.log")
    if code != 0:
        raise close_failed(attempt, label, *_read_failure(out, attempt / "agent.log", code))
    record = json.loads((out / "session.json").read_text())
    samples = {
        process["slot"]: np.load(process_folder(out, process["slot"]) / "samples.npy", allow_pickle=False)
        for process in record["processes"]
        if process["status"] == "ok"
    }
    return Session(record, samples, out, attempt)


def process_folder(session_folder, slot):
    """Return where the agent put the files of one process."""
    return Path(session_folder) / f"process-{slot:03d}"


def digest_agent():
    """Return one sha256 over the agent's files: name and digest of each, in order of name."""
    root = SCRIPTS / "edgeproof" / "agent"
    files = sorted((path.relative_to(root).as_posix(), path) for path in root.rglob("*.py"))
    return sha256_bytes("".join(f"{name} {sha256_file(path)}\n" for name, path in files).encode())


def _start_local(interpreter, spec_path, out, log_path):
    """Run the agent here, showing its progress as it comes and keeping it in a log; return its exit code."""
    command = [interpreter, "-m", "edgeproof.agent", "session", str(spec_path), str(out)]
    environment = {**os.environ, "PYTHONPATH": str(SCRIPTS), "PYTHONUNBUFFERED": "1"}
    try:
        process = subprocess.Popen(
            command, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        )
    except OSError as error:
        log_path.write_text(f"{interpreter}: {error.strerror}\n")
        return 127
    with process, log_path.open("w") as log:
        try:
            for line in process.stderr:
                log.write(line)
                print(line, end="", file=sys.stderr, flush=True)
        except BaseException:
            process.terminate()
            raise
    return process.returncode


def _read_failure(out, log_path, code):
    failure = Path(out) / "failure.json"
    if failure.exists():
        reason = json.loads(failure.read_text())
        return reason["kind"], reason["message"]
    tail = " ".join(log_path.read_text(errors="replace").split()[-40:])
    return "agent_error", f"the agent exited with {code}: {tail}"
