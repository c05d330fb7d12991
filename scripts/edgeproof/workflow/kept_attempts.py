"""The attempts below `results/`: what they are, which documents rest on them, and which may go."""

import datetime
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from edgeproof.core.attempts import (
    FOLDER,
    Attempt,
    describe_damage,
    is_worked_on,
    list_attempt_folders,
    list_damaged,
    read_record,
)
from edgeproof.core.configuration import Json
from edgeproof.core.errors import UserError
from edgeproof.core.same_attempts import find_copies
from edgeproof.core.suggestions import suggest_words
from edgeproof.core.turns import list_turns

from .attempt_documents import RESULTS, below_results, find_used, list_users, list_waiting, walk_documents


class Kept(NamedTuple):
    """An attempt of the store, its size in bytes, and the documents that name it or are its own.

    `waits`: it is complete, and the next run uses it although its document does not rest on it yet. `copy_of`: the
    attempt beside it whose copy it is. `in_use`: some run works in its store. `damage`: what is wrong with it.
    """

    attempt: Attempt
    size: int
    used_by: tuple[str, ...]
    waits: bool
    copy_of: Path | None = None
    in_use: bool = False
    damage: str | None = None

    @property
    def may_go(self) -> bool:
        """Whether nothing under `results/` would miss it, and nobody works with it."""
        return not self.used_by and not self.waits and not self.in_use


def list_kept(root: Path, target: str | None = None) -> list[Kept]:
    """Return all kept attempts below `root/results`, or those of targets at or below `target` (`runs/…`, path, cell).

    One whose record cannot be read, since an earlier edition wrote it or somebody edited it, has status `unreadable`;
    one that has none, `damaged`.
    """
    results = root / RESULTS
    users = list_users(results)
    folder = _locate(results, target) if target else results
    return [item for store in _list_stores(folder) for item in _list_store(store.parent, results, users)]


def _list_store(place: Path, results: Path, users: dict[str, list[str]]) -> Iterator[Kept]:
    """Yield the attempts in one store. `place`: the folder that has it. `users`: of `list_users`."""
    damaged = {path: describe_damage(path) for path in list_damaged(place)}
    attempts = sorted((*map(_read, list_attempt_folders(place)), *map(_describe_damaged, damaged)), key=_place_of)
    used = find_used(attempts, place, users)
    waiting, copies, in_use = list_waiting(attempts, place, used), find_copies(attempts), _is_in_use(place, results)
    for item in attempts:
        path = item.folder
        known = (copies.get(path), in_use, damaged.get(path))
        yield Kept(item, _measure(path), used[path], path in waiting, *known)


def _place_of(attempt: Attempt) -> int:
    return attempt.number


def _is_in_use(place: Path, results: Path) -> bool:
    """Tell whether a run works in a store, or uses an attempt of it in a turn that it has taken for several folders."""
    if is_worked_on(place) or list_turns(place):
        return True
    above = [folder for folder in place.parents if folder.is_relative_to(results)]
    turns = {turn for folder in above for turn in list_turns(folder)}
    return any(path.name.rpartition("-")[2] in turns for path in list_attempt_folders(place))


def choose_prunable(kept: Iterable[Kept], days: float | None, failed: bool, now: datetime.datetime) -> list[Kept]:
    """Return the kept attempts that may go. `days`: only those ended longer ago. `failed`: only those that failed."""
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
    """Remove kept attempts, each in one step, and return those removed.

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
        if beside.is_dir():
            shutil.rmtree(beside, ignore_errors=True)
        else:
            beside.unlink()
        removed.append(item)
    return removed


def describe(item: Kept, root: Path) -> Json:
    """Return a kept attempt as JSON; its path relative to `root`."""
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
        "copy_of": item.copy_of and str(item.copy_of.relative_to(root)),
        "in_use": item.in_use,
        "damage": item.damage,
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
        use = _say_use(item)
        size = f"{item['bytes'] / 1e6:.2f} MB"
        yield f"  {name}  {item['kind']:<8} {item['status']:<10} {item['started_at']}  {machine}  {size:>10}  {use}"
    total = sum(item["bytes"] for item in documents)
    yield f"{len(documents)} attempts, {total / 1e6:.1f} MB"


def _say_use(item: Json) -> str:
    """Return what an attempt is good for, in words."""
    said = [f"copy of {Path(item['copy_of']).name}"] if item["copy_of"] else []
    said += [item["damage"]] if item["damage"] else []
    said += item["used_by"] or (["waits for its document"] if item["waits"] else [] if said else ["not used"])
    return ", ".join([*said, "a run works here"] if item["in_use"] else said)


def _list_stores(folder: Path) -> list[Path]:
    """Return the `attempts` folders at or below a folder, sorted, without entering them."""
    return sorted(place / FOLDER for place, _ in walk_documents(folder) if (place / FOLDER).is_dir())


def _locate(results: Path, target: str) -> Path:
    """Return the folder that a target stands for: below `results/`, a cell of `runs/`, or a path."""
    for path in (results / target, results / "runs" / target, results.parent / target, Path(target)):
        folder = path.parent if path.is_file() else path
        if folder.is_dir() and (inside := _find_inside(results, folder)):
            return inside
    known = [below_results(store.parent) for store in _list_stores(results)]
    raise UserError(f"{target}: there is no such folder or document below {RESULTS}/{suggest_words(target, known)}")


def _find_inside(results: Path, folder: Path) -> Path | None:
    """Return a folder as a path at or below `results`; None for one outside, whose documents nobody has looked at."""
    named, home = Path(os.path.abspath(folder)), Path(os.path.abspath(results))
    if named.is_relative_to(home):
        return results / named.relative_to(home)
    real, home = folder.resolve(), results.resolve()
    return results / real.relative_to(home) if real.is_relative_to(home) else None


def _read(folder: Path) -> Attempt:
    try:
        return Attempt(folder, read_record(folder))
    except UserError:
        return Attempt(folder, {**_read_nothing(folder), "status": "unreadable"})


def _read_nothing(folder: Path) -> Json:
    """Return what stands in place of a record that says nothing."""
    changed = datetime.datetime.fromtimestamp(folder.lstat().st_mtime, datetime.UTC).isoformat()
    nobody = {"id": None, "board": None, "cpu": None}
    return {
        "kind": "unknown",
        "key": {"sha256": None},
        "machine": nobody,
        "started_at": changed,
        "ended_at": None,
    }


def _describe_damaged(path: Path) -> Attempt:
    return Attempt(path, {**_read_nothing(path), "status": "damaged"})


def _measure(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _ended_at(attempt: Attempt) -> datetime.datetime:
    return datetime.datetime.fromisoformat(attempt.record["ended_at"] or attempt.record["started_at"])
