"""Keys to sign with: `NAME.key` is secret, `NAME.pub` is for those who verify.

Each of the two files holds two keys in PEM. The P-256 key stands first: it signs artifacts as OpenSSF model-signing
does, whose verifier takes no Ed25519 and reads the first key of a file. The Ed25519 key signs bundles.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from securesystemslib.signer import CryptoSigner, SSlibKey  # pyright: ignore[reportPrivateImportUsage]

from edgeproof.core.errors import UserError
from edgeproof.core.files import FilePath, require_readable, sha256_bytes

ID_DIGITS = 12  # of a key's id in messages
_PUBLIC = re.compile(r"-----BEGIN PUBLIC KEY-----.*?-----END PUBLIC KEY-----", re.DOTALL)
_PRIVATE = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----", re.DOTALL)


def new_key(name: str, folder: Path) -> tuple[Path, Path]:
    """Make a pair of keys to sign with and return (NAME.key, NAME.pub) in `folder`.

    UserError where one of the two is there.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", name):
        raise UserError(f"{name!r}: a key is named by letters, digits, `-`, `_` and `.`")
    private, public = folder / f"{name}.key", folder / f"{name}.pub"
    if not folder.is_dir():
        raise UserError(f"{folder}: there is no such folder")
    for path in (private, public):
        if path.exists():
            raise UserError(f"{path}: is there already; a key is never written over")
    secret, shown = b"", b""
    for key in (generate_private_key(SECP256R1()), Ed25519PrivateKey.generate()):
        secret += key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        shown += f"# {name}\n".encode() + _write_public(key.public_key())
    for path, mode, text in ((private, 0o600, secret), (public, 0o644, shown)):
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as stream:
            stream.write(text)
    return private, public


def read_private_key(path: FilePath) -> CryptoSigner:
    """Return the signer of bundles of a file that `new_key` has made; UserError where the file has none."""
    for key in _read_private(path):
        if isinstance(key, Ed25519PrivateKey):
            return CryptoSigner(key, SSlibKey.from_crypto(key.public_key()))
    raise UserError(f"{path}: has no Ed25519 key; make one: edgeproof key new NAME")


def read_model_key(path: FilePath) -> EllipticCurvePrivateKey | None:
    """Return the key of a file that signs artifacts; None where there is none. UserError where the file has no key."""
    found = (key for key in _read_private(path) if isinstance(key, EllipticCurvePrivateKey))
    return next((key for key in found if isinstance(key.curve, SECP256R1)), None)


def read_public_keys(path: Path) -> dict[str, tuple[str, SSlibKey]]:
    """Return {key id: (name, key)} of those keys in a file that sign bundles; the comment above a key is its name."""
    found: dict[str, tuple[str, SSlibKey]] = {}
    for name, public in _read_public(path):
        if not _signs_models(public):
            key = SSlibKey.from_crypto(public)
            if key.keytype != "ed25519":
                raise UserError(f"{path}: holds a key of type {key.keytype}; bundles are signed with Ed25519")
            found[key.keyid] = (name or key.keyid[:ID_DIGITS], key)
    if not found:
        raise UserError(f"{path}: holds no public key; give the .pub file that edgeproof key new has made")
    return found


def read_model_keys(path: Path) -> dict[str, tuple[str, EllipticCurvePublicKey]]:
    """Return {hint: (name, key)} of those keys in a file that sign artifacts; see `hint_at`."""
    found: dict[str, tuple[str, EllipticCurvePublicKey]] = {}
    for name, key in _read_public(path):
        if isinstance(key, EllipticCurvePublicKey) and _signs_models(key):
            hint = hint_at(key)
            found[hint] = (name or hint[:ID_DIGITS], key)
    return found


def hint_at(key: EllipticCurvePublicKey) -> str:
    """Return the hint that identifies a P-256 signing key in signatures of artifacts: sha256 of its PEM text."""
    return sha256_bytes(_write_public(key))


def _write_public(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _signs_models(key: PublicKeyTypes) -> bool:
    return isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1)


def _read_private(path: FilePath) -> list[PrivateKeyTypes]:
    require_readable(path)
    try:
        blocks = _PRIVATE.findall(Path(path).read_bytes())
        if not blocks:
            raise ValueError("it holds no private key in PEM")
        return [load_pem_private_key(block, None) for block in blocks]
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise UserError(f"{path}: is no private key that can be read ({error}); make one: edgeproof key new") from error


def _read_public(path: Path) -> Iterator[tuple[str | None, PublicKeyTypes]]:
    """Yield (name, key) of every key in a file of public keys."""
    require_readable(path)
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: holds no public key; give the .pub file that edgeproof key new has made") from error
    end = 0
    for block in _PUBLIC.finditer(text):
        names = [line[1:].strip() for line in text[end : block.start()].splitlines() if line.startswith("#")]
        end = block.end()
        try:
            key = load_pem_public_key(block[0].encode())
        except (ValueError, UnsupportedAlgorithm) as error:
            raise UserError(f"{path}: holds a public key that cannot be read ({error})") from error
        yield (names[-1] if names and names[-1] else None), key
