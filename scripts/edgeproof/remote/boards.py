"""A board behind an ssh link: what it has of ours is sent by digest, sessions are started, followed and picked up.

A session on the board belongs to an owner (a folder of attempts of one host) and a key. When the link was lost, or this
process was killed, the next try finds the session by both: it follows one that still runs and takes one that is over.
The board forgets a session when the attempt with its files is in the store.
"""

import contextlib
import json
import os
import secrets
import shutil
import time
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from edgeproof.agent.machine import describe_machine
from edgeproof.agent.messages import tell
from edgeproof.core.configuration import Device, Json
from edgeproof.core.errors import UserError
from edgeproof.core.files import FilePath, sha256_bytes, sha256_file
from edgeproof.core.seals import digest_json

from .device_links import find_remote_device
from .known_boards import recall_board, remember_board
from .ssh_link import LinkLost, SshLink, open_link

_SCRIPTS = Path(__file__).resolve().parents[2]
_FOLDER = ".edgeproof"  # on the board, below the user's home
_FILES = ("artifact", "inputs", "inputs_file")  # keys of a spec whose value is a path on this machine
_QUIET = "no verdict: "  # the agent's last line when it fails; the caller says the same as its own error

# Called with every event of a session of pairs whose files are here; says whether another pair is wanted.
Answer = Callable[[Json], bool]


@dataclass(frozen=True)
class BoardJob:
    """One session to be carried out on a board.

    `verb`: of the agent. `label`: for people. `key`: digest of the attempt's key. `owner`: the folder whose attempts it
    is for. `spec`: the agent's, with paths of this machine. `limit_s`: after so many seconds it is ended. `known`: the
    sessions that the owner has already.
    """

    verb: str
    label: str
    key: str
    owner: FilePath
    spec: Json
    limit_s: float
    known: frozenset[str] = frozenset()


