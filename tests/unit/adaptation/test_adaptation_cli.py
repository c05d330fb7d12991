"""The verbs of `edgeproof adaptation` and `edgeproof state`, called in process."""

import json
from argparse import Namespace

import numpy as np
import onnxruntime
import pytest
from edgeproof.__main__ import main
from edgeproof.adaptation.state_stream import stream_state
from edgeproof.adaptation.traces import read_trace
from edgeproof.core.layout import REPOSITORY
from edgeproof.core.program_start import run

from .families_for_tests import write_trace

MODEL = REPOSITORY / "config/models/digits-cnn.onnx"
OTHER = REPOSITORY / "config/models/diabetes-mlp.onnx"


@pytest.fixture
def ask(tmp_path, capsys):
    """`ask(words…)`: (exit code, text, error) of `edgeproof …`."""

    def call(*words):
        code = run(lambda argv: main(argv, REPOSITORY), [str(word) for word in words])
        streams = capsys.readouterr()
        return code, streams.out, streams.err

    return call


@pytest.fixture
def family(tmp_path):
    """A family file of EdgeAdapt's with two variants that are there."""
    for name in ("full", "tiny"):
        (tmp_path / f"{name}.onnx").write_bytes(MODEL.read_bytes())
    (tmp_path / "family.yaml").write_text(
        "family: demo\nvariants:\n"
        "  full: {path: full.onnx, tier: high, metadata: {accuracy_score: 0.9, memory_footprint_mb: 9}}\n"
        "  tiny: {path: tiny.onnx, tier: low, metadata: {accuracy_score: 0.8}}\n"
    )
    return tmp_path / "family.yaml"


def test_validate(ask, family):
    code, text, _ = ask("adaptation", "validate", "--config", family)
    assert code == 0 and text.splitlines()[0] == "family=demo variants=2"
    assert f"  full: path={family.parent / 'full.onnx'} exists=True" in text
    code, text, _ = ask(
        "adaptation", "validate", "--config", family, "--explain", "--json", "--latency-ceiling-ms", "5"
    )
    document = json.loads(text)
    assert document["problems"] == [] and document["decisions"]["recommended"] == "full"
    assert document["decisions"]["explanation"]["latency_ceiling_ms"] == 5.0


@pytest.mark.parametrize("fault", ["missing", "other tensors", "garbage"])
def test_validate_exits_1_for_what_cannot_be_swapped(ask, family, fault):
    place = family.parent / "tiny.onnx"
    if fault == "missing":
        place.unlink()
    else:
        place.write_bytes(OTHER.read_bytes() if fault == "other tensors" else b"no model")
    code, text, _ = ask("adaptation", "validate", "--config", family)
    assert code == 1 and "problem: tiny: " in text


def test_validate_exits_2_for_a_file_that_is_wrong(ask, family):
    family.write_text(family.read_text().replace("0.9,", ".nan,"))
    code, _, error = ask("adaptation", "validate", "--config", family)
    assert code == 2 and "accuracy_score" in error and error.count("\n") == 1
    code, _, error = ask("adaptation", "validate", "--config", REPOSITORY / "config/families/digits.yaml")
    assert code == 2 and "give results/adaptation/digits/DEVICE/family.json" in error


def test_decisions(ask, family):
    code, text, _ = ask("adaptation", "decisions", "--config", family)
    document = json.loads(text)
    assert code == 0 and set(document) == {"recommended", "explanation", "device"}
    assert document["explanation"]["policy"] == "MaximizeAccuracy" and document["device"]["available_ram_mb"] > 0


def test_benchmark(ask, family, tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((1, 1, 8, 8), "float32"))
    code, text, _ = ask(
        "adaptation", "benchmark", "--config", family, "--runs", 5, "--sample", tmp_path / "x.npy", "--json"
    )
    report = json.loads(text)
    assert code == 0 and list(report["variants"]) == ["full", "tiny"]
    row = report["variants"]["full"]
    assert (row["timed_runs"], row["warmup_runs"], row["memory_mb"], row["input_shape"]) == (5, 3, 9.0, [1, 1, 8, 8])
    assert 0 < row["latency_ms_p50"] <= row["latency_ms_p95"] <= row["latency_ms_p99"]
    assert report["metadata"]["git_commit"] and report["metadata"]["onnxruntime_version"] == onnxruntime.__version__
    code, text, _ = ask("adaptation", "benchmark", "--config", family, "--runs", 2)
    assert code == 0 and len(text.splitlines()) == 3 and text.startswith("variant\tmean_ms")
    np.save(tmp_path / "x.npy", np.zeros((1, 3), "float32"))
    code, _, error = ask("adaptation", "benchmark", "--config", family, "--sample", tmp_path / "x.npy")
    assert code == 2 and "cannot be run on" in error


def test_inspect_model(ask):
    code, text, _ = ask("adaptation", "inspect-model", MODEL)
    document = json.loads(text)
    assert code == 0 and set(document) == {"path", "inputs", "outputs", "providers_available", "provider_options"}
    assert document["inputs"][0]["shape"] == [1, 1, 8, 8]
    assert ask("adaptation", "inspect-model", REPOSITORY / "README.md")[0] == 2


def test_replay(ask, family, tmp_path):
    trace = write_trace(tmp_path / "t.jsonl", [{} for _ in range(30)])
    words = ("adaptation", "replay", "--config", family, "--policy", "accurate", "--trace", trace)
    code, text, _ = ask(*words, "--json", "--output", tmp_path / "out")
    document = json.loads(text)
    assert code == 0 and document["steps"] == 30 and set(document["modes"]) == {"fixed", "seed"}
    assert len((tmp_path / "out/decisions.jsonl").read_text().splitlines()) == 60
    assert "0 swaps in" in ask(*words)[1]
    code, _, error = ask(*words[:-1], "nothing")
    assert code == 2 and "config/traces/" in error


class Clock:
    """A clock that only waiting moves."""

    def __init__(self):
        self.now = 100.0

    def read(self):
        return self.now

    def wait(self, seconds):
        self.now += seconds


def test_state_streams_a_trace(tmp_path, capsys):
    (tmp_path / "proc/42").mkdir(parents=True)
    (tmp_path / "proc/meminfo").write_text("MemAvailable: 2048000 kB\n")
    (tmp_path / "proc/stat").write_text("cpu 1 2 3 4\n")
    (tmp_path / "proc/42/status").write_text("VmRSS: 20480 kB\n")
    (tmp_path / "proc/42/stat").write_text("42 (a) S " + " ".join(["0"] * 20))
    clock = Clock()
    options = Namespace(pid=42, variant="full", interval=0.5, duration=2.0)
    assert stream_state(options, tmp_path, str(tmp_path), clock.read, clock.wait) == 0
    text = capsys.readouterr().out
    lines = [json.loads(line) for line in text.splitlines()]
    assert [line["timestamp"] for line in lines] == [100.0, 100.5, 101.0, 101.5, 102.0]
    assert lines[0]["own"] == {"variant": "full", "memory_mb": 20.0, "cpu_pct": 0.0}
    (tmp_path / "trace.jsonl").write_text(text)
    assert [moment.free_mb for moment in read_trace(tmp_path / "trace.jsonl", {})] == [2020.0] * 5


def test_state_of_this_machine(ask):
    code, text, _ = ask("state", "--duration", "0", "--interval", "0")
    assert code == 0 and json.loads(text)["available_ram_mb"] > 0
    code, _, error = ask("state", "--pid", 2**22 + 1)
    assert code == 2 and "there is no such process" in error
