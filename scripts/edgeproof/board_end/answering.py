"""The board's end of a link: keeps what the host sends, starts sessions, and hands their files over.

The host sends the texts of this package to a Python of the board on every connection, so nothing is installed there.
They need Python 3.8 and the standard library; of edgeproof they import the agent that the host has sent.

Requests are lines of JSON, answers too; the bytes of files follow the line that lists them. Below edgeproof's folder on
the board are

    agents/DIGEST/edgeproof/agent/    the agent's code
    files/SHA256/NAME                 artifacts and samples
    sessions/ID/                      about.json, spec.json, out/ (the agent's files), agent.log; end.json at the end
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import os
import re
import select
import shutil
import socket
import subprocess
import sys
import time
from typing import IO, Callable, Dict, List, Optional, Tuple

from .board_files import (
    CHUNK,
    Message,
    digest_board_file,
    list_regular_files,
    read_board_json,
    write_board_json,
)
from .supervising import is_session_alive, start_supervisor, stop_session

_FOREIGN = ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONUSERBASE", "PYTHONPLATLIBDIR", "PYTHONSAFEPATH")
_KEEP_S = 30 * 24 * 3600.0  # what nobody asked for in so many seconds is removed
_GOING_S = 5.0  # a supervisor that has not ended so long after it let go of us is not ending
_PAIR = re.compile(r"pair-\d+$")
_ABOUT = ("key", "owner", "verb", "label", "first_pair")


def answer_requests(source: int, sink: IO[bytes]) -> None:
    """At the board's end of a link, answer the host's requests until it closes the link.

    `source`: descriptor that requests come from, with nothing read ahead. A BrokenPipeError or EOFError means that the
    link is gone; a session that was started goes on.
    """
    board = _Board(_Source(source), sink)
    with contextlib.suppress(BrokenPipeError, EOFError):
        while True:
            board.answer(json.loads(board.source.read_line()))


class _Source:
    """What the host sends, with nothing hidden in a buffer that `select` cannot see."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor, self._rest = descriptor, b""

    @property
    def waiting(self) -> bool:
        """Whether something was read that nobody has taken yet."""
        return bool(self._rest)

    def read_line(self) -> bytes:
        """Return the next line; EOFError when the link is gone."""
        while b"\n" not in self._rest:
            self._rest += self._read()
        line, _, self._rest = self._rest.partition(b"\n")
        return line

    def read_some(self, size: int) -> bytes:
        """Return up to `size` bytes, at least one; EOFError when the link is gone."""
        if not self._rest:
            self._rest = self._read()
        taken, self._rest = self._rest[:size], self._rest[size:]
        return taken

    def _read(self) -> bytes:
        chunk = os.read(self.descriptor, CHUNK)
        if not chunk:
            raise EOFError
        return chunk