@dataclass
class Board:
    """A board that is connected.

    `agent`: digest of the agent that it has. `folder`: edgeproof's on the board. `clock_ahead_s`: of ours; nothing is
    decided by it. `machine`: {id, board, cpu}. `session`: what is on the board for the attempt at hand.
    """

    link: SshLink
    agent: str
    folder: str
    clock_ahead_s: float
    machine: Json
    session: str | None = field(default=None, init=False)

    def carry_out(self, job: BoardJob, out: Path, log: Path, answer: Answer | None = None) -> int:
        """Carry out a session, or take the one that was carried out meanwhile; return the agent's exit code.

        `out`: folder to fill with the agent's files. `log`: file for its messages. `answer`: for a session of pairs.
        LinkLost leaves the session on the board. An interruption ends it there; what it has is then in `out`.
        """
        session = self._find_pending(job)
        begun = session is not None
        session = self.session = session or f"{job.key[:8]}-{secrets.token_hex(6)}"
        try:
            if not begun:
                self._start(session, job, answer is not None)
            end = self._follow(session, out, answer)
        except (LinkLost, OSError):  # there, or here: what the board has is taken by the next try
            raise
        except BaseException:
            self._end(session, out)
            raise
        self._fetch_rest(session, out, log)
        if end is None and not (out / "session.json").exists():
            raise UserError(f"{job.label}: the board was restarted, or the agent was killed there; run again")
        if end and end["late"]:
            raise UserError(f"{job.label}: had no end after {job.limit_s:.0f} s and was ended; run again")
        return 0 if end is None else end["code"]

    def describe_session(self) -> Json:
        """Return what an attempt's record says of where its session was."""
        return {"session": self.session, "host": self.link.host, "clock_ahead_s": round(self.clock_ahead_s, 1)}

    def forget_session(self) -> None:
        """Remove the session from the board: its attempt is in the store, or says why there is none."""
        if self.session is not None:
            with contextlib.suppress(UserError):  # it is found again by its name, and removed then
                self.link.ask("remove", id=self.session)
            self.session = None

    def _find_pending(self, job: BoardJob) -> str | None:
        """Return the session of an earlier try that can be followed or taken; others of this owner are removed."""
        listed: list[Json] = self.link.ask("sessions", key=job.key, owner=_name_owner(job.owner))["sessions"]
        chosen = None
        for each in listed:
            ended_well = each["end"] is not None and each["end"]["code"] == 0
            useful = each["running"] or ended_well or each["pairs"]
            fits = each["about"]["first_pair"] == job.spec.get("first_pair") and each["id"] not in job.known
            if chosen is None and useful and fits:
                chosen = each["id"]
                doing = "is still being measured" if each["running"] else "was measured meanwhile and is taken"
                tell(f"{job.label}: {doing} on {self.link.host}")
            else:
                self.link.ask("remove", id=each["id"])
        return chosen

    def _start(self, session: str, job: BoardJob, asks: bool) -> None:
        spec, files = _place_files(job.spec)
        self._send_missing({f"files/{sha256}/{path.name}": (sha256, path) for sha256, path in files.items()})
        self.link.ask(
            "start",
            id=session,
            key=job.key,
            owner=_name_owner(job.owner),
            verb=job.verb,
            label=job.label,
            first_pair=job.spec.get("first_pair"),
            spec=_resolve(spec, self.folder),
            agent=self.agent,
            command=["-m", "edgeproof.agent", job.verb],
            asks=asks,
            limit_s=job.limit_s,
        )

    def _send_missing(self, files: Mapping[str, tuple[str, Path]], only: Iterable[str] = ()) -> None:
        """Send the files {path on the board: (sha256, path here)} that the board lacks."""
        digests = {path: sha256 for path, (sha256, _) in files.items()}
        missing: list[str] = self.link.ask("check", files=digests, only=list(only))["missing"]
        if missing:
            self.link.send_files([(path, *files[path]) for path in missing])

    def _follow(self, session: str, out: Path, answer: Answer | None) -> Json | None:
        """Show what a session says, answer it after every pair, and return how it ended (None: nobody knows)."""
        while True:
            self.link.send({"do": "follow", "id": session})
            while True:
                event = self.link.hear()
                if event["event"] == "log" and not event["text"].startswith(_QUIET):
                    tell(event["text"])
                elif event["event"] == "line" and answer is not None:
                    said = json.loads(event["text"])
                    turn = bool(event.get("turn"))
                    if said.get("event") == "pair" and said.get("status") == "ok" and turn:
                        self._fetch_pairs(session, out)
                        self.link.ask("answer", **{"continue": answer(said)})
                        break
                elif event["event"] == "over":
                    if event.get("running"):
                        raise LinkLost(f"{self.link.host}: the session let go of us; run again to follow it")
                    return event["end"]

    def _fetch_pairs(self, session: str, out: Path) -> None:
        """Fetch the pairs that are not here yet; each gets its name when it is whole."""
        with _beside(out) as part:
            have = [f"out/{path.name}" for path in out.iterdir()]
            self.link.receive_files(session, "out", part, have)
            for path in sorted((part / "out").glob("pair-*")):
                os.rename(path, out / path.name)

    def _fetch_rest(self, session: str, out: Path, log: Path) -> None:
        """Fetch what is not here yet of a session that is over."""
        with _beside(out) as part:
            have = [f"out/{path.name}" for path in out.glob("pair-*")]
            self.link.receive_files(session, "out", part, have)
            (part / "out").mkdir(exist_ok=True)
            for path in sorted((part / "out").iterdir()):
                if not path.name.startswith("."):
                    os.rename(path, out / path.name)
            self.link.receive_files(session, "agent.log", part)
            if (part / "agent.log").exists():
                os.replace(part / "agent.log", log)

    def _end(self, session: str, out: Path) -> None:
        """End a session on the board because we were told to end, and take what it has."""
        try:
            with open_link(self.link.device) as link:  # ours may be in the middle of an answer
                link.ask("hello", folder=self.folder)
                link.ask("stop", id=session)
                self.link = link
                self._fetch_rest(session, out, out.parent / "agent.log")
                self.forget_session()
        except (UserError, OSError) as error:
            tell(f"{error}; what was begun on {self.link.host} was not ended")


