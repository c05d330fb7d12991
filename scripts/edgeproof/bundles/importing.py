"""Bundles on the way: making one, and taking one in from somebody else.

An imported bundle keeps to itself: `results/imported/{name}-{digest}/` has its manifest and its files at their own
paths, so that it can be verified and exported again at any time. It comes into being in one step, and nothing that is
there is ever written over. One in which a claim is refuted has that in its name. What is in it was measured elsewhere,
whatever machine it names.
"""

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import NamedTuple

from edgeproof.core.attempts import FOLDER
from edgeproof.core.configuration import Json
from edgeproof.core.errors import UserError
from edgeproof.core.files import FilePath
from edgeproof.core.held_folders import hold_folder
from edgeproof.core.layout import IMPORTED, REFUTED, Cell
from edgeproof.core.made_files import note_made

from .bundle_files import list_campaign_files, list_failed_files, list_run_files
from .claims import Claim, find_first_refuted
from .descriptions import add_descriptions
from .model_signatures import SignArtifact
from .packing import Sign, compose_manifest, content_of, write_bundle
from .unpacking import OpenedBundle, open_bundle, open_folder
from .verifying import CheckSignature, Verified, check_opened

_DIGITS = 12  # of the manifest's digest, in the name of an imported bundle


class Imported(NamedTuple):
    """An imported bundle: its folder below the checkout, whether it was there already, and what verifying it found."""

    folder: str
    already: bool
    verified: Verified


def make_bundle(
    kind: str,
    name: str,
    output: FilePath,
    artifacts: bool = False,
    sign: Sign | None = None,
    sign_artifact: SignArtifact | None = None,
) -> tuple[Json, str]:
    """Make the bundle of a campaign, a run or a failed run, for others to import.

    Returns (manifest, its file's sha256). The current folder is the checkout. `name`: of the campaign, the cell, or the
    attempt's folder. `artifacts`: pack models, samples and artifacts, too. `sign`: gives the signature;
    `sign_artifact`: gives that of each artifact.
    """
    if kind == "campaign":
        files, large = list_campaign_files(name)
    elif kind == "run":
        files, large = list_run_files(Cell(*name.split("/")))
    else:
        files, large = list_failed_files(name)
    manifest, kept = compose_manifest(kind, name, files, large, artifacts, Path.cwd())
    add_descriptions(manifest, kept, sign_artifact)
    return manifest, write_bundle(output, manifest, content_of(kept), sign)


def export_imported(folder: Path, output: FilePath) -> str:
    """Write the bundle that was imported into `folder` again, byte by byte as it was; return its manifest's sha256."""
    opened = open_folder(folder)
    signature = opened.signature
    sign = None if signature is None else lambda _manifest, _sha256: signature
    return write_bundle(output, opened.manifest, content_of({}, folder), sign)


def import_bundle(
    path: FilePath, root: Path, check_signature: CheckSignature | None = None, unverified: bool = False
) -> Imported:
    """Import a bundle into `root/results/imported` and return where it is; nothing is left behind where it is refused.

    UserError where it is refused, where a claim in it is refuted (unless `unverified`), or where another bundle has its
    place.
    """
    place = root / IMPORTED
    with _beside(place) as folder:
        opened = open_bundle(path, folder)
        verified = check_opened(opened, check_signature)
        refuted: Claim | None = find_first_refuted(verified.claims)
        if refuted is not None and not unverified:
            raise UserError(f"{path}: refuted: {refuted.subject}: {refuted.detail}; --unverified takes it all the same")
        target = place / f"{_name_import(opened)}{REFUTED if refuted else ''}"
        with hold_folder(place):
            if target.exists():
                if open_folder(target).manifest_sha256 != opened.manifest_sha256:
                    raise UserError(f"{target}: is another bundle; nothing is written over")
                return Imported(f"{IMPORTED}/{target.name}", True, verified)
            os.rename(folder, target)
    _tell_registry(target, root, opened.manifest)
    return Imported(f"{IMPORTED}/{target.name}", False, verified)


def _name_import(opened: OpenedBundle) -> str:
    """Return the name of the folder of an imported bundle: what it is about, and the beginning of its digest."""
    words = re.sub(r"[^a-z0-9]+", "-", opened.manifest["name"].lower()).strip("-")[:80] or "bundle"
    return f"{words}-{opened.manifest_sha256[:_DIGITS]}"


@contextlib.contextmanager
def _beside(place: Path) -> Generator[Path]:
    """Yield an empty, hidden folder in `place`; what is still there at the end is removed."""
    place.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=place, prefix=".", suffix=".part"))
    try:
        folder.chmod(0o755)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _tell_registry(target: Path, root: Path, manifest: Json) -> None:
    """Note the folders that the registry has to look at."""
    folders = {str(Path(entry["path"]).parent) for entry in manifest["files"] if entry["path"].endswith("/result.json")}
    attempts = (entry["path"].partition(f"/{FOLDER}/") for entry in manifest["files"])
    folders |= {before for before, found, _ in attempts if found}
    for folder in sorted(folders):
        note_made(root / "results", f"imported/{target.name}/{folder}/result.json")
