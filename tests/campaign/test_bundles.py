"""The bundle of a campaign that the workflow has made: verified, taken in by another checkout, and forged in vain."""

import contextlib
import json
import random
from pathlib import Path

import pytest
from edgeproof.bundles.claims import find_first_refuted
from edgeproof.bundles.importing import import_bundle, make_bundle
from edgeproof.bundles.signing import check_with_keys, sign_with
from edgeproof.bundles.signing_keys import new_key, read_private_key
from edgeproof.bundles.unpacking import open_folder
from edgeproof.bundles.verifying import verify_bundle
from edgeproof.core.files import sha256_bytes
from edgeproof.core.seals import SEAL, seal
from edgeproof.registry.index import open_registry, rebuild_registry
from edgeproof.registry.queries import list_runs

from ..unit.bundles.conftest import in_memory  # noqa: F401 (a fixture)
from ..unit.bundles.hostile import read, write
from ..unit.bundles.mutations import change_array, change_numbers, change_row, forge
from ..unit.bundles.test_verifying import ASSERTED
from ..workflow.conftest import copy_repository

pytestmark = pytest.mark.campaign

BUNDLE = "results/evidence/fake/bundle.zip"
TAMPERED, FORGED, SEED = 2000, 1000, 20_262
# Documents whose numbers follow from others, and the claims that hold them against those.
DRAWN = {
    "report.json": ("report",),
    "pairs.json": ("pairs",),
    "verdict.json": ("verdict",),
    "regression.json": ("regression",),
    "decision.json": ("decision",),
    "noise.json": ("calibration",),
    "result.json": ("result", "records"),
    "gate.json": ("gate",),
}
# What only the configuration says of them, and what pairs are told before they are measured: no raw time shows it.
DECLARED = {"pairs.json": ("design.", "budget."), "report.json": ("design.", "budget."), "result.json": ASSERTED}


@pytest.fixture(scope="module")
def campaign(tmp_path_factory):
    """A copy of the repository with the fake campaign and its bundle."""
    workspace = copy_repository(tmp_path_factory.mktemp("bundled") / "edgeproof")
    done = workspace.snakemake("all", "bundle")
    assert done.returncode == 0, done.stdout
    return workspace


def test_the_bundle_holds(campaign):
    verified = verify_bundle(campaign.root / BUNDLE)
    assert [claim for claim in verified.claims if claim.word == "refuted"] == []
    words = {claim.subject: claim.word for claim in verified.claims}
    assert words["gate"] == words["comparison fake-aa report"] == "recomputed"


def test_the_workflow_has_nothing_to_do_once_it_is_there(campaign):
    assert campaign.remade_by("all", "bundle") == set()


def test_every_run_is_in_the_registry(campaign):
    with contextlib.chdir(campaign.root), open_registry(campaign.root) as connection:
        followed = list_runs(connection, {"campaign": "fake"}, None)
    assert followed["total"] == 4
    rebuild_registry(campaign.root)
    with open_registry(campaign.root) as connection:
        assert list_runs(connection, {"campaign": "fake"}, None) == followed


def test_a_round_trip_through_a_fresh_clone_is_byte_identical(campaign, tmp_path):
    """On a path with spaces and other letters, with the commands that a user has."""
    clone = copy_repository(tmp_path / "anderer Ort ✓" / "edge proof")
    taken = clone.edgeproof("runs", "import", str(campaign.root / BUNDLE), "--json")
    assert taken.returncode == 0, taken.stdout
    folder = json.loads(taken.stdout)["folder"]
    verified = clone.edgeproof("verify", folder)
    assert verified.returncode == 0, verified.stdout
    imported = json.loads(clone.edgeproof("runs", "list", "--json").stdout)["runs"]
    assert len(imported) == 4 and all(row["elsewhere"] for row in imported)
    again = clone.edgeproof("runs", "export", imported[0]["id"], "--output", "again.zip")
    assert again.returncode == 0, again.stdout
    assert (clone.root / "again.zip").read_bytes() == (campaign.root / BUNDLE).read_bytes()


@pytest.fixture(scope="module")
def signed(campaign, tmp_path_factory):
    """The bundle, signed and unpacked as an import keeps it, and the file of the public key."""
    keys = tmp_path_factory.mktemp("keys")
    new_key("ann", keys)
    sign = sign_with(read_private_key(keys / "ann.key"))
    with contextlib.chdir(campaign.root):
        make_bundle("campaign", "fake", keys / "signed.zip", sign=sign)
    (keys / "checkout/results").mkdir(parents=True)
    return keys / "checkout" / import_bundle(keys / "signed.zip", keys / "checkout").folder, keys / "ann.pub"


@contextlib.contextmanager
def edited(folder, **texts):
    """Give files of a folder other texts while the block runs; None removes one. `texts`: by path below it."""
    before = {path: (folder / path).read_bytes() if (folder / path).exists() else None for path in texts}
    put_texts(folder, texts)
    try:
        yield
    finally:
        put_texts(folder, before)


def put_texts(folder, texts):
    for path, text in texts.items():
        if text is None:
            (folder / path).unlink()
        else:
            (folder / path).write_bytes(text)


