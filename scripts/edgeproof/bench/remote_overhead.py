"""What a session over ssh costs beyond the same session here: both in turn, over a real sshd on the loopback interface.

The sessions are those of the fake backend, which computes nothing: what is left is processes, files and the link. The
link has no length, so that the figure is what edgeproof itself adds; a real network adds a round trip per exchange.
"""

import getpass
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self
from unittest import mock

import numpy as np

from edgeproof.core.configuration import Json, MeasuringProtocol, NamedDevice
from edgeproof.core.errors import UserError
from edgeproof.runs.sessions import SessionSetup, run_session

from .bench_machine import describe_bench_machine

_LIMIT_S = 1.5
_ADDRESS = "127.0.0.1"
_CONFIG = """ListenAddress {address}:{port}
HostKey {folder}/host
AuthorizedKeysFile {folder}/client.pub
StrictModes no
UsePAM no
PasswordAuthentication no
PidFile none
"""
_PROTOCOL: MeasuringProtocol = {
    "processes": 1,
    "warmup_runs": 1,
    "warmup_seconds": 0,
    "min_samples": 100,
    "min_seconds": 0,
    "max_timer_share": 0.05,
}
_ARTIFACT: Json = {"seed": "remote", "latency_ms": 1.0, "outputs": [["y", [1, 3]]]}


class _LoopbackHost:
    """An sshd of its own on this machine, for whoever runs it; its keys are in `folder`."""

    def __init__(self, folder: Path) -> None:
        program = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
        if program is None:
            raise UserError("sshd is not installed; apt-get install openssh-server")
        for name in ("host", "client"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
        with socket.socket() as free:
            free.bind((_ADDRESS, 0))
            self._port: int = free.getsockname()[1]
        (folder / "known_hosts").write_text(f"[{_ADDRESS}]:{self._port} {(folder / 'host.pub').read_text()}")
        (folder / "sshd_config").write_text(_CONFIG.format(address=_ADDRESS, port=self._port, folder=folder))
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)
        self._folder = folder
        self._process = subprocess.Popen(
            [program, "-D", "-e", "-f", str(folder / "sshd_config")],
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
        )
        if self._process.stderr is None or not any("Server listening" in line for line in self._process.stderr):
            raise UserError(f"sshd did not start (exit code {self._process.wait()})")

    def describe(self) -> NamedDevice:
        """Return the host as a device."""
        return {
            "name": "loopback",
            "board": "loopback",
            "transport": "ssh",
            "host": _ADDRESS,
            "port": self._port,
            "user": getpass.getuser(),
            "identity": str(self._folder / "client"),
            "known_hosts": str(self._folder / "known_hosts"),
            "folder": str(self._folder / "board"),
            "lock": str(self._folder / "device.lock"),
            "interpreter": sys.executable,
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()
        if self._process.stderr:  # not read to its end: a connection that ssh keeps for a minute holds it, too
            self._process.stderr.close()


def _time_sessions(folder: Path, devices: Mapping[str, NamedDevice], sessions: int) -> dict[str, list[float]]:
    """Return the seconds of each session on each device, measured in turn.

    The first of each is not a repetition: over ssh it brings the agent and the artifact. `folder`: gets the attempts.
    """
    artifact, inputs = folder / "artifact.json", folder / "inputs.npz"
    artifact.write_text(json.dumps(_ARTIFACT))
    arrays: Json = {"inputs/x": np.zeros((2, 4), "float32")}
    np.savez(inputs, **arrays)
    arms: Json = {"candidate": {"backend": "fake", "precision": "fp32", "artifact": str(artifact), "runtime": {}}}
    took: dict[str, list[float]] = {name: [] for name in devices}
    for index in range(sessions + 1):
        for name, device in devices.items():
            setup = SessionSetup(inputs, device, _PROTOCOL, sys.executable)
            begin = time.perf_counter()
            run_session(folder / name, name, arms, ["candidate"], setup, index)
            took[name].append(time.perf_counter() - begin)
    return took


def measure_overhead(sessions: int, tell: Callable[[str], object] = lambda line: None) -> Json:
    """Measure so many sessions each way and return the `bench-remote` document; UserError without sshd."""
    with tempfile.TemporaryDirectory(prefix="ep-") as name:  # short: a path of a socket has 104 characters at most
        folder = Path(name)
        elsewhere = mock.patch.dict(os.environ, {"XDG_RUNTIME_DIR": name, "XDG_CACHE_HOME": name})
        with elsewhere, _LoopbackHost(folder) as host:
            lock = str(folder / "local.lock")
            local: NamedDevice = {"name": "local", "board": "desk", "transport": "local", "lock": lock}
            took = _time_sessions(folder, {"local": local, "ssh": host.describe()}, sessions)
    return describe_overhead(took, tell)


def describe_overhead(took: Mapping[str, list[float]], tell: Callable[[str], object] = lambda line: None) -> Json:
    """Return the `bench-remote` document. `took`: {local, ssh}: seconds, the first session first."""
    local, ssh = took["local"][1:], took["ssh"][1:]
    differences = [over - here for here, over in zip(local, ssh, strict=True)]
    found: Json = {
        "schema": "edgeproof.bench-remote.v1",
        "machine": describe_bench_machine(),
        "sessions": len(ssh),
        "local_s": round(statistics.median(local), 3),
        "ssh_s": round(statistics.median(ssh), 3),
        "overhead_s": round(statistics.median(differences), 3),
        "overhead_s_max": round(max(differences), 3),
        "first_ssh_s": round(took["ssh"][0], 3),
        "limit_s": _LIMIT_S,
    }
    found["met"] = found["overhead_s"] <= _LIMIT_S
    tell(f"{found['ssh_s']} s over ssh, {found['local_s']} s here: {found['overhead_s']} s more")
    return found
