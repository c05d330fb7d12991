"""Making a bundle: what is in it, that it is the same twice, and what leaves the logs."""

import contextlib
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest
from edgeproof.bundles.importing import make_bundle
from edgeproof.bundles.redaction import RULES, make_path_rule, make_rules, redact
from edgeproof.core.errors import UserError

from .hostile import read


def test_the_same_evidence_gives_the_same_bytes(made_up, bundle, tmp_path):
    with contextlib.chdir(made_up):
        make_bundle("campaign", "trial", tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == bundle.read_bytes()


def test_a_bundle_holds_what_the_figures_rest_on(bundle):
    manifest, contents = read(bundle)
    assert set(contents) == {entry["path"] for entry in manifest["files"]}
    roles = {entry["role"] for entry in manifest["files"]}
    assert roles >= {"document", "raw", "page", "key", "configuration"}
    cell = "results/runs/digits-cnn/ort-cpu/desk/fp32"
    (attempt,) = {path.split("/")[7] for path in contents if path.startswith(f"{cell}/attempts/")}
    assert {f"{cell}/{name}" for name in ("result.json", "samples.csv")} <= set(contents)
    assert f"{cell}/attempts/{attempt}/session/process-000/samples.npy" in contents
    assert "results/comparability/trial/faster/decision.json" in contents
    assert {"config/policies/strict.yaml", "config/presets/ort-cpu.yaml"} <= set(contents)
    assert {"results/plans/pipe/min-latency/plan.json", "results/evidence/trial/gate.json"} <= set(contents)
    absent = {entry["path"] for entry in manifest["absent"]}
    assert "results/sources/digits-cnn/model.onnx" in absent
    assert "results/artifacts/digits-cnn/ort-cpu/host/int8/artifact.onnx" in absent


def test_artifacts_are_packed_on_request(made_up, tmp_path):
    with contextlib.chdir(made_up):
        make_bundle("campaign", "trial", tmp_path / "all.zip", artifacts=True)
    manifest, contents = read(tmp_path / "all.zip")
    assert manifest["absent"] == []
    assert contents["results/artifacts/digits-cnn/ort-cpu/host/int8/artifact.onnx"] == b"digits-cnn/int8"


def test_another_tool_unpacks_it(bundle, tmp_path):
    assert zipfile.ZipFile(bundle).testzip() is None
    if shutil.which("unzip") is None:
        pytest.skip("unzip is not installed")
    subprocess.run(["unzip", "-tqq", bundle], check=True)


def test_a_file_that_is_missing_is_named(copy_of_campaign, tmp_path):
    Path("results/runs/digits-cnn/ort-cpu/desk/fp32/samples.csv").unlink()
    with pytest.raises(UserError, match=r"fp32/samples\.csv: is missing"):
        make_bundle("campaign", "trial", tmp_path / "x.zip")
    assert not (tmp_path / "x.zip").exists()


def test_a_link_is_no_evidence(copy_of_campaign, tmp_path):
    path = Path("results/runs/digits-cnn/ort-cpu/desk/fp32/samples.csv")
    path.rename("elsewhere.csv")
    path.symlink_to(Path("elsewhere.csv").absolute())
    with pytest.raises(UserError, match="is a symbolic link"):
        make_bundle("campaign", "trial", tmp_path / "x.zip")


def test_logs_of_a_failed_run_are_redacted_and_counted(made_up, tmp_path, monkeypatch):
    monkeypatch.setenv("API_TOKEN", "hunter2hunter2")
    attempt = next(path.parent for path in made_up.glob("results/**/failure.json"))
    with contextlib.chdir(made_up):
        make_bundle("failed-run", str(attempt.relative_to(made_up)), tmp_path / "failed.zip")
    manifest, contents = read(tmp_path / "failed.zip")
    (log,) = manifest["redaction"]["logs"]
    assert log["counts"] == {"secret": 1} and manifest["redaction"]["rules"] == RULES
    assert contents[log["path"]] == b"token <secret>\nlost the board\n"
    entry = next(item for item in manifest["files"] if item["path"] == log["path"])
    assert entry["sha256"] != log["original_sha256"]


def test_an_absolute_path_of_the_configuration_is_named_wherever_it_stands(copy_of_campaign, tmp_path):
    """The file that holds it, and every other one that took it over; what every system has is nothing to tell."""
    place = "/srv/models/secret/mine.onnx"
    kept = Path("config").resolve()
    Path("config").unlink()
    shutil.copytree(kept, "config")
    model = next(Path("config").rglob("digits-cnn.yaml"))
    model.write_text(f"{model.read_text()}# from {place}, run by /usr/bin/python3\n")
    make_bundle("campaign", "trial", tmp_path / "x.zip")
    left = {item["path"]: item["counts"] for item in read(tmp_path / "x.zip")[0]["redaction"]["left"]}
    assert left[str(model)]["path"] == 1


PATHS = {
    "path: /tmp/x/mine.onnx": ["/tmp/x/mine.onnx"],
    'command: ["python", "/data/run.py"]': ["/data/run.py"],
    "path: D:/models/x.onnx": ["D:/models/x.onnx"],
    "interpreter: /usr/bin/python3, lock: /dev/shm/x": [],
    "see https://example.org/a/b and config/models/x.yaml, 1/255, ./x, ../y": [],
}


@pytest.mark.parametrize("text", PATHS)
def test_absolute_paths_and_nothing_else(text):
    assert [found for rule in make_path_rule([text]) for found in rule.pattern.findall(text)] == PATHS[text]


SECRETS = {
    "secret": ("a=hunter2hunter2 b", "a=<secret> b"),
    "token": ("use ghp_abcdefghijklmnopqrstuvwxyz0123 now", "use <secret> now"),
    "key": ("-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----", "<secret>"),
    "address": ("https://ann:secret@example.org/x", "https://<credentials>@example.org/x"),
    "header": ("Authorization: Bearer abc", "Authorization: <credentials>"),
    "checkout": ("in /srv/check out/x", "in <checkout>/x"),
    "home": ("/data/ann/models/x", "<home>/models/x"),
    "other home": ("/home/bob/x and /Users/carol/y", "<home>/x and <home>/y"),
    "windows": ("C:\\Users\\bob\\x", "<home>\\x"),
    "user": ("ann ran it; anna and annex did not", "<user> ran it; anna and annex did not"),
    "nothing": ("root cause: 12.5 ms on cpu0", "root cause: 12.5 ms on cpu0"),
}


@pytest.mark.parametrize("name", SECRETS)
def test_rules_find_what_they_say_and_nothing_else(name, monkeypatch):
    monkeypatch.setattr("getpass.getuser", lambda: "ann")
    monkeypatch.setattr("socket.gethostname", lambda: "workshop-7")
    environment = {"HOME": "/data/ann", "USER": "ann", "MY_PASSWORD": "hunter2hunter2", "SHORT_KEY_AUTH": "no"}
    rules = make_rules(environment, Path("/srv/check out"))
    text, expected = SECRETS[name]
    assert redact(text, rules)[0] == expected


def test_host_names_leave_logs(monkeypatch):
    monkeypatch.setattr("socket.gethostname", lambda: "workshop-7.lab.example")
    assert redact("workshop-7.lab.example: x, workshop-7 y, workshop-71", make_rules({})) == (
        "<host>: x, <host> y, workshop-71",
        {"host": 2},
    )
