"""The attempts below `results/`: what they are, which documents rest on them, and which may go."""

import datetime
import filecmp
import json
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from edgeproof.core.attempts import FAILURE, FOLDER, RECORD, Attempt, list_attempt_folders, read_record
from edgeproof.core.configuration import Json
from edgeproof.core.errors import UserError
from edgeproof.core.seals import SEAL, is_sealed
from edgeproof.core.suggestions import suggest_words

RESULTS = "results"
_DOCUMENTS = (".json", ".md", ".html")
_OUTSIDE = {FOLDER, "logs", "keys"}  # folders whose files are no documents
_NAMED = re.compile(rb"[^\s\"'<>()\[\]]*" + FOLDER.encode() + rb"/\d{4,}-[0-9a-f]{8}")


class Kept(NamedTuple):
    """An attempt of the store, its size in bytes, and the documents that name it or are its own.

    `waits`: it is complete and its target has no document, or one that cannot be read: the next run uses this attempt.
    """

    attempt: Attempt
    size: int
    used_by: tuple[str, ...]
    waits: bool

    @property
    def may_go(self) -> bool:
        """Whether nothing under `results/` would miss it."""
        return not self.used_by and not self.waits


def list_kept(root: Path, target: str | None = None) -> list[Kept]:
    """Return all attempts below `root/results`, or those of targets at or below `target` (`runs/…`, a path, a cell).

    One whose record cannot be read, since an earlier edition wrote it or somebody edited it, has status `unreadable`.
    """
    results = root / RESULTS
    users = _list_users(results)
    folder = _locate(results, target) if target else results
    found: list[Kept] = []
    for store in _list_stores(folder):
        place = store.parent
        documents = sorted(place.glob("*.json"))
        waits = not documents or not all(map(_is_sound, documents))
        for attempt in map(_read, list_attempt_folders(place)):
            used = tuple(users.get(_below(attempt.folder), ())) or _list_copies(attempt.folder, place)
            found.append(Kept(attempt, _measure(attempt.folder), used, waits and attempt.complete and not used))
    return found


def choose_prunable(kept: Iterable[Kept], days: float | None, failed: bool, now: datetime.datetime) -> list[Kept]:
    """Return the attempts that may go. `days`: only those that ended longer ago. `failed`: only those that failed."""
    try:
        limit = None if days is None else now - datetime.timedelta(days=days)
    except OverflowError:  # before the calendar begins
        return []
    return [
        item
        for item in kept
        if item.may_go and not (failed and item.attempt.complete) and (limit is None or _ended_at(item.attempt) < limit)
    ]


def remove(items: Iterable[Kept], still_unused: Callable[[], set[str]]) -> list[Kept]:
    """Remove attempts, each in one step, and return those removed.

    `still_unused`: the folders that may go by now; asked once, after the choice, since a run may have finished since.
    """
    allowed, removed = still_unused(), list[Kept]()
    for item in items:
        folder = item.attempt.folder
        if str(folder) not in allowed:
            continue
        beside = folder.with_name(f".{folder.name}.removed")
        try:
            os.rename(folder, beside)
        except OSError as error:
            raise UserError(f"{folder}: cannot be removed ({error.strerror})") from error
        shutil.rmtree(beside, ignore_errors=True)
        removed.append(item)
    return removed


def describe(item: Kept, root: Path) -> Json:
    """Return an attempt as JSON; its path relative to `root`."""
    record = item.attempt.record
    return {
        "attempt": str(item.attempt.folder.relative_to(root)),
        "kind": record["kind"],
        "status": record["status"],
        "key": record["key"]["sha256"],
        "machine": record["machine"],
        "started_at": record["started_at"],
        "ended_at": record["ended_at"],
        "bytes": item.size,
        "used_by": list(item.used_by),
        "waits": item.waits,
    }


