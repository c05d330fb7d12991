"""The store: every try at a measurement, a check or a build stays beside its target, and is found by its key.

    results/runs/{cell}/attempts/0001-1f0c93ab/attempt.json    what it is: key, machine, when, how it ended
                                                …               its files

The second part of the name is the beginning of the key, so that attempts of a key are found by looking at names.

An attempt is written into a folder of its own (`.0002-….part`) and renamed when it is over, so that one with a number
is whole. It is never overwritten. One that ended without a verdict has `failure.json` and counts for nothing; what a
killed process left behind becomes such an attempt when the next one is opened.
"""

import contextlib
import errno
import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Generator, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from .clock import now
from .configuration import Json
from .digest_cache import digest_kept
from .documents import read_json, validate
from .errors import UserError
from .exit_codes import name_signal
from .files import FilePath, atomic_write, sha256_file
from .held_folders import await_holder, hold_folder, is_held
from .node_scratch import bring_folder, claim_scratch
from .reader import current_reader, read_once
from .same_attempts import leave_out_copies
from .seals import require_sealed, seal

FOLDER = "attempts"
RECORD = "attempt.json"
FAILURE = "failure.json"
_PART = ".part"
# Not evidence: what programs said, and locks. Everything else in a complete attempt has its digest in the record.
_UNRECORDED = (".log", "log.txt", "progress.jsonl", ".lock", RECORD)
_KEY_DIGITS = 8
_told: set[Path] = set()  # damaged attempts that this process has named
_NAME = re.compile(rf"\.?(\d{{4,}})-([0-9a-f]{{{_KEY_DIGITS}}})(\.part)?")

# What of the files in a folder counts although the process that wrote them was killed: facts for the record, or None.
Rescue = Callable[[Path], Json | None]


class Attempt(NamedTuple):
    """One attempt of the store: `folder` and its record (see attempt.schema.json)."""

    folder: Path
    record: Json

    @property
    def number(self) -> int:
        """Its place in the order of start."""
        return _number_of(self.folder)

    @property
    def complete(self) -> bool:
        """Whether it ended with raw data that count."""
        return self.record["status"] == "complete"


class OpenAttempt:
    """An attempt that is being made: files go into `folder`; `complete` or `fail` ends it. Ends as failed otherwise."""

    def __init__(self, target: Path, kind: str, key: Json, machine: Json) -> None:
        self.record: Json = {
            "schema": "edgeproof.attempt.v2",
            "kind": kind,
            "status": "open",
            "key": key,
            "machine": machine,
            "pid": os.getpid(),
            "started_at": now(),
            "ended_at": None,
            "facts": {},
            "files": {},
        }
        self.store = target / FOLDER
        self._scratch = claim_scratch()
        self._held = contextlib.ExitStack()  # while its process works on it: others wait, and no sweep ends it
        with hold_folder(self.store):  # a sweep removes a folder without a record: its process was killed
            self.folder = _claim(self._scratch or self.store, key["sha256"][:_KEY_DIGITS])
            self._held.enter_context(hold_folder(self.folder))
            self._write()

    def complete(self, **facts: Any) -> Attempt:
        """End the attempt as whole and return it as the store has it. `facts`: what else its record says."""
        return self._end("complete", facts)

    def fail(self, kind: str, message: str, **facts: Any) -> Attempt:
        """End the attempt without a verdict and say why in `failure.json`."""
        failure = {"kind": kind, "message": message}
        with contextlib.suppress(OSError):  # a full disk must not hide the reason that the caller tells
            atomic_write(self.folder / FAILURE, json.dumps(failure, indent=2, ensure_ascii=False) + "\n")
        return self._end("failed", facts)

    def _end(self, status: str, facts: Json) -> Attempt:
        with self._held:
            return self._publish(status, facts)

    def _publish(self, status: str, facts: Json) -> Attempt:
        files = digest_files(self.folder) if status == "complete" else {}
        self.record |= {"status": status, "ended_at": now(), "facts": facts, "files": files}
        try:
            self._write()
        except OSError:
            if status != "failed":
                raise
            return Attempt(self.folder, seal(self.record))  # no room for its record: the next sweep ends it
        if self._scratch is None:
            return Attempt(_publish(self.folder, self.store), seal(self.record))
        try:
            with hold_folder(self.store):
                return Attempt(_publish(bring_folder(self.folder, self.store), self.store), seal(self.record))
        except OSError:
            if status != "failed":
                raise
            return Attempt(self.folder, seal(self.record))

    def _write(self) -> None:
        document = validate(seal(self.record), "attempt", str(self.folder / RECORD))
        text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
        if self.record["status"] == "open":  # nothing is lost with it, and flushing takes as long as a small build
            (self.folder / RECORD).write_text(text, encoding="utf-8")
        else:
            atomic_write(self.folder / RECORD, text)


