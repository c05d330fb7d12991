"""One connection to a board: OpenSSH's client, and on the board a Python that answers requests (`board_end`).

Host keys are checked strictly against a file of our own; ssh asks for nothing. All connections to a board share one
master (ControlMaster), so that only the first pays for the handshake.
"""

import contextlib
import hashlib
import json
import os
import shlex
import subprocess
import tempfile
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from typing import IO, Any

from edgeproof.core.configuration import LINK_KEYS, Device, Json
from edgeproof.core.errors import UserError
from edgeproof.core.files import FilePath
from edgeproof.core.host_names import split_host
from edgeproof.core.layout import REPOSITORY
from edgeproof.core.seals import digest_json

from .device_links import complete_device

_BOARD_END = Path(__file__).resolve().parents[1] / "board_end"
_MODULES = ("board_files", "supervising", "answering")  # in the order of their imports
_KNOWN_HOSTS = "config/known_hosts"
_LONGEST = 70  # bytes of a folder for sockets: with what ssh adds to a name, a path has 104 at most
_CHUNK = 1 << 20
# Reads the board's end from standard input, not a byte more, and starts it.
_START = """import json,os,sys,types
if sys.version_info<(3,8):
    print(json.dumps({"error":"old_python","message":"%d.%d"%sys.version_info[:2]}));sys.exit(0)
size=int(sys.argv[1]);text=b""
while len(text)<size:
    more=os.read(0,size-len(text))
    if not more:sys.exit(0)
    text+=more
top=types.ModuleType("edgeproof_board_end");top.__path__=[];sys.modules[top.__name__]=top
for name,code in json.loads(text.decode()):
    each=types.ModuleType(top.__name__+"."+name);each.__package__=top.__name__;sys.modules[each.__name__]=each
    exec(compile(code,name+".py","exec"),each.__dict__)
each.answer_requests(0,sys.stdout.buffer)
"""
_OPTIONS = {
    "BatchMode": "yes",
    "StrictHostKeyChecking": "yes",
    "GlobalKnownHostsFile": "/dev/null",
    "UpdateHostKeys": "no",
    "ConnectTimeout": "10",
    "ServerAliveInterval": "5",
    "ServerAliveCountMax": "3",
    "ClearAllForwardings": "yes",
    "ForwardAgent": "no",
    "ForwardX11": "no",
    "PermitLocalCommand": "no",
    "LogLevel": "ERROR",
}


class LinkLost(UserError):
    """The link to a board was cut. What runs there goes on; the next run picks it up."""


def name_host(device: Device) -> str:
    """Return the host of a device as an ssh link connects to it: [user@]host[:port]."""
    host, port = device.get("host", ""), device.get("port")
    if port and ":" in host:
        host = f"[{host}]"
    return f"{_name_user(device)}{host}{f':{port}' if port else ''}"


def compose_ssh_command(device: Device, command: str) -> list[str]:
    """Return the command line of ssh that runs a shell command on a device behind a link."""
    words = [*_compose_client(device), "-o", "ControlMaster=auto", "-o", "ControlPersist=60", "-T"]
    words += ["-o", f"ControlPath={_quote_path(_place_master(device))}"]
    if jump := device.get("jump"):  # not -J: that would check the jump host's key against another file
        client, place = shlex.join(_compose_client(device)), shlex.join(_name_jump(jump))
        words += ["-o", f"ProxyCommand={client.replace('%', '%%')} -W '[%h]:%p' {place.replace('%', '%%')}"]
    if port := device.get("port"):
        words += ["-p", str(port)]
    if user := device.get("user"):
        words += ["-l", user]
    return [*words, device.get("host", ""), command]


def _compose_client(device: Device) -> list[str]:
    options = dict(_OPTIONS, UserKnownHostsFile=_quote_path(find_known_hosts(device)))
    words = ["ssh", *(word for name, value in options.items() for word in ("-o", f"{name}={value}"))]
    if identity := device.get("identity"):
        words += ["-o", f"IdentityFile={_quote_path(os.path.expanduser(identity))}", "-o", "IdentitiesOnly=yes"]
    return words


def _quote_path(path: FilePath) -> str:
    """Return a path as the value of an option: ssh splits it at spaces and puts other texts in place of %."""
    text = str(path).replace("%", "%%").replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def _name_jump(text: str) -> list[str]:
    """Return ssh's words for [user@]host[:port]; UserError for what is none."""
    try:
        told = split_host(text)
    except ValueError as error:
        raise UserError(f"jump: {text!r} {error}") from error
    return [*(["-p", str(told.port)] if told.port else []), f"{told.user}@{told.host}" if told.user else told.host]


