"""Run one session of the agent on a device and read its results."""

import contextlib
import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NotRequired, TypedDict, cast

import numpy as np
import numpy.typing as npt

from edgeproof.agent.messages import tell
from edgeproof.core.attempts import Attempt, OpenAttempt, await_others, check_files, find_attempts, open_attempt
from edgeproof.core.closure import digest_agent_code
from edgeproof.core.configuration import Json, MeasuringProtocol, NamedDevice
from edgeproof.core.errors import UserError
from edgeproof.core.exit_codes import describe_kill, name_signal
from edgeproof.core.files import FilePath, atomic_write, sha256_file
from edgeproof.core.keys import compose_key
from edgeproof.core.layout import relative_to_repository
from edgeproof.core.processes import child_environment
from edgeproof.core.reader import reading_once
from edgeproof.core.turns import take_turn

from .attempt_remedies import naming_remedy
from .run_power import WatchedSession, describe_windows, find_sampler_fault
from .telemetry_files import Telemetry, path_in_attempt, read_telemetry
from .timing_keys import UNRELATED, timing_of
from .transports import carry_out_on_board, connect_device, describe_measuring_machine, describe_transport

SCRIPTS = Path(__file__).resolve().parents[2]
_TIMEOUT_S = 600
IDLE_S = 3.0  # unless the device says how long to watch it idle
SESSION = "session"  # where the agent's files are, in an attempt
VERDICT = "no verdict: "  # the agent's last line when it fails; the caller says the same as its own error

Samples = npt.NDArray[np.int64]  # nanoseconds of each sample of one process, in the order measured


class Reason(TypedDict):
    """Why there is no number: `kind` for programs, `message` for people."""

    kind: str
    message: str


class ProcessRecord(TypedDict):
    """What the agent recorded of one process; which keys there are depends on its arm's verb.

    A process that is not ok has only the first four. `handovers`: of the verb `links`. `placed`: of a placed pipeline.
    `load`: of a process under sustained load.
    """

    slot: int
    arm: str
    status: str
    reason: Reason
    provenance: str
    runtime: Json
    latency_definition: Json
    inputs: int
    inputs_available: int
    import_ns: int
    load_ns: int
    cold_first_inference_ns: int
    warmup_runs: int
    warmup_ns: int
    samples: int
    window_start_ns: NotRequired[int]
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
    load: NotRequired[Json]
    accelerator: NotRequired[Json | None]


class Environment(TypedDict):
    """The machine before and after a session, and the share of CPU time that a hypervisor took (None: unknown)."""

    before: Json
    after: Json
    steal_share: float | None


