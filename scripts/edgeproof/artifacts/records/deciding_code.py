"""The digest of the code that decides what is in a file: a part of the key by which a build is found again.

Most of what a script imports files what was made: it reads options, writes records, keeps attempts. A change there must
not build anything again, since a second build of some formats has other bytes, and other bytes are measured again.
"""

import contextlib
import json
import os
import re
import time
from collections.abc import Callable
from functools import cache

from edgeproof.core.closure import (
    digest_agent_code,
    digest_converter,
    digest_files,
    list_agent_code,
    list_code,
    list_converter_code,
)
from edgeproof.core.configuration import Json
from edgeproof.core.digest_cache import CACHE
from edgeproof.core.files import atomic_write
from edgeproof.core.layout import REPOSITORY

_MEMORY = CACHE / "deciding-code.json"
_SETTLED_NS = 2_000_000_000  # a file that changed this recently may change again without a new time of change

# What only files. Numbers come from nothing in here.
_FILING = re.compile(
    r"scripts/(?:[a-z_]+\.py"
    r"|edgeproof/__init__\.py"
    r"|edgeproof/(?:agent|board_end|remote)/.*"
    r"|edgeproof/core/(?:attempts|broken_rules|catalogues|cli|clock|closure|code_digest|configuration|digest_cache|documents"
    r"|errors|exit_codes|files|keys|layout|reader|yaml_files)\.py"
    r"|edgeproof/artifacts/(?:records|toolchains)/.*"
    r"|edgeproof/artifacts/builds/(?:build_job|build_keys|build_shortcuts|building_device|converter_scripts|kept_builds)\.py"
    r"|edgeproof/artifacts/agreement/parity_(?:attempts|limits)\.py)"
)


@cache
def digest_deciding_code(entry: str) -> str:
    """Return the digest of the deciding code behind a file of this repository (`scripts/…`): it and what it imports."""

    def digest() -> tuple[list[str], str]:
        files = [entry, *list_code(entry)]
        return files, digest_files(path for path in files if not _FILING.fullmatch(path))

    return _remember(entry, digest)


@cache
def digest_converter_code(name: str) -> str:
    """Return the digest of the deciding code of the converter `name`, in whatever folder the caller is."""
    return _remember(f"converter {name}", lambda: (list_converter_code(name), digest_converter(name)))


@cache
def digest_agent() -> str:
    """Return the digest of the deciding code of every run: the agent's, which decides how artifacts are run."""
    return _remember("agent", lambda: (list_agent_code(), digest_agent_code()))


def _remember(name: str, digest: Callable[[], tuple[list[str], str]]) -> str:
    """Return the digest that `digest()` gives beside its files, from memory while none of these has changed.

    To follow the imports of a build takes 8 ms, a twentieth of a small build. Names of files are relative to the
    repository.
    """
    with contextlib.chdir(REPOSITORY):
        known = _read_memory()
        match known.get(name):  # from a file that a crash or a hand may have left in any shape
            case {"files": {} as stamped, "digest": str(remembered)} if stamped:
                if _stamp_files(list(stamped)) == stamped:
                    return remembered
            case _:
                pass
        files, value = digest()
        stamps = _stamp_files(files)
        if stamps is not None and time.time_ns() - max(max(stamp[2:]) for stamp in stamps.values()) > _SETTLED_NS:
            with contextlib.suppress(OSError):
                atomic_write(_MEMORY, json.dumps({**known, name: {"files": stamps, "digest": value}}))
    return value


def _read_memory() -> Json:
    try:
        known = json.loads(_MEMORY.read_bytes())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _stamp_files(paths: list[str]) -> dict[str, list[int]] | None:
    """Return {path: what changes with a file}; None if one is gone."""
    try:
        states = {path: os.stat(path) for path in paths}
    except OSError:
        return None
    return {path: [s.st_size, s.st_ino, s.st_mtime_ns, s.st_ctime_ns] for path, s in states.items()}


def list_deciding_code(entry: str) -> list[str]:
    """Return the files that `digest_deciding_code` covers, sorted."""
    with contextlib.chdir(REPOSITORY):
        return sorted(path for path in (entry, *list_code(entry)) if not _FILING.fullmatch(path))
