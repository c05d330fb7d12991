"""The entries of a manifest: what it says about files, tools, locks, code, the computer and the command of a build."""

import functools
import itertools
import os
import platform
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from edgeproof.core.configuration import Json
from edgeproof.core.documents import validate
from edgeproof.core.errors import UserError
from edgeproof.core.files import sha256_bytes, sha256_file
from edgeproof.core.layout import REPOSITORY, locate, toolchain_record
from edgeproof.core.seals import digest_json

_BUILDING = ("core", "sources", "artifacts", "converters")
HOST_LOCK = "envs/edgeproof.lock"  # of the environment that runs the workflow, and builds where no toolchain is needed


def describe_file(path: str | Path) -> Json:
    """Return the manifest's entry about a file: path (relative to the repository if inside), sha256 and bytes."""
    return {"file": locate(path), "sha256": digest_entry_file(path), "bytes": Path(path).stat().st_size}


def digest_entry_file(path: str | Path) -> str:
    """Return the sha256 of a file for its entry in a manifest; the process reads it again only if it changes."""
    try:
        state = os.stat(path)
    except OSError:
        return sha256_file(path)  # which says why it cannot be read
    return _digest_state(str(path), state.st_size, state.st_ino, state.st_mtime_ns, state.st_ctime_ns)


@functools.lru_cache(maxsize=16)
def _digest_state(path: str, *_state: int) -> str:
    return sha256_file(path)


def describe_host_lock() -> Json:
    """Return the manifest's entries about the lock of the workflow's environment; {} without one.

    It is the lock that the environment was made from, as `make setup` noted; the file may have changed since.
    """
    path, noted = REPOSITORY / HOST_LOCK, Path(sys.prefix) / "edgeproof.stamp"
    if not path.is_file():
        return {}
    digest = noted.read_text().strip() if noted.is_file() else ""
    return {"toolchain_lock_file": HOST_LOCK, "toolchain_lock_sha256": digest or sha256_file(path)}


def describe_toolchain(record: Json, packages: Sequence[str]) -> Json:
    """Return the manifest's entries about a toolchain: versions of Python and of `packages`, and its lock.

    UserError unless `record` is the record of a toolchain that has these packages.
    """
    validate(record, "toolchain", toolchain_record(record["toolchain"]))
    versions = {name.replace("_", "-"): version for name, version in record["packages"].items()}
    if missing := sorted(set(packages) - set(versions)):
        raise UserError(
            f"toolchain {record['toolchain']!r} has no {missing[0]}, which this format needs; correct the "
            "preset's `toolchain`"
        )
    tools = {"python": record["interpreter"]["version"], **{name: versions[name] for name in sorted(packages)}}
    lock = {f"toolchain_lock_{key}": record["lock"][key] for key in ("file", "sha256")}
    installed = record.get("environment_sha256")
    return {"toolchain": tools, **lock, **({"toolchain_environment_sha256": installed} if installed else {})}


def describe_preset_file(name: str) -> Json:
    """Return the manifest's entry about the file of the preset `name`; {} if there is no such file."""
    path = REPOSITORY / "config" / "presets" / f"{name}.yaml"
    return {"preset_file": {"file": locate(path), "sha256": sha256_file(path)}} if path.is_file() else {}


def describe_building_code() -> Json:
    """Return the manifest's entry about edgeproof's own code: one digest of all packages that take part in a build.

    Another digest does not mean another build, but if a rebuild differs, it is one thing to look at.
    """
    package = Path(__file__).resolve().parents[2]
    files = sorted(path for name in _BUILDING for path in (package / name).rglob("*.py"))
    return {
        "code_sha256": digest_json({str(path.relative_to(package)): sha256_bytes(path.read_bytes()) for path in files})
    }


def describe_host() -> dict[str, str]:
    """Return the manifest's entry about the computer that builds: machine (instruction set), os, and our Python."""
    system = f"{platform.system()} {platform.release()}"
    return {"machine": platform.machine(), "os": system, "python": platform.python_version()}


def record_command(script: str, argv: Sequence[str] | None = None) -> list[str]:
    """Return the manifest's entry about a command: a list, with paths inside the repository relative to it.

    An interpreter outside is recorded by its name only: where a machine keeps its Python does not belong in a record.
    An option that a rule gave no value, such as the calibration of fp32, is left out.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    command = [script]
    for item, following in pairwise([*arguments, "--"]):
        if item.startswith("--") and following.startswith("--"):
            continue
        place = locate(item) if item.startswith("/") else item
        elsewhere = place.startswith("/") and command[-1] == "--interpreter"
        command.append(Path(place).name if elsewhere else place)
    return command


def find_recorded_option(command: Sequence[str], name: str) -> str | None:
    """Return the value of `--name` in the manifest entry about the command; None if the entry has no such option."""
    flag = f"--{name}"
    return next((value for option, value in itertools.pairwise(command) if option == flag), None)
