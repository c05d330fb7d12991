"""Taking bundles in: whole or not at all, never over anything, and nothing that is not what it says."""

import shutil
import tracemalloc
from pathlib import Path

import pytest
from edgeproof.bundles.claims import find_first_refuted
from edgeproof.bundles.cli import pack_campaign
from edgeproof.bundles.importing import export_imported, import_bundle
from edgeproof.bundles.verifying import verify_bundle
from edgeproof.core.errors import UserError
from edgeproof.core.imported_bundles import find_import, list_imports
from edgeproof.evidence.cli import main as evidence
from edgeproof.registry.index import open_registry
from edgeproof.registry.queries import find_run, list_failed, list_runs
from edgeproof.registry.run_tables import render_runs
from edgeproof.workflow.cli import runs

from .hostile import add, list_hostile, read, write

CELL = "digits-cnn/ort-cpu/desk/fp32"


@pytest.fixture
def checkout(tmp_path):
    """Another checkout, on a path with spaces and other letters; nothing was ever measured in it."""
    root = tmp_path / "zweite Prüfung ✓"
    (root / "results").mkdir(parents=True)
    return root


def list_files(root):
    return {path.relative_to(root): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_round_trip_is_byte_identical(bundle, checkout, tmp_path):
    imported = import_bundle(bundle, checkout)
    folder = checkout / imported.folder
    assert not imported.already and find_first_refuted(imported.verified.claims) is None
    assert find_first_refuted(verify_bundle(folder).claims) is None
    export_imported(folder, tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == bundle.read_bytes()
    assert list_imports(checkout) == [folder.name]


@pytest.mark.parametrize(
    "form", ["{name}", "results/imported/{name}", "results/imported/{name}/", "{root}/results/imported/{name}"]
)
def test_an_import_is_exported_by_its_name_and_by_its_folder(bundle, checkout, tmp_path, monkeypatch, capsys, form):
    name = Path(import_bundle(bundle, checkout).folder).name
    monkeypatch.chdir(tmp_path)
    told = form.format(name=name, root=checkout)
    assert runs(["export", told, "--output", "again.zip"], checkout) == 0
    assert (tmp_path / "again.zip").read_bytes() == bundle.read_bytes()
    assert "as it came" in capsys.readouterr().out


def test_what_is_asked_of_an_import_elsewhere_says_what_to_type(bundle, checkout):
    name = Path(import_bundle(bundle, checkout).folder).name
    with pytest.raises(UserError, match=f"{name}: was imported; .*edgeproof runs export {name} --output bundle.zip"):
        evidence(["bundle", name], checkout, pack_campaign)
    assert find_import("results/imported", checkout) is None and find_import("nothing", checkout) is None


def test_an_import_is_verified_by_its_path_below_the_current_folder(cells_bundle, checkout, monkeypatch):
    folder = import_bundle(cells_bundle, checkout).folder
    monkeypatch.chdir(checkout)
    assert find_first_refuted(verify_bundle(Path(folder)).claims) is None


def test_the_same_bundle_twice_is_one(bundle, checkout):
    before = import_bundle(bundle, checkout)
    files = list_files(checkout)
    again = import_bundle(bundle, checkout)
    assert again.already and again.folder == before.folder and list_files(checkout) == files


def test_an_import_that_was_changed_is_found_and_not_written_over(failed_bundle, checkout):
    folder = checkout / import_bundle(failed_bundle, checkout).folder
    changed = next(folder.rglob("failure.json"))
    changed.write_text("{}")
    with pytest.raises(UserError, match=r"failure\.json"):
        import_bundle(failed_bundle, checkout)
    assert changed.read_text() == "{}"
    (claim,) = verify_bundle(folder).claims
    assert claim.word == "refuted" and "failure.json" in claim.detail
    changed.unlink()
    assert "failure.json" in verify_bundle(folder).claims[0].detail
    (folder / "more").write_text("x")
    assert verify_bundle(folder).claims[0].word == "refuted"


def test_a_refuted_bundle_is_taken_only_on_request(bundle, checkout, tmp_path):
    manifest, contents = read(bundle)
    path = "results/runs/digits-cnn/ort-cpu/desk/fp32/samples.csv"
    changed = contents | {path: contents[path].replace(b"0,0,1", b"0,0,2", 1)}
    rest = {**manifest, "files": [entry for entry in manifest["files"] if entry["path"] != path]}
    forged = tmp_path / "forged.zip"
    forged.write_bytes(write(add(rest, path, changed[path]), changed))
    with pytest.raises(UserError, match=r"refuted: .*result.*--unverified"):
        import_bundle(forged, checkout)
    assert list_imports(checkout) == [] and list_files(checkout) == {}
    imported = import_bundle(forged, checkout, unverified=True)
    assert find_first_refuted(imported.verified.claims) is not None
    (name,) = list_imports(checkout)
    assert name.endswith("-refuted") and imported.folder == f"results/imported/{name}"
    assert import_bundle(forged, checkout, unverified=True).already
    with open_registry(checkout) as connection:
        table = "\n".join(render_runs(list_runs(connection, {}, None)))
    assert "ok, imported, refuted" in table


def test_imported_runs_are_in_the_registry_and_elsewhere(bundle, failed_bundle, checkout):
    with open_registry(checkout) as connection:
        assert list_runs(connection, {}, None)["total"] == 0
    name = Path(import_bundle(bundle, checkout).folder).name
    import_bundle(failed_bundle, checkout)
    with open_registry(checkout) as connection:
        row = find_run(connection, f"{CELL}@{name}")
        assert (row["origin"], row["elsewhere"], row["status"]) == (name, 1, "ok")
        (failed,) = list_failed(connection, {}, None)["attempts"]
        assert failed["reason"] == "connection_lost"


def test_what_is_made_by_hand_in_its_place_is_left_alone(failed_bundle, checkout):
    folder = checkout / import_bundle(failed_bundle, checkout).folder
    shutil.rmtree(folder)
    folder.mkdir()
    (folder / "mine").write_text("x")
    with pytest.raises(UserError, match="is no imported bundle"):
        import_bundle(failed_bundle, checkout)
    assert list_files(folder) == {Path("mine"): b"x"}


EXPECTED = {
    "name: up": "has the part '..'",
    "name: drive": "names a drive",
    "name: right to left": "characters that nobody sees",
    "name: not normal": "NFC",
    "name: outside": "is not below results/",
    "collision: case": "are one name on some systems",
    "collision: file and folder": "are one name on some systems",
    "collision: twice": "twice",
    "member: symbolic link": "is a symbolic link",
    "member: encrypted": "is encrypted",
    "member: bomb": "times its size",
    "member: place of the manifest": "overlaps another member",
    "member: nested zip": "is an archive itself (zip)",
    "bytes in front of it": "belong to no member",
    "bytes behind it": "bytes follow the end",
    "no manifest": "has no bundle.json",
    "manifest: another size": "bytes, not",
    "manifest: another digest": "it was changed",
}


MOST_BYTES = 16 << 20  # that taking in a hostile archive may use; the largest one claims four gigabytes


def test_hostile_archives_are_refused_in_one_line_and_leave_nothing(failed_bundle, checkout, tmp_path):
    corpus = dict(list_hostile(*read(failed_bundle)))
    assert len(corpus) >= 80
    path, said = tmp_path / "hostile.zip", {}
    path.touch()
    before, peaks = set(tmp_path.rglob("*")), {}
    tracemalloc.start()
    for name, data in corpus.items():
        path.write_bytes(data)
        tracemalloc.reset_peak()
        try:
            import_bundle(path, checkout)
        except UserError as error:
            said[name] = str(error)
        peaks[name] = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert {name: peak for name, peak in peaks.items() if peak > MOST_BYTES} == {}
    assert [name for name in corpus if name not in said] == []
    assert [name for name, text in said.items() if "\n" in text or len(text) > 600] == []
    assert {name: said[name] for name, text in EXPECTED.items() if text not in said[name]} == {}
    assert set(tmp_path.rglob("*")) - before == {checkout / "results/imported"}
