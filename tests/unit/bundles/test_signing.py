"""Signatures: whose, over what, and what they are worth."""

import contextlib
import json
import os

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from edgeproof.__main__ import main
from edgeproof.bundles.claims import find_first_refuted
from edgeproof.bundles.cli import key, verify
from edgeproof.bundles.importing import import_bundle, make_bundle
from edgeproof.bundles.packing import SIGNATURE
from edgeproof.bundles.signing import check_with_keys, sign_with
from edgeproof.bundles.signing_keys import new_key, read_private_key, read_public_keys
from edgeproof.bundles.verifying import verify_bundle
from edgeproof.core.errors import UserError
from edgeproof.core.layout import REPOSITORY
from edgeproof.core.seals import seal
from securesystemslib.dsse import Envelope

from .hostile import read, write

CELL = "digits-cnn/ort-cpu/desk/fp32"


@pytest.fixture(scope="module")
def signed(made_up, keys, tmp_path_factory):
    """The bundle of a run, signed by ann."""
    path = tmp_path_factory.mktemp("signed") / "signed.zip"
    with contextlib.chdir(made_up):
        make_bundle("run", CELL, path, sign=sign_with(read_private_key(keys / "ann.key")))
    return path


def claim_of(path, keys):
    verified = verify_bundle(path, check_with_keys(keys))
    return next(claim for claim in verified.claims if claim.subject == "signature"), verified


def test_a_signature_by_a_key_that_you_trust_attests_what_nobody_can_compute(signed, keys):
    claim, verified = claim_of(signed, keys / "ann.pub")
    assert (claim.word, verified.signer, find_first_refuted(verified.claims)) == ("attested", "ann", None)
    words = {item.subject: item.word for item in verified.claims}
    assert words[f"{CELL} parity"] == "attested" and words[f"{CELL} result"] == "recomputed"


def test_one_of_several_keys_is_enough(signed, keys, tmp_path):
    both = tmp_path / "trusted.pub"
    both.write_text((keys / "bob.pub").read_text() + (keys / "ann.pub").read_text())
    assert claim_of(signed, both)[1].signer == "ann"


def test_without_keys_a_signature_counts_for_nothing(signed):
    verified = verify_bundle(signed)
    words = {item.subject: item.word for item in verified.claims}
    assert (words["signature"], words[f"{CELL} parity"]) == ("not covered", "asserted")


def test_another_key_or_none_is_refuted(signed, keys, bundle):
    for path, trusted, said in ((signed, "bob.pub", "no key that you trust"), (bundle, "ann.pub", "unsigned")):
        claim, verified = claim_of(path, keys / trusted)
        assert (claim.word, verified.signer) == ("refuted", None) and said in claim.detail


def test_a_manifest_that_was_changed_is_not_the_one_signed(signed, keys, tmp_path):
    manifest, contents = read(signed)
    changed = tmp_path / "changed.zip"
    changed.write_bytes(write(seal({**manifest, "absent": []}), contents))
    claim, _ = claim_of(changed, keys / "ann.pub")
    assert claim.word == "refuted" and "another bundle" in claim.detail


@pytest.mark.parametrize("envelope", [b"", b"[]", b"{}", b"\xff", b'{"payload": 1, "payloadType": 2, "signatures": 3}'])
def test_an_envelope_that_is_none_is_refuted(envelope, signed, keys, tmp_path):
    manifest, contents = read(signed)
    path = tmp_path / "x.zip"
    path.write_bytes(write(manifest, contents | {SIGNATURE: envelope}))
    claim, _ = claim_of(path, keys / "ann.pub")
    assert claim.word == "refuted"


def test_a_statement_of_something_else_is_refuted(signed, keys, tmp_path):
    manifest, contents = read(signed)
    signer = read_private_key(keys / "ann.key")
    for payload, kind in (
        (b"{}", "application/vnd.in-toto+json"),
        (b"x", "application/vnd.in-toto+json"),
        (b"{}", "text"),
    ):
        envelope = Envelope(payload, kind, {})
        envelope.sign(signer)
        path = tmp_path / "x.zip"
        path.write_bytes(write(manifest, contents | {SIGNATURE: json.dumps(envelope.to_dict()).encode()}))
        assert claim_of(path, keys / "ann.pub")[0].word == "refuted"


