"""Downloading models: resumed after a broken connection, retried when that may help, used only if the digest is right.

A model that is not there to be had (404, another file than the digest says) is a fault of the input: a note takes its
place, and the rest of the campaign goes on. A server that is down is none: the job fails and is tried again next time.

What has arrived is kept beside the output in `.{sha256}.partial`, with the server's validator in `.{sha256}.validator`.
The names contain the expected digest, so a partial file is never continued for another model. Another server may
complete it, because the digest of the whole file decides.
"""

import errno
import http.client
import json
import os
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path

from edgeproof.core.errors import UserError
from edgeproof.core.files import atomic_write, sha256_file
from edgeproof.core.keys import compose_key

from .input_faults import InputFault, write_note
from .kept_models import MODEL, place_model

TIMEOUT_S = 60.0
ATTEMPTS = 5
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0
SIZE_LIMIT_BYTES = 2 << 30  # an ONNX file without external data cannot be larger: the limit of protobuf is 2 GiB
PERMANENT_STATUS = {404, 410}
TRANSIENT_STATUS = {408, 425, 429, 500, 502, 503, 504}
_CHUNK = 1 << 16
_DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS}


class TransientError(Exception):
    """A failure that may not occur on the next attempt. `pause_s`: what the server asked for, or None."""

    def __init__(self, message: str, pause_s: float | None = None) -> None:
        super().__init__(message)
        self.pause_s = pause_s


def download_model(
    url: str,
    sha256: str,
    output: str | Path,
    size_limit: int = SIZE_LIMIT_BYTES,
    attempts: int = ATTEMPTS,
    pause: Callable[[float], None] = time.sleep,
) -> InputFault | None:
    """Fetch the model file at `url`: put it at `output`, in one step at the end, if its sha256 is `sha256`.

    A file with this digest that was downloaded before is used as it is. If the connection breaks, the download
    continues where it stopped (`Range` with `If-Range`), or starts over if the server cannot do that or its file has
    changed. Broken and refused connections and the statuses in `TRANSIENT_STATUS` are retried, up to `attempts` times
    in a row without a byte of progress. The pauses between them double, or are what the server asks for; `pause` is
    called with the seconds.

    What no further try can mend (`PERMANENT_STATUS`, more than `size_limit` bytes, a wrong digest) is a note in place
    of the model, and the fault is returned. Anything else is a UserError.
    """
    _check_url(url)
    sha256 = sha256.lower()
    if not re.fullmatch("[0-9a-f]{64}", sha256):
        raise UserError(f"{url}: sha256 is {sha256!r}; 64 hexadecimal digits are needed")
    output = Path(output)
    output.parent.mkdir(parents=True, exist_ok=True)
    partial = Partial(output.parent, sha256)

    def fetch(path: Path) -> None:
        _fetch_whole(url, partial, size_limit, attempts, pause)
        partial.move_to(path)

    try:
        place_model(output, "download", compose_key({"sha256": sha256}), fetch)
    except InputFault as fault:
        write_note(output, fault)
        return fault
    return None


def _fetch_whole(url: str, partial: "Partial", size_limit: int, attempts: int, pause: Callable[[float], None]) -> None:
    """Fetch until the partial file is whole and has its digest."""
    failures, furthest, restarted = 0, partial.size(), False
    while True:
        resumed = partial.size() > 0
        try:
            _fetch_once(url, partial, size_limit)
        except TransientError as error:
            failures = 1 if partial.size() > furthest else failures + 1
            furthest = max(furthest, partial.size())
            if failures >= attempts:
                kept = f"{partial.size()} bytes are kept, and the next try continues there"
                raise UserError(f"{url}: {error}; {failures} attempts made no progress; {kept}") from error
            pause(min(error.pause_s or FIRST_PAUSE_S * 2 ** (failures - 1), LONGEST_PAUSE_S))
            continue
        actual = sha256_file(partial.path)
        if actual == partial.sha256:
            return
        partial.remove()
        if restarted or not resumed:
            remedy = "correct source.sha256 or source.url in the model's YAML"
            raise InputFault(
                "wrong_digest",
                f"{url}: sha256 is {actual}, but {partial.sha256} is expected; nothing was kept; {remedy}",
            )
        # The parts may come from two versions of the file. Fetch the whole file, once.
        restarted, furthest = True, 0


