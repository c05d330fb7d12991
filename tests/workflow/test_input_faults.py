"""Models that cannot be had or used are results of their own cells; the rest of the campaign goes on."""

import json
import re

import pytest

pytestmark = pytest.mark.workflow

MODELS = {
    "gone": ("user/not-there.onnx", "{kind: random, seed: 0, calibration: 200, evaluation: 8}"),
    "garbage": ("user/garbage.onnx", "{kind: random, seed: 0, calibration: 200, evaluation: 8}"),
    "misfit": ("config/models/diabetes-mlp.onnx", "{kind: digits}"),
}
SAID = {
    "gone": "config/models/gone.yaml: source.path user/not-there.onnx: no such file",
    "garbage": "not an ONNX model",
    "misfit": "the model takes",
}


def stop_requiring_model_files(workspace):
    """Have the rule name a model's file on the command line only: as an input, a missing one stops everything."""
    rules = workspace.root / "rules/sources.smk"
    text, used = rules.read_text(), "--source {input.source:q} {params.sha256}"
    if used in text:
        text = re.sub(r" +source=lambda wildcards: CATALOGUES\[.*\n", "", text, count=1)
        text = text.replace(used, "--source {params.source:q} {params.sha256}")
        source = 'source=lambda wildcards: CATALOGUES["model"][wildcards.model]["source"]["path"],'
        rules.write_text(text.replace("        sha256=lambda", f"        {source}\n        sha256=lambda"))


@pytest.fixture
def campaign(workspace):
    """The built campaign with three more models, none of which can be measured."""
    stop_requiring_model_files(workspace)
    for name, (path, samples) in MODELS.items():
        source = f"description: {name}\nsource: {{kind: file, path: {path}}}\ntask: none\nsamples: {samples}\n"
        workspace.write(f"config/models/{name}.yaml", source)
    workspace.write("user/garbage.onnx", "<html>404</html>")
    added = "  - models: [gone, garbage, misfit]\n    presets: [fake]\n    precisions: [fp32, int8]\n"
    workspace.edit("config/fake.yaml", "matrices:\n", f"matrices:\n{added}")
    return workspace


def read(workspace, path):
    return json.loads((workspace.root / "results" / path).read_text())


def test_the_rest_of_the_campaign_is_measured_and_reported(campaign):
    done = campaign.snakemake()
    assert done.returncode != 0, "the gate refuses cells that failed"
    assert "MissingInputException" not in done.stdout and "Traceback" not in done.stdout
    for name, words in SAID.items():
        for precision in ("fp32", "int8"):
            parity = read(campaign, f"artifacts/{name}/fake/host/{precision}/parity.json")
            result = read(campaign, f"runs/{name}/fake/local/{precision}/result.json")
            assert (parity["status"], result["status"]) == ("not_run", "failed")
            assert words in parity["reason"]["message"] and words in result["reason"]["message"]
        assert read(campaign, f"sources/{name}/samples/samples.json")["status"] == "failed"
    for name in ("gone", "garbage"):
        assert read(campaign, f"artifacts/{name}/fake/host/fp32/manifest.json")["status"] == "failed"
    assert read(campaign, "runs/digits-cnn/fake/local/fp32/result.json")["latency"]["median_ms"] > 0
    report = (campaign.root / "results/evidence/fake/report.md").read_text()
    assert "user/not-there.onnx: no such file" in report


def test_a_build_that_was_done_is_adopted_after_the_outputs_are_gone(workspace):
    """Builds and comparisons of the fake campaign come back byte for byte."""
    folder = workspace.root / "results/artifacts/digits-cnn/fake/host/int8"
    names = ("artifact.json", "manifest.json", "parity.json", "reference.npz")
    before = {name: (folder / name).read_bytes() for name in names}
    for name in names:
        (folder / name).unlink()
    done = workspace.snakemake(str(folder.relative_to(workspace.root) / "parity.json"), "--nolock")
    assert done.returncode == 0, done.stdout
    assert {name: (folder / name).read_bytes() for name in names} == before
    assert len(list((folder / "attempts").iterdir())) == 2
