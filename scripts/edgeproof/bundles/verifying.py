"""`edgeproof verify`: what of a bundle holds, by whoever made it, without a network and without running any of it.

Every figure is computed again from raw samples through the readers that the workflow itself uses. What no sample shows
is called attested where a key that you trust has signed it, and asserted where none has.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from edgeproof.agent.machine import describe_machine
from edgeproof.core.configuration import Json
from edgeproof.core.files import FilePath
from edgeproof.core.reader import Reader, reading_once
from edgeproof.core.verified import ignore_verified

from .campaign_claims import check_campaign
from .claims import ASSERTED, ATTESTED, NOT_COVERED, RECOMPUTED, REFUTED, Claim, check_claim, find_first_refuted
from .confinement import confined_to
from .coverage import check_coverage
from .deep_checks import check_deep
from .descriptions import check_descriptions
from .model_signatures import check_model_signatures
from .run_claims import check_failed_run, check_one_run
from .run_crates import load_crate_library
from .unpacking import BundleRefused, OpenedBundle, open_bundle, open_folder

_STRUCTURE = "structure, names, sizes, sha256"
UNSIGNED = "unsigned: anyone may have made it; what nobody can recompute is only asserted"


class Verified(NamedTuple):
    """What verifying a bundle has found. `kind`, `name`: of its manifest, None where it could not be opened."""

    kind: str | None
    name: str | None
    manifest_sha256: str | None
    signer: str | None
    claims: list[Claim]


# From a bundle to (claims: who signed it, and who its artifacts; the name of the bundle's key if it is trusted).
CheckSignature = Callable[[OpenedBundle], tuple[list[Claim], str | None]]


def verify_bundle(path: FilePath, check_signature: CheckSignature | None = None, deep: bool = False) -> Verified:
    """Return all claims of the bundle at `path`, a zip or the folder of an imported one.

    `check_signature`: None where no key is known, so that no signature counts. `deep`: build artifacts and compute
    parity again, too. UserError where there is no such file.
    """
    if Path(path).is_dir():
        try:
            return check_opened(open_folder(Path(path)), check_signature, deep)
        except BundleRefused as error:
            return _refuse(path, error)
    with tempfile.TemporaryDirectory(prefix="edgeproof-verify-") as place:
        try:
            opened = open_bundle(path, Path(place))
        except BundleRefused as error:
            return _refuse(path, error)
        return check_opened(opened, check_signature, deep)


def check_opened(opened: OpenedBundle, check_signature: CheckSignature | None = None, deep: bool = False) -> Verified:
    """Verify an opened bundle: return all its claims. Its files are as its manifest has them."""
    manifest = opened.manifest
    load_crate_library()
    describe_machine()  # reads the machine's own files, which the block below forbids
    signatures, signer = (check_signature or _ignore_signature)(opened)
    believed = ATTESTED if signer else ASSERTED
    count, size = len(manifest["files"]), sum(entry["bytes"] for entry in manifest["files"])
    claims = [
        Claim(_STRUCTURE, RECOMPUTED, f"{count} files, {size} bytes, all as bundle.json has them"),
        *signatures,
    ]
    try:
        with confined_to(opened.folder), ignore_verified(), reading_once() as reader:
            _note_absent(reader, manifest)
            with reader.watching() as asked:
                claims += _check_kind(manifest, believed)
            read, holds = {os.path.relpath(path) for path in asked}, find_first_refuted(claims) is None
            claims += check_descriptions(manifest)
    finally:
        shutil.rmtree(opened.folder / ".edgeproof", ignore_errors=True)
    if deep:
        claims += _look_deeper(opened)
    claims += check_coverage(manifest, read, believed, holds)
    claims.append(Claim("code that made the bundle", believed, f"sha256 {manifest['made_by']['code_sha256'][:12]}…"))
    distinct = list(dict.fromkeys(claims))  # cells of one model say the same of it
    return Verified(manifest["kind"], manifest["name"], opened.manifest_sha256, signer, distinct)


def _check_kind(manifest: Json, believed: str) -> Sequence[Claim]:
    paths = frozenset(entry["path"] for entry in manifest["files"])
    checks: dict[str, Callable[..., Iterator[Claim]]] = {
        "campaign": check_campaign,
        "run": check_one_run,
        "failed-run": check_failed_run,
    }
    found: list[Claim] = []
    iterator = checks[manifest["kind"]](manifest["name"], paths, believed)

    def collect() -> None:
        found.extend(iterator)

    outcome = check_claim(f"{manifest['kind']} {manifest['name']}", collect)
    return [*found, *([outcome] if outcome.word == REFUTED else [])]


def _look_deeper(opened: OpenedBundle) -> list[Claim]:
    found: list[Claim] = []
    files = opened.manifest["files"]
    outcome = check_claim("artifacts", lambda: found.extend(check_deep(opened.folder, files)))
    return [*found, *([outcome] if outcome.word == REFUTED else [])]


def _note_absent(reader: Reader, manifest: Json) -> None:
    for entry in manifest["absent"]:
        reader.note_absent(entry["path"], entry["sha256"])


def _ignore_signature(opened: OpenedBundle) -> tuple[list[Claim], None]:
    told = UNSIGNED if opened.signature is None else "there is one, and no key to check it with: --keys FILE"
    of_models = check_model_signatures(opened.folder, opened.manifest, {})
    return [Claim("signature", NOT_COVERED, told), *of_models], None


def _refuse(path: FilePath, error: BundleRefused) -> Verified:
    reason = " ".join(str(error).split()).removeprefix(f"{path}: ")
    return Verified(None, None, None, None, [Claim(_STRUCTURE, REFUTED, reason)])
