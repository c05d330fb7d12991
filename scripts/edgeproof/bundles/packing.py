"""`bundle.zip`: the evidence of a campaign or a run in one file, the same bytes for the same evidence.

    bundle.json           what is in it: path, sha256, size and role of every file, what stayed out, what was redacted
    signature.dsse.json   a signature over bundle.json, where there is one
    results/… config/… envs/…   the files, at their paths below the checkout
    ro-crate-metadata.json, sbom/…, signatures/…, Snakefile, rules/…   see `descriptions`

Nothing in it says when or by whom it was made: nobody could check it, and the file would be another one each time.
"""

import tomllib
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from edgeproof.core.closure import digest_agent_code
from edgeproof.core.configuration import Json
from edgeproof.core.documents import read_json, write_json
from edgeproof.core.errors import UserError
from edgeproof.core.files import FilePath, atomic_path, sha256_bytes, sha256_file
from edgeproof.core.layout import REPOSITORY

from .bundle_files import BundleFile
from .redaction import RULES, Rule, count_left, make_path_rule, make_rules, redact

MANIFEST = "bundle.json"
SIGNATURE = "signature.dsse.json"
LARGEST_MEMBER = (2 << 30) - 1  # bytes; beyond them the format needs other headers
_EARLIEST = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip archive can hold
_MODE = 0o100644 << 16
_LEVEL = 6
_CHUNK = 1 << 20
_LARGEST_TEXT = 4 << 20  # bytes of a file that is searched for what the rules would redact

Sign = Callable[[Json, str], bytes]  # from a manifest and the sha256 of its file to the signature's envelope
Content = Callable[[str], Iterator[bytes]]  # from a member's path to its bytes, in pieces


def compose_manifest(
    kind: str, name: str, files: Sequence[BundleFile], large: Sequence[str], artifacts: bool, checkout: Path
) -> tuple[Json, dict[str, bytes]]:
    """Return what packing needs: (manifest without its seal, {path of a log: its redacted bytes}).

    The current folder has `results/`. `large`: files that are only named by digest, unless `artifacts`. UserError for a
    file that is too large or a link.
    """
    logs: dict[str, bytes] = {}
    redacted: list[Json] = []
    left: list[Json] = []
    entries: list[Json] = []
    members = [*files, *(BundleFile(path, "artifact") for path in large if artifacts)]
    configuration = [_read_text(path) for path, _ in members if path.startswith("config/")]
    rules = [*make_rules(checkout=checkout), *make_path_rule(filter(None, configuration))]
    for path, role in sorted(members):
        entry = {"path": path, "sha256": sha256_file(path), "bytes": _measure(path), "role": role}
        if role == "log":
            text, counts = redact(Path(path).read_text(encoding="utf-8", errors="replace"), rules)
            logs[path] = text.encode()
            redacted.append({"path": path, "original_sha256": entry["sha256"], "counts": counts})
            entry |= {"sha256": sha256_bytes(logs[path]), "bytes": len(logs[path])}
        elif counts := _count_left(path, entry["bytes"], rules):
            left.append({"path": path, "counts": counts})
        entries.append(entry)
    absent = [] if artifacts else [
        {"path": path, "sha256": sha256_file(path), "bytes": _measure(path)} for path in large
    ]  # fmt: skip
    manifest: Json = {
        "schema": "edgeproof.bundle.v2",
        "kind": kind,
        "name": name,
        "made_by": {
            "tool": "edgeproof",
            "version": _read_version(),
            "code_sha256": _digest_library(),
            "agent_sha256": digest_agent_code(REPOSITORY / "scripts/edgeproof/agent"),
        },
        "files": entries,
        "absent": absent,
        "redaction": {"rules": RULES, "logs": redacted, "left": left},
    }
    return manifest, logs


def write_bundle(path: FilePath, manifest: Json, content: Content, sign: Sign | None = None) -> str:
    """Pack `bundle.zip` in one step and return its `bundle.json`'s sha256. `content`: gives the bytes of each file.

    A manifest without a seal gets one. `sign`: gives the signature, if there is to be one. UserError where a file has
    changed since the manifest was made.
    """
    with atomic_path(path) as part:
        head = part.with_name(f"{part.name}.json")
        try:
            write_json(head, manifest, "bundle")
            text = head.read_bytes()
        finally:
            head.unlink(missing_ok=True)
        with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL) as archive:
            _write_member(archive, MANIFEST, iter([text]), len(text))
            if sign is not None:
                signature = sign(manifest, sha256_bytes(text))
                _write_member(archive, SIGNATURE, iter([signature]), len(signature))
            for entry in manifest["files"]:
                _write_member(archive, entry["path"], content(entry["path"]), entry["bytes"])
    return sha256_bytes(text)


def _read_pieces(path: FilePath) -> Iterator[bytes]:
    """Yield the bytes of a file in pieces."""
    with open(path, "rb") as stream:
        while piece := stream.read(_CHUNK):
            yield piece


def content_of(kept: dict[str, bytes], root: Path = Path()) -> Content:
    """Return what gives the bytes of each file to be packed: from `kept`, the others from below `root`."""
    return lambda path: iter([kept[path]]) if path in kept else _read_pieces(root / path)


def read_manifest_file(path: FilePath) -> Json:
    """Return the `bundle.json` that packing has made, from its file; UserError where it is invalid or was edited."""
    return read_json(path, "bundle")


def _digest_library() -> str:
    """Return one sha256 over the names and bytes of all code of edgeproof."""
    root = REPOSITORY / "scripts"
    lines = (f"{path.relative_to(root).as_posix()} {sha256_file(path)}\n" for path in sorted(root.rglob("*.py")))
    return sha256_bytes("".join(lines).encode())


def _read_version() -> str:
    return tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["version"]


def _write_member(archive: zipfile.ZipFile, name: str, pieces: Iterator[bytes], size: int) -> None:
    member = zipfile.ZipInfo(name, date_time=_EARLIEST)
    member.create_system = 3  # Unix, wherever this runs
    member.external_attr = _MODE
    member.compress_type = zipfile.ZIP_DEFLATED
    member.file_size = size
    _set_level(member)
    written = 0
    with archive.open(member, "w") as packed:
        for piece in pieces:
            written += len(piece)
            packed.write(piece)
    if written != size:
        raise UserError(f"{name}: has {written} bytes, and had {size} a moment ago; make the bundle again")


def _set_level(member: Any) -> None:
    """Set the level of compression of a member, whose name changed in Python 3.13."""
    member._compresslevel = _LEVEL
    if hasattr(member, "compress_level"):
        member.compress_level = _LEVEL


def _measure(path: str) -> int:
    if Path(path).is_symlink():
        raise UserError(f"{path}: is a symbolic link; a bundle holds files")
    size = Path(path).stat().st_size
    if size > LARGEST_MEMBER:
        raise UserError(f"{path}: has {size} bytes; a bundle holds files of up to {LARGEST_MEMBER}")
    return size


def _count_left(path: str, size: int, rules: Sequence[Rule]) -> dict[str, int]:
    """Return what the rules would find in a file that stays as it is; nothing in one that is no text."""
    text = None if size > _LARGEST_TEXT else _read_text(path)
    return {} if text is None else count_left(text, rules)


def _read_text(path: str) -> str | None:
    """Return the text of a file, None if it is none."""
    if path.endswith((".npy", ".npz", ".onnx", ".csv")):
        return None
    try:
        return Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return None
