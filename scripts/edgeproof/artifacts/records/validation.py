"""Checking whether an artifact's record still holds: every file that a manifest names is hashed again.

There is one Check per subject. `differs` and `missing` are faults; `note` is for information.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeproof.core.attempts import list_attempts
from edgeproof.core.configuration import Json
from edgeproof.core.errors import UserError
from edgeproof.core.files import is_file, sha256_file
from edgeproof.core.yaml_files import read_yaml

from .formats import select_build_options
from .manifest_entries import find_recorded_option
from .manifest_places import find_config_root, find_manifest_root, place_artifact
from .manifests import read_manifest
from .parity_records import read_parity_record

FAULTS = ("differs", "missing")
_LARGEST_LOCK = 16 * 2**20  # bytes
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^ \\;]+)")


@dataclass(frozen=True)
class Check:
    """The check of one subject. `status`: ok, note, differs or missing. `file`: its path in the manifest."""

    subject: str
    status: str
    file: str
    message: str = ""

    def __str__(self) -> str:
        return f"{self.status:8}{self.subject}: {self.file}" + (f": {self.message}" if self.message else "")


def validate_manifest(path: str | Path, lenient: bool = False) -> list[Check]:
    """Validate the manifest at `path`: return Checks of it and of every file it names; one Check if it cannot be read.

    `lenient`: a preset file or lock that changed only where it did not decide the build is a note.
    """
    try:
        manifest = read_manifest(path)
    except UserError as error:
        return [Check("manifest", "differs", str(path), _strip_path(path, error))]
    root, config = find_manifest_root(path), find_config_root(path)
    checks = [_check_place(path, manifest, root), _check_artifact(path, manifest)]
    for subject, entry in (("source", manifest["source"]), ("calibration set", manifest["calibration"])):
        if entry:
            checks.append(_check_file(subject, root, entry["file"], entry["sha256"], entry["bytes"]))
    if made := manifest.get("intermediate"):
        checks.append(_check_file("intermediate", root, made["file"], made["sha256"]))
    checks += _check_log(manifest, root)
    checks += _check_preset(manifest, config, lenient)
    checks += _check_lock(manifest, config, lenient)
    return checks + _check_parity(path, root)


def has_faults(checks: Iterable[Check]) -> bool:
    """Tell whether the validation of an artifact's record found something that differs or is missing."""
    return any(check.status in FAULTS for check in checks)


def _check_preset(manifest: Json, root: Path, lenient: bool = False) -> list[Check]:
    """Return the Checks of a preset's file: its options against the snapshot in a manifest, and its digest."""
    recorded = manifest.get(
        "preset_file", {"file": f"config/presets/{manifest['cell']['preset']}.yaml", "sha256": None}
    )
    file, path = recorded["file"], _join_root(root, recorded["file"])
    if _leaves(root, file):
        return [_refuse_place("preset file", file)]
    if not is_file(path):
        return [Check("preset file", "missing", file)]
    try:
        actual = sha256_file(path)
        today, then = read_yaml(path, "preset"), manifest["preset"]
        precision = manifest["cell"]["precision"]
        differences = _compare_values(select_build_options(today, precision), select_build_options(then, precision))
    except UserError as error:
        return [Check("preset file", "differs", file, _strip_path(path, error))]
    if differences:
        return [Check("preset file", "differs", file, f"{text}; rebuild it") for text in differences]
    if recorded["sha256"] in (None, actual):
        return [Check("preset file", "ok", file)]
    message = (
        f"sha256 is {actual}, was {recorded['sha256']} at the build; the options that decide the build are the same"
    )
    return [Check("preset file", "note" if lenient else "differs", file, message)]


def _check_lock(manifest: Json, root: Path, lenient: bool = False) -> list[Check]:
    """Return the Checks of the toolchain's lock: whether it is the recorded one and has the versions that took part."""
    if (digest := manifest.get("toolchain_lock_sha256")) is None:
        return [Check("toolchain lock", "note", "-", "the manifest has none")]
    file = manifest.get("toolchain_lock_file")
    if file is None:
        found = next((item for item in sorted((root / "envs").glob("*.lock")) if sha256_file(item) == digest), None)
        if found is None:
            return [Check("toolchain lock", "differs", "envs/", f"no lock there has the sha256 {digest}")]
        return [Check("toolchain lock", "ok", f"envs/{found.name}")]
    check = _check_file("toolchain lock", root, file, digest)
    if check.status == "missing" or _leaves(root, file):
        return [check]
    others = _list_other_versions(manifest["toolchain"], read_locked_versions(_join_root(root, file)))
    if others:
        return [Check("toolchain lock", "differs", file, "; ".join(others))]
    if check.status == "differs":
        message = f"{check.message}; it still has the versions that took part"
        return [Check("toolchain lock", "note" if lenient else "differs", file, message)]
    return [check]


def _list_other_versions(toolchain: dict[str, str], pins: dict[str, set[str]]) -> list[str]:
    """Return a sentence for each package that took part in a build in another version than the lock has now.

    `toolchain`: `{distribution: version}`. `pins`: from `read_locked_versions`. Packages that are not in the lock
    (Python itself, those of a second environment) are skipped, and local versions (`+cpu`) are ignored.
    """
    sentences = []
    for name, version in toolchain.items():
        wanted = {item.split("+")[0] for item in pins.get(_normalise_name(name), ())}
        if wanted and version.split("+")[0] not in wanted:
            sentences.append(f"{name} {version} took part in the build, the lock has {', '.join(sorted(wanted))}")
    return sentences


