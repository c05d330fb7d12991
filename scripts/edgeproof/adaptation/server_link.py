"""One client's connection to a server that may be anything: every answer is read within limits of size and of time."""

import re
import socket
import time
from typing import NamedTuple

Address = tuple[str, int]
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,18})[ \t]*\r\n")
_STATUS = re.compile(rb"http/1\.[01] ([1-9][0-9]{2})[ \r]")
_AT_ONCE = 1 << 16  # bytes; a larger length that a server declares costs no memory before they are there
_END = b"\r\n\r\n"


class Limits(NamedTuple):
    """Of one answer: bytes of its head and of its body, and seconds from the request to its last byte."""

    head: int = 1 << 16
    body: int = 1 << 28
    seconds: float = 30.0


class Answer(NamedTuple):
    """One answer. `head`: status line and headers in small letters, each line with its end."""

    status: int
    head: bytes
    body: bytes

    def find_header(self, name: str) -> str | None:
        """Return the value of the first header with a name in small letters, None if there is none."""
        found = re.search(rb"\r\n" + re.escape(name.encode()) + rb":[ \t]*([^\r\n]*)", self.head)
        return found.group(1).decode("latin-1").strip() if found else None


class NoAnswer(Exception):
    """A server gave no answer that can be read; the message says why."""


class Link:
    """One client's connection. It is opened again after a failure."""

    def __init__(self, address: Address, limits: Limits | None = None) -> None:
        self._address, self._limits = address, limits or Limits()
        self._socket: socket.socket | None = None

    def ask(self, request: bytes) -> int:
        """Send a request, read the whole answer and return its status; 0 where none came."""
        try:
            return self.fetch(request).status
        except NoAnswer:
            return 0

    def fetch(self, request: bytes, body: bool = True) -> Answer:
        """Send a request and return its answer; NoAnswer where there is none within the limits.

        `body`: False to read the head only, and hang up.
        """
        until = time.monotonic() + self._limits.seconds
        try:
            if self._socket is None:
                self._socket = socket.create_connection(self._address, self._limits.seconds)
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket.sendall(request)
            return self._read_answer(self._socket, until, body)
        except OSError as error:
            self.close()
            raise NoAnswer(str(error) or type(error).__name__) from error
        except NoAnswer:
            self.close()
            raise

    def close(self) -> None:
        """Close the connection."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _read_answer(self, link: socket.socket, until: float, wants_body: bool) -> Answer:
        data = link.recv(_AT_ONCE)  # most answers come whole, and setting a time-out is a system call
        while (end := data.find(_END)) < 0:
            if len(data) > self._limits.head:
                raise NoAnswer(f"the head of its answer has more than {self._limits.head} bytes")
            data += self._receive(link, until)
        head, rest = data[: end + 2].lower(), data[end + 4 :]
        status = _STATUS.match(head)
        if status is None:
            raise NoAnswer(f"it answers something else than HTTP/1.1: {data[:40]!r}")
        if not wants_body:
            self.close()
            return Answer(int(status.group(1)), head, b"")
        body = self._read_body(link, until, head, rest)
        if b"connection: close" in head:
            self.close()
        elif until - time.monotonic() < self._limits.seconds / 2:  # `_receive` may have left so short a time-out
            link.settimeout(self._limits.seconds)
        return Answer(int(status.group(1)), head, body)

    def _read_body(self, link: socket.socket, until: float, head: bytes, rest: bytes) -> bytes:
        found = _LENGTH.search(head)
        if found is None:
            raise NoAnswer("its answer has no content-length that is a number")
        length = int(found.group(1))
        if length > self._limits.body:
            raise NoAnswer(f"its answer has {length} bytes, more than {self._limits.body}")
        parts, missing = [rest], length - len(rest)
        while missing > 0:
            parts.append(self._receive(link, until, min(missing, _AT_ONCE)))
            missing -= len(parts[-1])
        if missing < 0:
            raise NoAnswer(f"its answer is longer than its content-length of {length}")
        return b"".join(parts)

    def _receive(self, link: socket.socket, until: float, most: int = _AT_ONCE) -> bytes:
        """Return the next bytes of an answer; NoAnswer at its end, or when its time is over."""
        left = until - time.monotonic()
        if left <= 0:
            raise NoAnswer(f"its answer takes longer than {self._limits.seconds:g} s")
        link.settimeout(left)
        if not (part := link.recv(most)):
            raise NoAnswer("it closes the connection within its answer")
        return part