@contextlib.contextmanager
def reach_board(device: Device) -> Generator[Board]:
    """Connect to a board for sessions, send it the agent if need be, and yield the board; UserError says why not."""
    with open_link(device) as link:
        before = time.time()
        hello = link.ask("hello", folder=link.device.get("folder") or _FOLDER)
        if not hello["numpy"]:
            python = link.device.get("interpreter") or "python3"
            raise UserError(
                f"{link.host}: {python} there has no numpy, which the agent needs; install it there, or name another "
                "Python as `interpreter` of the device"
            )
        files = {path.relative_to(_SCRIPTS).as_posix(): path for path in list_agent_files()}
        digests = {name: sha256_file(path) for name, path in files.items()}
        agent = digest_json(digests)[:16]
        board = Board(link, agent, hello["folder"], hello["clock"] - (before + time.time()) / 2, {})
        place = f"agents/{agent}"
        sent = {f"{place}/{name}": (digests[name], path) for name, path in files.items()}
        board._send_missing(sent, [place])  # pyright: ignore[reportPrivateUsage] (its own module)
        board.machine = link.ask("identify", agent=agent)["machine"]
        known = recall_board(device)
        remember_board(device, board.machine)
        if known is not None and known["id"] != board.machine["id"]:
            raise UserError(f"{link.host}: is another board than it was when it was reached last; run again")
        yield board


def identify_device(device: Device, ask: bool = False) -> str | None:
    """Return the id of a device's board, which is reached if it has to be and `ask` is true, or of this machine.

    "" for a board that was never reached from here.
    """
    known = recall_board(device)
    if known is None and ask:
        with contextlib.suppress(UserError), reach_board(device) as board:
            known = board.machine
    return "" if known is None else known["id"]


def identify_machine(builder: str) -> Json:
    """Return {id, board, cpu} of the board that runs what a builder made, reached if need be, or of this machine."""
    device = find_remote_device(builder)
    known = describe_machine() if device is None else recall_board(device)
    if known is None:
        assert device is not None, "this machine is always known"
        with reach_board(device) as board:
            known = board.machine
    return known


def list_agent_files() -> list[Path]:
    """Return the files that boards are sent: those of the agent, and of the package above it."""
    package = _SCRIPTS / "edgeproof"
    return [package / "__init__.py", *sorted((package / "agent").rglob("*.py"))]


def _name_owner(folder: FilePath) -> str:
    """Return the name under which a board keeps the sessions of a folder of attempts on this machine."""
    here = f"{describe_machine()['id']} {Path(folder).resolve()}"
    return sha256_bytes(here.encode())[:16]


@contextlib.contextmanager
def _beside(out: Path) -> Generator[Path]:
    """Yield a folder beside `out` for what is on its way; it is gone afterwards."""
    out.mkdir(exist_ok=True)
    part = out.parent / ".incoming"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    try:
        yield part
    finally:
        shutil.rmtree(part, ignore_errors=True)


class _OnBoard(str):
    """A path below edgeproof's folder on the board."""


def _place_files(spec: Any) -> tuple[Any, dict[str, Path]]:
    """Return a spec with the places that its files have on a board, and {sha256: path here} of the files."""
    files: dict[str, Path] = {}

    def place(value: Any, name: str = "") -> Any:
        if isinstance(value, Mapping):
            return {key: place(item, key) for key, item in cast(Mapping[str, Any], value).items()}
        if isinstance(value, list | tuple):
            return [place(item) for item in cast("list[Any]", value)]
        if name in _FILES and isinstance(value, str) and value:
            path = Path(value)
            files[sha256 := sha256_file(path)] = path
            return _OnBoard(f"files/{sha256}/{files[sha256].name}")
        return value

    return place(spec), files


def _resolve(spec: Any, root: str) -> Any:
    """Return a spec with absolute paths on the board."""
    if isinstance(spec, dict):
        return {key: _resolve(item, root) for key, item in cast(Json, spec).items()}
    if isinstance(spec, list):
        return [_resolve(item, root) for item in cast("list[Any]", spec)]
    return f"{root}/{spec}" if isinstance(spec, _OnBoard) else spec
