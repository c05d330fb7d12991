"""A campaign in which everything happens that can happen, written once for all tests that only read it."""

import os

import pytest
from edgeproof.bench.made_up_campaigns import make_campaign, write_calibration

MARKUP = "<script>alert('x')</script> & | `code`"
OK, INT8 = ("digits-cnn", "ort-cpu", "desk", "fp32"), ("digits-cnn", "ort-cpu", "desk", "int8")
FP16 = ("digits-cnn", "ort-cpu", "desk", "fp16")
DYNAMIC = ("digits-cnn", "ort-cpu", "desk", "int8-dynamic")
OTHER = ("squeezenet", "ort-cpu", "desk", "fp32")
BOARD = ("digits-cnn", "ort-cpu", "board", "fp32")

CELLS = [
    {"kind": "trivial"},
    {"precision": "int8", "median_ms": 0.6},
    {"precision": "fp16", "kind": "noisy"},
    {"precision": "int8-dynamic", "kind": "wrong", "message": MARKUP},
    {"device": "board", "median_ms": 9.0, "snapshot": {"board": MARKUP, "load_average": [3.0, 2.0, 1.0]}},
    {"model": "squeezenet", "median_ms": 12.0, "accuracy": False},
    {"model": "squeezenet", "precision": "fp16", "kind": "no_artifact", "message": MARKUP},
    {"model": "squeezenet", "precision": "int8", "kind": "unsupported", "message": "no such provider here"},
    {"model": "squeezenet", "precision": "int8-dynamic", "kind": "crashed", "message": MARKUP},
    {"preset": "fake", "kind": "simulated", "median_ms": 5.0},
]
COMPARISONS = [
    {"name": "faster", "left": OK, "right": INT8, "varies": ["precision"], "ratio": 0.6},
    {"name": "same", "left": OK, "right": OK},
    {"name": "undecided", "left": OK, "right": OK, "ratio": 1.02, "spread": 0.03},
    {"name": "shaky", "left": OK, "right": FP16, "varies": ["precision"]},
    {"name": "refused", "left": OK, "right": OTHER},
    {"name": "two-boards", "left": OK, "right": BOARD},
]


NOISE = [f"results/calibration/digits-cnn/ort-cpu/{device}/fp32/quick/noise.json" for device in ("desk", "board")]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder that is the current one; results are found relative to it."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def everything(tmp_path_factory):
    """(folder, snapshot) of the campaign; read it, do not write to it."""
    folder, before = tmp_path_factory.mktemp("everything"), os.getcwd()
    os.chdir(folder)
    try:
        write_calibration("desk")
        write_calibration("board", sessions=1, spread=0.06, provenance="simulated")
        return folder, make_campaign(folder, CELLS, COMPARISONS)
    finally:
        os.chdir(before)


@pytest.fixture
def campaign(everything, monkeypatch):
    """The snapshot of the campaign, whose folder is the current one."""
    folder, snapshot = everything
    monkeypatch.chdir(folder)
    return snapshot
