"""Boards that are network namespaces: a real sshd each, a disk, a machine id and a link of their own.

A board sees nothing of the folders given as `hidden`: what is not sent is not there. Needs root.
"""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

_CONFIG = """ListenAddress {address}:22
HostKey {keys}/host
AuthorizedKeysFile {keys}/authorized
StrictModes no
UsePAM no
PasswordAuthentication no
PidFile none
{further}
"""
_START = """mount --make-rprivate /
mount -t tmpfs -o size={size} tmpfs {disk}
mount --bind {machine_id} /etc/machine-id
{hiding}
exec /usr/sbin/sshd -D -e -f {keys}/sshd_config
"""


def run(*command, **options):
    """Run a command that must succeed, and return what it printed."""
    done = subprocess.run(list(map(str, command)), text=True, capture_output=True, **options)
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


class NetworkBoard:
    """One board. `number`: of its network. `root`: folder for its keys and logs, which the board can see."""

    def __init__(self, root, number, hidden=(), size="64m"):
        self.name, self.hidden, self.size = f"board-{number}", hidden, size
        self.space, self.link = f"edgeproof{number}", f"ep-{number}"
        self.host, self.here = f"10.78.{number}.2", f"10.78.{number}.1"
        self.keys, self.disk = root / f"{self.name}-keys", root / f"{self.name}-disk"
        self.machine_id = self.keys / "machine-id"
        self._process = None
        for folder in (self.keys, self.disk):
            folder.mkdir()
        self.machine_id.write_text(f"{number:032x}\n")
        self.renew_host_key()
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.keys / "client")
        shutil.copy(self.keys / "client.pub", self.keys / "authorized")
        self.known_hosts = self.keys / "known_hosts"
        self.trust()

    def renew_host_key(self):
        """Give the board another host key."""
        for path in self.keys.glob("host*"):
            path.unlink()
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.keys / "host")

    def trust(self):
        """Write the board's host key into the file of known hosts."""
        self.known_hosts.write_text(f"{self.host} {(self.keys / 'host.pub').read_text()}")

    def connect(self):
        """Make the board's network and its end of the link."""
        run("ip", "netns", "add", self.space)
        run("ip", "link", "add", self.link, "type", "veth", "peer", "name", "eth0", "netns", self.space)
        run("ip", "addr", "add", f"{self.here}/24", "dev", self.link)
        run("ip", "link", "set", self.link, "up")
        run("ip", "-n", self.space, "addr", "add", f"{self.host}/24", "dev", "eth0")
        run("ip", "-n", self.space, "link", "set", "eth0", "up")
        run("ip", "-n", self.space, "link", "set", "lo", "up")

    def start(self, **variables):
        """Switch the board on, with an empty disk; `variables`: of the environment of what runs there."""
        Path("/run/sshd").mkdir(exist_ok=True)
        further = "SetEnv " + " ".join(f"{name}={value}" for name, value in variables.items()) if variables else ""
        config = _CONFIG.format(address=self.host, keys=self.keys, further=further)
        (self.keys / "sshd_config").write_text(config)
        hiding = "\n".join(f"mount -t tmpfs tmpfs {folder}" for folder in self.hidden)
        values = {"size": self.size, "disk": self.disk, "machine_id": self.machine_id, "keys": self.keys}
        script = _START.format(hiding=hiding, **values)
        self._process = subprocess.Popen(
            ["ip", "netns", "exec", self.space, "unshare", "-m", "bash", "-ec", script],
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
        )
        for line in self._process.stderr:
            if "Server listening" in line:
                return
        raise AssertionError("sshd did not start")

    def list_processes(self):
        """Return the process ids of what runs on the board."""
        return [int(word) for word in run("ip", "netns", "pids", self.space).split()]

    def list_work(self):
        """Return the command lines of what runs on the board besides sshd and what serves a connection."""
        lines = []
        for number in self.list_processes():
            try:
                words = Path(f"/proc/{number}/cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            lines.append(b" ".join(words).decode(errors="replace"))
        return [line for line in lines if "edgeproof.agent" in line]

    @property
    def disk_here(self):
        """Where the board's disk can be looked at."""
        return Path(f"/proc/{self._process.pid}/root{self.disk}")

    def list_disk(self, pattern):
        """Return what lies on the board's disk."""
        return sorted(self.disk_here.glob(pattern))

    def switch_off(self):
        """End everything on the board, as a power cut does."""
        for number in self.list_processes():
            with_no_mercy(number)
        self._process.wait()
        self._process.stderr.close()

    def cut(self):
        """Take the link down."""
        run("ip", "link", "set", self.link, "down")

    def cut_at_once(self):
        """Take the link down so that this end sees it now, and not when nobody has answered for a while."""
        self.cut()
        run("ss", "-K", "dst", self.host)

    def mend(self):
        """Bring the link up again."""
        run("ip", "link", "set", self.link, "up")

    def remove(self):
        """Switch the board off and remove its network."""
        if self._process is not None and self._process.poll() is None:
            self.switch_off()
        subprocess.run(["ip", "netns", "del", self.space], check=False, capture_output=True)
        subprocess.run(["ip", "link", "del", self.link], check=False, capture_output=True)

    def describe(self, **options):
        """Return the configuration of the board as a device."""
        return {
            "description": "a board in a network of its own",
            "board": self.name,
            "transport": "ssh",
            "host": self.host,
            "user": "root",
            "identity": str(self.keys / "client"),
            "known_hosts": str(self.known_hosts),
            "folder": str(self.disk / "edgeproof"),
            "lock": str(self.disk / "device.lock"),
            "interpreter": sys.executable,
            **options,
        }


def with_no_mercy(number):
    """Kill a process that may have ended by itself."""
    try:
        os.kill(number, signal.SIGKILL)
    except ProcessLookupError:
        return
