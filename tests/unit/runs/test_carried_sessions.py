"""Kits for devices that no job reaches, and what is brought back: taken whole, or refused in one line."""

import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from edgeproof.core.attempts import list_attempts
from edgeproof.core.errors import UserError
from edgeproof.runs.carried_sessions import KIT, Carrier, is_carried, list_carried, take_session, write_kit
from edgeproof.runs.sessions import SessionSetup, read_session

DEVICE = {"name": "phone", "board": "A phone", "transport": "manual"}
CARRIER = Carrier("Ann", "the phone's clock", None)
ORDER = ["candidate"] * 2
PROTOCOL = {
    "name": "test",
    "processes": 2,
    "warmup_runs": 1,
    "warmup_seconds": 0.0,
    "min_samples": 40,
    "min_seconds": 0.0,
    "max_timer_share": 0.01,
}
SESSION = "session/session.json"


def make_kit(root):
    """Write a run's folder with a kit, below `root`, and return it."""
    (root / "artifact.json").write_text('{"seed": "m/fp32", "latency_ms": 0.5, "outputs": [["y", [2]]]}')
    np.savez(root / "inputs.npz", **{"inputs/input": np.zeros((4, 1, 2), np.float32)})
    place = root / "results/runs/m/fake/phone/fp32"
    place.mkdir(parents=True)
    arms = {
        "candidate": {"backend": "fake", "precision": "fp32", "runtime": {}, "artifact": str(root / "artifact.json")}
    }
    setup = SessionSetup(root / "inputs.npz", DEVICE, PROTOCOL, sys.executable)
    write_kit(place, "m/fake/phone/fp32", arms, ORDER, setup)
    return place


@pytest.fixture(scope="module")
def brought(tmp_path_factory):
    """What the kit packs on the device, as {name: bytes}."""
    root = tmp_path_factory.mktemp("there")
    with zipfile.ZipFile(make_kit(root) / KIT) as kit:
        kit.extractall(root / "kit")
    subprocess.run([sys.executable, "measure.py"], cwd=root / "kit", check=True, capture_output=True)
    with zipfile.ZipFile(root / "kit/brought.zip") as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A run's folder with a kit."""
    monkeypatch.chdir(tmp_path)
    return make_kit(tmp_path)


def pack(target, members, how=zipfile.ZIP_DEFLATED):
    """Write an archive of {name: bytes or text} and return its path."""
    with zipfile.ZipFile(target, "w", how) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, how)
    return target


def change_session(brought, **changes):
    """Return what was brought with other values in `session.json`; None takes one out."""
    record = json.loads(brought[SESSION]) | changes
    return {**brought, SESSION: json.dumps({name: value for name, value in record.items() if value is not None})}


def as_measured(members, shift):
    """Return a session as a real device gives it, its times moved by some ns and in whole microseconds."""
    members = dict(members)
    record = json.loads(members[SESSION])
    for process in record["processes"]:
        process |= {"provenance": "measured", "runtime": {**process["runtime"], "name": "onnxruntime"}}
        place = f"session/process-{process['slot']:03d}"
        told = {name: value for name, value in process.items() if name not in ("slot", "arm")}
        members[f"{place}/process.json"] = json.dumps(told)
        stream = io.BytesIO()
        np.save(stream, np.load(io.BytesIO(members[f"{place}/samples.npy"])) + shift)
        members[f"{place}/samples.npy"] = stream.getvalue()
    return {**members, SESSION: json.dumps({**record, "started_at_unix_s": record["started_at_unix_s"] + shift / 1000})}


def nothing_is_kept(folder):
    return list_attempts(folder) == [] and [path.name for path in folder.iterdir() if path.name != "attempts"] == [KIT]


def test_what_is_brought_back_is_an_attempt_that_says_who_brought_it(folder, tmp_path, brought):
    assert is_carried(DEVICE) and not is_carried({**DEVICE, "transport": "ssh"})
    taken = take_session(folder, pack(tmp_path / "brought.zip", brought), CARRIER)
    assert [len(read_session(taken).samples[slot]) for slot in (0, 1)] == [40, 40]
    (entry,) = list_carried(folder)
    assert (entry["operator"], entry["instrument"], entry["attempt"]) == ("Ann", "the phone's clock", taken.folder.name)


@pytest.mark.parametrize("how", ["as it was", "stored", "another order", "spaces in JSON", "another session.json"])
def test_a_session_counts_once_however_it_was_packed(folder, tmp_path, brought, how):
    members = as_measured(brought, 1000)
    take_session(folder, pack(tmp_path / "first.zip", members), CARRIER)
    if how == "another order":
        members = dict(reversed(members.items()))
    if how == "spaces in JSON":
        members[SESSION] = json.dumps(json.loads(members[SESSION]), indent=7)
    if how == "another session.json":
        members = change_session(members, started_at_unix_s=json.loads(members[SESSION])["started_at_unix_s"] - 500)
    again = pack(tmp_path / "again.zip", members, zipfile.ZIP_STORED if how == "stored" else zipfile.ZIP_DEFLATED)
    with pytest.raises(UserError, match="is in the store already"):
        take_session(folder, again, CARRIER)
    other = take_session(folder, pack(tmp_path / "other.zip", as_measured(brought, 2000)), CARRIER)
    assert other.number == 2


