"""Signatures of artifacts as OpenSSF's model-signing has them: `signatures/{model}/{preset}/{builder}/{precision}.sig`.

Each is a Sigstore bundle with a DSSE envelope over the sha256 of one artifact, signed with ECDSA on P-256. The nonce
follows from key and message (RFC 6979), so signing twice gives the same bytes. A signature is worth something without
the rest of the bundle: it goes with the artifact to its users.

Source: model-signing 1.1 (predicate v1.0), Sigstore bundle 0.3, DSSE 1.0.
"""

import base64
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePrivateKey, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256

from edgeproof.core.configuration import Json
from edgeproof.core.errors import UserError
from edgeproof.core.files import sha256_bytes

from .claims import ATTESTED, NOT_COVERED, REFUTED, Claim, find_fault
from .ml_boms import list_artifacts
from .signing_keys import hint_at

SIGNATURES = "signatures/"
ROLE = "signature"
_PAYLOAD = "application/vnd.in-toto+json"
_BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"

SignArtifact = Callable[[str, str], bytes]  # from an artifact's file name and sha256 to the text of its signature


def sign_artifacts_with(key: EllipticCurvePrivateKey) -> SignArtifact:
    """Return what makes the model signature of an artifact with a key."""

    def sign(name: str, sha256: str) -> bytes:
        payload = json.dumps(_compose_statement(name, sha256), sort_keys=True, separators=(",", ":")).encode()
        signature = key.sign(_encode(payload), ECDSA(SHA256(), deterministic_signing=True))
        document = {
            "mediaType": _BUNDLE,
            "verificationMaterial": {"publicKey": {"hint": hint_at(key.public_key())}, "tlogEntries": []},
            "dsseEnvelope": {
                "payload": base64.b64encode(payload).decode(),
                "payloadType": _PAYLOAD,
                "signatures": [{"sig": base64.b64encode(signature).decode(), "keyid": ""}],
            },
        }
        return (json.dumps(document, sort_keys=True, indent=1) + "\n").encode()

    return sign


def compose_signatures(files: Sequence[Json], sign: SignArtifact) -> dict[str, bytes]:
    """Return {path: text} of the model signatures of all artifacts of a bundle whose manifest has these entries.

    The current folder has the files. UserError for a document that cannot be read.
    """
    artifacts = ((place, manifest["artifact"]) for place, _, manifest in list_artifacts(files))
    return {
        f"{SIGNATURES}{'/'.join(place)}.sig": sign(artifact["file"], artifact["sha256"])
        for place, artifact in artifacts
    }


def check_model_signatures(
    folder: Path, manifest: Json, keys: dict[str, tuple[str, EllipticCurvePublicKey]]
) -> Iterator[Claim]:
    """Yield a claim on each model signature in a bundle unpacked below `folder`.

    `keys`: those that you trust by their hints; none where you gave none, and then only what is signed is checked.
    """
    signed = [entry["path"] for entry in manifest["files"] if entry["path"].startswith(SIGNATURES)]
    artifacts: dict[str, Json] = {}

    def list_signed() -> None:
        for place, _, record in list_artifacts(manifest["files"], folder):
            artifacts[f"{SIGNATURES}{'/'.join(place)}.sig"] = record["artifact"]

    fault = find_fault(list_signed) if signed else None
    for path in signed:
        names: list[str | None] = []

        def check(path: str = path, names: list[str | None] = names) -> None:
            names.append(_check_signature(folder / path, artifacts.get(path), keys))

        if found := fault or find_fault(check):
            yield Claim(path, REFUTED, found)
        elif names[0] is None:
            yield Claim(path, NOT_COVERED, "it is of the artifact, and there is no key to check it with: --keys FILE")
        else:
            yield Claim(path, ATTESTED, f"the artifact is signed with the key {names[0]}")


def _check_signature(
    file: Path, artifact: Json | None, keys: dict[str, tuple[str, EllipticCurvePublicKey]]
) -> str | None:
    """Return the name of the key that has signed an artifact, None where no key is known; UserError if it is wrong."""
    if artifact is None:
        raise UserError("is of no artifact of the bundle")
    document = json.loads(file.read_bytes())
    envelope = document["dsseEnvelope"]
    payload = base64.b64decode(envelope["payload"], validate=True)
    expected = _compose_statement(artifact["file"], artifact["sha256"])
    if (document["mediaType"], envelope["payloadType"]) != (_BUNDLE, _PAYLOAD) or json.loads(payload) != expected:
        raise UserError(f"does not sign the artifact, whose sha256 is {artifact['sha256'][:12]}…")
    if not keys:
        return None
    hint = document["verificationMaterial"]["publicKey"]["hint"]
    if hint not in keys:
        raise UserError("no key that you trust has signed it")
    name, key = keys[hint]
    (entry,) = envelope["signatures"]
    try:
        key.verify(base64.b64decode(entry["sig"], validate=True), _encode(payload), ECDSA(SHA256()))
    except InvalidSignature as error:
        raise UserError(f"its signature is not that of the key {name}") from error
    return name


def _compose_statement(name: str, sha256: str) -> Json:
    """Return the statement that model-signing signs for a model of one file, which it calls `.`."""
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": name, "digest": {"sha256": sha256_bytes(bytes.fromhex(sha256))}}],
        "predicateType": "https://model_signing/signature/v1.0",
        "predicate": {
            "serialization": {"method": "files", "hash_type": "sha256", "allow_symlinks": False, "ignore_paths": []},
            "resources": [{"name": ".", "algorithm": "sha256", "digest": sha256}],
        },
    }


def _encode(payload: bytes) -> bytes:
    """Return what DSSE signs of a payload."""
    return b"DSSEv1 %d %b %d %b" % (len(_PAYLOAD), _PAYLOAD.encode(), len(payload), payload)
