"""Debian for arm64, run by qemu's user-mode emulator: what a board's Python does, on a machine that is none.

It answers whether the agent, a runtime and the server work on arm64, and what they compute. How fast they are there it
cannot say: the agent sees the emulator and marks every time as simulated.
"""

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import uv

from edgeproof.core.errors import UserError
from edgeproof.core.files import sha256_bytes, sha256_file
from edgeproof.core.layout import REPOSITORY, toolchain_interpreter

_COMMON = (
    "bash",
    "coreutils",
    "libbz2-1.0",
    "libc6",
    "libexpat1",
    "libgcc-s1",
    "libgomp1",
    "liblzma5",
    "libstdc++6",
    "zlib1g",
)
# The processor that is emulated, and what its kernel says of it. Both must agree: ONNX Runtime reads the text and dies
# of instructions that the emulator does not have. `max`, the default, has SVE, with which int8 models compute wrong
# results.
_PROCESSOR = "cortex-a76"
# There is one for each of this machine: older versions of ONNX Runtime look up the one they run on, and die if there is
# none.
_CPUINFO = """processor\t: {number}
BogoMIPS\t: 108.00
Features\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x4
CPU part\t: 0xd0b
CPU revision\t: 1

"""
_CPUINFO_END = """Revision\t: d04170
Model\t\t: Raspberry Pi 5 Model B Rev 1.0
"""
# Folders of this machine keep their paths inside, but for those that make up a system.
_PYTHON = """#!/bin/sh
# Starts the Python of an emulated arm64 userland; `make arm64` has made it.
here=$(cd "$(dirname "$(readlink -f "$0")")/.." && pwd)
set -- -b "$here/cpuinfo:/proc/cpuinfo" -w "$PWD" /usr/bin/python3 "$@"
for place in /*; do
  case $place in
    /bin | /boot | /etc | /lib* | /lost+found | /sbin | /usr | /var) ;;
    *) if [ -d "$place" ]; then set -- -b "$place" "$@"; fi ;;
  esac
done
QEMU_CPU={processor} exec proot -q qemu-aarch64-static -r "$here/root" "$@"
"""


@dataclass(frozen=True)
class _Userland:
    """A release of Debian. `lock`: what its Python gets besides. `wheels`: the newest wheels that its libc can load."""

    python: str
    lock: str
    wheels: str
    packages: tuple[str, ...]


USERLANDS = {
    "bookworm": _Userland("3.11", "envs/rpi.lock", "manylinux_2_36", ("libffi8", "libssl3")),
    "bullseye": _Userland("3.9", "envs/board-py38.lock", "manylinux_2_31", ("libffi7", "libssl1.1")),
}


def make_userland(release: str) -> Path:
    """Make the emulated userland of a Debian release, one of `USERLANDS`, unless it is there, and return its Python.

    It is put into place only when it is whole. UserError where a program is missing or a download fails.
    """
    userland, python = USERLANDS[release], REPOSITORY / toolchain_interpreter(f"arm64-{release}")
    folder = python.parent.parent
    recipe = sha256_bytes(f"{userland} {_COMMON} {_PYTHON} {_PROCESSOR} {_describe_processors()}".encode())
    made = f"{recipe} {sha256_file(REPOSITORY / userland.lock)}\n"
    stamp = folder / "made.txt"
    if stamp.is_file() and stamp.read_text() == made:
        return python
    folder.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".arm64-{release}-", dir=folder.parent) as scratch:
        part = Path(scratch) / "userland"
        _fill(part, release, userland)
        (part / stamp.name).write_text(made)
        shutil.rmtree(folder, ignore_errors=True)
        os.rename(part, folder)
    return python


def _fill(folder: Path, release: str, userland: _Userland) -> None:
    root, version = folder / "root", userland.python
    (folder / "bin").mkdir(parents=True)
    packages = (*_COMMON, *userland.packages, f"python{version}-minimal", f"libpython{version}-stdlib")
    # Unpacked only: nothing of it has to be configured, and that would take minutes under the emulator.
    command = ["mmdebstrap", "--arch=arm64", "--variant=extract", f"--include={','.join(packages)}", release, str(root)]
    _run([*command, *_find_mirror()])
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/bash\n")
    for link, target in (("usr/bin/python3", f"python{version}"), ("bin/sh", "bash")):
        (root / link).unlink(missing_ok=True)
        (root / link).symlink_to(target)
    place = root / f"usr/local/lib/python{version}/dist-packages"
    install = [uv.find_uv_bin(), "pip", "install", "-q", "--target", str(place), "--python-version", version]
    install += ["--python-platform", f"aarch64-{userland.wheels}", "--only-binary", ":all:", "--require-hashes"]
    _run([*install, "-r", str(REPOSITORY / userland.lock)])
    (folder / "cpuinfo").write_text(_describe_processors())
    python = folder / "bin/python"
    python.write_text(_PYTHON.format(processor=_PROCESSOR))
    python.chmod(0o755)


def _describe_processors() -> str:
    """Return the text of /proc/cpuinfo."""
    return "".join(_CPUINFO.format(number=number) for number in range(os.cpu_count() or 1)) + _CPUINFO_END


def _find_mirror() -> list[str]:
    """Return the archive of Debian that this machine's apt uses; empty elsewhere, where mmdebstrap knows one.

    Only this one: a release that is no longer supported is still whole in it, and no longer in those of its updates.
    """
    form = ["--format", "$(LABEL) $(REPO_URI)", "Created-By: Packages"]
    found = [line.split(maxsplit=1) for line in _run(["apt-get", "indextargets", *form]).splitlines()]
    return [uri for label, uri in found if label == "Debian"][:1]


def _run(command: list[str]) -> str:
    """Return what a command prints; UserError where it is missing or fails."""
    environment = {**os.environ, "UV_PYTHON_DOWNLOADS": "never"}
    try:
        ended = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False, env=environment)
    except FileNotFoundError as error:
        raise UserError(f"{command[0]}: is not installed; `make arm64` installs it on Debian and Ubuntu") from error
    if ended.returncode:
        said = " ".join((ended.stderr or ended.stdout).split())[-400:] or "no message"
        raise UserError(f"{Path(command[0]).name}: exited with {ended.returncode}: {said}")
    return ended.stdout
