"""The supervisor of a session on the board: leads its process group, runs the agent, and outlives the link.

Whoever follows the session connects to the socket in its folder, may go, and come back. When nobody answers after a
pair, the supervisor closes the agent's input, so that the session ends with the pair that it has. A run is measured to
its end. Python 3.8, standard library.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from types import FrameType
from typing import Dict, List, Optional, Union

from .board_files import Message, read_board_json, write_board_json

_STOP_S = 10.0  # seconds that an agent may take to end what it has started
_ALIVE = "alive"  # locked by whatever lives of a session
_ANSWER_S = 60.0  # how long a session of pairs waits for the host's word before it takes the link for lost
_READY = b"ready"


def start_supervisor(folder: str, request: Message, environment: Dict[str, str]) -> None:
    """Start the supervisor of a session on the board, a daemon in a session of its own; return when it can be followed.

    `request`: {command, asks, limit_s}. OSError says why it did not start.
    """
    ready, told = os.pipe()
    if os.fork() == 0:
        os.close(ready)
        os.setsid()
        if os.fork() == 0:
            _supervise(folder, request, environment, told)
        os._exit(0)
    os.close(told)
    os.wait()
    with os.fdopen(ready, "rb") as stream:
        word = stream.read()
    if word != _READY:
        raise OSError(5, word.decode("utf-8", "replace") or "the session's supervisor did not start", folder)


def is_session_alive(folder: str) -> bool:
    """Tell whether a session on the board lives, that is its supervisor or its agent.

    It holds the lock on `alive` then, whatever a process id says.
    """
    try:
        with open(os.path.join(folder, _ALIVE), "rb+") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def stop_session(folder: str) -> None:
    """End the agent that a session's supervisor runs on the board, gently first, and wait until the session is over."""
    pids = read_board_json(os.path.join(folder, "pid"))
    if pids is None or not is_session_alive(folder):
        return
    with contextlib.suppress(ProcessLookupError):
        os.kill(pids["agent"], signal.SIGTERM)
    until = time.monotonic() + _STOP_S
    while is_session_alive(folder) and time.monotonic() < until:
        time.sleep(0.02)
    if is_session_alive(folder):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pids["group"], signal.SIGKILL)
        while is_session_alive(folder) and time.monotonic() < until + _STOP_S:
            time.sleep(0.02)


def _supervise(folder: str, request: Message, environment: Dict[str, str], told: int) -> None:
    """Run the agent of a session to its end, in a process of our own; never returns."""
    code = 1
    try:
        nothing = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(nothing, number)  # the link must not stay open for us
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, _carry_on)
        os.chdir(folder)
        _Supervisor(request, environment).run(told)
        code = 0
    except BaseException as error:
        with contextlib.suppress(OSError):
            os.write(told, " ".join(str(error).split()).encode()[:500])
    finally:
        os._exit(code)


def _carry_on(_: int, __: Optional[FrameType]) -> None:
    """Stay when told to end: the agent is told too, and we tell how it ended."""


class _Supervisor:
    """One session, in its folder."""

    def __init__(self, request: Message, environment: Dict[str, str]) -> None:
        self._asks = bool(request["asks"])
        alive = os.open(_ALIVE, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(alive, fcntl.LOCK_EX)
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind("socket")
        self._server.listen(4)
        self._client: Optional[socket.socket] = None
        self._said: List[bytes] = []
        self._waits_until: Optional[float] = None
        self._log = open("agent.log", "wb", buffering=0)  # noqa: SIM115 (as long as the process lives)
        self._deadline, self._late = time.monotonic() + request["limit_s"], False
        self._agent = subprocess.Popen(
            [sys.executable, *request["command"], "spec.json", "out"],
            env=environment,
            stdin=subprocess.PIPE if self._asks else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=(alive,),
        )
        write_board_json("pid", {"group": os.getpid(), "agent": self._agent.pid})

    def run(self, told: int) -> None:
        """Pass on what the agent says until it ends; then leave `end.json`."""
        os.write(told, _READY)
        os.close(told)
        assert self._agent.stdout is not None and self._agent.stderr is not None
        streams = {self._agent.stdout.fileno(): "line", self._agent.stderr.fileno(): "log"}
        rests = dict.fromkeys(streams, b"")
        while streams:
            client = [] if self._client is None else [self._client]
            watched: List[Union[int, socket.socket]] = [*streams, self._server, *client]
            readable, _, _ = select.select(watched, [], [], self._wait_s())
            self._mind_the_time()
            for each in readable:
                if isinstance(each, socket.socket):
                    if each is self._server:
                        self._welcome()
                    elif each is self._client:
                        self._hear()
                else:
                    chunk = os.read(each, 65536)
                    lines = (rests[each] + chunk).split(b"\n")
                    rests[each] = lines.pop()
                    for line in lines:
                        self._tell(streams[each], line)
                    if not chunk:
                        del streams[each]
        end = {"code": self._agent.wait(), "late": self._late}
        write_board_json("end.json", end)
        self._send(json.dumps({"event": "over", "end": end, "turn": True}).encode())

    def _wait_s(self) -> float:
        until = self._deadline if self._waits_until is None else min(self._deadline, self._waits_until)
        return max(0.0, min(until - time.monotonic(), 3600.0))

    def _mind_the_time(self) -> None:
        now = time.monotonic()
        if self._waits_until is not None and now >= self._waits_until:
            self._say_to_agent(None)
        if now >= self._deadline:
            if self._late:
                self._agent.kill()
            self._agent.terminate()
            self._late, self._deadline = True, now + _STOP_S

    def _welcome(self) -> None:
        """Take a follower in place of the last one, and tell it what was said before it came."""
        if self._client is not None:
            self._client.close()
        self._client, _ = self._server.accept()
        self._client.settimeout(5.0)  # a follower that does not read must not hold up the agent
        waits = self._waits_until is not None
        said: List[Message] = [json.loads(line) for line in self._said]
        last = max((number for number, event in enumerate(said) if event.get("turn")), default=None)
        for number, event in enumerate(said):
            self._send(json.dumps(dict(event, turn=waits and number == last)).encode())
        if waits:
            self._waits_until = time.monotonic() + _ANSWER_S

    def _hear(self) -> None:
        assert self._client is not None
        try:
            word = self._client.recv(65536)
        except OSError:
            word = b""
        if not word:
            self._client.close()
            self._client = None
        elif self._waits_until is not None:
            self._say_to_agent(word)

    def _say_to_agent(self, word: Optional[bytes]) -> None:
        """Pass the host's answer on; None: there is no host, so no other pair is begun."""
        self._waits_until = None
        assert self._agent.stdin is not None
        with contextlib.suppress(OSError, ValueError):
            if word is None:
                self._agent.stdin.close()
            else:
                self._agent.stdin.write(word)
                self._agent.stdin.flush()

    def _tell(self, kind: str, line: bytes) -> None:
        """Tell the follower a line of the agent, and keep it for the next one."""
        event: Message = {"event": kind, "text": line.decode("utf-8", "replace")}
        if kind == "log":
            with contextlib.suppress(OSError):  # the disk is full: messages are worth no measurement
                self._log.write(line + b"\n")
        elif self._asks:
            said = json.loads(line)
            if said.get("event") == "pair" and said.get("status") == "ok":
                event["turn"] = True
                self._waits_until = time.monotonic() + _ANSWER_S
        text = json.dumps(event).encode()
        self._said = [*self._said, text][-2000:]
        self._send(text)

    def _send(self, line: bytes) -> None:
        if self._client is None:
            return
        try:
            self._client.sendall(line + b"\n")
        except OSError:
            self._client.close()
            self._client = None
