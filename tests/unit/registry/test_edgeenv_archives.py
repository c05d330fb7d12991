"""Archives of EdgeEnv: a round trip, and each refusal of its contract, in its order."""

import hashlib
import json
import zipfile
from pathlib import Path

import pytest
from edgeproof.__main__ import main
from edgeproof.core.errors import UserError
from edgeproof.registry.edgeenv_archives import export_edgeenv_run, import_edgeenv_run
from edgeproof.registry.edgeenv_runs import read_edgeenv_folder

from .test_edgeenv_folder import FAILED, SAMPLER, name_run, write_run

RUN, BAD = name_run(1), name_run(9)


@pytest.fixture
def root(tmp_path):
    """A folder of EdgeEnv with a whole run, sampler and telemetry included, and a failed one."""
    root = tmp_path / ".edgeenv"
    write_run(root, 1)
    folder = root / "runs" / RUN
    (folder / "sampler").mkdir()
    (folder / "sampler/metadata.json").write_text(json.dumps(SAMPLER))
    (folder / "sampler/tegrastats.log").write_text("RAM 1/2MB\n")
    (folder / "runtime_telemetry.json").write_text("{}")
    bad = root / "failed-runs" / BAD
    bad.mkdir(parents=True)
    (bad / "failure.json").write_text(json.dumps({**FAILED, "run_id": BAD}))
    for place in (folder, bad):
        for name in ("config.yaml", "target.yaml", "env.json", "stdout.log", "stderr.log"):
            (place / name).write_text(f"{name}\n")
    return root


def list_files(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("run", "kind", "place"), [(RUN, "successful-run", "runs"), (BAD, "failed-run", "failed-runs")]
)
def test_round_trip(root, tmp_path, run, kind, place):
    manifest = export_edgeenv_run(root, run, kind, tmp_path / "x.zip")
    assert (manifest["schema_version"], manifest["bundle_type"], manifest["run_id"]) == ("edgeenv.export.v1", kind, run)
    other = tmp_path / "other"
    taken = import_edgeenv_run(tmp_path / "x.zip", other)
    assert (taken.run_id, taken.kind) == (run, kind)
    assert list_files(other / place / run) == list_files(root / place / run)
    with pytest.raises(UserError, match="nothing is written over"):
        import_edgeenv_run(tmp_path / "x.zip", other)
    found = read_edgeenv_folder(other)
    assert (len(found.runs), len(found.failed)) == ((1, 0) if kind == "successful-run" else (0, 1))


def test_a_run_that_is_registered_is_not_taken(root, tmp_path):
    import sqlite3

    export_edgeenv_run(root, RUN, "successful-run", tmp_path / "x.zip")
    other = tmp_path / "other"
    other.mkdir()
    with sqlite3.connect(other / "runs.db") as connection:
        connection.execute("CREATE TABLE runs (run_id TEXT)")
        connection.execute("INSERT INTO runs VALUES (?)", (RUN,))
    connection.close()
    with pytest.raises(UserError, match="registered already"):
        import_edgeenv_run(tmp_path / "x.zip", other)


@pytest.mark.parametrize("name", ["result.json", "env.json", "sampler/tegrastats.log"])
def test_an_export_wants_whole_files(root, tmp_path, name):
    path = root / "runs" / RUN / name
    path.rename(tmp_path / "moved")
    with pytest.raises(UserError, match=Path(name).name):
        export_edgeenv_run(root, RUN, "successful-run", tmp_path / "x.zip")
    path.symlink_to(tmp_path / "moved")
    with pytest.raises(UserError, match="link"):
        export_edgeenv_run(root, RUN, "successful-run", tmp_path / "x.zip")
    assert not (tmp_path / "x.zip").exists()


def change(contents, manifest, **changes):
    """Return the files of an archive whose manifest has `changes`."""
    return {**contents, f"{RUN}/manifest.json": json.dumps({**manifest, **changes}).encode()}


