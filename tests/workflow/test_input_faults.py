"""Models that cannot be had or used are results of their own cells; the rest of the campaign goes on."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

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
    "absent": "/model.onnx: the server answers 404 Not Found; correct source.url in the model's YAML",
}


class _NothingHere(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_error(404)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    """The address of a server on loopback that has no file."""
    serving = ThreadingHTTPServer(("127.0.0.1", 0), _NothingHere)
    threading.Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield f"http://127.0.0.1:{serving.server_port}/model.onnx"
    serving.shutdown()
    serving.server_close()


@pytest.fixture
def campaign(workspace, server):
    """The built campaign with four more models, none of which can be measured."""
    for name, (path, samples) in MODELS.items():
        source = f"description: {name}\nsource: {{kind: file, path: {path}}}\ntask: none\nsamples: {samples}\n"
        workspace.write(f"config/models/{name}.yaml", source)
    samples = "{kind: random, seed: 0, calibration: 200, evaluation: 8}"
    source = f"source: {{kind: url, url: '{server}', sha256: {'a' * 64}}}"
    workspace.write("config/models/absent.yaml", f"description: absent\n{source}\ntask: none\nsamples: {samples}\n")
    workspace.write("user/garbage.onnx", "<html>404</html>")
    added = "  - models: [gone, garbage, misfit, absent]\n    presets: [fake]\n    precisions: [fp32, int8]\n"
    workspace.edit("config/fake.yaml", "matrices:\n", f"matrices:\n{added}")
    calibrated = "cells: [{model: garbage, preset: fake, precision: fp32}, "
    workspace.edit("config/fake.yaml", "cells: [", calibrated)
    return workspace


def read(workspace, path):
    return json.loads((workspace.root / "results" / path).read_text())


@pytest.mark.campaign  # half a minute
def test_the_rest_of_the_campaign_is_measured_and_reported(campaign):
    done = campaign.snakemake(no_proxy="*")
    assert done.returncode != 0, "the gate refuses cells that failed"
    assert "MissingInputException" not in done.stdout and "Traceback" not in done.stdout
    for name, words in SAID.items():
        for precision in ("fp32", "int8"):
            parity = read(campaign, f"artifacts/{name}/fake/host/{precision}/parity.json")
            result = read(campaign, f"runs/{name}/fake/local/{precision}/result.json")
            assert (parity["status"], result["status"]) == ("not_run", "failed")
            assert words in parity["reason"]["message"] and words in result["reason"]["message"]
        assert read(campaign, f"sources/{name}/samples/samples.json")["status"] == "failed"
    for name in ("gone", "garbage", "absent"):
        assert read(campaign, f"artifacts/{name}/fake/host/fp32/manifest.json")["status"] == "failed"
    assert read(campaign, "runs/digits-cnn/fake/local/fp32/result.json")["latency"]["median_ms"] > 0
    report = (campaign.root / "results/evidence/fake/report.md").read_text()
    assert "user/not-there.onnx: no such file" in report
    noise = read(campaign, "calibration/garbage/fake/local/fp32/quick/noise.json")
    assert "not an ONNX model" in noise["failure"]["message"] and "Not calibrated: " in report


@pytest.mark.campaign  # a quarter of a minute
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
