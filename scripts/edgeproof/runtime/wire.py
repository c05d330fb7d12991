"""What crosses the wire: a request and a response as plain values, whatever drives the sockets."""

from __future__ import annotations

import json
from typing import Any, List, NamedTuple, Optional, Sequence, Tuple

Headers = Sequence[Tuple[bytes, bytes]]

_JSON = (b"content-type", b"application/json")
_ENCODER = json.JSONEncoder(allow_nan=False, separators=(",", ":"))


class Head(NamedTuple):
    """A request without its body. `headers`: names in lower case; `target`: path and query as they came."""

    method: str
    target: str
    headers: Headers

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]

    def find(self, name: bytes) -> Optional[str]:
        """Return the value of a header, None without it; Refusal where it stands there twice."""
        found = self.find_all(name)
        if len(found) > 1:
            raise Refusal(400, "header {} stands there {} times".format(name.decode(), len(found)))
        return found[0].decode("latin-1").strip() if found else None

    def find_all(self, name: bytes) -> List[bytes]:
        """Return all values of a header."""
        return [value for key, value in self.headers if key == name]


class Response(NamedTuple):
    """An answer. `headers` has the content type; whoever drives the socket adds length, date and framing.

    `close`: nothing that follows on this connection can be trusted or is wanted.
    """

    status: int
    headers: List[Tuple[bytes, bytes]]
    body: bytes
    close: bool = False


class Refusal(Exception):
    """A request that is not served: becomes a response with an error text. `retry_after`: whole seconds."""

    def __init__(self, status: int, message: str, retry_after: Optional[int] = None, close: bool = False) -> None:
        super().__init__(message)
        self.status, self.retry_after, self.close = status, retry_after, close

    def respond(self, allow: str = "") -> Response:
        """Return the response; `allow`: the methods that the path takes, for a 405."""
        extra: List[Tuple[bytes, bytes]] = []
        if self.retry_after is not None:
            extra.append((b"retry-after", str(self.retry_after).encode()))
        if self.status == 401:
            extra.append((b"www-authenticate", b"Bearer"))
        if allow:
            extra.append((b"allow", allow.encode()))
        return render_json(self.status, {"error": str(self)}, extra, self.close)


def render_json(status: int, document: Any, extra: Sequence[Tuple[bytes, bytes]] = (), close: bool = False) -> Response:
    """Return a response for the wire whose body is a JSON document; ValueError for a number that JSON cannot hold."""
    return Response(status, [_JSON, *extra], _ENCODER.encode(document).encode(), close)
