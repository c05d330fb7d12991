"""Sessions of interleaved pairs: one live session of the agent whose caller says after every pair whether it goes on.

A session is an attempt of the store (kind `pairs`). All complete attempts with one key are one sequence of pairs, in
order of start: whoever needs more pairs continues it. What decides the raw data is in the key; how many pairs or
seconds may be spent is not.
"""

import contextlib
import fcntl
import json
import math
import re
import subprocess
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from io import RawIOBase
from pathlib import Path
from typing import IO, Any

from edgeproof.agent.messages import tell
from edgeproof.core.attempts import (
    Attempt,
    OpenAttempt,
    await_others,
    check_files,
    find_attempts,
    open_attempt,
    sweep,
)
from edgeproof.core.configuration import Arm, Device, Json, MeasuringProtocol
from edgeproof.core.errors import UserError
from edgeproof.core.files import FilePath, atomic_write, sha256_bytes, sha256_file
from edgeproof.core.layout import relative_to_repository
from edgeproof.core.processes import child_environment
from edgeproof.core.reader import current_reader, reading_once
from edgeproof.core.same_attempts import leave_out_copies
from edgeproof.remote.boards import Board

from .attempt_remedies import name_remedy, naming_remedy
from .conditions import describe_state, describe_throttling
from .pair_records import ARMS, Pair, read_pair, read_pairs
from .pair_sampling import sample_pairs
from .sessions import VERDICT, read_failure
from .telemetry_files import FILE
from .telemetry_files import FOLDER as TELEMETRY
from .transports import (
    carry_out_on_board,
    connect_device,
    describe_measuring_machine,
    describe_transport,
    is_kept_on_board,
)

SESSION = "session"  # where the agent's files are, in an attempt
RECORD = "session.json"
_TIMEOUT_S = 600
_PAIR = re.compile(r"pair-\d+")
_ALIVE = "agent.lock"  # locked for as long as the agent lives, also when nobody waits for it any more


@dataclass(frozen=True)
class PairPlace:
    """Where and how pairs are measured. `inputs`: samples file; `interpreter`: the Python that runs the agent."""

    inputs: Path
    device: Device
    protocol: MeasuringProtocol
    interpreter: str


@dataclass(frozen=True)
class PairsSession:
    """One finished session: its attempt, the agent's record, and its pairs in order."""

    attempt: Attempt
    record: Json
    pairs: tuple[Pair, ...]

    @property
    def state(self) -> dict[str, Json]:
        """The state of machine and runtime that the arms met."""
        return self.attempt.record["facts"]["state"]

    @property
    def asks_energy(self) -> bool:
        """Whether the energy of its pairs is compared."""
        return bool(self.attempt.record["key"]["parts"].get("timing", {}).get("energy"))

    @property
    def provenance(self) -> str:
        """`measured`, or `simulated` where the arms only pretend to run."""
        return self.attempt.record["facts"]["provenance"]

    @property
    def throttled(self) -> str | None:
        """What throttled the board during the session, in words; None when nothing did or nobody can tell."""
        environment = self.record["environment"]
        if environment["after"] is None:
            return None
        return describe_throttling(environment["before"]["throttled"], environment["after"]["throttled"])


def list_sessions(folders: Sequence[FilePath], key: Json) -> list[PairsSession]:
    """Return the complete sessions with this key below any of the folders, in order of start, copies left out.

    Each session says which pair of the sequence it began with, so that a clock that was set back changes no order.

    What killed processes left there is swept first, so that their whole pairs count. A session that another process is
    measuring, such as one whose Snakemake is gone, is waited for: the device would be, and its pairs count too.
    UserError where a file of an attempt is not as it was.
    """
    attempts: list[Attempt] = []
    for folder in dict.fromkeys(map(str, folders)):
        await_others(folder, key)
        sweep(folder, _rescue_pairs)
        attempts += find_attempts(folder, key)
    if len({attempt.folder.parent for attempt in attempts}) > 1:  # numbers of two folders say nothing to each other
        attempts.sort(key=lambda attempt: (attempt.record["started_at"], str(attempt.folder)))
    return sorted(_adopt(leave_out_copies(attempts)), key=_number_of_first_pair)


@reading_once()
def _adopt(attempts: Sequence[Attempt]) -> list[PairsSession]:
    """Return the sessions of attempts all of whose files are as they were."""
    for attempt in attempts:
        check_files(attempt.folder)
    return list(map(read_session, attempts))


