"""Making toolchains: environments that build or run one kind of artifact, each made from its lock when needed.

To use one, see `toolchain_use`.
"""

import ctypes
import fcntl
import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import uv

from edgeproof.agent.messages import tell
from edgeproof.core.clock import now
from edgeproof.core.configuration import Json
from edgeproof.core.documents import write_json
from edgeproof.core.errors import UserError
from edgeproof.core.files import atomic_write, sha256_file
from edgeproof.core.layout import locate

from .environment_folder import (
    ROOT,
    STAMP,
    find_interpreter,
    hold_environment_folder,
    is_folder_current,
    list_distributions,
    read_stamp,
)
from .installed_files import describe_altered_files, digest_environment, find_altered_files

_PR_SET_PDEATHSIG = 1
SUPPORTED_PYTHONS = ((3, 11), (3, 13))  # from, below: TensorFlow 2.19 has no wheels for Python 3.13
_DESCRIBING_PROGRAM = """
import importlib.metadata, json, platform
packages = {item.metadata["Name"].lower(): item.version for item in importlib.metadata.distributions()}
print(json.dumps({"packages": dict(sorted(packages.items())), "interpreter": {
    "implementation": platform.python_implementation(), "version": platform.python_version(),
    "machine": platform.machine(), "system": platform.system()}}))
"""


def make_toolchain(name: str, lock: str | Path, output: str | Path, command: list[str]) -> None:
    """Make the environment of a toolchain from its lock file unless it exists, and write its record to `output`."""
    digest = sha256_file(lock)
    with hold_environment_folder(name, fcntl.LOCK_EX) as held:
        if not is_folder_current(name, digest) or find_altered_files(name):
            _install_toolchain(name, lock, digest, held)
        found, environment = read_stamp(name), digest_environment(name)
    document = {
        "schema": "edgeproof.toolchain.v2",
        "toolchain": name,
        "lock": {"file": locate(lock), "sha256": digest},
        "interpreter": {"file": str(find_interpreter(name)), **found["interpreter"]},
        "packages": found["packages"],
        "environment_sha256": environment,
        "bytes": found["bytes"],
        "command": command,
        "duration_s": found["duration_s"],
        "made_at": found["made_at"],
    }
    write_json(output, document, "toolchain")


def make_toolchain_again(record_path: str | Path, record: Json) -> None:
    """Make a toolchain again whose environment was deleted or altered, from the same lock.

    UserError if the lock has changed.
    """
    name, lock = record["toolchain"], record["lock"]
    if sha256_file(lock["file"]) != lock["sha256"]:
        raise UserError(
            f"{lock['file']}: is not the lock that {record_path} was made from, and the environment {ROOT / name} is "
            f"gone; run the workflow, which makes both again"
        )
    with hold_environment_folder(name, fcntl.LOCK_EX) as held:
        current = is_folder_current(name, lock["sha256"])
        altered = find_altered_files(name) if current else []
        if altered or not current:
            told = f" ({describe_altered_files(altered)})" if altered else ""
            tell(f"{ROOT / name} is not what {record_path} says{told}; making it again from {lock['file']}")
            _install_toolchain(name, lock["file"], lock["sha256"], held)


def _install_toolchain(name: str, lock: str | Path, digest: str, held: int) -> None:
    """Make the environment of a toolchain: install exactly what its lock lists, by hash, as copies from uv's cache.

    `held`: the descriptor of the exclusive lock. uv keeps it, so that nobody else begins while uv still writes. With
    hard links, which are uv's default, an edit in one environment would be in all of them, and in the cache. UserError
    if the cache itself has files that are not those of their packages.
    """
    begin, folder, interpreter = time.monotonic(), ROOT / name, find_interpreter(name)
    if not folder.is_symlink():  # a link: somebody has moved 4 GB to another disk
        shutil.rmtree(folder, ignore_errors=True)  # uv does not clear a folder that is no longer an environment
    _run_uv(held, "venv", "--clear", "--no-project", "--python", choose_python(), str(folder))
    # Compiled now: a Python that may not write bytecode would compile at every start of a converter.
    options = ("--require-hashes", "--compile-bytecode", "--link-mode", "copy", "--python", str(interpreter))
    _run_uv(held, "pip", "sync", *options, str(lock))
    if altered := find_altered_files(name):
        raise UserError(
            f"{ROOT / name}: {describe_altered_files(altered)}: not as in the package that the lock names, so uv's "
            "cache was changed; run `uv cache clean`, and again"
        )
    described = subprocess.run(
        [interpreter, "-I", "-c", _DESCRIBING_PROGRAM], check=True, stdout=subprocess.PIPE
    ).stdout
    size = sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    stamp = {
        "lock_sha256": digest,
        "distributions": list_distributions(name),
        "bytes": size,
        "duration_s": round(time.monotonic() - begin, 3),
        "made_at": now(),
        **json.loads(described),
    }
    atomic_write(folder / STAMP, json.dumps(stamp, indent=2) + "\n")


def _run_uv(held: int, *arguments: str) -> None:
    """Run uv, with its messages on stderr; UserError with the last ones if it fails.

    It ends with us, also if we are killed; `held`, a lock, is open in it as long as it lives.
    """
    process = subprocess.run(
        [uv.find_uv_bin(), *arguments],
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        pass_fds=(held,),
        preexec_fn=_die_with_parent,
    )
    tell(process.stderr, end="")
    if process.returncode:
        said = " ".join(process.stderr.split())[-400:] or "no message"
        raise UserError(f"uv {arguments[0]} {arguments[1]}: exited with {process.returncode}: {said}")


def _die_with_parent() -> None:
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)


def choose_python() -> str:
    """Return the Python to make a toolchain with: ours if the packages have wheels for it, else one that uv finds."""
    low, high = SUPPORTED_PYTHONS
    return sys.executable if low <= sys.version_info[:2] < high else f">={low[0]}.{low[1]},<{high[0]}.{high[1]}"