@contextlib.contextmanager
def open_attempt(
    target: FilePath, kind: str, key: Json, machine: Json, rescue: Rescue | None = None
) -> Generator[OpenAttempt]:
    """Open the next attempt of a target in the store and yield it; whoever leaves without ending it has failed.

    `target`: the folder of the result. `kind`: see the schema. `key`: of `keys.compose_key`. `machine`: who works.
    """
    target = Path(target)
    sweep(target, rescue)
    attempt = OpenAttempt(target, kind, key, machine)
    try:
        yield attempt
    except BaseException as error:
        if attempt.record["status"] == "open":
            _leave(attempt, error, rescue)
        raise
    if attempt.record["status"] == "open":
        attempt.fail("error", "it was left without a result")


def _leave(attempt: OpenAttempt, error: BaseException, rescue: Rescue | None) -> None:
    """End an attempt that an error ended: what of it counts is kept, else the reason.

    Where the disk is full, it stays as it is, and the next sweep does so.
    """
    facts = rescue(attempt.folder) if rescue else None
    if facts is not None:
        with contextlib.suppress(OSError):
            attempt.complete(**facts)
        return
    interrupted = isinstance(error, KeyboardInterrupt | SystemExit)
    attempt.fail("interrupted" if interrupted else "error", _describe_error(error))


