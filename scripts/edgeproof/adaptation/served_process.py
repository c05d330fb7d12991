"""A server in a process of its own, as a user would start it, and what it takes of the machine."""

import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import IO

import psutil

from edgeproof.agent.tied_processes import open_tied
from edgeproof.core.errors import UserError
from edgeproof.core.processes import child_environment

from . import serving_cli
from .server_link import Address, Link
from .service_figures import ServerUse

_START_S, _END_S = 60.0, 40.0


class ServedProcess:
    """A running server. `ready_s`: from its start to the first good answer on `/v2/health/ready`."""

    def __init__(self, process: "subprocess.Popen[str]", address: Address, ready_s: float) -> None:
        self.address, self.ready_s = address, ready_s
        self._process = psutil.Process(process.pid)
        self._before = (time.monotonic(), self._read_cpu_s())

    def read_use(self) -> ServerUse:
        """Return what the server took since the last reading."""
        now, cpu_s = time.monotonic(), self._read_cpu_s()
        before, self._before = self._before, (now, cpu_s)
        share = (cpu_s - before[1]) / max(1e-9, now - before[0])
        return ServerUse(share, sum(item.memory_info().rss for item in self._list_own()) / 2**20)

    def _read_cpu_s(self) -> float:
        return sum(sum(item.cpu_times()[:2]) for item in self._list_own())

    def _list_own(self) -> list[psutil.Process]:
        """Return the server's process and those of its isolated models."""
        return [self._process, *self._process.children(recursive=True)]


@contextlib.contextmanager
def serve_in_process(family: Path | str, options: Sequence[str] = ()) -> Generator[ServedProcess]:
    """Start `edgeproof serve` on a free port, wait until it is ready, and end it; UserError with what it said if it
    does not come up.
    """
    command = [sys.executable, "-m", serving_cli.__name__, str(family), "--port", "0", "--json", *options]
    with tempfile.TemporaryFile("w+") as said:
        yield from _serve(command, str(family), said)


def _serve(command: list[str], family: str, said: IO[str]) -> Generator[ServedProcess]:
    began = time.monotonic()
    environment = child_environment(sys.executable)
    process = open_tied(command, stdout=subprocess.PIPE, stderr=said, text=True, env=environment)
    try:
        line = process.stdout.readline() if process.stdout else ""
        if not line:
            process.wait()
            said.seek(0)
            raise UserError(f"edgeproof serve {family}: {' '.join(said.read().split())[-400:] or 'ended silently'}")
        host, _, port = json.loads(line)["url"].rpartition("/")[2].rpartition(":")
        address = (host.strip("[]"), int(port))
        _wait_until_ready(address, began + _START_S)
        yield ServedProcess(process, address, time.monotonic() - began)
    finally:
        process.terminate()
        try:
            process.wait(_END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _wait_until_ready(address: Address, until_s: float) -> None:
    """Wait for a good answer on `/v2/health/ready`; UserError where none has come by `until_s` (monotonic)."""
    request = b"GET /v2/health/ready HTTP/1.1\r\nhost: here\r\n\r\n"
    link = Link(address)
    try:
        while link.ask(request) != 200:
            if time.monotonic() > until_s:
                raise UserError(f"http://{address[0]}:{address[1]}: is not ready; is the server running?")
            time.sleep(0.002)
    finally:
        link.close()
