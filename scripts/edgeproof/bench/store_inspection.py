"""What a results folder holds after an interruption: is all that was measured still there, once, and is it whole?"""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from edgeproof.core.attempts import FOLDER, RECORD, Attempt, read_record
from edgeproof.core.configuration import Json
from edgeproof.core.documents import SCHEMAS, read_json
from edgeproof.core.errors import UserError
from edgeproof.core.files import sha256_file
from edgeproof.core.seals import SEAL, require_sealed

_OUTSIDE = {FOLDER, "logs", "keys"}  # folders whose files are no documents


def list_kept(results: Path) -> list[Attempt]:
    """Inspect an interrupted campaign's store: return all attempts that are kept; UserError for a broken record."""
    folders = sorted(path.parent for path in results.rglob(f"{FOLDER}/[0-9]*/{RECORD}"))
    return [Attempt(folder, read_record(folder)) for folder in folders]


def digest_kept(results: Path) -> dict[str, dict[str, str]]:
    """Return what an inspection finds kept in the store: {attempt: {file: sha256}} of the complete attempts."""
    return {
        str(attempt.folder.relative_to(results)): _digest_files(attempt.folder)
        for attempt in list_kept(results)
        if attempt.complete
    }


def digest_documents(results: Path) -> dict[str, str]:
    """Return {file: sha256} of what an inspection finds made beside the store.

    That is all but evidence, index of runs, logs and attempts.
    """
    files = (path.relative_to(results) for path in results.rglob("*") if path.is_file())
    told = (".", "registry.")  # hidden files, and the index with its notes, which every job grows
    kept = (path for path in files if not {*_OUTSIDE, "evidence"} & set(path.parts) and not path.name.startswith(told))
    return {str(path): sha256_file(results / path) for path in sorted(kept)}


def list_lost(before: dict[str, dict[str, str]], results: Path) -> Iterator[str]:
    """Inspect the store for what is lost: yield a sentence for each complete attempt that is gone or was changed.

    `before`: of `digest_kept`.
    """
    for name, files in before.items():
        folder = results / name
        if not folder.is_dir():
            yield f"{name} is gone"
        elif _digest_files(folder) != files:
            yield f"{name} was changed"


def list_repeated(results: Path, sessions: int = 1) -> Iterator[str]:
    """Inspect the store: yield a sentence for each thing that was made or measured again although the store had it.

    `sessions`: how many sessions a cell may have. Pairs of several sessions are one sequence; that none of them is
    beside it is for `list_unused`.
    """
    found = Counter(
        (attempt.folder.parent.parent, attempt.record["kind"], attempt.record["key"]["sha256"])
        for attempt in list_kept(results)
        if attempt.complete and attempt.record["kind"] != "pairs"
    )
    for (target, kind, _), count in found.items():
        if count > (sessions if kind == "session" else 1):
            yield f"{target.relative_to(results)} has {count} complete attempts ({kind}) with one key"


def list_unused(results: Path) -> Iterator[str]:
    """Inspect the store: yield a sentence for each measured sequence of pairs that is not all in its document."""
    for document in sorted(results.glob("comparability/*/*/pairs.json")):
        pairs = read_json(document, "pairs")
        key = pairs["key"]["sha256"]
        complete = [
            item
            for item in list_kept(document.parent)
            if item.complete and item.record["kind"] == "pairs" and item.record["key"]["sha256"] == key
        ]
        named = {Path(entry["attempt"]).name for entry in pairs["sessions"]}
        for item in complete:
            if item.folder.name not in named:
                yield f"{item.folder.relative_to(results)} is not in pairs.json"
        if (count := sum(entry["pairs"] for entry in pairs["sessions"])) > pairs["budget"]["pairs"]:
            said = "; ".join(map(_describe_sequence_part, complete))
            yield f"{document.relative_to(results)}: {count} pairs, its budget is {pairs['budget']['pairs']} ({said})"


def list_broken(results: Path) -> Iterator[str]:
    """Inspect the store: yield a sentence for each document or artifact in its place that is not whole."""
    for path in sorted(results.rglob("*.json")):
        inner = path.relative_to(results)
        if not _OUTSIDE & set(inner.parts) and not path.name.startswith("."):
            try:
                _require_whole(path)
            except (UserError, ValueError) as error:
                yield f"{inner}: {error}"


def list_open(results: Path) -> list[str]:
    """Inspect an interrupted campaign's store: return the rooms of its results that have an attempt in the making."""
    return sorted({path.relative_to(results).parts[0] for path in results.rglob(f"{FOLDER}/.*.part")})


def _describe_sequence_part(attempt: Attempt) -> str:
    record, pairs = attempt.record, len(attempt.record["facts"]["pairs"])
    return f"{attempt.folder.name}: {pairs}, pid {record['pid']}, {record['started_at']} to {record['ended_at']}"


def _require_whole(path: Path) -> None:
    document: Json = json.loads(path.read_bytes())
    kind = str(document.get("schema", "")).split(".")[1:2]
    if not kind or not (SCHEMAS / f"{kind[0]}.schema.json").is_file():
        return
    read_json(path, kind[0])
    if SEAL in document:
        require_sealed(document, path, "it is not whole")
    if kind == ["manifest"] and document["status"] == "ok":
        artifact = document["artifact"]
        if sha256_file(path.with_name(Path(artifact["file"]).name)) != artifact["sha256"]:
            raise UserError("the artifact beside it is another one")


def _digest_files(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): sha256_file(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "agent.lock"
    }
