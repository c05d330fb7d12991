"""Signatures of artifacts: whose, over what, and what a forged one is called."""

import base64
import contextlib
import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from edgeproof.bundles.importing import make_bundle
from edgeproof.bundles.model_signatures import sign_artifacts_with
from edgeproof.bundles.signing import check_with_keys, sign_with
from edgeproof.bundles.signing_keys import read_model_key, read_private_key
from edgeproof.bundles.verifying import verify_bundle

from .hostile import read
from .test_verifying import pack_changed, verify_changed

CELL = "digits-cnn/ort-cpu/desk/fp32"
PATH = "signatures/digits-cnn/ort-cpu/host/fp32.sig"


@pytest.fixture(scope="module")
def signed(made_up, keys, tmp_path_factory):
    """The bundle of a run, signed by ann, and its artifact."""
    path = tmp_path_factory.mktemp("signed") / "signed.zip"
    key = keys / "ann.key"
    with contextlib.chdir(made_up):
        sign_artifact = sign_artifacts_with(read_model_key(key))
        make_bundle("run", CELL, path, sign=sign_with(read_private_key(key)), sign_artifact=sign_artifact)
    return path


def claim_of(verified):
    return next(claim for claim in verified.claims if claim.subject == PATH)


def test_an_artifact_signed_by_a_key_that_you_trust_is_attested(signed, keys):
    claim = claim_of(verify_bundle(signed, check_with_keys(keys / "ann.pub")))
    assert claim.word == "attested" and "the key ann" in claim.detail


def test_without_keys_it_counts_for_nothing(signed):
    assert claim_of(verify_bundle(signed)).word == "not covered"


def test_the_key_of_artifacts_stands_first(keys):
    """OpenSSF's verifier reads the first key of a file, and takes no Ed25519."""
    assert isinstance(load_pem_public_key((keys / "ann.pub").read_bytes()), EllipticCurvePublicKey)


def test_signing_twice_gives_the_same_bytes(keys):
    sign = sign_artifacts_with(read_model_key(keys / "ann.key"))
    assert sign("artifact.onnx", "1" * 64) == sign("artifact.onnx", "1" * 64) != sign("artifact.onnx", "2" * 64)


def sign_another(keys):
    return sign_artifacts_with(read_model_key(keys / "ann.key"))("artifact.onnx", "1" * 64)


def change_signature(text):
    document = json.loads(text)
    (entry,) = document["dsseEnvelope"]["signatures"]
    signature = bytearray(base64.b64decode(entry["sig"]))
    signature[-1] ^= 1
    entry["sig"] = base64.b64encode(signature).decode()
    return json.dumps(document).encode()


def sign_by(keys, name, contents):
    artifact = json.loads(contents["results/artifacts/digits-cnn/ort-cpu/host/fp32/manifest.json"])["artifact"]
    return sign_artifacts_with(read_model_key(keys / f"{name}.key"))(artifact["file"], artifact["sha256"])


FORGED = {
    "another artifact": (lambda keys, contents: sign_another(keys), "does not sign the artifact"),
    "another key": (lambda keys, contents: sign_by(keys, "bob", contents), "no key that you trust"),
    "a bit of it": (lambda keys, contents: change_signature(contents[PATH]), "not that of the key ann"),
    "no JSON": (lambda keys, contents: b"\xff", "malformed"),
    "another shape": (lambda keys, contents: b"[]", "malformed"),
}


@pytest.mark.parametrize("name", FORGED)
def test_a_signature_that_is_wrong_is_refuted(name, signed, keys, tmp_path):
    """All hashes are set anew, as someone without ann's key would do."""
    change, said = FORGED[name]
    manifest, contents = read(signed)
    path = pack_changed(tmp_path, manifest, contents | {PATH: change(keys, contents)})
    claim = claim_of(verify_bundle(path, check_with_keys(keys / "ann.pub")))
    assert claim.word == "refuted" and said in claim.detail and claim.subject not in claim.detail


def test_what_is_signed_is_checked_without_a_key(signed, keys, tmp_path):
    manifest, contents = read(signed)
    assert claim_of(verify_changed(tmp_path, manifest, contents | {PATH: sign_another(keys)})).word == "refuted"


def test_a_key_from_before_signs_bundles_only(keys, tmp_path):
    text = (keys / "ann.key").read_text()
    (tmp_path / "old.key").write_text(text[text.index("-----BEGIN", 1) :])
    assert read_model_key(tmp_path / "old.key") is None
    assert read_private_key(tmp_path / "old.key").public_key.keytype == "ed25519"
