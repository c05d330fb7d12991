"""The digest of the code that decides what is in a file: a part of the key by which a build is found again.

Most of what a script imports files what was made: it reads options, writes records, keeps attempts. A change there must
not build anything again, since a second build of some formats has other bytes, and other bytes are measured again.
"""

import contextlib
import re
from functools import cache

from edgeproof.core.closure import digest_agent_code, digest_converter, digest_files, list_code, save_facts
from edgeproof.core.layout import REPOSITORY

# What only files. Numbers come from nothing in here.
_FILING = re.compile(
    r"scripts/(?:[a-z_]+\.py"
    r"|edgeproof/__init__\.py"
    r"|edgeproof/agent/.*"
    r"|edgeproof/core/(?:attempts|broken_rules|cli|clock|closure|code_digest|configuration|digest_cache|documents|errors"
    r"|exit_codes|files|keys|layout|reader|yaml_files)\.py"
    r"|edgeproof/artifacts/(?:records|toolchains)/.*"
    r"|edgeproof/artifacts/builds/(?:boards|build_attempts|build_job|build_keys|converter_scripts|publishing)\.py"
    r"|edgeproof/artifacts/agreement/parity_(?:attempts|limits)\.py)"
)


@cache
def digest_deciding_code(entry: str) -> str:
    """Return the digest of the code behind a file of this repository (`scripts/…`) that decides what it makes."""
    with contextlib.chdir(REPOSITORY):  # the closure of imports has names relative to the repository
        digest = digest_files(path for path in (entry, *list_code(entry)) if not _FILING.fullmatch(path))
        save_facts()
    return digest


@cache
def digest_converter_code(name: str) -> str:
    """Return the digest of the converter `name`, wherever the caller's current folder is."""
    with contextlib.chdir(REPOSITORY):
        digest = digest_converter(name)
        save_facts()
    return digest


@cache
def digest_agent() -> str:
    """Return the digest of the agent, which runs artifacts."""
    with contextlib.chdir(REPOSITORY):
        digest = digest_agent_code()
        save_facts()
    return digest


def list_deciding_code(entry: str) -> list[str]:
    """Return the files that `digest_deciding_code` covers, sorted."""
    with contextlib.chdir(REPOSITORY):
        return sorted(path for path in (entry, *list_code(entry)) if not _FILING.fullmatch(path))
