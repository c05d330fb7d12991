"""A made-up campaign with three measured cells of one model, and a family of them."""

import json

import pytest
from edgeproof.adaptation.families import write_family
from edgeproof.bench.made_up_campaigns import make_campaign

PRECISIONS = {"full": "fp32", "half": "fp16", "quantized": "int8"}
DECLARED = {
    "family": "digits",
    "variants": {
        name: {
            "cell": {"model": "digits-cnn", "preset": "ort-cpu", "precision": precision},
            "tier": "high",
            "metadata": {"power_draw_estimate": power},
        }
        for (name, precision), power in zip(PRECISIONS.items(), ("high", "medium", "low"), strict=True)
    },
}
SOURCES = {
    name: {
        "path": f"results/artifacts/digits-cnn/ort-cpu/host/{precision}/artifact.onnx",
        "result": f"results/runs/digits-cnn/ort-cpu/desk/{precision}/result.json",
        "parity": f"results/artifacts/digits-cnn/ort-cpu/host/{precision}/parity.json",
        "identity": "results/sources/digits-cnn/identity.json",
    }
    for name, precision in PRECISIONS.items()
}
FAMILY = "results/adaptation/digits/desk/family.json"


@pytest.fixture
def measured(tmp_path, monkeypatch):
    """The folder, which is the current one: cells fp32, fp16 and int8 of one model are measured."""
    monkeypatch.chdir(tmp_path)
    make_campaign(tmp_path, [{}, {"precision": "fp16", "median_ms": 0.8}, {"precision": "int8", "median_ms": 0.6}])
    return tmp_path


@pytest.fixture
def filled(measured):
    """The path of family.json of these cells; `trace.jsonl` beside `results/` is a trace of a crowded device."""
    write_family("digits", "desk", DECLARED, SOURCES, FAMILY)
    states = [{"timestamp": float(n), "available_ram_mb": 500.0 if n % 40 < 20 else 60.0} for n in range(120)]
    (measured / "trace.jsonl").write_text("".join(json.dumps(state) + "\n" for state in states))
    return FAMILY