def _name_user(device: Device) -> str:
    return f"{user}@" if (user := device.get("user")) else ""


def _compose_by_hand(device: Device, program: str) -> str:
    """Return a command for a shell that reaches a device as we do. `program`: ssh or ssh-copy-id."""
    words = [program]
    if identity := device.get("identity"):
        words += ["-i", os.path.expanduser(identity)]
    if port := device.get("port"):
        words += ["-p", str(port)]
    if jump := device.get("jump"):
        words += ["-o", f"ProxyJump={jump}"]
    return shlex.join([*words, f"{_name_user(device)}{device.get('host', '')}"])


def _compose_key_scan(device: Device) -> str:
    """Return a command for a shell that adds a device's host key to our file."""
    words = ["ssh-keyscan", "-t", "ed25519", *(["-p", str(device["port"])] if "port" in device else [])]
    words.append(device.get("host", ""))
    if jump := device.get("jump"):
        words = ["ssh", *_name_jump(jump), *words]
    return f"{shlex.join(words)} >> {shlex.quote(str(find_known_hosts(device)))}"


def _require_identity(device: Device) -> None:
    """Raise UserError where the private key of a device is not there; ssh would only be refused."""
    if (identity := device.get("identity")) and not os.path.isfile(path := os.path.expanduser(identity)):
        raise UserError(
            f"{device.get('name', 'the board')} ({name_host(device)}): identity {path} is not there; correct it, or "
            f"make the key and put it on the board: ssh-keygen -t ed25519 -f {shlex.quote(path)} && "
            f"{_compose_by_hand(device, 'ssh-copy-id')}"
        )


def find_known_hosts(device: Device) -> Path:
    """Return the file of host keys that an ssh link is held against; a relative path starts at the repository."""
    return REPOSITORY / os.path.expanduser(device.get("known_hosts") or _KNOWN_HOSTS)


def _place_master(device: Device) -> Path:
    """Return the path of a device's master socket, in a folder that is ours alone."""
    folder = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()) / f"edgeproof-{os.getuid()}"
    if len(str(folder)) > _LONGEST:
        folder = Path("/tmp") / folder.name
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise UserError(f"{folder}: is not yours alone, and ssh's sockets go there; remove it")
    return folder / digest_json({name: value for name, value in device.items() if name in LINK_KEYS})[:12]


