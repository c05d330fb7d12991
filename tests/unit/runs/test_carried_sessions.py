"""Kits for devices that no job reaches, and what is brought back: taken whole, or refused in one line."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from edgeproof.bench.made_up_cells import MACHINE, PROTOCOL, make_session
from edgeproof.core.attempts import list_attempts
from edgeproof.core.errors import UserError
from edgeproof.runs.carried_sessions import KIT, Carrier, is_carried, list_brought, take_session, write_kit
from edgeproof.runs.sessions import SessionSetup, read_session

DEVICE = {"name": "phone", "board": "A phone", "transport": "manual"}
CARRIER = Carrier("Ann", "the phone's clock", None)
ORDER = ["candidate"] * 2


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A run's folder with a kit."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "artifact.json").write_text('{"seed": "m/fp32", "latency_ms": 0.5, "outputs": {}}')
    np.savez(tmp_path / "inputs.npz", input=np.zeros((4, 2), np.float32))
    place = tmp_path / "results/runs/m/fake/phone/fp32"
    place.mkdir(parents=True)
    arms = {"candidate": {"backend": "fake", "precision": "fp32", "runtime": {}, "artifact": "artifact.json"}}
    write_kit(place, "m", arms, ORDER, SessionSetup(tmp_path / "inputs.npz", DEVICE, PROTOCOL, sys.executable))
    return place


def pack(folder, target, left_out=(), **changed):
    """Write the archive that a kit would have packed, with members changed or left out, and return its path."""
    with zipfile.ZipFile(folder / KIT) as kit:
        key = kit.read("key.json").decode()
    samples = [np.full(60, 1_000_000 + slot) for slot in range(2)]
    session = make_session(samples, "ok", "", {})
    texts = {"key.json": key, "machine.json": json.dumps(MACHINE), "session/session.json": json.dumps(session)}
    with zipfile.ZipFile(target, "w") as archive:
        for name, text in (texts | changed).items():
            if name not in left_out:
                archive.writestr(zipfile.ZipInfo(name), text)
        for slot, values in enumerate(samples):
            path = target.with_name("samples.npy")
            np.save(path, values)
            archive.writestr(zipfile.ZipInfo(f"session/process-{slot:03d}/samples.npy"), path.read_bytes())
    return target


def test_what_is_brought_back_is_an_attempt_that_says_who_brought_it(folder, tmp_path):
    assert is_carried(DEVICE) and not is_carried({**DEVICE, "transport": "ssh"})
    archive = pack(folder, tmp_path / "brought.zip")
    taken = take_session(folder, archive, CARRIER)
    session = read_session(taken)
    assert [int(session.samples[slot][0]) for slot in (0, 1)] == [1_000_000, 1_000_001]
    (entry,) = list_brought(folder)
    assert (entry["operator"], entry["instrument"], entry["date"]) == ("Ann", "the phone's clock", "2027-01-15")
    with pytest.raises(UserError, match="is in the store already"):
        take_session(folder, archive, CARRIER)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"left_out": ("session/session.json",)}, r"has no readable session\.json"),
        ({"left_out": ("machine.json",)}, r"has no readable machine\.json"),
        ({"key.json": "{}"}, "is of another kit"),
        ({"machine.json": "[1]"}, "is no JSON object"),
        ({"session/session.json": '{"processes": []}'}, "has 0 processes, the kit asks for 2"),
        ({"session/session.json": '{"processes": 3}'}, "holds no session of the agent"),
        ({"../outside": "x"}, "'..'"),
    ],
)
def test_what_no_kit_has_packed_is_refused_and_nothing_is_kept(folder, tmp_path, changes, message):
    archive = pack(folder, tmp_path / "brought.zip", changes.pop("left_out", ()), **changes)
    with pytest.raises(UserError, match=message):
        take_session(folder, archive, CARRIER)
    assert list_attempts(folder) == [] and not (tmp_path / "results/runs/m/fake/phone/outside").exists()
    assert [path.name for path in folder.iterdir() if path.name != "attempts"] == [KIT]


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