class _Board:
    """One connection. Every method that answers a request is named in `_verbs`."""

    def __init__(self, source: _Source, sink: IO[bytes]) -> None:
        self.source, self._sink = source, sink
        self._root = ""
        self._client: Optional[socket.socket] = None
        self._heard = b""
        self._verbs: Dict[str, Callable[[Message], None]] = {
            "hello": self._hello,
            "check": self._check,
            "receive": self._receive,
            "identify": self._identify,
            "sessions": self._list_sessions,
            "start": self._start,
            "follow": self._follow,
            "answer": self._pass_answer,
            "fetch": self._fetch,
            "read": self._read_texts,
            "which": self._find_program,
            "run": self._run_briefly,
            "stop": self._stop,
            "remove": self._remove,
        }

    def answer(self, request: Message) -> None:
        """Carry out one request; what the board cannot do is told as {error, message}."""
        try:
            self._verbs[request["do"]](request)
        except BrokenPipeError:
            raise
        except OSError as error:
            self._say({"error": "machine", "message": "{}: {}".format(error.filename or self._root, error.strerror)})

    def _say(self, document: Message) -> None:
        self._sink.write(json.dumps(document).encode() + b"\n")
        self._sink.flush()

    def _path(self, *names: str) -> str:
        place = os.path.normpath(os.path.join(self._root, *names))
        if not place.startswith(self._root + os.sep):
            raise OSError(1, "lies outside of edgeproof's folder", place)
        return place

    def _hello(self, request: Message) -> None:
        """Find the folder, and say what runs here."""
        self._root = os.path.abspath(os.path.join(os.path.expanduser("~"), request["folder"]))
        for name in ("agents", "files", "sessions"):
            os.makedirs(os.path.join(self._root, name), mode=0o700, exist_ok=True)
        numpy = importlib.util.find_spec("numpy") is not None
        self._say({"python": list(sys.version_info[:2]), "clock": time.time(), "numpy": numpy, "folder": self._root})

    def _check(self, request: Message) -> None:
        """Say which of the files {path: sha256} are missing or are not what they were; `only`: folders that may have no
        others.
        """
        files: Dict[str, str] = request["files"]
        missing = [path for path, digest in files.items() if digest_board_file(self._path(path)) != digest]
        for folder in request["only"]:
            for path in list(list_regular_files(self._path(folder))):
                if os.path.relpath(path, self._root) not in files and not path.endswith(".pyc"):
                    os.unlink(path)
        for path in set(files) - set(missing):
            os.utime(self._path(path))
        self._say({"missing": missing})

    def _receive(self, request: Message) -> None:
        """Keep files whose bytes follow: [path, sha256, size]. Each is whole or not there."""
        failure: Optional[OSError] = None
        for path, digest, size in request["files"]:
            failure = self._receive_file(self._path(path), digest, size) or failure
        if failure is not None:
            raise failure
        self._say({"received": len(request["files"])})

    def _receive_file(self, target: str, digest: str, size: int) -> Optional[OSError]:
        """Keep one file; its bytes are taken from the link also where they cannot be kept. Return what went wrong."""
        part = "{}.{}.part".format(target, os.getpid())
        hashed, failure = hashlib.sha256(), None
        stream: Optional[IO[bytes]] = None
        try:
            try:
                os.makedirs(os.path.dirname(target), exist_ok=True)
                stream = open(part, "wb")  # noqa: SIM115 (closed below, also when a write fails)
            except OSError as error:
                failure = error
            while size:
                chunk = self.source.read_some(min(CHUNK, size))
                size -= len(chunk)
                hashed.update(chunk)
                try:
                    if stream is not None and failure is None:
                        stream.write(chunk)
                except OSError as error:
                    failure = OSError(error.errno, error.strerror, target)
            if failure is None and stream is not None:
                stream.close()
                if hashed.hexdigest() != digest:
                    return OSError(5, "arrived damaged", target)
                os.replace(part, target)
        except OSError as error:
            failure = OSError(error.errno, error.strerror, target)
        finally:
            with contextlib.suppress(OSError):
                if stream is not None:
                    stream.close()
            with contextlib.suppress(OSError):
                os.unlink(part)
        return failure

    def _identify(self, request: Message) -> None:
        """Say which machine this is, with the agent's own words."""
        sys.path.insert(0, self._path("agents", request["agent"]))
        from edgeproof.agent.machine import describe_machine

        self._say({"machine": describe_machine()})

    def _list_sessions(self, request: Message) -> None:
        """Say which sessions of this owner there are with a key, in order of start."""
        found: List[Message] = []
        for name in os.listdir(self._path("sessions")):
            folder = self._path("sessions", name)
            about = read_board_json(os.path.join(folder, "about.json"))
            if about is not None and (about["owner"], about["key"]) == (request["owner"], request["key"]):
                running, end = is_session_alive(folder), read_board_json(os.path.join(folder, "end.json"))
                pairs = len([each for each in os.listdir(os.path.join(folder, "out")) if _PAIR.match(each)])
                found.append({"id": name, "about": about, "running": running, "end": end, "pairs": pairs})
        self._say({"sessions": sorted(found, key=lambda each: (each["about"]["clock"], each["id"]))})

    def _start(self, request: Message) -> None:
        """Start a session under a supervisor, and answer when it can be followed."""
        self._forget_old(json.dumps([request["agent"], request["spec"]]))
        folder = self._path("sessions", request["id"])
        os.makedirs(os.path.join(folder, "out"))
        environment = {name: value for name, value in os.environ.items() if name not in _FOREIGN}
        environment.update(PYTHONPATH=self._path("agents", request["agent"]), PYTHONUNBUFFERED="1")
        try:
            write_board_json(os.path.join(folder, "spec.json"), request["spec"])
            about = {name: request[name] for name in _ABOUT}
            write_board_json(os.path.join(folder, "about.json"), dict(about, clock=time.time()))
            start_supervisor(folder, request, environment)
        except OSError:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        self._say({"started": request["id"]})

    def _forget_old(self, needed: str) -> None:
        """Remove files and sessions that nobody asked for in a month, whatever jumps the clock has made.

        `needed`: a text with the names of what is about to be used.
        """
        for kind in ("files", "sessions", "agents"):
            for name in os.listdir(self._path(kind)):
                place = self._path(kind, name)
                if name in needed:
                    continue
                dates = [os.stat(path).st_mtime for path in list_regular_files(place)] or [time.time()]
                if time.time() - max(dates) > _KEEP_S and not is_session_alive(place):
                    shutil.rmtree(place, ignore_errors=True)

    def _follow(self, request: Message) -> None:
        """Pass on what a session says until it is the host's turn, or the session is over."""
        folder = self._path("sessions", request["id"])
        if self._client is None and not self._connect(folder):
            return self._say_over(folder)
        while True:
            line = self._hear()
            if line is None:  # the supervisor has gone, with its agent
                self._client = None
                return self._say_over(folder)
            if line:
                self._sink.write(line + b"\n")
                self._sink.flush()
                if json.loads(line).get("turn"):
                    return None
            elif json.loads(self.source.read_line())["do"] == "stop":
                stop_session(folder)

    def _say_over(self, folder: str) -> None:
        # A supervisor closes its connection, says how it ended and goes, in this order and in a moment.
        until = time.monotonic() + _GOING_S
        running = is_session_alive(folder)
        end = read_board_json(os.path.join(folder, "end.json"))
        while running and end is None and time.monotonic() < until:
            time.sleep(0.02)
            running = is_session_alive(folder)
            end = read_board_json(os.path.join(folder, "end.json"))
        self._say({"event": "over", "end": end, "running": running and end is None})

    def _connect(self, folder: str) -> bool:
        here, client = os.getcwd(), socket.socket(socket.AF_UNIX)
        os.chdir(folder)  # the path of a socket has 107 bytes at most
        try:
            client.connect("socket")
        except OSError:
            client.close()
            return False
        finally:
            os.chdir(here)
        self._client, self._heard = client, b""
        return True

    def _hear(self) -> Optional[bytes]:
        """Return the session's next line; b"" where the host says something first, None when the session is over."""
        assert self._client is not None
        while b"\n" not in self._heard:
            if self.source.waiting:
                return b""
            readable, _, _ = select.select([self._client, self.source.descriptor], [], [])
            if self._client not in readable:
                return b""
            try:
                chunk = self._client.recv(65536)
            except ConnectionResetError:  # it went without hearing our last word
                chunk = b""
            if not chunk:
                return None
            self._heard += chunk
        line, _, self._heard = self._heard.partition(b"\n")
        return line

    def _pass_answer(self, request: Message) -> None:
        """Give the host's answer to the session; what the session then says, `follow` tells."""
        if self._client is not None:
            with contextlib.suppress(OSError):
                self._client.sendall(json.dumps({"continue": request["continue"]}).encode() + b"\n")
        self._say({"passed": True})

    def _fetch(self, request: Message) -> None:
        """Send what a session has at or below `below`, but for what the host has (`skip`)."""
        folder = self._path("sessions", request["id"])
        paths: List[Tuple[str, str]] = []
        for path in sorted(list_regular_files(os.path.join(folder, request["below"]))):
            name = os.path.relpath(path, folder)
            if not any(name == skip or name.startswith(skip + "/") for skip in request["skip"]):
                paths.append((name, path))
        self._say({"files": [[name, digest_board_file(path), os.path.getsize(path)] for name, path in paths]})
        for _, path in paths:
            with open(path, "rb") as stream:
                shutil.copyfileobj(stream, self._sink, CHUNK)
        self._sink.flush()

    def _read_texts(self, request: Message) -> None:
        """Send the texts of files of the system, null for what cannot be read."""
        texts: Dict[str, Optional[str]] = {}
        for path in request["paths"]:
            texts[path] = None
            with contextlib.suppress(OSError), open(path, encoding="utf-8", errors="replace") as stream:
                texts[path] = stream.read(1 << 16)
        self._say({"texts": texts})

    def _find_program(self, request: Message) -> None:
        """Say where a program is: on the PATH, or in one of some places; null if nowhere."""
        places = (path for path in request["places"] if os.access(path, os.X_OK))
        name: str = request["name"]
        self._say({"path": shutil.which(name) or next(places, None)})

    def _run_briefly(self, request: Message) -> None:
        """Run a program that only tells something, such as its version."""
        try:
            done = subprocess.run(
                request["command"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=60,
            )
        except subprocess.TimeoutExpired:
            self._say({"code": None, "text": ""})
            return
        self._say({"code": done.returncode, "text": done.stdout.decode("utf-8", "replace")})

    def _stop(self, request: Message) -> None:
        """End a session and everything that it has started."""
        stop_session(self._path("sessions", request["id"]))
        self._say({"stopped": request["id"]})

    def _remove(self, request: Message) -> None:
        """Remove a session that the host has, or wants no more."""
        folder = self._path("sessions", request["id"])
        stop_session(folder)
        shutil.rmtree(folder, ignore_errors=True)
        self._say({"removed": request["id"]})