def render_kept(documents: list[Json]) -> Iterator[str]:
    """Yield the lines of `attempts list` for people: kept attempts by target, and the sum."""
    target = ""
    for item in documents:
        place, name = item["attempt"].split(f"/{FOLDER}/")
        if place != target:
            target = place
            yield place
        machine = item["machine"]["board"] or item["machine"]["id"] or "unknown machine"
        use = ", ".join(item["used_by"]) or ("waits for its document" if item["waits"] else "not used")
        size = f"{item['bytes'] / 1e6:.2f} MB"
        yield f"  {name}  {item['kind']:<8} {item['status']:<10} {item['started_at']}  {machine}  {size:>10}  {use}"
    total = sum(item["bytes"] for item in documents)
    yield f"{len(documents)} attempts, {total / 1e6:.1f} MB"


def _list_users(results: Path) -> dict[str, list[str]]:
    """Return {attempt below results: documents that name it}."""
    users: dict[str, list[str]] = {}
    for folder, files in _walk(results):
        for name in files:
            if name.endswith(_DOCUMENTS):
                path = folder / name
                for text in sorted(set(_NAMED.findall(path.read_bytes()))):
                    named = os.fsdecode(text.rpartition(f"{RESULTS}/".encode())[2])
                    users.setdefault(named, []).append(f"{RESULTS}/{_below(path)}")
    return users


def _list_copies(attempt: Path, place: Path) -> tuple[str, ...]:
    """Return the files of a target that are those of an attempt: builds, parities, proofs and models name none."""
    pairs = ((place / kept.name, kept) for kept in sorted(attempt.iterdir()) if kept.name not in (RECORD, FAILURE))
    return tuple(f"{RESULTS}/{_below(made)}" for made, kept in pairs if made.is_file() and _is_same(made, kept))


def _is_same(made: Path, kept: Path) -> bool:
    return made.samefile(kept) or filecmp.cmp(made, kept, shallow=False)


def _list_stores(folder: Path) -> list[Path]:
    """Return the `attempts` folders at or below a folder, sorted, without entering them."""
    return sorted(place / FOLDER for place, _ in _walk(folder) if (place / FOLDER).is_dir())


def _locate(results: Path, target: str) -> Path:
    """Return the folder that a target stands for: below `results/`, a cell of `runs/`, or a path."""
    for path in (results / target, results / "runs" / target, results.parent / target, Path(target)):
        folder = path.parent if path.is_file() else path
        if folder.is_dir() and (inside := _find_inside(results, folder)):
            return inside
    known = [_below(store.parent) for store in _list_stores(results)]
    raise UserError(f"{target}: there is no such folder or document below {RESULTS}/{suggest_words(target, known)}")


def _find_inside(results: Path, folder: Path) -> Path | None:
    """Return a folder as a path at or below `results`; None for one outside, whose documents nobody has looked at."""
    named, home = Path(os.path.abspath(folder)), Path(os.path.abspath(results))
    if named.is_relative_to(home):
        return results / named.relative_to(home)
    real, home = folder.resolve(), results.resolve()
    return results / real.relative_to(home) if real.is_relative_to(home) else None


def _walk(folder: Path) -> Iterator[tuple[Path, list[str]]]:
    """Yield each folder at or below one that may hold documents, with its files, sorted. Links to folders are followed,
    since results may lie on several disks, and none is visited twice.
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


def _below(path: Path) -> str:
    """Return the part of a path below its last `results` folder."""
    parts = path.parts
    at = len(parts) - 1 - parts[::-1].index(RESULTS) if RESULTS in parts else -1
    return str(Path(*parts[at + 1 :]))


def _is_sound(document: Path) -> bool:
    """Return whether a document can be read and is as it was sealed; a damaged one does not say what it rests on."""
    try:
        value = json.loads(document.read_bytes())
    except ValueError:
        return False
    return isinstance(value, dict) and (SEAL not in value or is_sealed(value))  # pyright: ignore[reportUnknownArgumentType]


def _read(folder: Path) -> Attempt:
    try:
        return Attempt(folder, read_record(folder))
    except UserError:
        changed = datetime.datetime.fromtimestamp(folder.stat().st_mtime, datetime.UTC)
        nothing = {"kind": "unknown", "status": "unreadable", "key": {"sha256": None}, "ended_at": None}
        return Attempt(folder, {**nothing, "machine": {"id": None, "board": None}, "started_at": changed.isoformat()})


def _measure(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _ended_at(attempt: Attempt) -> datetime.datetime:
    return datetime.datetime.fromisoformat(attempt.record["ended_at"] or attempt.record["started_at"])