def read_locked_versions(path: str | Path) -> dict[str, set[str]]:
    """Return the versions in a lock file, by which validation checks those in a record: `{distribution: {version}}`.

    There are several if markers choose between them.
    """
    pins = {}
    if Path(path).stat().st_size > _LARGEST_LOCK:
        raise UserError(f"{path}: is larger than {_LARGEST_LOCK} bytes; no lock is")
    for line in Path(path).read_text(encoding="utf-8", errors="replace").splitlines():
        if match := _PIN.match(line):
            pins.setdefault(_normalise_name(match[1]), set()).add(match[2])
    return pins


def _check_place(path, manifest, root):
    wanted, folder = place_artifact(manifest["cell"]), Path(path).resolve().parent
    if folder.is_relative_to(root / "results" / "artifacts") and folder != root / wanted:
        where = folder.relative_to(root)
        return Check("manifest", "differs", str(path), f"is about {wanted}, but lies in {where}")
    return Check("manifest", "ok", str(path))


def _check_artifact(path, manifest):
    recorded = manifest["artifact"]
    if manifest["status"] == "failed":
        file = Path(path).parent / recorded["file"]
        if is_file(file) and file.stat().st_size == 0:
            return Check("artifact", "ok", recorded["file"], "empty: the build failed")
        return Check("artifact", "differs", recorded["file"], "is not an empty file, but the build failed")
    return _check_file("artifact", Path(path).parent, recorded["file"], recorded["sha256"], recorded["bytes"])


def _check_log(manifest, root):
    digest, file = manifest.get("log_sha256"), find_recorded_option(manifest["command"], "log")
    if digest is None or file is None:
        return []
    if _leaves(root, file):
        return [_refuse_place("build log", file)]
    if not is_file(_join_root(root, file)):
        return [Check("build log", "note", file, "is gone")]
    return [_check_file("build log", root, file, digest)]


def _check_parity(path, root):
    """Return the Checks of the parity document beside a manifest, and of the files that it names."""
    beside = Path(path).with_name("parity.json")
    if not is_file(beside):
        if any(attempt.complete and attempt.record["kind"] == "parity" for attempt in list_attempts(beside.parent)):
            return [Check("parity", "missing", beside.name, "the store has a comparison that was made here")]
        return [Check("parity", "note", beside.name, "does not exist yet")]
    try:
        parity, manifest = read_parity_record(beside), json.loads(Path(path).read_text())
    except UserError as error:
        return [Check("parity", "differs", beside.name, _strip_path(beside, error))]
    checks = []
    for what, claimed, actual in (
        ("source_sha256", parity["source_sha256"], manifest["source"]["sha256"]),
        ("artifact_sha256", parity["artifact_sha256"], manifest["artifact"]["sha256"]),
        ("manifest_sha256", parity["manifest_sha256"], sha256_file(path)),
    ):
        if claimed != actual:
            message = f"{what} is {claimed}, the manifest beside it has {actual}; one of the two was changed"
            checks.append(Check("parity", "differs", beside.name, message))
    checks = checks or [Check("parity", "ok", beside.name, parity["status"])]
    evaluation, reference = parity["evaluation"], parity["reference"]
    checks.append(_check_file("evaluation set", root, evaluation["file"], evaluation["sha256"]))
    name = Path(reference["file"]).name
    checks.append(_check_file("reference outputs", Path(path).parent, name, reference["sha256"]))
    return checks


def _leaves(root, file):
    """Tell whether a path of a record leads out of the folder that the record belongs to."""
    place = Path(root).resolve()
    try:
        return not (place / file).resolve().is_relative_to(place)
    except (OSError, ValueError):  # a name that no file can have: it is missing
        return False


def _refuse_place(subject, file):
    return Check(subject, "differs", file, "is outside the repository; a record names no such file, and it is not read")


def _check_file(subject, root, file, digest, size=None):
    if _leaves(root, file):
        return _refuse_place(subject, file)
    path = _join_root(root, file)
    if not is_file(path):
        return Check(subject, "missing", file)
    actual = sha256_file(path)
    if actual != digest:
        return Check(subject, "differs", file, f"sha256 is {actual}, the record says {digest}")
    if size is not None and path.stat().st_size != size:
        return Check(subject, "differs", file, f"has {path.stat().st_size} bytes, the record says {size}")
    return Check(subject, "ok", file)


def _compare_values(now: Any, then: Any, key: str = "") -> list[str]:
    """Return a sentence for each value of the preset that differs from the manifest; both are JSON objects."""
    if isinstance(now, dict) and isinstance(then, dict):
        pairs = [(name, now.get(name), then.get(name)) for name in sorted({*now, *then})]
        return [text for name, a, b in pairs for text in _compare_values(a, b, f"{key}.{name}" if key else name)]
    return [] if now == then else [f"{key} is {now!r}, was {then!r} at the build"]


def _join_root(root, file):
    return Path(root) / file  # an absolute path stays what it is


def _normalise_name(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def _strip_path(path, error):
    return " ".join(str(error).split()).removeprefix(f"{path}: ")