def _number_of_first_pair(session: PairsSession) -> float:
    pairs = session.record["pairs"]
    return pairs[0]["pair"] if pairs else math.inf


def group_by_machine(sessions: Iterable[PairsSession]) -> dict[str | None, list[PairsSession]]:
    """Return the paired sessions of each machine, by its id. Pairs of two machines are never one sequence."""
    groups: dict[str | None, list[PairsSession]] = {}
    for session in sessions:
        groups.setdefault(session.attempt.record["machine"]["id"], []).append(session)
    return groups


def read_session(attempt: Attempt) -> PairsSession:
    """Return a session of interleaved pairs, computed from its raw times; UserError if a file was changed."""
    path, facts = attempt.folder / SESSION / RECORD, attempt.record["facts"]
    with naming_remedy(path):
        text = current_reader().read(path)
    if sha256_bytes(text) != facts["session"]:
        raise UserError(f"{path}: was changed since it was measured{name_remedy(path)}")
    record = json.loads(text)
    folders = [path.parent / entry["folder"] for entry in record["pairs"] if entry["status"] == "ok"]
    return PairsSession(attempt, record, tuple(read_pairs(folders, facts["pairs"])))


def measure_session(
    target: FilePath,
    label: str,
    key: Json,
    arms: dict[str, Arm],
    place: PairPlace,
    plan: Json,
    goes_on: Callable[[list[Pair]], bool],
) -> PairsSession:
    """Measure pairs in one session until the budget ends or `goes_on` says no; keep the attempt and return it.

    `arms`: {left, right} with the paths of their artifacts. `plan`: what the agent is told of this session: budget
    {pairs, seconds}, first_pair, interleaving, inputs_count. `goes_on`: asked after every pair, with all pairs of this
    session. UserError when no pair could be measured for a reason that another try may mend; then the attempt says why.
    A pair that an artifact's own fault ended is in the record (`failure` of the attempt's facts).
    """
    spec: Json = {
        "label": label,
        "arms": arms,
        "inputs": str(place.inputs),
        "protocol": place.protocol,
        "lock": place.device.get("lock"),
        "board": place.device.get("board_contains"),
        "timeout_s": place.device.get("timeout_s", _TIMEOUT_S),
        "power_control": place.device.get("power_control"),
        "ask": True,
        **plan,
    }
    spec |= sample_pairs(place.device, place.protocol)
    interpreter = place.device.get("interpreter") or place.interpreter
    with (
        connect_device(place.device) as board,
        open_attempt(target, "pairs", key, describe_measuring_machine(board), _rescue_pairs) as attempt,
    ):
        atomic_write(attempt.folder / "spec.json", json.dumps(spec, indent=2) + "\n")
        pairs: list[Pair] = []
        try:
            if board is None:
                code = _drive(attempt, interpreter, pairs, goes_on)
            else:
                code = _drive_on_board(board, attempt, spec, pairs, goes_on)
        except KeyboardInterrupt:
            if facts := _rescue_pairs(attempt.folder):  # what was measured counts, once the agent has ended
                attempt.complete(**facts, **describe_transport(board))
            raise
        if code != 0 and not pairs:
            failure = read_failure(attempt.folder / SESSION, attempt.folder / "agent.log", code)
            attempt.fail(failure["kind"], failure["message"])
            raise UserError(
                f"{label}: no verdict ({failure['kind']}): {failure['message']}; the attempt is in "
                f"{relative_to_repository(attempt.store)}"
            )
        closed = attempt.complete(**describe_end(attempt.folder), **describe_transport(board))
    return read_session(closed)


def want_another_pair(_: list[Pair]) -> bool:
    """Want another pair of a session in any case: a board then measures all of its pairs, whoever listens."""
    return True


def _rescue_pairs(folder: Path) -> Json | None:
    """Return the facts of a session whose process was killed, if it has whole pairs: those count.

    Its agent may still be at work: it ends with the pair that it has begun, since nobody answers it.
    """
    if is_kept_on_board(folder):
        return None  # the board has all of them
    with contextlib.suppress(OSError), (folder / _ALIVE).open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        facts = describe_end(folder)
    except (OSError, ValueError, KeyError):
        return None
    return facts if facts["pairs"] else None