class SshLink:
    """A board that answers. Requests and answers are JSON; see `board_end.answering`."""

    def __init__(self, device: Device, process: "subprocess.Popen[bytes]", errors: IO[bytes]) -> None:
        self.device, self._process, self._errors = device, process, errors
        self.host = name_host(device)
        self._answered = False

    def ask(self, do: str, **request: Any) -> Json:
        """Return the board's answer to a request; LinkLost, or UserError for what the board cannot do."""
        self.send({"do": do, **request})
        return self.hear()

    def send(self, request: Json) -> None:
        """Send a request and do not wait for the answer."""
        self._write([json.dumps(request).encode() + b"\n"])

    def send_files(self, files: Iterable[tuple[str, str, FilePath]]) -> None:
        """Send files, each as (path on the board, sha256, path here), and wait until the board has them."""
        listed = list(files)
        sizes = [os.path.getsize(source) for _, _, source in listed]
        described = [[path, digest, size] for (path, digest, _), size in zip(listed, sizes, strict=True)]
        self.send({"do": "receive", "files": described})
        for (_, _, source), size in zip(listed, sizes, strict=True):
            with open(source, "rb") as stream:
                self._write(_read_chunks(stream, size))
        self.hear()

    def receive_files(self, session: str, below: str, target: FilePath, skip: Iterable[str] = ()) -> list[str]:
        """Fetch a session's files at or below a path into `target`, except those at or below `skip`; return their
        names. Each is checked against its digest.
        """
        listed = self.ask("fetch", id=session, below=below, skip=list(skip))["files"]
        for name, digest, size in listed:
            self._receive_file(Path(target) / name, digest, size)
        return [name for name, _, _ in listed]

    def _receive_file(self, path: Path, digest: str, size: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        hashed = hashlib.sha256()
        with path.open("wb") as stream:
            while size:
                chunk = self._read(min(_CHUNK, size))
                size -= len(chunk)
                hashed.update(chunk)
                stream.write(chunk)
        if hashed.hexdigest() != digest:
            raise LinkLost(f"{self._name()}: {path.name} arrived damaged; run again")

    def hear(self) -> Json:
        """Return the board's next line; LinkLost when there is none."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.endswith(b"\n"):
            raise self._explain_end()
        answer: Json = json.loads(line)
        self._answered = True
        if "error" in answer:
            raise UserError(self._explain(answer))
        return answer

    def _read(self, size: int) -> bytes:
        assert self._process.stdout is not None
        chunk = self._process.stdout.read(size)
        if not chunk:
            raise self._explain_end()
        return chunk

    def _write(self, chunks: Iterable[bytes]) -> None:
        assert self._process.stdin is not None
        try:
            for chunk in chunks:
                self._process.stdin.write(chunk)
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise self._explain_end() from error

    def _name(self) -> str:
        return f"{self.device.get('name', 'the board')} ({self.host})"

    def _explain(self, answer: Json) -> str:
        if answer["error"] == "old_python":
            return (
                f"{self._name()}: its Python is {answer['message']}, and the agent needs 3.8 or newer; name another as "
                "`interpreter` of the device"
            )
        return f"{self._name()}: {answer['message']}"

    def _explain_end(self) -> UserError:
        """Return why ssh ended, as an error with a remedy."""
        code = self._process.wait()
        self._errors.seek(0)
        text = self._errors.read().decode(errors="replace")
        last = next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")
        where = self._name()
        interpreter = self.device.get("interpreter") or "python3"
        if "host key verification failed" in text.lower() or "host identification has changed" in text.lower():
            known = find_known_hosts(self.device)
            return UserError(
                f"{where}: its host key is not in {known}; compare the fingerprint on the board (ssh-keygen -lf "
                f"/etc/ssh/ssh_host_ed25519_key.pub) and add it: {_compose_key_scan(self.device)}"
            )
        if "permission denied" in text.lower() and code == 255:
            remedy = _compose_by_hand(self.device, "ssh-copy-id")
            return UserError(f"{where}: ssh may not log in ({last}); put your key there: {remedy}")
        if code in (126, 127):
            return UserError(f"{where}: {interpreter} cannot be started there; name a Python as `interpreter`")
        if code not in (0, 255):
            return UserError(f"{where}: the board's end stopped with {code}: {last[:300]}")
        why = f" ({last[:200]})" if last else ""
        if not self._answered:
            return UserError(f"{where}: cannot be reached{why}; try it by hand: {_compose_by_hand(self.device, 'ssh')}")
        return LinkLost(f"{where}: the link was lost{why}; what was begun there goes on, and the next run picks it up")


def _read_chunks(stream: IO[bytes], size: int) -> Iterator[bytes]:
    """Yield exactly `size` bytes, also if the file has become shorter: the other end waits for them."""
    while size:
        chunk = stream.read(min(_CHUNK, size)) or bytes(min(_CHUNK, size))
        size -= len(chunk)
        yield chunk


@contextlib.contextmanager
def open_link(device: Device) -> Generator[SshLink]:
    """Connect to a board over ssh and yield the link; UserError says why it cannot be reached, and what helps."""
    device = complete_device(device)
    _require_identity(device)
    modules = [[name, (_BOARD_END / f"{name}.py").read_text(encoding="utf-8")] for name in _MODULES]
    text = json.dumps(modules).encode()
    interpreter = device.get("interpreter") or "python3"
    command = f"exec {shlex.quote(interpreter)} -c {shlex.quote(_START)} {len(text)}"
    with tempfile.TemporaryFile() as errors:  # not a pipe: the master would keep it open
        try:
            process = subprocess.Popen(
                compose_ssh_command(device, command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,  # Ctrl-C is ours: we tell the board first
            )
        except OSError as error:
            raise UserError(f"ssh: cannot be started ({error.strerror}); install OpenSSH's client") from error
        link = SshLink(device, process, errors)
        try:
            link._write([text])  # pyright: ignore[reportPrivateUsage] (its own module)
            yield link
        finally:
            with contextlib.suppress(OSError):
                process.stdin.close()  # pyright: ignore[reportOptionalMemberAccess]
            process.stdout.close()  # pyright: ignore[reportOptionalMemberAccess]
            try:
                process.wait(timeout=5)
            except subprocess.TimeoutExpired:  # a master that nobody needs, or a link that is dead
                process.terminate()
                process.wait()
