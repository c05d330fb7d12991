"""What no claim reaches: each file of a bundle was read by a claim, or is named as not covered, or is refuted.

A page, document or table that nothing was held against could say anything, and would stand beside figures that hold.
"""

from collections.abc import Collection, Iterator

from edgeproof.core.attempts import FOLDER
from edgeproof.core.configuration import Json
from edgeproof.core.errors import UserError
from edgeproof.core.files import sha256_file
from edgeproof.core.layout import REPOSITORY

from .claims import NOT_COVERED, RECOMPUTED, REFUTED, Claim
from .descriptions import is_description
from .redaction import is_log
from .run_crates import WORKFLOW

_SETTINGS = ("config/", "envs/")
_RULES = "rules/"
_LARGE = ("results/sources/", "results/artifacts/")  # of what is below them, models, samples and artifacts stay out


def check_coverage(manifest: Json, read: Collection[str], believed: str, holds: bool) -> Iterator[Claim]:
    """Yield a claim for each file of a bundle that no other claim covers.

    `read`: the files that claims have asked for. `believed`: the word for what cannot be computed again. `holds`: no
    claim was refuted; one that was may have stopped before it had read everything, which is then no fault of a file.
    """
    lost = REFUTED if holds else NOT_COVERED
    logs = 0
    for entry in manifest["files"]:
        path = entry["path"]
        if path.startswith(_SETTINGS):
            yield _hold_against_checkout(entry, path in read, believed)
        elif _is_log_of_attempt(path):
            logs += 1
        elif path not in read and not is_description(path) and not _is_workflow(path):
            yield Claim(path, lost, "no claim of this bundle has read it: nothing says that what is in it is true")
    for entry in manifest["absent"]:
        if entry["path"] in read or entry["path"].startswith(_LARGE):
            told = f"not in the bundle; sha256 {entry['sha256'][:12]}…, {entry['bytes']} bytes"
            yield Claim(entry["path"], NOT_COVERED, told)
        else:
            yield Claim(entry["path"], lost, "is said to be left out, and only models, samples and artifacts may be")
    yield from _check_workflow(manifest, believed)
    yield from _count_redacted(manifest, logs)


def _hold_against_checkout(entry: Json, read: bool, believed: str) -> Claim:
    """Say of a file of settings whether it is the one of this checkout: verdicts follow from the bundle's."""
    if _is_own(entry):
        return Claim(entry["path"], RECOMPUTED, "the same as in this checkout")
    if read:
        return Claim(entry["path"], believed, "not the one of this checkout; verdicts follow from this one")
    return Claim(entry["path"], NOT_COVERED, "not the one of this checkout, and no figure was computed from it")


def _check_workflow(manifest: Json, believed: str) -> Iterator[Claim]:
    files = [entry for entry in manifest["files"] if _is_workflow(entry["path"])]
    other = [entry["path"] for entry in files if not _is_own(entry)]
    if other:
        told = f"not the one of this checkout ({', '.join(other[:3])}{' …' if len(other) > 3 else ''}); nothing ran it"
        yield Claim("workflow", believed, told)
    elif files:
        yield Claim("workflow", RECOMPUTED, "the same as in this checkout")


def _count_redacted(manifest: Json, logs: int) -> Iterator[Claim]:
    if logs:
        count = sum(sum(entry["counts"].values()) for entry in manifest["redaction"]["logs"])
        yield Claim(f"{logs} logs", NOT_COVERED, f"no figure rests on them; {count} places were redacted")
    if left := manifest["redaction"]["left"]:
        names = ", ".join(sorted({name for entry in left for name in entry["counts"]}))
        told = f"they hold what the rules look for: {names}"
        yield Claim(f"{len(left)} files that are not redacted", NOT_COVERED, told)


def _is_own(entry: Json) -> bool:
    own = REPOSITORY / entry["path"]
    try:
        return own.is_file() and sha256_file(own) == entry["sha256"]
    except (OSError, UserError):
        return False


def _is_workflow(path: str) -> bool:
    return path == WORKFLOW or (path.startswith(_RULES) and path.endswith(".smk"))


def _is_log_of_attempt(path: str) -> bool:
    return f"/{FOLDER}/" in path and is_log(path)
