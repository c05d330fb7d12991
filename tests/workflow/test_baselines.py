"""A new version of a model against a stored one: by the name of a baseline, or by the digest of its artifact."""

import json

import pytest
import yaml
from edgeproof.__main__ import main

pytestmark = [pytest.mark.workflow, pytest.mark.campaign]

CELL = "digits-cnn/fake/local/fp32"
ARTIFACT = "results/artifacts/digits-cnn/fake/host/fp32"


def write_campaign(workspace, left, varies=()):
    """Write a campaign that gates today's digits-cnn against `left`."""
    base = yaml.safe_load((workspace.root / "config/fake.yaml").read_text())
    comparison = {"name": "new-vs-old", "left": left, "right": {}, "varies": list(varies), "gate": True, "pairs": 10}
    cells = [{"models": ["digits-cnn"], "presets": ["fake"], "precisions": ["fp32"]}]
    campaign = {**base, "campaign": "gated", "matrices": cells, "comparisons": [comparison]}
    campaign.pop("calibration")
    workspace.write("config/gated.yaml", yaml.safe_dump(campaign))


def gate(workspace):
    return workspace.snakemake("--replace-workflow-config", config="config/gated.yaml")


def read(workspace, name):
    return json.loads((workspace.root / "results/comparability/gated/new-vs-old" / name).read_text())


def slow_down(workspace, latency_ms):
    """Change the model: what is built from now on takes another time."""
    workspace.edit("config/presets/fake.yaml", "latency_ms: 5.0", f"latency_ms: {latency_ms}")


def test_a_slower_version_fails_the_gate_against_its_baseline(workspace, capsys):
    assert main(["baseline", "set", CELL, "--name", "release"], workspace.root) == 0
    assert "left: {baseline: release}" in capsys.readouterr().out
    old = json.loads((workspace.root / ARTIFACT / "manifest.json").read_text())["artifact"]["sha256"]
    write_campaign(workspace, {"baseline": "release"})
    same = gate(workspace)
    assert same.returncode == 0, same.stdout
    assert read(workspace, "report.json")["verdict"] == "equivalent"
    slow_down(workspace, 6.0)
    done = gate(workspace)
    assert done.returncode != 0 and "GATE NOT PASSED" in done.stdout
    report, verdict = read(workspace, "report.json"), read(workspace, "verdict.json")
    assert (report["verdict"], report["left"]["model"], report["right"]["model"]) == (
        "slower", "baseline-release", "digits-cnn",
    )  # fmt: skip
    assert report["effect"]["ratio"] == pytest.approx(1.2, rel=0.02)
    assert verdict["left"]["artifact_sha256"] == old != verdict["right"]["artifact_sha256"]
    assert read(workspace, "regression.json")["status"] == "regression"


def test_an_artifact_of_the_store_is_found_by_its_digest(workspace):
    old = json.loads((workspace.root / ARTIFACT / "manifest.json").read_text())["artifact"]["sha256"]
    slow_down(workspace, 4.0)
    write_campaign(workspace, {"artifact": f"sha256:{old}", "preset": "fake"})
    done = gate(workspace)
    assert done.returncode == 0, done.stdout
    report = read(workspace, "report.json")
    assert (report["verdict"], report["left"]["model"]) == ("faster", f"artifact-{old[:12]}")
    write_campaign(workspace, {"artifact": "sha256:" + 8 * "0"})
    missing = gate(workspace)
    assert missing.returncode != 0
    (line,) = [line for line in missing.stdout.splitlines() if line.startswith("error:")]
    assert "config/gated.yaml" in line and "results/baselines/*" in line and "results/artifacts/" in line


def test_a_baseline_is_not_overwritten_unasked(workspace):
    assert main(["baseline", "set", CELL], workspace.root) == 0
    folder = workspace.root / "results/baselines/digits-cnn"
    before = (folder / "baseline.json").read_bytes()
    with pytest.raises(Exception, match="--replace"):
        main(["baseline", "set", "digits-cnn/fake/local/int8"], workspace.root)
    assert (folder / "baseline.json").read_bytes() == before
    assert main(["baseline", "set", "digits-cnn/fake/local/int8", "--replace"], workspace.root) == 0
    assert json.loads((folder / "baseline.json").read_text())["cell"]["precision"] == "int8"
    assert [path.name for path in folder.parent.iterdir()] == ["digits-cnn"]
    (folder / "reference.npz").write_bytes(b"edited")
    write_campaign(workspace, {"baseline": "digits-cnn"})
    done = gate(workspace)
    assert done.returncode != 0 and "results/baselines/digits-cnn/reference.npz" in done.stdout
