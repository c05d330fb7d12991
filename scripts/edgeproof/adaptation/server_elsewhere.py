"""Measuring a server that runs already, on a board as a rule: load and clock are this machine's, the network is in it.

What the server takes of its machine is not seen from here, and nothing is started, so there are no cold starts.
"""

import time
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np

from edgeproof.agent.lock import hold_device
from edgeproof.core.configuration import Json
from edgeproof.core.errors import UserError
from edgeproof.core.files import sha256_file

from .server_link import Address, Link, NoAnswer
from .service_figures import ServiceSetting, describe_service
from .service_measurement import Measuring, ask_server, compose_question, write_service
from .service_records import Raw, read_service

_READY = b"GET /v2/health/ready HTTP/1.1\r\nhost: here\r\n\r\n"


def measure_server(
    url: str, family: Path, device: str, setting: ServiceSetting, folder: Path, token: str | None
) -> Json:
    """Measure a server that runs elsewhere, at `url`: put load on it and return the document.

    `service.json` and `service.npz` are written into a folder. `family`: a copy of the family that is served, for the
    request; `setting.starts` must be 0. UserError for a server that is not there or does not answer the request.
    """
    address, asked, answers = _parse_url(url), compose_question(family), Raw()
    clock = _read_server_clock(address)
    answers["cold/ready_s"] = answers["cold/first_answer_ms"] = np.zeros(0)
    with hold_device(None, f"{url}: service"):
        question = ask_server(asked, address, token)
        figures = describe_service(Measuring(question, None, setting, answers), setting)
    identity = {"family": asked.family, "device": device, "family_sha256": sha256_file(family)}
    folder.mkdir(parents=True, exist_ok=True)
    write_service(identity, clock, setting, figures, answers, (folder / "service.json", folder / "service.npz"))
    return read_service(folder / "service.json")


def _parse_url(url: str) -> Address:
    """Return (host, port) of `http://HOST:PORT`; UserError for anything else."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or 80
    except ValueError:
        parts, host, port = urlsplit(""), None, 0
    if parts.scheme != "http" or not host or parts.path.strip("/") or parts.query or parts.username:
        raise UserError(f"{url}: is not http://HOST:PORT")
    return host, port


def _read_server_clock(address: Address) -> Json | None:
    """Return how far the server's wall clock is ahead of ours, by the date of an answer: {clock, ahead_s: [low, high]}.

    None where the answer has no date, or one that is none. UserError where no answer comes.
    """
    link = Link(address)
    try:
        before = time.time()
        answer = link.fetch(_READY, body=False)
        after = time.time()
    except NoAnswer as error:
        raise UserError(
            f"http://{address[0]}:{address[1]}: does not answer ({error}); is the server running?"
        ) from error
    finally:
        link.close()
    try:
        second = parsedate_to_datetime(answer.find_header("date") or "").timestamp()  # cut to whole seconds
    except (ValueError, TypeError, OverflowError, OSError):
        return None
    return {"clock": "Date", "ahead_s": [second - after, second + 1 - before]}
