"""Signatures of bundles: Ed25519, in a DSSE envelope around an in-toto statement about `bundle.json`.

Trust is a file of public keys that you keep. A signature by any other key counts for nothing, whoever it names. The
envelope is the one of securesystemslib, so other tools read it.
"""

import base64
import json
from pathlib import Path
from typing import Any

from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import CryptoSigner, SSlibKey  # pyright: ignore[reportPrivateImportUsage]

from edgeproof.core.configuration import Json
from edgeproof.core.documents import validate
from edgeproof.core.errors import UserError
from edgeproof.core.files import sha256_bytes

from .claims import ATTESTED, REFUTED, Claim
from .model_signatures import check_model_signatures
from .packing import MANIFEST, Sign
from .signing_keys import ID_DIGITS, read_model_keys, read_public_keys
from .unpacking import OpenedBundle
from .verifying import UNSIGNED, CheckSignature

PAYLOAD = "application/vnd.in-toto+json"
STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "urn:edgeproof:bundle:v1"
_CLAIM_PREDICATE = "urn:edgeproof:claim:v1"


def name_key(signer: CryptoSigner) -> str:
    """Return the name that a signature gives its key: the beginning of the id of the signer's key."""
    return signer.public_key.keyid[:ID_DIGITS]


def sign_with(signer: CryptoSigner) -> Sign:
    """Return what signs the manifest of a bundle with a key."""

    def sign(manifest: Json, sha256: str) -> bytes:
        statement = validate(_compose_statement(manifest, sha256), "bundle-statement", "the statement to sign")
        payload = json.dumps(statement, sort_keys=True, separators=(",", ":")).encode()
        envelope = Envelope(payload, PAYLOAD, {})
        envelope.sign(signer)
        return (json.dumps(envelope.to_dict(), sort_keys=True, indent=1) + "\n").encode()

    return sign


def sign_text(signer: CryptoSigner, what: str, text: str) -> str:
    """Sign a text (`what`: it is) and return the signature in base64; `name_key` names the key beside it."""
    envelope = Envelope(_compose_text(what, text), PAYLOAD, {})
    envelope.sign(signer)
    return envelope.to_dict()["signatures"][0]["sig"]


def check_text(path: Path, what: str, text: str, key: str, signature: str) -> str:
    """Check the signature of a text: return the name of the key in the file `path` that signed it.

    UserError where none has. `key`: beginning of the key's id. `what`, `signature`: as `sign_text` took and made them.
    """
    keys = {keyid: known for keyid, known in read_public_keys(path).items() if keyid.startswith(key)}
    if not keys:
        raise UserError(f"{path}: does not hold the key {key} that is said to have signed the {what}")
    payload = base64.b64encode(_compose_text(what, text)).decode()
    for keyid, (name, known) in keys.items():
        entry = {"keyid": keyid, "sig": signature}
        try:
            envelope = Envelope.from_dict({"payload": payload, "payloadType": PAYLOAD, "signatures": [entry]})
            envelope.verify([known], 1)
        except (VerificationError, ValueError):
            continue
        return name
    raise UserError(f"the {what} is not what the key {key} has signed: it was changed, or the signature was")


def check_with_keys(path: Path) -> CheckSignature:
    """Return what checks a bundle's signatures against the public keys in a file; UserError where there are none."""
    keys, of_models = read_public_keys(path), read_model_keys(path)

    def check(opened: OpenedBundle) -> tuple[list[Claim], str | None]:
        claim, signer = _check_signature(opened, keys)
        return [claim, *check_model_signatures(opened.folder, opened.manifest, of_models)], signer

    return check


def _check_signature(opened: OpenedBundle, keys: dict[str, tuple[str, SSlibKey]]) -> tuple[Claim, str | None]:
    if opened.signature is None:
        return Claim("signature", REFUTED, f"{UNSIGNED}; --keys asks for a signature"), None
    try:
        names = _check_envelope(opened, keys)
    except UserError as error:
        return Claim("signature", REFUTED, str(error)), None
    return Claim("signature", ATTESTED, f"bundle.json is signed with the key {names[0]}"), names[0]


def _compose_text(what: str, text: str) -> bytes:
    """Return the statement about a text that is signed."""
    digest = sha256_bytes(text.encode())
    statement = {
        "_type": STATEMENT,
        "subject": [{"name": what, "digest": {"sha256": digest}}],
        "predicateType": _CLAIM_PREDICATE,
        "predicate": {},
    }
    return json.dumps(statement, sort_keys=True, separators=(",", ":")).encode()


def _compose_statement(manifest: Json, sha256: str) -> Json:
    return {
        "_type": STATEMENT,
        "subject": [{"name": MANIFEST, "digest": {"sha256": sha256}}],
        "predicateType": PREDICATE,
        "predicate": {"kind": manifest["kind"], "name": manifest["name"]},
    }


def _check_envelope(opened: OpenedBundle, keys: dict[str, tuple[str, SSlibKey]]) -> list[str]:
    """Return the names of the trusted keys that have signed a bundle's manifest; UserError where none has."""
    assert opened.signature is not None
    try:
        document: Any = json.loads(opened.signature)
        envelope = Envelope.from_dict(document)
        accepted = envelope.verify([key for _, key in keys.values()], 1)
    except VerificationError as error:
        raise UserError("no key that you trust has signed it") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(f"its envelope is malformed ({type(error).__name__})") from error
    if envelope.payload_type != PAYLOAD:
        raise UserError(f"signs a payload of type {envelope.payload_type!r}, not {PAYLOAD!r}")
    try:
        statement: Json = json.loads(envelope.payload)
    except (ValueError, RecursionError) as error:
        raise UserError("what it signs is no JSON") from error
    if statement != _compose_statement(opened.manifest, opened.manifest_sha256):
        raise UserError("it is of another bundle: its statement is not about this bundle.json")
    return [keys[keyid][0] for keyid in accepted]