def describe_end(folder: Path) -> Json:
    """Return what an attempt's record says of a session: digests of its record and of its whole pairs, state of the
    arms, failure.
    """
    path = folder / SESSION / RECORD
    record = json.loads(path.read_text())
    digests: list[str] = []
    failure = None
    for entry in record["pairs"]:
        text = (folder / SESSION / entry["folder"] / "pair.json").read_bytes()
        if entry["status"] == "ok":
            digests.append(sha256_bytes(text))
        else:
            failure = json.loads(text)["reason"]
    telemetry = folder / SESSION / TELEMETRY / FILE
    backends = {arm["backend"] for arm in json.loads((folder / "spec.json").read_text())["arms"].values()}
    provenance = "simulated" if "fake" in backends else "measured"
    return {
        "session": sha256_file(path),
        "pairs": digests,
        "failure": failure,
        "state": _read_state(record, folder),
        "provenance": provenance,
        **({"telemetry": sha256_file(telemetry)} if telemetry.exists() else {}),
    }


def _read_state(record: Json, folder: Path) -> dict[str, Json]:
    """Return the state that each arm met, from the first pair that is whole."""
    before = record["environment"]["before"]
    versions: dict[str, Any] = dict.fromkeys(ARMS)
    for entry in record["pairs"]:
        if entry["status"] == "ok":
            arms = json.loads((folder / SESSION / entry["folder"] / "pair.json").read_text())["arms"]
            versions = {arm: arms[arm]["runtime"]["version"] for arm in ARMS}
            break
    return {arm: describe_state(before, versions[arm]) for arm in ARMS}


def _drive(attempt: OpenAttempt, interpreter: str, pairs: list[Pair], goes_on: Callable[[list[Pair]], bool]) -> int:
    """Run the agent's session, answer it after every pair, and return its exit code."""
    out = attempt.folder / SESSION
    command = [interpreter, "-m", "edgeproof.agent", "pairs", str(attempt.folder / "spec.json"), str(out)]
    environment = child_environment(interpreter, {"PYTHONUNBUFFERED": "1"})
    pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with (attempt.folder / _ALIVE).open("w") as alive:
        fcntl.flock(alive, fcntl.LOCK_EX)
        try:
            process = subprocess.Popen(command, env=environment, text=True, pass_fds=(alive.fileno(),), **pipes)
        except OSError as error:
            raise UserError(f"{interpreter}: cannot be started ({error.strerror}); name another interpreter") from error
    assert process.stdin and process.stdout and process.stderr
    with process, (attempt.folder / "agent.log").open("wb", buffering=0) as log:
        echo = threading.Thread(target=_echo, args=(process.stderr, log))
        echo.start()
        try:
            for line in process.stdout:
                event = json.loads(line)
                if event["event"] == "pair" and event["status"] == "ok":
                    pairs.append(read_pair(out / event["folder"]))
                    _answer(process.stdin, goes_on(pairs))
        except BaseException:
            process.terminate()
            raise
        finally:
            process.wait()
            echo.join()
    return process.returncode


def _drive_on_board(
    board: Board, attempt: OpenAttempt, spec: Json, pairs: list[Pair], goes_on: Callable[[list[Pair]], bool]
) -> int:
    """Have the session carried out on a board, answer it after every pair, and return the agent's exit code."""
    out, seen = attempt.folder / SESSION, set[str]()

    def answer(_: Json) -> bool:
        for path in sorted(path for path in out.iterdir() if _PAIR.fullmatch(path.name) and path.name not in seen):
            seen.add(path.name)
            pairs.append(read_pair(path))
        return goes_on(pairs)

    asks = goes_on is not want_another_pair
    code = carry_out_on_board(board, "pairs", attempt, {**spec, "ask": asks}, answer if asks else None)
    entries: list[Json] = json.loads((out / RECORD).read_text())["pairs"] if (out / RECORD).exists() else []
    for entry in entries:
        if entry["status"] == "ok" and entry["folder"] not in seen:
            pairs.append(read_pair(out / entry["folder"]))
    return code


def _answer(stream: IO[str], yes: bool) -> None:
    try:
        stream.write(json.dumps({"continue": yes}) + "\n")
        stream.flush()
    except BrokenPipeError:  # it stopped by itself: its budget is over
        with contextlib.suppress(BrokenPipeError):  # what was not taken is given up now, not when the process is left
            stream.close()


def _echo(source: IO[str], log: RawIOBase) -> None:
    """Show the agent's messages as they come, and keep them if the disk has room: they are worth no measurement."""
    for line in source:
        with contextlib.suppress(OSError):
            log.write(line.encode())
        if not line.startswith(VERDICT):
            tell(line, end="")