def replace(files, manifest, name, data):
    """Return the files of an archive in which one file is another, and the manifest says so."""
    entry = {"path": name, "required": False, "sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    listed = {item["path"]: item for item in manifest["files"]}
    listed[name] = {**entry, "required": listed.get(name, entry)["required"]}
    return change({**files, f"{RUN}/{name}": data}, manifest, files=list(listed.values()))


def without(files, manifest, *names):
    kept = [item for item in manifest["files"] if item["path"] not in names]
    rest = {name: data for name, data in files.items() if name.partition("/")[2] not in names}
    return change(rest, manifest, files=kept)


REFUSED = {
    "two folders at the top": (lambda f, m: {**f, "other/x": b""}, "exactly one folder"),
    "a file at the top": (lambda f, m: {**f, "x": b""}, "exactly one folder"),
    "up": (lambda f, m: {**f, f"{RUN}/../x": b""}, "has the part"),
    "backslash": (lambda f, m: {**f, f"{RUN}/a\\b": b""}, "backslash"),
    "no manifest": (lambda f, m: {n: d for n, d in f.items() if "manifest" not in n}, "is missing"),
    "manifest that is a list": (lambda f, m: {**f, f"{RUN}/manifest.json": b"[]"}, "manifest.json"),
    "another marker": (lambda f, m: change(f, m, schema_version="edgeenv.export.v2"), "schema_version"),
    "another type": (lambda f, m: change(f, m, bundle_type="run"), "bundle_type"),
    "files that are none": (lambda f, m: change(f, m, files=["x"]), "files"),
    "a path twice": (lambda f, m: change(f, m, files=[*m["files"], m["files"][0]]), "names a path twice"),
    "a required file less": (lambda f, m: without(f, m, "env.json"), "env.json"),
    "a file that is not listed": (lambda f, m: {**f, f"{RUN}/more": b""}, "not in both"),
    "a required file that is optional": (
        lambda f, m: change(f, m, files=[{**m["files"][0], "required": False}, *m["files"][1:]]),
        "required of",
    ),
    "another optional file": (lambda f, m: replace(f, m, "model.onnx", b"x"), "no successful-run has"),
    "another size": (
        lambda f, m: change(f, m, files=[{**m["files"][0], "bytes": 1}, *m["files"][1:]]),
        "size or sha256",
    ),
    "other bytes": (lambda f, m: {**f, f"{RUN}/stdout.log": b"stdout.lOg\n"}, "size or sha256"),
    "raw files without metadata": (lambda f, m: without(f, m, "sampler/metadata.json"), "metadata.json"),
    "another raw file": (lambda f, m: replace(f, m, "sampler/more.log", b"x"), "raw_artifacts"),
    "another sampler": (
        lambda f, m: replace(f, m, "sampler/metadata.json", json.dumps({**SAMPLER, "schema_version": "x"}).encode()),
        "schema_version",
    ),
    "telemetry that is no object": (lambda f, m: replace(f, m, "runtime_telemetry.json", b"[]"), "is no object"),
    "a result that is none": (lambda f, m: replace(f, m, "result.json", b"{}"), "result.json"),
    "a result with NaN": (
        lambda f, m: replace(f, m, "result.json", f[f"{RUN}/result.json"].replace(b"10.0", b"NaN", 1)),
        "NaN",
    ),
    "a result of another run": (
        lambda f, m: replace(f, m, "result.json", f[f"{RUN}/result.json"].replace(RUN.encode(), BAD.encode())),
        "run_id",
    ),
    "a manifest of another run": (lambda f, m: change(f, m, run_id=BAD), "run_id"),
    "another version of the result": (
        lambda f, m: change(f, m, source_result_schema_version="edgeenv.result.v2"),
        "is not the version",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_the_contract_refuses_is_refused_and_leaves_nothing(root, tmp_path, name):
    manifest = export_edgeenv_run(root, RUN, "successful-run", tmp_path / "x.zip")
    with zipfile.ZipFile(tmp_path / "x.zip") as archive:
        files = {item: archive.read(item) for item in archive.namelist()}
    make, said = REFUSED[name]
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for path, data in make(files, manifest).items():
            archive.writestr(path, data)
    with pytest.raises(UserError, match=said) as caught:
        import_edgeenv_run(tmp_path / "x.zip", tmp_path / "other")
    assert "\n" not in str(caught.value) and list_files(tmp_path / "other") == {}


def test_commands_write_and_read_them(root, tmp_path, capsys):
    words = ["--edgeenv-root", str(root), "--output", str(tmp_path / "x.zip")]
    assert main(["runs", "export", RUN, *words, "--json"], tmp_path) == 0
    assert json.loads(capsys.readouterr().out)["run_id"] == RUN
    assert main(["failed-runs", "export", BAD, *words], tmp_path) == 0
    other = tmp_path / "other"
    assert main(["failed-runs", "import", str(tmp_path / "x.zip"), "--edgeenv-root", str(other)], tmp_path) == 0
    assert "imported; nobody signed it" in capsys.readouterr().out
    with pytest.raises(UserError, match="are not signed"):
        main(["runs", "export", RUN, *words, "--key", "x"], tmp_path)
