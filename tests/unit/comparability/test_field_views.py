"""The fields of a result, how a policy compares them, and what to do about a differing one."""

import pytest
from edgeproof.comparability.field_views import REMEDIES, UNRECORDED, describe_difference, normalise, read_fields
from edgeproof.comparability.judging import judge_comparability
from edgeproof.core.yaml_files import read_yaml
from edgeproof.runs.results import read_result

LOOSE = {"normalise_names": True, "tags_are_a_set": True}
STRICT = {"normalise_names": False, "tags_are_a_set": False}


@pytest.mark.parametrize(
    ("field", "value", "loose", "strict"),
    [
        ("precision", "Float32", "fp32", "Float32"),
        ("precision", "i8", "int8", "i8"),
        ("runtime", "ONNXRuntime", "onnxruntime", "ONNXRuntime"),
        ("board_name", "Float32", "Float32", "Float32"),
        ("runtime_tags", ["b", "a", "a"], ["a", "b"], ["b", "a", "a"]),
        ("precision", None, None, None),
    ],
)
def test_values_are_compared_in_the_form_that_the_policy_wants(field, value, loose, strict):
    assert normalise(field, value, LOOSE) == loose
    assert normalise(field, value, STRICT) == strict


def test_a_remedy_names_the_value_to_reach():
    assert describe_difference("batch_size", 1, 8)["remedy"] == (
        "declare `varies: [batch_size]`, or export both models for batch size 1"
    )
    assert "protocol of the left side (processes 5)" in describe_difference("processes", 5, 3)["remedy"]
    assert describe_difference("os", "a", "b")["remedy"] == "make os a on both sides, then measure again"
    assert "a tool that records kernel" in describe_difference("kernel", UNRECORDED, "6.1")["remedy"]


@pytest.mark.parametrize("policy", ["strict", "edgeenv-v1"])
def test_a_result_has_every_field_that_a_shipped_policy_or_a_remedy_names(room, policy):
    room.make(same_cell=True)
    fields = read_fields(read_result("results/runs/digits-cnn/ort-cpu/desk/fp32/result.json"))
    document = read_yaml(f"config/policies/{policy}.yaml", "policy")
    wanted = {name for key in ("required", "runtime", "target", "environment") for name in document[key]}
    assert wanted <= set(fields) and set(REMEDIES) <= set(fields)


@pytest.mark.parametrize(
    "emulators", [("qemu-aarch64", None), (None, "qemu-aarch64"), ("qemu-aarch64", "qemu-aarch64")]
)
def test_times_of_an_emulated_processor_compare_with_nothing(room, emulators):
    """Whatever the policy asks for, and not even with themselves."""
    room.make(same_cell=True)
    fields = read_fields(read_result("results/runs/digits-cnn/ort-cpu/desk/fp32/result.json"))
    policy = read_yaml("config/policies/strict.yaml", "policy")
    assert judge_comparability(fields, fields, policy)["verdict"] == "yes"
    left, right = ({**fields, "emulator": emulator} for emulator in emulators)
    judged = judge_comparability(left, right, policy)
    assert (judged["verdict"], judged["mode"]) == ("no", "none")
    assert [reason["field"] for reason in judged["reasons"]] == ["emulator"]
    assert "real board" in judged["reasons"][0]["remedy"]
