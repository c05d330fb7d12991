"""When two attempts of the store are one: a folder that was copied, or two merged copies of a results folder.

What was measured once counts once. A second session differs at least in when it began, and its raw times differ too.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from .configuration import Json
from .errors import UserError
from .seals import digest_json

SomeAttempt = TypeVar("SomeAttempt", bound=tuple[Path, Json])

# Kinds whose raw data are what the agent brought back, by the folder that has it.
_MEASURED = {"session": "session/", "pairs": "session/"}


def identify(record: Json) -> str | None:
    """Return what is the same for an attempt and its copies alone, from its record; None if nothing in it counts.

    Of a measurement that is what the agent brought back, whoever kept it and when. Of anything else, which may well be
    made twice with equal files, the moment it began belongs to it.
    """
    if record["status"] != "complete":
        return None
    kind, files = record["kind"], record["files"]
    below = _MEASURED.get(kind)
    raw = {name: sha256 for name, sha256 in files.items() if below is None or name.startswith(below)}
    began = None if below else record["started_at"]
    return digest_json([kind, record["key"]["sha256"], raw, began]) if raw else None


def find_copies(attempts: Iterable[tuple[Path, Json]]) -> dict[Path, Path]:
    """Return which attempts are the same: {folder of a copy: folder of the first one}."""
    first: dict[str, Path] = {}
    copies: dict[Path, Path] = {}
    for folder, record in attempts:
        if (name := identify(record)) is not None and (original := first.setdefault(name, folder)) != folder:
            copies[folder] = original
    return copies


def leave_out_copies(attempts: Iterable[SomeAttempt]) -> list[SomeAttempt]:
    """Return attempts of any folders, of those that are the same only the first: what was done once counts once."""
    known = list(attempts)
    copies = find_copies(known)
    return [item for item in known if item[0] not in copies]


def require_no_copies(attempts: Sequence[tuple[Path, Json]], document: object) -> None:
    """Raise UserError if a document rests on the same attempt twice: under one name, or as a copy."""
    folders = [str(folder) for folder, _ in attempts]
    copies = {str(copy): str(original) for copy, original in find_copies(attempts).items()}
    for place, folder in enumerate(folders):
        original = folder if folder in folders[:place] else copies.get(folder)
        if original is not None:
            what = "twice" if original == folder else f"and {original}, which are one attempt"
            raise UserError(f"{document}: counts {folder} {what}; remove it and run the workflow again")
