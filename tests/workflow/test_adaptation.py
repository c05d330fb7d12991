"""From simulated cells to a filled family, its replays and the report; what a change makes stale."""

import json

import pytest

from .conftest import copy_repository

pytestmark = [pytest.mark.workflow, pytest.mark.campaign]
CONFIG = "config/fake-adaptation.yaml"
PLACE = "results/adaptation/fake-digits/local"


@pytest.fixture(scope="module")
def replayed(tmp_path_factory):
    """The fake family, filled and replayed once, with the report. Tests change a copy of it, never this."""
    workspace = copy_repository(tmp_path_factory.mktemp("replayed") / "edgeproof")
    # A lock of its own: simulated times need not wait for whoever measures on this machine.
    workspace.edit("config/devices/local.yaml", "timeout_s: 600", "timeout_s: 600\nlock: device.lock")
    done = workspace.snakemake(config=CONFIG)
    assert done.returncode == 0, done.stdout
    return workspace


@pytest.fixture
def workspace(replayed, tmp_path):
    return replayed.copy(tmp_path / "edgeproof")


def read(workspace, name):
    return json.loads((workspace.root / PLACE / name).read_text())


def test_from_cells_to_replays_and_the_report(replayed):
    family = read(replayed, "family.json")
    assert list(family["variants"]) == ["full", "half", "quantized"] and family["left_out"] == {}
    assert {item["origins"]["expected_latency_ms"] for item in family["variants"].values()} == {"simulated"}
    for policy in ("accurate", "frugal"):
        summary = read(replayed, f"{policy}/desk/summary.json")
        lines = (replayed.root / PLACE / policy / "desk/decisions.jsonl").read_text().splitlines()
        assert len(lines) == 2 * summary["steps"] and summary["family"]["key"] == family["key"]
        assert "Both guards on the same trace" in (replayed.root / PLACE / policy / "desk/page.html").read_text()
    report = (replayed.root / "results/evidence/fake-adaptation/report.html").read_text()
    assert "fake-digits on local, accurate over desk" in report and 'href="../../adaptation/' in report


def test_second_run_does_nothing(workspace):
    assert workspace.remade_by(config=CONFIG) == set()


def test_a_guard_replays_its_policy_only(workspace):
    workspace.edit("config/selection/frugal.yaml", "min_accuracy_floor: 0.8", "min_accuracy_floor: 0.7")
    remade = workspace.remade_by("adaptation", config=CONFIG)
    names = ("decisions.jsonl", "page.html", "summary.json")
    assert {path for path in remade if path.startswith("adaptation/")} == {
        f"adaptation/fake-digits/local/frugal/desk/{name}" for name in names
    }
    assert not [path for path in remade if path.startswith(("runs/", "artifacts/"))]


def test_words_replay_nothing(workspace):
    workspace.edit("config/selection/frugal.yaml", "description: The least", "description: Of all the least")
    workspace.edit("config/traces/desk.yaml", "description: A shared", "description: Some shared")
    assert workspace.remade_by("adaptation", config=CONFIG) == set()


def test_another_trace_is_replayed_by_all(workspace):
    trace = workspace.root / "config/traces/desk.jsonl"
    trace.write_text("".join(trace.read_text().splitlines(keepends=True)[:-1]))
    remade = workspace.remade_by("adaptation", config=CONFIG)
    assert len([path for path in remade if path.endswith("summary.json")]) == 2
    assert "adaptation/fake-digits/local/family.json" not in remade


def test_validation_covers_replays(workspace):
    page = workspace.root / PLACE / "accurate/desk/page.html"
    page.write_text(page.read_text().replace("Seconds with full", "Seconds without full"))
    done = workspace.edgeproof("evidence", "validate", "fake-adaptation")
    assert done.returncode == 1 and "page.html" in done.stdout


def test_a_bundle_has_what_its_replays_need(workspace):
    """A bundle is verified when it is made: each trace is replayed again from what is in it."""
    done = workspace.edgeproof("evidence", "bundle", "fake-adaptation")
    assert done.returncode == 0, done.stdout
    done = workspace.edgeproof("verify", "--all", "results/evidence/fake-adaptation/bundle.zip")
    assert done.returncode == 0 and "recomputed  replay fake-digits/local/accurate/desk" in done.stdout