def test_the_library_that_others_use_accepts_the_envelope(signed, keys):
    _, contents = read(signed)
    envelope = Envelope.from_dict(json.loads(contents[SIGNATURE]))
    (key,) = (key for _, key in read_public_keys(keys / "ann.pub").values())
    assert list(envelope.verify([key], 1)) == [key.keyid]
    statement = json.loads(envelope.payload)
    assert (statement["_type"], statement["subject"][0]["name"]) == ("https://in-toto.io/Statement/v1", "bundle.json")


def test_keys_are_secret_and_never_written_over(keys):
    assert os.stat(keys / "ann.key").st_mode & 0o777 == 0o600
    with pytest.raises(UserError, match="never written over"):
        new_key("ann", keys)
    with pytest.raises(UserError, match="a key is named by"):
        new_key("../ann", keys)


def test_other_keys_are_refused(keys, tmp_path):
    key = generate_private_key(65537, 2048)
    (tmp_path / "rsa.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "rsa.pub").write_bytes(public)
    (tmp_path / "none.pub").write_text("# nobody\n")
    for read_key, name, said in (
        (read_private_key, "rsa.key", "has no Ed25519 key"),
        (read_private_key, "rsa.pub", "is no private key"),
        (read_private_key, "gone", "there is no such file"),
        (read_public_keys, "rsa.pub", "type rsa"),
        (read_public_keys, "none.pub", "holds no public key"),
        (read_public_keys, "gone", "there is no such file"),
    ):
        with pytest.raises(UserError, match=said):
            read_key(tmp_path / name)


def test_an_imported_bundle_keeps_its_signature(signed, keys, tmp_path):
    (tmp_path / "results").mkdir()
    imported = import_bundle(signed, tmp_path, check_with_keys(keys / "ann.pub"))
    assert imported.verified.signer == "ann"
    assert verify_bundle(tmp_path / imported.folder, check_with_keys(keys / "ann.pub")).signer == "ann"
    with pytest.raises(UserError, match="refuted: signature"):
        import_bundle(signed, tmp_path / "other", check_with_keys(keys / "bob.pub"))


def test_commands_sign_and_verify(made_up, keys, tmp_path, capsys):
    bundle = tmp_path / "bundle.zip"
    words = ["evidence", "bundle", "trial", "--output", str(bundle), "--key", str(keys / "ann.key"), "--json"]
    assert main(words, made_up) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["signed_by"] and made["absent"]
    assert main(["verify", str(bundle), "--keys", str(keys / "ann.pub")]) == 0
    short = capsys.readouterr().out.splitlines()
    assert "signed with the key ann" in short[-1] and not any(line.startswith("recomputed") for line in short)
    assert main(["verify", str(bundle), "--keys", str(keys / "ann.pub"), "--all"]) == 0
    every = capsys.readouterr().out.splitlines()
    assert every[-2:] == short[-2:]
    assert sum(line.startswith("recomputed") for line in every) == int(every[-2].split(" recomputed")[0].split()[-1])
    assert main(["verify", str(bundle), "--keys", str(keys / "bob.pub")]) == 1
    assert "REFUTED: signature" in capsys.readouterr().out


def test_a_new_key_says_that_it_is_secret_and_where_it_is(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert key(["new", "ann"], tmp_path) == 0
    secret, public = capsys.readouterr().out.splitlines()
    assert secret.startswith(f"{tmp_path / 'ann.key'}: SECRET") and public.startswith(f"{tmp_path / 'ann.pub'}: ")
    assert "*.key" in (REPOSITORY / ".gitignore").read_text().splitlines()


@pytest.mark.parametrize("arguments", [["nothing.zip"], ["some.zip", "--keys", "nope.pub"]])
def test_a_file_that_is_not_there_is_said_plainly(tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=f"^{arguments[-1]}: there is no such file$"):
        verify(arguments, tmp_path)
