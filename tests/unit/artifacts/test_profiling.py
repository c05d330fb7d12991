"""Where the time goes: sums per operator from a profile, families across precisions, and what the profiler costs."""

import json

import pytest
from edgeproof.artifacts.agreement import profiling
from edgeproof.artifacts.agreement.profiling import (
    compare_families,
    describe_profiles,
    explain_speed,
    name_family,
    read_events,
)
from edgeproof.core.documents import validate
from edgeproof.core.errors import UserError

from .conftest import RUNTIME


def kernel(name, operator, start, elapsed):
    args = {"op_name": operator}
    return {"ph": "X", "cat": "Node", "name": f"{name}_kernel_time", "ts": start, "dur": elapsed, "args": args}


def run(start, elapsed):
    return {"ph": "X", "cat": "Session", "name": "model_run", "ts": start, "dur": elapsed, "args": {}}


@pytest.fixture
def profile(tmp_path):
    events = [{"ph": "M", "name": "process_name"}]
    for number in range(3):
        start = 1000 * number
        events += [kernel("a", "Conv", start + 10, 100 + number), kernel("b", "Conv", start + 200, 50)]
        events += [kernel("c", "Relu", start + 300, 7), run(start, 500)]
    path = tmp_path / "profile.json"
    path.write_text(json.dumps(events))
    return path


def test_events_are_told_apart_by_run_and_summed_by_operator(profile):
    runs = read_events(profile)
    assert [len(events) for events in runs] == [3, 3, 3]
    assert profiling.sum_operators(runs, skip=1) == [
        {"operator": "Conv", "nodes": 2, "median_ms": pytest.approx(0.1515)},
        {"operator": "Relu", "nodes": 1, "median_ms": 0.007},
    ]


@pytest.mark.parametrize(
    ("operator", "family"),
    [
        ("FusedConv", "convolution"),
        ("QLinearConv", "convolution"),
        ("DynamicQuantizeLinear", "quantisation"),
        ("QGemm", "matrix product"),
        ("ReorderOutput", "layout"),
        ("QLinearConcat", "Concat"),
        ("NhwcMaxPool", "MaxPool"),
        ("Softmax", "Softmax"),
    ],
)
def test_an_operator_has_a_family_whatever_it_computes_in(operator, family):
    assert name_family(operator) == family


def test_what_makes_int8_slow_is_said_in_words():
    baseline = [
        {"operator": "Conv", "nodes": 26, "median_ms": 4.0},
        {"operator": "MaxPool", "nodes": 3, "median_ms": 1},
    ]
    candidate = [
        {"operator": "Conv", "nodes": 24, "median_ms": 4.0},
        {"operator": "QLinearConv", "nodes": 2, "median_ms": 0.5},
        {"operator": "DequantizeLinear", "nodes": 73, "median_ms": 2.0},
        {"operator": "NhwcMaxPool", "nodes": 3, "median_ms": 0.2},
    ]
    families = compare_families(baseline, candidate)
    assert [(line["family"], round(line["difference_ms"], 9)) for line in families] == [
        ("quantisation", 2.0),
        ("convolution", 0.5),
        ("MaxPool", -0.8),
    ]
    arms = {"baseline": {"median_ms": 5.0}, "candidate": {"median_ms": 7.0}}
    assert describe_profiles("int8", arms, 1.4, families) == [
        "int8 takes 7 ms where the source takes 5 ms: 1.40 times as long",
        "+2 ms in quantisation: nothing became 73 DequantizeLinear",
        "+0.5 ms in convolution: 26 Conv became 24 Conv, 2 QLinearConv",
        "-0.8 ms in MaxPool: 3 MaxPool became 3 NhwcMaxPool",
        "24 of 26 nodes of convolution run in floats: the runtime did not fuse them",
    ]


def test_an_int8_artifact_is_explained(job):
    job.build("int8")
    cell = {"model": "tiny", "preset": "ort-cpu", "builder": "host", "precision": "int8"}
    artifact = job.folder / "int8" / "artifact.onnx"
    document = explain_speed(cell, job.source, artifact, RUNTIME, job.evaluation, runs=3)
    assert validate(document, "operators", "test") is document
    assert "QLinearConv" in {item["operator"] for item in document["arms"]["candidate"]["operators"]}
    assert all(item["nodes"] == 1 for item in document["arms"]["baseline"]["operators"])
    assert document["ratio"] == document["arms"]["candidate"]["median_ms"] / document["arms"]["baseline"]["median_ms"]
    assert "profiler on" in document["caveats"][0]


def test_what_does_not_load_is_one_line(job):
    broken = job.folder / "broken.onnx"
    broken.write_bytes(b"no model")
    with pytest.raises(UserError, match="does not load in ONNX Runtime"):
        profiling.open_profiling_session(broken, RUNTIME)
    with pytest.raises(UserError, match="is not in the onnxruntime of this machine"):
        profiling.open_profiling_session(job.source, {"execution_provider": "NoExecutionProvider"})