class SessionRecord(TypedDict):
    """`session.json` of the agent. `telemetry`: what the samplers were, None without any."""

    label: str
    lock: Json
    started_at_unix_s: float
    processes: list[ProcessRecord]
    environment: Environment
    drift: NotRequired[Json | None]
    power_control: NotRequired[Json | None]
    telemetry: NotRequired[Json | None]


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
    `machine`: who measured: {id, board, cpu}. `telemetry`: what its samplers said, and the digest of that file.
    """

    record: SessionRecord
    samples: dict[int, Samples]
    folder: Path
    attempt: Path
    machine: Json
    telemetry: tuple[Telemetry, str] | None = None


def run_session(
    folder: FilePath,
    label: str,
    arms: Mapping[str, Mapping[str, Any]],
    order: Sequence[str],
    setup: SessionSetup,
    index: int | None = 0,
) -> Session:
    """Return the session number `index` (from 0) with this key; measure it if it is not in the store yet.

    `folder`: the result's folder, which keeps the attempts. `arms`: {name: arm with the artifact's path}. `order`: arm
    names, one per process. `index`: None measures in any case, for a caller that has taken its turn. UserError if the
    session reached no verdict; then the attempt holds the reason.
    """
    key = compose_session_key(arms, order, setup)
    if index is None:
        return _measure_session(folder, label, arms, order, setup, key)
    with take_turn(folder, key):
        await_others(folder, key)
        if len(known := find_attempts(folder, key)) > index:
            return adopt_session(known[index])
        return _measure_session(folder, label, arms, order, setup, key)


def _measure_session(
    folder: FilePath,
    label: str,
    arms: Mapping[str, Mapping[str, Any]],
    order: Sequence[str],
    setup: SessionSetup,
    key: Json,
) -> Session:
    device, spec = setup.device, compose_spec(label, arms, order, setup)
    with (
        connect_device(device) as board,
        open_attempt(folder, "session", key, describe_measuring_machine(board)) as attempt,
    ):
        place = attempt.folder
        atomic_write(place / "spec.json", json.dumps(spec, indent=2) + "\n")
        out, log = place / SESSION, place / "agent.log"
        if board is None:
            code = _start_agent(device.get("interpreter") or setup.interpreter, place / "spec.json", out, log)
        else:
            code = carry_out_on_board(board, "session", attempt, spec)
        if code != 0:
            raise _give_up(attempt, label, read_failure(out, log, code))
        record: SessionRecord = json.loads((out / "session.json").read_text())
        facts: Json = {"samples": {str(slot): sha256_file(_samples_file(out, slot)) for slot in _list_ok(record)}}
        if told := record.get("telemetry"):
            path = path_in_attempt(place)
            facts["telemetry"] = sha256_file(path)
            watched = WatchedSession({**told, "windows": describe_windows(record["processes"])}, read_telemetry(path))
            if fault := find_sampler_fault(watched):
                raise _give_up(attempt, label, {"kind": "sampler", "message": fault})
        closed = attempt.complete(**facts, session=sha256_file(out / "session.json"), **describe_transport(board))
    return read_session(closed)


def compose_spec(label: str, arms: Mapping[str, Mapping[str, Any]], order: Sequence[str], setup: SessionSetup) -> Json:
    """Return what the agent is told of a session; see `run_session`."""
    device = setup.device
    return {
        "label": label,
        "arms": arms,
        "order": list(order),
        "inputs": str(setup.inputs),
        "protocol": setup.protocol,
        "lock": device.get("lock"),
        "board": device.get("board_contains"),
        "power_control": device.get("power_control"),
        "samplers": device.get("samplers", []),
        "idle_seconds": device.get("idle_seconds", IDLE_S),
        "timeout_s": device.get("timeout_s", _TIMEOUT_S) + setup.protocol.get("load", {"seconds": 0})["seconds"],
    }


def _give_up(attempt: OpenAttempt, label: str, reason: Reason) -> UserError:
    """End an attempt without a verdict, and return the error to raise."""
    failed = attempt.fail(reason["kind"], reason["message"])
    return UserError(
        f"{label}: no verdict ({reason['kind']}): {reason['message']}; the attempt is in "
        f"{relative_to_repository(failed.folder)}"
    )


@reading_once()
def adopt_session(attempt: Attempt) -> Session:
    """Return a session of the store that a result is to rest on.

    UserError where any file of its attempt is not as it was, since a result follows from more of them than its times.
    """
    check_files(attempt.folder)
    return read_session(attempt)


def read_session(attempt: Attempt) -> Session:
    """Return a session of the agent from the store, its start by our clock; UserError where a file was changed since.

    A board's own clock may be years off, and comparisons of two devices count days.
    """
    with naming_remedy(attempt.folder):
        return read_session_files(attempt.folder, attempt.record["facts"], attempt.record["machine"])


def read_session_files(folder: Path, facts: Json, machine: Json) -> Session:
    """Return the session whose files are in a folder; `facts`, `machine`: what its attempt says. See `read_session`."""
    out = folder / SESSION
    if sha256_file(out / "session.json") != facts["session"]:
        raise UserError(f"{out / 'session.json'}: was changed since it was measured")
    record: SessionRecord = json.loads((out / "session.json").read_text())
    record["started_at_unix_s"] -= facts.get("board", {}).get("clock_ahead_s", 0)
    samples: dict[int, Samples] = {}
    for slot in _list_ok(record):
        path = _samples_file(out, slot)
        if sha256_file(path) != facts["samples"].get(str(slot)):
            raise UserError(f"{path}: was changed since it was measured")
        samples[slot] = np.load(path, allow_pickle=False)
    telemetry = None
    if record.get("telemetry"):
        path = path_in_attempt(folder)
        if sha256_file(path) != facts["telemetry"]:
            raise UserError(f"{path}: was changed since it was measured")
        telemetry = (read_telemetry(path), facts["telemetry"])
    return Session(record, samples, out, folder, machine, telemetry)


def compose_session_key(arms: Mapping[str, Mapping[str, Any]], order: Sequence[str], setup: SessionSetup) -> Json:
    """Return the key of attempts that run a session: what decides its raw data. Files enter by their digests.

    UserError where an artifact or the inputs are missing.
    """
    device = {name: value for name, value in setup.device.items() if name not in UNRELATED}
    return compose_key(
        {
            "arms": _digest_artifacts(arms),
            "order": list(order),
            "inputs": sha256_file(setup.inputs) if str(setup.inputs) else None,
            "device": device,
            "timing": timing_of(setup.protocol),
            "agent": digest_agent(),
        }
    )


def _digest_artifacts(value: Any) -> Any:
    """Return arms with the digest of each artifact in place of its path, wherever it stands."""
    if isinstance(value, Mapping):
        entries = cast(Mapping[str, Any], value).items()
        return {
            name: sha256_file(item) if name == "artifact" and isinstance(item, str) else _digest_artifacts(item)
            for name, item in entries
        }
    if isinstance(value, list | tuple):
        return [_digest_artifacts(item) for item in cast("list[Any]", value)]
    return value


def _list_ok(record: SessionRecord) -> list[int]:
    return [process["slot"] for process in record["processes"] if process["status"] == "ok"]


def _samples_file(folder: Path, slot: int) -> Path:
    return process_folder(folder, slot) / "samples.npy"


def process_folder(session_folder: FilePath, slot: int) -> Path:
    """Return the folder, within that of a session of the agent, in which one process has its files."""
    return Path(session_folder) / f"process-{slot:03d}"


def digest_agent() -> str:
    """Return the digest of the agent's code, for the key of every session that runs it; comments leave it as it is."""
    return digest_agent_code(SCRIPTS / "edgeproof" / "agent")


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
    with process, log_path.open("wb", buffering=0) as log:
        try:
            for line in process.stderr or ():
                with contextlib.suppress(OSError):  # messages are worth no measurement
                    log.write(line.encode())
                if not line.startswith(VERDICT):
                    tell(line, end="")
        except BaseException:
            process.terminate()
            raise
    return process.returncode


def read_failure(out: Path, log: Path, code: int) -> Reason:
    """Return why a session has no verdict.

    `out`: what the agent has filled, `log`: what it said, `code`: how it ended.
    """
    try:
        reason = json.loads((out / "failure.json").read_text())
        return {"kind": reason["kind"], "message": reason["message"]}
    except (OSError, ValueError, KeyError, TypeError):
        pass  # it was ended before it could say why
    if name := name_signal(code):
        return {"kind": "interrupted", "message": f"the agent {describe_kill(name)}"}
    tail = " ".join(log.read_text(errors="replace").split()[-40:]) if log.exists() else ""
    return {"kind": "agent_error", "message": f"the agent exited with {code}: {tail or 'it said nothing'}"}
