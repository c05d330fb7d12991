"""Two devices: sessions of each on two days, what the report says on the way, and the command that adds one."""

import json

import pytest
import yaml
from edgeproof.core.attempts import list_attempts
from edgeproof.core.files import sha256_file
from edgeproof.core.seals import seal

from .conftest import copy_repository

pytestmark = [pytest.mark.workflow, pytest.mark.campaign]

DEVICES = {"desk": "fake", "bench": "slow"}  # and the preset that its cell has
CELLS = {name: f"digits-cnn/{preset}/{name}/fp32" for name, preset in DEVICES.items()}
SIDES = {
    name: {"model": "digits-cnn", "preset": DEVICES[name], "precision": "fp32", "device": name} for name in DEVICES
}
CAMPAIGN = {
    "campaign": "devices",
    "protocol": "quick",
    "policy": "strict",
    "devices": list(DEVICES),
    "matrices": [
        {"models": ["digits-cnn"], "presets": [preset], "devices": [name], "precisions": ["fp32"]}
        for name, preset in DEVICES.items()
    ],
    "comparisons": [{"name": "boards", "left": SIDES["desk"], "right": SIDES["bench"], "varies": ["device"]}],
}
FILES = ("--configfile", "config/devices.yaml", "--replace-workflow-config")


@pytest.fixture
def workspace(tmp_path):
    made = copy_repository(tmp_path / "edgeproof")
    for name in DEVICES:
        device = {"description": name, "board": name, "transport": "local", "lock": f"{name}.lock"}
        made.write(f"config/devices/{name}.yaml", yaml.safe_dump(device))
    made.edit("config/protocols/quick.yaml", "min_seconds: 1.0", "min_seconds: 0.0")
    fake = (made.root / "config/presets/fake.yaml").read_text()
    made.write("config/presets/slow.yaml", fake.replace("latency_ms: 5.0", "latency_ms: 9.0"))
    made.write("config/devices.yaml", yaml.safe_dump(CAMPAIGN))
    return made


def read_report(workspace):
    folder = workspace.root / "results/comparability/devices/boards"
    return json.loads((folder / "report.json").read_text()), (folder / "report.md").read_text()


def move_to_yesterday(workspace, cell):
    """Make all sessions of a cell a day older."""
    for attempt in list_attempts(workspace.root / "results/runs" / cell):
        path = attempt.folder / "session/session.json"
        record = json.loads(path.read_text())
        path.write_text(json.dumps(record | {"started_at_unix_s": record["started_at_unix_s"] - 86400}))
        digest = sha256_file(path)
        changed = {
            "facts": attempt.record["facts"] | {"session": digest},
            "files": attempt.record["files"] | {"session/session.json": digest},
        }
        (attempt.folder / "attempt.json").write_text(json.dumps(seal(attempt.record | changed)))


def test_from_one_session_each_to_a_verdict(workspace):
    done = workspace.snakemake("--replace-workflow-config", config="config/devices.yaml")
    assert done.returncode == 0, done.stdout
    report, text = read_report(workspace)
    assert (report["verdict"], report["reason"], report["mode"]) == ("undecided", "sessions", "target-comparison")
    assert "without an interval, 1 session each." in text
    assert f"`edgeproof runs again {CELLS['desk']} {CELLS['bench']}` adds one, on another day" in text

    workspace.edit("config/protocols/quick.yaml", "processes: 5", "processes: 5\nsessions: 2")
    for cell in CELLS.values():
        move_to_yesterday(workspace, cell)
    done = workspace.snakemake("--replace-workflow-config", config="config/devices.yaml")
    assert done.returncode == 0, done.stdout
    report, text = read_report(workspace)
    assert (report["between_sessions"]["left_sessions"], report["reason"]) == (2, "sessions")
    assert f"1 more of {CELLS['desk']}" in text

    done = workspace.edgeproof("runs", "again", "boards", *FILES)
    assert done.returncode == 0, done.stdout
    report, text = read_report(workspace)
    assert (report["verdict"], report["reason"], report["explanation"]) == ("slower", None, None)
    apart = report["between_sessions"]
    assert apart["ratio"] == pytest.approx(1.8, rel=0.01) and apart["degrees_of_freedom"] == 2
    assert apart["interval_low"] < apart["ratio"] < apart["interval_high"]
    assert "takes 1.8" in text and "3 sessions each." in text
    page = (workspace.root / "results/evidence/devices/report.html").read_text()
    assert "3 sessions each" in page