def test_simulated_sessions_with_equal_times_are_two(folder, tmp_path, brought):
    take_session(folder, pack(tmp_path / "first.zip", brought), CARRIER)
    later = change_session(brought, started_at_unix_s=json.loads(brought[SESSION])["started_at_unix_s"] + 60)
    assert take_session(folder, pack(tmp_path / "later.zip", later), CARRIER).number == 2


def test_without_any_one_of_its_files_an_archive_is_refused(folder, tmp_path, brought):
    taken = []
    for name in brought:
        members = {other: content for other, content in brought.items() if other != name}
        try:
            take_session(folder, pack(tmp_path / "brought.zip", members), CARRIER)
            taken.append(name)
        except UserError as error:
            assert str(error).startswith(f"{tmp_path / 'brought.zip'}: ") and "\n" not in str(error)
    assert taken == [] and nothing_is_kept(folder)


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\x00" * 64, b"null"])
def test_with_any_one_of_its_files_damaged_an_archive_is_refused(folder, tmp_path, brought, content):
    for name in brought:
        archive = pack(tmp_path / "brought.zip", {**brought, name: content})
        with pytest.raises(UserError):
            take_session(folder, archive, CARRIER)
    assert nothing_is_kept(folder)


# What a result does not need: the agent's notes on how it held the device, and controls that a device may lack.
SPARE = {"label", "lock", "drift", "telemetry", "power_control"}


def test_without_any_one_of_its_values_a_session_is_refused(folder, tmp_path, brought):
    record = json.loads(brought[SESSION])
    for name in record.keys() - SPARE:
        members = change_session(brought, **{name: None})
        with pytest.raises(UserError):
            take_session(folder, pack(tmp_path / "brought.zip", members), CARRIER)
    for side in ("before", "after"):
        environment = {**record["environment"], side: None}
        with pytest.raises(UserError):
            take_session(folder, pack(tmp_path / "b.zip", change_session(brought, environment=environment)), CARRIER)
    assert nothing_is_kept(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"key.json": "{}"}, "is of another kit"),
        ({"machine.json": "[1]"}, "is no JSON object"),
        ({"machine.json": '{"id": "short", "board": null, "cpu": null}'}, "machine"),
        ({SESSION: '{"processes": []}'}, "has 0 processes, the kit asks for 2"),
        ({SESSION: '{"processes": 3}'}, "holds no session of the agent"),
        ({"session/process-001/process.json": '{"status": "ok"}'}, "says other things of process 1"),
        ({"session/process-001/spec.json": '{"slot": 1}'}, "is not what the kit asks of process 1"),
        ({"../outside": "x"}, "'..'"),
    ],
)
def test_what_no_kit_has_packed_is_refused_and_nothing_is_kept(folder, tmp_path, brought, changes, message):
    archive = pack(tmp_path / "brought.zip", {**brought, **changes})
    with pytest.raises(UserError, match=message):
        take_session(folder, archive, CARRIER)
    assert nothing_is_kept(folder) and not (tmp_path / "results/runs/m/fake/phone/outside").exists()


@pytest.mark.parametrize("started", [4e9, 1e300])
def test_a_device_whose_clock_is_ahead_needs_the_true_day(folder, tmp_path, brought, started):
    members = change_session(brought, started_at_unix_s=started)
    with pytest.raises(UserError, match=r"--date|is no time"):
        take_session(folder, pack(tmp_path / "brought.zip", members), CARRIER)
    assert nothing_is_kept(folder)


def test_a_day_that_is_not_the_one_of_the_device_is_noted(folder, tmp_path, brought):
    archive = pack(tmp_path / "brought.zip", change_session(brought, started_at_unix_s=4e9))
    with pytest.raises(UserError, match="is still to come"):
        take_session(folder, archive, CARRIER._replace(date="3026-01-01"))
    take_session(folder, archive, CARRIER._replace(date="2026-01-02"))
    (entry,) = list_carried(folder)
    assert (entry["date"], entry["device_date"]) == ("2026-01-02", "2096-10-02")


def test_a_file_that_is_no_archive_is_refused(folder, tmp_path):
    (tmp_path / "brought.zip").write_text("no archive")
    with pytest.raises(UserError, match="not a zip archive"):
        take_session(folder, tmp_path / "brought.zip", CARRIER)


def test_a_kit_that_cannot_measure_packs_nothing(folder, tmp_path):
    """The agent in it refuses a board that is not the one it was made for."""
    place = tmp_path / "there"
    with zipfile.ZipFile(folder / KIT) as kit:
        kit.extractall(place)
        assert {"measure.py", "spec.json", "key.json", "inputs.npz", "candidate.json"} <= set(kit.namelist())
    spec = json.loads((place / "spec.json").read_text())
    (place / "spec.json").write_text(json.dumps(spec | {"board": "another board"}))
    done = subprocess.run([sys.executable, "measure.py"], cwd=place, capture_output=True, text=True)
    assert done.returncode == 3 and "nothing to bring back" in done.stderr
    assert not Path(place, "brought.zip").exists()
