"""What the verbs about bundles do: pack, verify, take in, and make keys."""

from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

from edgeproof.core.command_line import show
from edgeproof.core.configuration import Json
from edgeproof.core.errors import UserError
from edgeproof.core.exit_codes import ExitCode
from edgeproof.core.files import atomic_path
from edgeproof.core.formatting import format_bytes, plain, plural

from .bundle_files import group_by_role
from .claims import count_words, describe_claims, find_first_refuted, render_claims
from .importing import export_imported, import_bundle, make_bundle
from .model_signatures import sign_artifacts_with
from .signing import check_with_keys, name_key, sign_with
from .signing_keys import new_key, read_model_key, read_private_key
from .verifying import UNSIGNED, CheckSignature, Verified, verify_bundle


def pack(options: Namespace, kind: str, name: str, output: str | Path) -> ExitCode:
    """Do the verbs that write a bundle, of a campaign, a run or a failed run: say what is in it and what is not.

    It is verified before anybody has it. One that would be refuted is not signed (UserError); unsigned, it is written
    all the same, so that somebody may look at it, and the answer is NOT_GOOD.
    """
    signer = read_private_key(options.key) if options.key else None  # before anything is packed
    sign = sign_with(signer) if signer else None
    model_key = read_model_key(options.key) if options.key else None
    sign_artifact = sign_artifacts_with(model_key) if model_key else None
    artifacts = getattr(options, "artifacts", False)
    with atomic_path(output) as part:
        manifest, sha256 = make_bundle(kind, name, part, artifacts, sign, sign_artifact)
        refuted = find_first_refuted(verify_bundle(part).claims)
        if refuted is not None and signer is not None:
            raise UserError(f"{output}: is not signed: {refuted.subject}: {refuted.detail}")
    roles = [{"role": role, "files": count, "bytes": size} for role, count, size in group_by_role(manifest["files"])]
    found: Json = {
        "bundle": str(output),
        "kind": kind,
        "name": name,
        "manifest_sha256": sha256,
        "signed_by": name_key(signer) if signer else None,
        "roles": roles,
        "absent": manifest["absent"],
        "redacted": sum(sum(entry["counts"].values()) for entry in manifest["redaction"]["logs"]),
        "left": manifest["redaction"]["left"],
        "refuted": refuted and refuted._asdict(),
    }
    show(options, found, lambda: _render_packed(found))
    return ExitCode.NOT_GOOD if refuted else ExitCode.GOOD


def pack_again(options: Namespace, folder: Path, output: Path) -> ExitCode:
    """Do the verb `export` for a bundle that was imported into `folder`: write it again, with its own signature."""
    if options.key:
        raise UserError(f"{folder}: was made elsewhere; it is written as it came, and --key signs only what is yours")
    sha256 = export_imported(folder, output)
    found = {"bundle": str(output), "imported_as": folder.name, "manifest_sha256": sha256}
    told = f"{output}: {folder.name} as it came, bundle.json {sha256[:12]}…"
    return show(options, found, lambda: [told])


def verify_file(options: Namespace) -> ExitCode:
    """Do the verb `edgeproof verify`: verify the file of a bundle and say what holds."""
    verified = verify_bundle(options.bundle, _take_keys(options), options.deep)
    first = find_first_refuted(verified.claims)
    told = _describe_verified(options.bundle, verified)
    show(options, told, lambda: _render_verified(options.bundle, verified, options.all))
    return ExitCode.NOT_GOOD if first else ExitCode.GOOD


def take_in(options: Namespace, root: Path) -> ExitCode:
    """Do the verb `import` for a bundle: take it into the checkout `root`.

    NOT_GOOD where a claim is refuted and it was taken all the same.
    """
    imported = import_bundle(options.bundle, root, _take_keys(options), options.unverified)
    verified = imported.verified
    found = {"folder": imported.folder, "already": imported.already, **_describe_verified(options.bundle, verified)}
    told = "was imported before and is as it was" if imported.already else "imported"
    lines = [f"{imported.folder}: {told}; everything in it was measured elsewhere", *_render_verified("", verified)]
    show(options, found, lambda: lines)
    return ExitCode.NOT_GOOD if find_first_refuted(verified.claims) else ExitCode.GOOD


def make_key(options: Namespace) -> ExitCode:
    """Do the verb `edgeproof key new`: make a pair of keys to sign bundles with."""
    place = Path(options.name)
    private, public = new_key(place.name, place.parent)
    lines = [
        f"{private.resolve()}: SECRET; anybody who has it can sign as you. Keep it out of git and out of what you send",
        f"{public.resolve()}: give it to those who verify",
    ]
    return show(options, {"private": str(private), "public": str(public)}, lambda: lines)


def _describe_verified(path: str | Path, verified: Verified) -> Json:
    """Return what verifying a bundle has found, as JSON."""
    first = find_first_refuted(verified.claims)
    return {
        "bundle": str(path),
        "kind": verified.kind,
        "name": verified.name,
        "manifest_sha256": verified.manifest_sha256,
        "signed_by": verified.signer,
        "holds": first is None,
        "first_refuted": first and first._asdict(),
        "counts": count_words(verified.claims),
        "claims": describe_claims(verified.claims),
    }


def _take_keys(options: Namespace) -> CheckSignature | None:
    return check_with_keys(Path(options.keys)) if options.keys else None


def _render_verified(path: str | Path, verified: Verified, every: bool = False) -> Iterator[str]:
    first = find_first_refuted(verified.claims)
    if first is not None:
        yield f"{path}: REFUTED: {first.subject}: {first.detail}"
    yield from render_claims(verified.claims, every)
    if first is None:
        signed = f"signed with the key {verified.signer}" if verified.signer else "not signed by a key that you trust"
        yield f"everything that can be computed again holds; {signed}"


def _render_packed(found: Json) -> Iterator[str]:
    if refuted := found["refuted"]:
        yield f"{found['bundle']}: verifying it REFUTES {refuted['subject']}: {refuted['detail']}"
    yield f"{found['bundle']}: {found['kind']} {found['name']}, bundle.json {found['manifest_sha256'][:12]}…"
    for row in found["roles"]:
        yield f"  {row['role']}: {plain(plural(row['files'], 'file'))}, {plain(format_bytes(row['bytes']) or '')}"
    if found["absent"]:
        size = sum(entry["bytes"] for entry in found["absent"])
        count = plain(plural(len(found["absent"]), "file"))
        yield f"  not packed, named by sha256: {count}, {plain(format_bytes(size) or '')}; --artifacts packs them"
    yield f"  {found['redacted']} places in logs were redacted"
    for entry in found["left"][:10]:
        names = ", ".join(f"{name} {plain(plural(count, 'time'))}" for name, count in entry["counts"].items())
        yield f"  look before you send it: {entry['path']} holds what the rules look for ({names})"
    if len(found["left"]) > 10:
        yield f"  and {len(found['left']) - 10} more files, see redaction.left of bundle.json"
    yield f"  signed by {found['signed_by']}" if found["signed_by"] else f"  {UNSIGNED}"
