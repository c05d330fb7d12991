"""What a comparison may vary besides precision: the model, its input shape, its batch size, its samples."""

import json

import numpy as np
import pytest
from edgeproof.comparability.field_views import list_allowed, read_fields
from edgeproof.comparability.judging import Latitude, judge_comparability
from edgeproof.comparability.pair_verdicts import divide_by_items, judge, make_design
from edgeproof.core.dependence import estimate_dependence
from edgeproof.core.pair_values import ProcessValue
from edgeproof.core.yaml_files import read_yaml
from edgeproof.runs.pair_records import Pair

NEW_MODEL = {"model_hash": "b" * 64}
LARGER = {**NEW_MODEL, "input_shape": [1, 1, 16, 16], "inputs_hash": "c" * 64}
BOARD = {"target_name": "pi"}
BATCH = {**NEW_MODEL, "input_shape": [8, 1, 8, 8], "batch_size": 8}


@pytest.fixture
def view(room):
    """The fields of a measured cell."""
    room.make()
    path = room.root / "results/runs/digits-cnn/ort-cpu/desk/fp32/result.json"
    return read_fields(json.loads(path.read_text()))


@pytest.fixture
def strict(room):
    return read_yaml("config/policies/strict.yaml", "policy")


@pytest.mark.parametrize(
    ("change", "varies", "verdict", "mode"),
    [
        (NEW_MODEL, ["model"], "conditional", "model-comparison"),
        (NEW_MODEL, ["precision"], "no", "none"),
        (LARGER, ["model", "input_shape"], "conditional", "model-comparison"),
        (LARGER, ["model"], "no", "none"),
        ({**NEW_MODEL, "inputs_hash": "c" * 64}, ["model"], "no", "none"),
        ({**NEW_MODEL, "inputs_hash": "c" * 64}, ["model", "inputs"], "conditional", "model-comparison"),
        ({"inputs_hash": "c" * 64}, ["inputs"], "conditional", "inputs-comparison"),
        (BATCH, ["model", "batch_size"], "conditional", "model-comparison"),
        (BATCH, ["model", "input_shape"], "no", "none"),
        ({**BATCH, "input_shape": [8, 3, 8, 8]}, ["model", "batch_size"], "no", "none"),
        ({**NEW_MODEL, "input_names": ["picture float32"]}, ["model"], "no", "none"),
        ({**NEW_MODEL, "task": "regression"}, ["model"], "no", "none"),
        ({**BOARD, "kernel": "4.19"}, ["device"], "conditional", "target-comparison"),
        ({**BOARD, "kernel": "4.19", "runtime_version": "0.9"}, ["device"], "no", "none"),
        ({**BOARD, "kernel": "4.19"}, [], "no", "none"),
    ],
)
def test_only_what_varies_may_differ(view, strict, change, varies, verdict, mode):
    found = judge_comparability(view, view | change, strict, Latitude(varies))
    assert (found["verdict"], found["mode"]) == (verdict, mode)
    remedies = [reason["remedy"] for reason in found["reasons"]]
    assert any(remedies) == (verdict == "no")


def test_two_boards_that_differ_are_told_how_to_be_compared(view, strict):
    (reason,) = judge_comparability(view, view | {**BOARD, "kernel": "4.19"}, strict)["reasons"]
    assert reason["remedy"].startswith("declare `varies: [device]` to compare two devices as they are, or make kernel")
    (reason,) = judge_comparability(view, view | {"kernel": "4.19"}, strict)["reasons"]
    assert reason["remedy"].startswith("make kernel")


def test_samples_may_follow_the_shape_and_the_record_says_so(view, strict):
    found = judge_comparability(view, view | LARGER, strict, Latitude(["model", "input_shape"]))
    assert [reason["field"] for reason in found["reasons"]] == ["model_hash", "input_shape", "inputs_hash"]


def test_a_shape_that_is_the_same_lets_no_samples_differ(view):
    assert "inputs_hash" not in list_allowed(view, view, ["model", "input_shape"])


def make_pair(left_ns, right_ns):
    values = (ProcessValue(left_ns, 0.001), ProcessValue(right_ns, 0.001))
    return Pair("folder", "blocks", 1.0, float(np.log(right_ns / left_ns)), *values, 0.0, {}, "0" * 64)


def test_across_batch_sizes_the_ratio_is_of_one_item():
    pairs = [make_pair(1e6, 4e6 * (1 + 0.001 * k)) for k in range(6)]
    design = make_design(0.02, 1, estimate_dependence([]))
    assert judge(pairs, design).verdict.verdict == "slower"
    per_item = divide_by_items(pairs, {"left": 1, "right": 8})
    found = judge(per_item, design).verdict
    assert found.verdict == "faster" and found.ratio.estimate == pytest.approx(0.5, rel=0.01)
    assert per_item[0].right.value_ns == pytest.approx(0.5e6)
    assert divide_by_items(pairs, {"left": 8, "right": 8}) == pairs