def test_every_file_that_is_changed_removed_added_or_swapped_is_named(signed):
    folder, _ = signed
    opened = open_folder(folder)
    paths = [entry["path"] for entry in opened.manifest["files"]]
    contents = {path: (folder / path).read_bytes() for path in paths}
    unnamed = []
    for number, path in enumerate(paths):
        changed = bytearray(contents[path] or b"x")
        changed[number % len(changed)] ^= 1
        edits = {"changed": {path: bytes(changed)}, "removed": {path: None}, "added": {f"{path}.more": b"x"}}
        sibling = next((name for name in paths if is_sibling(path, name, contents)), None)
        if sibling:
            edits["swapped"] = {path: contents[sibling], sibling: contents[path]}
        for kind, texts in edits.items():
            with edited(folder, **texts):
                (claim,) = verify_bundle(folder).claims
            if claim.word != "refuted" or not any(name in claim.detail for name in texts):
                unnamed.append((kind, path))
    assert unnamed == [] and find_first_refuted(verify_bundle(folder).claims) is None


def is_sibling(path, other, contents):
    """Return whether two files of one name, with different contents, lie in folders of the same kind."""
    alike = Path(path).name == Path(other).name and len(Path(path).parts) == len(Path(other).parts)
    return path != other and alike and contents[path] != contents[other]


def test_numbers_and_rows_drawn_by_a_seed_are_named_and_a_signature_finds_all(signed):
    """A file is changed; then its digest and the manifest's seal are set anew as well, and only the signature tells."""
    folder, key = signed
    opened, check = open_folder(folder), check_with_keys(key)
    paths = [entry["path"] for entry in opened.manifest["files"]]
    contents = {path: (folder / path).read_bytes() for path in paths}
    draw, survived = random.Random(SEED), []
    documents, tables = list_numbers(contents), [path for path in paths if is_table(path, contents)]
    for path in (draw.choice(kind) for kind in (documents, tables) for _ in range(TAMPERED)):
        where, text = change_file(contents, path, draw)
        with edited(folder, **{path: text}):
            (claim,) = verify_bundle(folder).claims
        files = [name_file(entry, text) if entry["path"] == path else entry for entry in opened.manifest["files"]]
        manifest = seal({**opened.manifest, "files": files})
        anew = opened._replace(manifest=manifest, manifest_sha256=sha256_bytes(json.dumps(manifest).encode()))
        claims, signer = check(anew)
        if path not in claim.detail or signer is not None or claims[0].word != "refuted":
            survived.append((path, where))
    assert survived == [] and check(opened)[1] == "ann"


@pytest.mark.usefixtures("in_memory")
def test_edits_whose_seals_and_hashes_are_set_anew_are_refuted(campaign, tmp_path):
    """Without a signature: what raw samples show is refuted, what they do not show is called asserted."""
    manifest, contents = read(campaign.root / BUNDLE)
    draw, path, survived, declared = random.Random(SEED), tmp_path / "forged.zip", [], 0
    documents = [name for name in list_numbers(contents) if Path(name).name in DRAWN]
    kinds = (documents, [name for name in contents if is_table(name, contents)])
    for number in range(FORGED):
        name = draw.choice(kinds[number % 2])
        where, text = change_file(contents, name, draw)
        path.write_bytes(write(*forge(manifest, contents, name, text)))
        claims = verify_bundle(path).claims
        refuted = [claim.subject for claim in claims if claim.word == "refuted"]
        if where.startswith(DECLARED.get(Path(name).name, ())):
            declared += 1
            assert refuted or "asserted" in {claim.word for claim in claims}
        elif not any(word in subject for subject in refuted for word in DRAWN.get(Path(name).name, ("",))):
            survived.append(f"{name}: {where}")
    assert survived == [] and 0 < declared < FORGED / 4


def change_file(contents, path, draw):
    """Return (where, the text of a file in which one number or one row is another)."""
    if path.endswith(".json"):
        where, changed = change_numbers(contents, draw, path)
        document = json.loads(changed[path])
        sealed = SEAL in json.loads(contents[path])
        return where, changed[path] if sealed else json.dumps(without_seal(document)).encode()
    return (change_array if path.endswith(".npy") else change_row)(contents[path], draw)


def is_table(path, contents):
    """Return whether a file has rows of numbers: the head of a table of pairs that were refused has none."""
    return path.endswith(".npy") or (path.endswith(".csv") and contents[path].count(b"\n") > 1)


def list_numbers(contents):
    """Return the documents that have a number."""
    texts = {path: data for path, data in contents.items() if path.endswith(".json")}
    return [path for path, data in texts.items() if has_number(json.loads(data))]


def has_number(value):
    if isinstance(value, dict | list):
        return any(map(has_number, value.values() if isinstance(value, dict) else value))
    return isinstance(value, int | float) and not isinstance(value, bool)


def without_seal(document):
    return {name: value for name, value in document.items() if name != SEAL}


def name_file(entry, text):
    return {**entry, "sha256": sha256_bytes(text), "bytes": len(text)}