def _describe_error(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return "interrupted with Ctrl-C (SIGINT)"
    if isinstance(error, SystemExit) and isinstance(error.code, int):
        name = name_signal(error.code)
        return f"ended by {name}" if name else f"the program ended with exit code {error.code}"
    return " ".join(str(error).split()) or type(error).__name__


def list_attempts(target: FilePath) -> list[Attempt]:
    """Return all attempts of a target in the store, in order of start; UserError where a record was edited."""
    return [Attempt(path, read_record(path)) for path in list_attempt_folders(target)]


def list_attempt_folders(target: FilePath) -> list[Path]:
    """Return the folders of all attempts of a target in the store, in order of start, readable or not."""
    return sorted((path for path in _entries(Path(target) / FOLDER) if _is_published(path)), key=_number_of)


def list_damaged(target: FilePath) -> list[Path]:
    """Return the damaged attempts of a target in the store: without a record, nobody knows whether they count."""
    return sorted((path for path in _entries(Path(target) / FOLDER) if _is_damaged(path)), key=_number_of)


def find_attempts(target: FilePath, key: Json, spares: bool = False) -> list[Attempt]:
    """Return the store's complete attempts with this key, in order of start; of an attempt and its copies the first.

    `spares`: all of them, for a caller that needs one whose files are whole. Damaged ones, whose record is gone, are
    named on stderr once.
    """
    wanted, store = key["sha256"], Path(target) / FOLDER
    named = sorted((path for path in _entries(store) if path.name.endswith(wanted[:_KEY_DIGITS])), key=_number_of)
    for path in named:
        if _is_damaged(path) and path not in _told:
            _told.add(path)
            with contextlib.suppress(OSError):  # a message ends nothing
                print(f"{path} is not used: {describe_damage(path)}", file=sys.stderr, flush=True)
    found = [Attempt(path, read_record(path)) for path in named if _is_published(path)]
    complete = [item for item in found if item.complete and item.record["key"]["sha256"] == wanted]
    return complete if spares else leave_out_copies(complete)


def describe_damage(folder: FilePath) -> str:
    """Return what is wrong with a damaged attempt of the store, and what to do."""
    return f"it has no {RECORD}; put that back, or remove it (rm -r {folder})"


def require_kept(folders: Iterable[FilePath]) -> None:
    """Raise UserError unless the attempts that a document is about to name are still in the store."""
    for folder in folders:
        if not (Path(folder) / RECORD).is_file():
            raise UserError(f"{folder}: was removed while it was in use; run the workflow again")


def await_others(target: FilePath, key: Json) -> None:
    """Wait until no other process works on an attempt of a target in the store with this key.

    A process may go on when the Snakemake that started it is gone. The device would be waited for anyway, and what is
    measured there counts: nobody measures the same beside it.
    """
    ending, store = f"-{key['sha256'][:_KEY_DIGITS]}{_PART}", Path(target) / FOLDER
    if not store.is_dir():
        return
    with hold_folder(store):  # whoever opens one has said what it is, and holds it
        parts = sorted(path for path in _entries(store) if path.name.endswith(ending))
    for part in parts:
        with contextlib.suppress(UserError, OSError):  # it was published just now
            if read_json(part / RECORD, "attempt")["pid"] != os.getpid():
                await_holder(part)


@read_once
def read_record(folder: FilePath) -> Json:
    """Return the record of an attempt in the store, checked against its schema and its seal.

    UserError where an earlier edition wrote it without what this one reads, or somebody edited it.
    """
    path = Path(folder) / RECORD
    try:
        record = read_json(path, "attempt")
    except UserError as error:
        raise UserError(f"{error}; {_name_remedy(folder)}") from error
    require_sealed(record, path, _name_remedy(folder))
    return record


def digest_files(folder: Path) -> dict[str, str]:
    """Return {path in the folder: sha256} of the files of an attempt in the store, without logs and locks, sorted."""
    paths = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return {name: sha256_file(folder / name) for name in sorted(paths) if not name.endswith(_UNRECORDED)}


def check_files(folder: FilePath) -> None:
    """Hash every file of a complete attempt in the store again; UserError names one that is not as it was."""
    folder = Path(folder)
    for name, sha256 in read_record(folder)["files"].items():
        path = os.path.join(folder, name)  # not a Path: a campaign has tens of thousands
        if not os.path.isfile(path) and not current_reader().is_absent(path):
            raise UserError(f"{path}: is missing, and {RECORD} has its sha256; {_name_remedy(folder)}")
        if digest_kept(path) != sha256:
            raise UserError(f"{path}: its sha256 is not the one in {RECORD}; it was changed, {_name_remedy(folder)}")


def _name_remedy(folder: FilePath) -> str:
    """Return what to do about an attempt that cannot be used. Where it is gone, the workflow does without it."""
    if not os.path.lexists(folder):
        return "this attempt is gone, and a document rests on it: run the workflow again, it makes the document anew"
    return f"remove this attempt (rm -r {folder}) and run the workflow again"


def sweep(target: FilePath, rescue: Rescue | None = None) -> list[Attempt]:
    """Turn what killed processes left in the store into attempts, and return them.

    They have failed, unless `rescue` finds what counts.
    """
    store = Path(target) / FOLDER
    if not store.is_dir():
        return []
    with hold_folder(store):
        return _sweep(store, rescue)


def _sweep(store: Path, rescue: Rescue | None) -> list[Attempt]:
    swept: list[Attempt] = []
    for part in sorted(path for path in _entries(store) if path.name.endswith(_PART)):
        try:
            record = read_record(part)
        except UserError:
            record = None
        if record is not None and _is_worked_on(part, record["pid"]):
            continue
        if record is None:
            shutil.rmtree(part, ignore_errors=True)  # killed before it said what it was
            continue
        facts = rescue(part) if rescue else None
        status, files = ("failed", {}) if facts is None else ("complete", digest_files(part))
        record = {**record, "status": status, "ended_at": now(), "facts": facts or {}, "files": files}
        if facts is None and not (part / FAILURE).exists():
            failure = {"kind": "interrupted", "message": "the process that worked on it was killed"}
            atomic_write(part / FAILURE, json.dumps(failure, indent=2) + "\n")
        atomic_write(part / RECORD, json.dumps(seal(record), indent=2, ensure_ascii=False) + "\n")
        swept.append(Attempt(_publish(part, store), seal(record)))
    return swept


def _claim(store: Path, key: str) -> Path:
    """Make and return the folder of the next attempt, `.NNNN-KEY.part`."""
    while True:
        number = max(map(_number_of, _entries(store)), default=0) + 1
        folder = store / f".{number:04d}-{key}{_PART}"
        try:
            folder.mkdir()
        except FileExistsError:  # somebody else was faster
            continue
        return folder


def _publish(part: Path, store: Path) -> Path:
    """Give a finished attempt its number, flushed to disk first."""
    number, key = _number_of(part), part.name.split("-")[1].split(".")[0]
    number = number or max(map(_number_of, _entries(store)), default=0) + 1
    while True:
        final = store / f"{number:04d}-{key}"
        try:
            os.rename(part, final)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            number += 1
            continue
        return final


def _number_of(path: Path) -> int:
    """Return the number in an attempt's name, 0 for what is none."""
    match = _NAME.fullmatch(path.name)
    return int(match[1]) if match else 0


def is_worked_on(target: FilePath) -> bool:
    """Tell whether some process works on an attempt of a target in the store."""
    for part in (path for path in _entries(Path(target) / FOLDER) if path.name.endswith(_PART)):
        try:
            pid = read_record(part)["pid"]
        except UserError:
            continue  # killed before it said what it was
        if _is_worked_on(part, pid):
            return True
    return False


def _is_published(path: Path) -> bool:
    return _is_numbered(path) and (path / RECORD).is_file()


def _is_damaged(path: Path) -> bool:
    return _is_numbered(path) and not (path / RECORD).is_file()


def _is_numbered(path: Path) -> bool:
    return _NAME.fullmatch(path.name) is not None and not path.name.startswith(".")


def _entries(store: Path) -> list[Path]:
    return list(store.iterdir()) if store.is_dir() else []


def _is_worked_on(part: Path, pid: int) -> bool:
    """Tell whether the process that opened an attempt still works on it: it holds the folder.

    Its id says that only where folders cannot be held: ids are given again, and a killed process keeps its own until
    its parent has asked how it ended.
    """
    with contextlib.suppress(OSError):
        return is_held(part)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
