"""Which edgeproof made a record: its version, and the commit of the repository that it ran from."""

import functools
import tomllib
from pathlib import Path

from edgeproof.core.layout import REPOSITORY

_HEX_DIGITS = 40


@functools.cache
def describe_own_version(root: Path = REPOSITORY) -> dict[str, str]:
    """Return edgeproof's own version for a record: {version, commit}.

    What a copy of the repository does not have (a folder without `.git`) is left out.
    """
    found: dict[str, str] = {}
    project = root / "pyproject.toml"
    if project.is_file():
        found["version"] = tomllib.loads(project.read_text())["project"]["version"]
    if commit := _read_commit(root / ".git"):
        found["commit"] = commit
    return found


def _read_commit(place: Path) -> str | None:
    """Return the commit that is checked out, from the files of git: to start git takes as long as a small build."""
    if place.is_file():  # a worktree
        place = place.parent / place.read_text().removeprefix("gitdir:").strip()
    try:
        head = (place / "HEAD").read_text().strip()
        beside = place / "commondir"
        common = place / beside.read_text().strip() if beside.is_file() else place
        if head.startswith("ref: "):
            head = _resolve_reference(head.removeprefix("ref: "), common)
    except (OSError, UnicodeDecodeError):
        return None
    return head if len(head) == _HEX_DIGITS else None


def _resolve_reference(name: str, common: Path) -> str:
    loose, packed = common / name, common / "packed-refs"
    if loose.is_file():
        return loose.read_text().strip()
    rows = [line.split(" ", 1) for line in packed.read_text().splitlines()] if packed.is_file() else []
    return next((row[0] for row in rows if row[1:] == [name]), "")
