"""A builder that draws: builds are paired, and with one of each nothing is said of the models."""

import json

import pytest
import yaml

from .conftest import copy_repository

pytestmark = [pytest.mark.workflow, pytest.mark.campaign]

SIDE = {"model": "digits-cnn", "preset": "drawn", "precision": "fp32"}
CAMPAIGN = {
    "campaign": "builds",
    "protocol": "quick",
    "policy": "strict",
    "devices": ["local"],
    "matrices": [{"models": ["digits-cnn"], "presets": ["drawn"], "precisions": ["fp32", "int8"]}],
    "comparisons": [{"name": "int8", "left": SIDE, "right": {"precision": "int8"}, "varies": ["precision"]}],
}
FOLDER = "results/comparability/builds/int8"


@pytest.fixture
def lottery(tmp_path):
    """Run a campaign that compares two precisions of a preset with so many builds; return the report."""
    workspace = copy_repository(tmp_path / "edgeproof")

    def draw(builds):
        preset = yaml.safe_load((workspace.root / "config/presets/fake.yaml").read_text())
        preset["build"]["latency_spread"] = 0.05
        workspace.write("config/presets/drawn.yaml", yaml.safe_dump(preset | {"builds": builds}))
        workspace.write("config/builds.yaml", yaml.safe_dump(CAMPAIGN))
        done = workspace.snakemake("--replace-workflow-config", config="config/builds.yaml")
        assert done.returncode == 0, done.stdout
        return json.loads((workspace.root / FOLDER / "report.json").read_text())

    draw.root = workspace.root
    return draw


def test_builds_are_paired_and_what_was_measured_of_one_is_used(lottery):
    one = lottery(1)
    assert one["verdict"] == "faster" and one["builds"]["ratios"] == [pytest.approx(one["effect"]["ratio"], rel=0.01)]
    assert "this build of int8 is" in (lottery.root / FOLDER / "report.md").read_text()
    attempts = sorted(lottery.root.glob(f"{FOLDER}/attempts/0*"))
    three = lottery(3)
    assert three["verdict"] == "faster" and len(set(three["builds"]["ratios"])) == 3
    assert three["builds"]["variances"]["builds"] > three["builds"]["variances"]["processes"]
    effect = three["effect"]
    assert effect["interval_low"] < min(three["builds"]["ratios"]) < effect["ratio"] < effect["interval_high"]
    assert [path for path in sorted(lottery.root.glob(f"{FOLDER}/attempts/0*")) if path in attempts] == attempts
    artifacts = lottery.root.glob("results/artifacts/digits-cnn/drawn*/host/int8/artifact.json")
    assert len({json.loads(path.read_text())["latency_ms"] for path in artifacts}) == 3
    page = (lottery.root / "results/evidence/builds/report.html").read_text()
    assert "3 pairs of builds" in page and "this build of" not in page
