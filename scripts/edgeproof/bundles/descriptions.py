"""What a bundle says of itself in other people's formats: a run crate and bills of materials, made from its documents.

ro-crate-metadata.json    a Workflow Run RO-Crate over all files
sbom/….cdx.json           a CycloneDX bill of materials for each artifact, with what was measured
signatures/….sig          an OpenSSF model-signing signature of each artifact, in a bundle that is signed
Snakefile, rules/         the workflow, which the crate names; nothing of a bundle is run
"""

import json
from collections.abc import Iterator

from edgeproof.core.configuration import Json
from edgeproof.core.files import sha256_bytes
from edgeproof.core.layout import REPOSITORY

from .claims import NOT_COVERED, RECOMPUTED, REFUTED, Claim, check_claim, find_fault
from .ml_boms import FOLDER, compose_boms
from .model_signatures import ROLE, SIGNATURES, SignArtifact, compose_signatures
from .run_crates import CRATE, WORKFLOW, compose_crate, load_crate_library

_DESCRIPTION = "description"
_CRATE_HOLDS = "files, sizes, digests, times and figures are those of the manifest and the documents"
_BILLS_HOLD = "what it is made from and what was measured of it are as the documents say"


def add_descriptions(manifest: Json, kept: dict[str, bytes], sign: SignArtifact | None = None) -> None:
    """Add descriptions to a manifest, and their bytes to `kept`: the workflow's files, bills and the crate.

    `sign`: signs each artifact, if that is asked for.
    """
    load_crate_library()
    if sign is not None:
        _add(manifest, kept, ROLE, compose_signatures(manifest["files"], sign))
    sources = [REPOSITORY / WORKFLOW, *sorted((REPOSITORY / "rules").glob("*.smk"))]
    _add(manifest, kept, "workflow", {path.relative_to(REPOSITORY).as_posix(): path.read_bytes() for path in sources})
    _add(manifest, kept, _DESCRIPTION, compose_boms(manifest["files"]))
    _add(manifest, kept, _DESCRIPTION, {CRATE: compose_crate(manifest)})


def is_description(path: str) -> bool:
    """Tell whether a file of a bundle is one that `check_descriptions` or the check of signatures looks at."""
    return path == CRATE or path.startswith((f"{FOLDER}/", SIGNATURES))


def check_descriptions(manifest: Json) -> Iterator[Claim]:
    """Yield claims on the descriptions of an unpacked bundle, the current folder: each is composed again."""
    named = (entry["path"] for entry in manifest["files"])
    paths = {path for path in named if is_description(path) and not path.startswith(SIGNATURES)}
    bills: dict[str, bytes] = {}
    if fault := find_fault(lambda: bills.update(compose_boms(manifest["files"]))):
        yield Claim("bills of materials", REFUTED, fault)
        return
    for path in sorted({*bills, *paths} - {CRATE}):
        yield _compare(path, paths, bills.get(path), _BILLS_HOLD)
    made: list[bytes] = []
    compose = check_claim(CRATE, lambda: made.append(compose_crate(manifest)))
    yield compose if compose.word == REFUTED else _compare(CRATE, paths, made[0], _CRATE_HOLDS)


def _compare(path: str, paths: set[str], expected: bytes | None, holds: str) -> Claim:
    if path not in paths:
        return Claim(path, NOT_COVERED, "is not in the bundle, so there is nothing to hold against the documents")
    if expected is None:
        return Claim(path, REFUTED, "describes an artifact that the bundle has no record of")
    found: list[object] = []

    def read() -> None:
        with open(path, "rb") as stream:
            found.append(json.loads(stream.read()))

    if fault := find_fault(read):
        return Claim(path, REFUTED, fault)
    different = _find_difference(found[0], json.loads(expected), "")
    if different is not None:
        return Claim(path, REFUTED, f"{different or 'it'} is not what the documents give")
    return Claim(path, RECOMPUTED, holds)


def _find_difference(one: object, other: object, place: str) -> str | None:
    """Return the place of the first difference between two JSON values, None if there is none."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted({*one, *other}):
            if key not in one or key not in other:
                return f"{place}.{key}".lstrip(".")
            if (found := _find_difference(one[key], other[key], f"{place}.{key}")) is not None:
                return found.lstrip(".")
        return None
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = enumerate(zip(one, other, strict=True))
        found = (_find_difference(left, right, f"{place}[{number}]") for number, (left, right) in pairs)
        return next((item for item in found if item is not None), None)
    return None if type(one) is type(other) and one == other else place.lstrip(".")


def _add(manifest: Json, kept: dict[str, bytes], role: str, texts: dict[str, bytes]) -> None:
    for path, text in texts.items():
        kept[path] = text
        manifest["files"].append({"path": path, "sha256": sha256_bytes(text), "bytes": len(text), "role": role})
    manifest["files"].sort(key=lambda entry: entry["path"])
