"""Which documents rest on an attempt of the store, and which attempts still wait for theirs.

Each kind of attempt has a document of its own beside its store. Others may name it too: a campaign's page, a comparison
in another campaign.
"""

import filecmp
import json
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from edgeproof.core.attempts import FAILURE, FOLDER, RECORD, Attempt
from edgeproof.core.same_attempts import find_copies
from edgeproof.core.seals import SEAL, is_sealed

RESULTS = "results"
NAMED_IN = ("result.json", "noise.json", "pairs.json", "links.json", "check.json")  # documents that name attempts
# Where an attempt's document is, by room and kind. Attempts of a plan say which by where they are.
_OWN = {
    ("sources", "download"): "model.onnx",
    ("sources", "recipe"): "model.onnx",
    ("sources", "build"): "export.json",
    ("artifacts", "build"): "manifest.json",
    ("artifacts", "parity"): "parity.json",
    ("runs", "session"): "result.json",
    ("runs", "command"): "reported.json",
    ("calibration", "pairs"): "noise.json",
    ("comparability", "pairs"): "pairs.json",
    ("plans", "cut-proof"): "cut.json",
}
_SEVERAL = ("session", "pairs")  # kinds of which one document rests on several, and names them
_SAVED_MODEL = "saved_model"  # a folder of artifacts whose builds have another document
_OUTSIDE = {FOLDER, "logs", "keys"}  # folders whose files are no documents
_DOCUMENTS = (".json", ".md", ".html")
_NAMED = re.compile(rb"[^\s\"'<>()\[\]]*" + FOLDER.encode() + rb"/\d{4,}-[0-9a-f]{8}")


def name_document(place: Path, kind: str) -> str | None:
    """Return the name of the document for which attempts of a kind are made; None where nobody knows.

    `place`: the folder of the document and the store, below a folder `results`.
    """
    parts = Path(below_results(place)).parts
    room = parts[0] if parts else ""
    if (room, kind) == ("plans", "session"):
        return "links.json" if len(parts) == 2 else "check.json"
    if (room, kind) == ("artifacts", "build") and parts[-1] == _SAVED_MODEL:
        return "saved_model.json"
    return _OWN.get((room, kind))


def list_users(results: Path) -> dict[str, list[str]]:
    """Return {attempt below results: documents that name it}."""
    users: dict[str, list[str]] = {}
    for folder, files in walk_documents(results):
        for name in files:
            if name.endswith(_DOCUMENTS):
                path = folder / name
                for text in sorted(set(_NAMED.findall(path.read_bytes()))):
                    named = os.fsdecode(text.rpartition(f"{RESULTS}/".encode())[2])
                    users.setdefault(named, []).append(f"{RESULTS}/{below_results(path)}")
    return users


def find_used(attempts: Sequence[Attempt], place: Path, users: dict[str, list[str]]) -> dict[Path, tuple[str, ...]]:
    """Return {attempt: documents that rest on it} of the attempts in one store. `users`: of `list_users`.

    They name it, or are its own files: builds, parities, proofs and models name none. What an earlier edition wrote is
    used as far as somebody names it.
    """
    naming = {item.folder: tuple(users.get(below_results(item.folder), ())) for item in attempts}
    return {item.folder: naming[item.folder] or _list_made(item, place) for item in attempts}


def list_waiting(attempts: Sequence[Attempt], place: Path, used: dict[Path, tuple[str, ...]]) -> set[Path]:
    """Return the complete attempts of one store that the next run would use although no document rests on them yet.

    Their document is missing, or damaged, or older than they are, or could rest on them as it does on others of their
    key. An interruption leaves such: what was measured is whole, and its document was not written. `used`: of
    `find_used`.
    """
    copies = find_copies(attempts)
    waiting: set[Path] = set()
    for kind in {item.record["kind"] for item in attempts}:
        own = [item for item in attempts if item.record["kind"] == kind and item.complete and item.folder not in copies]
        named = [item for item in attempts if item.record["kind"] == kind and _is_named(item, place, used[item.folder])]
        free = [item for item in own if not used[item.folder]]
        if not _is_made(place, kind):
            waiting |= {item.folder for item in free}
            continue
        newest = max((item.number for item in named), default=0)
        together = {_group(item) for item in named} if kind in _SEVERAL else set[tuple[object, ...]]()
        waiting |= {item.folder for item in free if item.number > newest or _group(item) in together}
    return waiting


def walk_documents(folder: Path) -> Iterator[tuple[Path, list[str]]]:
    """Yield each folder at or below one that may hold documents of attempts, with its files, sorted. Links to folders
    are followed, since results may lie on several disks, and none is visited twice.
    """
    seen: set[str] = set()
    for place, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        yield Path(place), sorted(files)
        folders[:] = sorted(name for name in folders if name not in _OUTSIDE)


def below_results(path: Path) -> str:
    """Return the part of an attempt's or a document's path below its last `results` folder."""
    parts = path.parts
    at = len(parts) - 1 - parts[::-1].index(RESULTS) if RESULTS in parts else -1
    return str(Path(*parts[at + 1 :]))


def _list_made(attempt: Attempt, place: Path) -> tuple[str, ...]:
    """Return the files of a target that follow from an attempt and do not name it."""
    if attempt.record["kind"] == "command" and attempt.complete:  # its document counts the earlier ones
        document = place / str(name_document(place, "command"))
        return (f"{RESULTS}/{below_results(document)}",) if document.is_file() else ()
    if not attempt.folder.is_dir():
        return ()
    pairs = ((place / kept.name, kept) for kept in sorted(attempt.folder.iterdir()) if kept.is_file())
    made = (made for made, kept in pairs if kept.name not in (RECORD, FAILURE) and _is_same(made, kept))
    return tuple(f"{RESULTS}/{below_results(path)}" for path in made)


def _is_same(made: Path, kept: Path) -> bool:
    return made.is_file() and (made.samefile(kept) or filecmp.cmp(made, kept, shallow=False))


def _is_named(attempt: Attempt, place: Path, used: tuple[str, ...]) -> bool:
    """Return whether the document of an attempt rests on it, and not only another one."""
    name = name_document(place, attempt.record["kind"])
    if attempt.record["kind"] not in _SEVERAL or name is None:
        return bool(used)
    return f"{RESULTS}/{below_results(place / name)}" in used


def _group(attempt: Attempt) -> tuple[object, ...]:
    """Return what attempts have in common that one document rests on together."""
    return attempt.record["key"]["sha256"], attempt.record["machine"]["id"]


def _is_made(place: Path, kind: str) -> bool:
    """Return whether the document of a kind of attempts is there and whole, so that it says what it rests on.

    Where nobody knows which it is, all documents beside the store have to be.
    """
    name = name_document(place, kind)
    if name is None:
        documents = sorted(place.glob("*.json"))
        return bool(documents) and all(map(_is_sound, documents))
    path = place / name
    return path.is_file() and (path.suffix != ".json" or _is_sound(path))


def _is_sound(document: Path) -> bool:
    """Return whether a document can be read and is as it was sealed; a damaged one does not say what it rests on."""
    try:
        value = json.loads(document.read_bytes())
    except ValueError:
        return False
    return isinstance(value, dict) and (SEAL not in value or is_sealed(value))  # pyright: ignore[reportUnknownArgumentType]