class Partial:
    """The part of the file with digest `sha256` that has arrived so far, in `folder`."""

    def __init__(self, folder: Path, sha256: str) -> None:
        self.sha256 = sha256
        self.path = folder / f".{sha256}.partial"
        self._validator = folder / f".{sha256}.validator"

    def size(self) -> int:
        """Return how many bytes have arrived."""
        return self.path.stat().st_size if self.path.exists() else 0

    def read_validator(self) -> str | None:
        """Return the server's validator of the bytes that have arrived; None if there is none or it is damaged."""
        try:
            value = json.loads(self._validator.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return value if isinstance(value, str) and value.isprintable() else None

    def begin(self, validator: str | None) -> None:
        """Remove what has arrived, and note the validator of what comes next."""
        self.remove()
        if validator:
            atomic_write(self._validator, json.dumps(validator))
        self.path.touch()

    def move_to(self, output: Path) -> None:
        """Move the complete file to `output`."""
        with open(self.path, "rb") as stream:
            os.fsync(stream.fileno())
        os.replace(self.path, output)
        self._validator.unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove what has arrived."""
        # The validator goes first: bytes without one are still checked by the digest, one without bytes would mislead.
        self._validator.unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)


def _fetch_once(url, partial, size_limit):
    """Fetch the rest of the file in one request. TransientError keeps what has arrived; other errors are final."""
    start = partial.size()
    request = urllib.request.Request(url, headers={"User-Agent": "edgeproof", "Accept-Encoding": "identity"})
    if start:
        request.add_header("Range", f"bytes={start}-")
        validator = partial.read_validator()
        if validator:
            request.add_header("If-Range", validator)
    try:
        with _make_opener().open(request, timeout=TIMEOUT_S) as response:
            _receive(url, response, partial, start, size_limit)
    except urllib.error.HTTPError as error:
        with error:
            if error.code == 416 and start:
                # Nothing follows our bytes: they are the whole file, or another one. The digest decides.
                return
            message = f"the server answers {error.code} {error.reason}"
            if error.code in TRANSIENT_STATUS:
                raise TransientError(message, _read_retry_after(error.headers)) from error
            if error.code in PERMANENT_STATUS:
                raise InputFault(
                    "not_found",
                    f"{url}: {message}; correct source.url in the model's YAML,"
                    f" or remove {partial.path.with_name(MODEL)} to ask again",
                ) from error
            raise UserError(f"{url}: {message}") from error
    except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
        reason = getattr(error, "reason", None) or error
        # Retrying does not help if a certificate is not trusted. ssl.SSLError is not imported, because Python can be
        # built without ssl.
        if type(reason).__name__ == "SSLCertVerificationError" or isinstance(error, http.client.InvalidURL):
            raise UserError(f"{url}: {reason}") from error
        if getattr(error, "errno", None) in _DISK_ERRORS:
            raise UserError(f"{partial.path}: cannot be written ({getattr(error, 'strerror', error)})") from error
        raise TransientError(f"{type(reason).__name__}: {reason}") from error


def _receive(url, response, partial, start, size_limit):
    if response.status == 206 and start:
        expected = _read_content_range(response.headers.get("Content-Range"), start)
        if expected is None:
            partial.remove()
            raise TransientError(f"the server sent another range than requested (bytes from {start} on)")
    elif response.status == 200:
        length = response.headers.get("Content-Length")
        expected = int(length) if length is not None and length.isdecimal() else None
        _check_size(url, expected, size_limit)  # before what we have is removed
        partial.begin(_read_validator(response.headers))
    else:
        raise UserError(f"{url}: the server answers {response.status} {response.reason} instead of the file")
    _check_size(url, expected, size_limit)
    size = partial.size()
    with open(partial.path, "ab") as stream:
        while chunk := response.read(_CHUNK):
            size += len(chunk)
            if size > size_limit:
                partial.remove()
                _check_size(url, size, size_limit)
            stream.write(chunk)
    if expected is not None and size < expected:
        raise TransientError(f"the connection was cut after {size} of {expected} bytes")


def _check_size(url, size, size_limit):
    if size is not None and size > size_limit:
        raise InputFault("too_large", f"{url}: larger than the limit of {size_limit} bytes (see --size-limit-bytes)")


def _read_content_range(text, start):
    """Return the size of the whole file from a `bytes start-end/size` header; None unless it begins at `start`.

    If the server does not know the size (`*`), the end of this range is taken for it.
    """
    try:
        unit, value = text.split(None, 1)
        span, size = value.split("/")
        first, last = (int(part) for part in span.split("-"))
        total = last + 1 if size.strip() == "*" else int(size)
    except (AttributeError, ValueError):
        return None
    return total if unit == "bytes" and first == start and start <= last < total else None


def _read_validator(headers):
    """Return the value for `If-Range`: a strong ETag, else the date of the last change, else None."""
    tag = headers.get("ETag")
    if tag and tag.startswith('"'):
        return tag
    return headers.get("Last-Modified")


def _read_retry_after(headers):
    """Return the seconds of a `Retry-After` header; None for a date, because the server's clock is not ours."""
    text = (headers.get("Retry-After") or "").strip()
    return float(text) if text.isdecimal() else None


def _check_url(url):
    if not url.isascii() or not url.isprintable() or " " in url:
        raise UserError(f"{url!r}: a URL has only ASCII characters and no spaces; percent-encode the others")
    try:
        parts = urllib.parse.urlsplit(url)
        _ = parts.port  # raises ValueError if the port is not a number
    except ValueError as error:
        raise UserError(f"{url}: {error}") from error
    if parts.scheme not in ("http", "https"):
        raise UserError(
            f"{url}: scheme {parts.scheme!r}; only http and https are downloaded; for a local file use source kind file"
        )
    if not parts.hostname:
        raise UserError(f"{url}: no host in this URL")
    if parts.username or parts.password:
        raise UserError(f"URL of host {parts.hostname}: a URL with credentials would end up in records; leave them out")


class _RedirectHandler(urllib.request.HTTPRedirectHandler):
    """Follows redirects to http and https only; the handler of urllib follows them to ftp too."""

    def redirect_request(self, request, response, code, message, headers, url):
        _check_url(url)
        return super().redirect_request(request, response, code, message, headers, url)


def _make_opener():
    """Return an opener that knows http and https and nothing else."""
    opener = urllib.request.OpenerDirector()
    names = ("ProxyHandler", "HTTPHandler", "HTTPSHandler", "HTTPDefaultErrorHandler", "HTTPErrorProcessor")
    for name in (*names, "UnknownHandler"):
        handler = getattr(urllib.request, name, None)  # HTTPSHandler is missing where Python has no ssl
        if handler is not None:
            opener.add_handler(handler())
    opener.add_handler(_RedirectHandler())
    return opener
