"""Pairs whose arms cannot be alive together: whole processes in turn, and why."""

import json
import sys

import numpy as np
import pytest
from edgeproof.agent import interleaving
from edgeproof.agent.pair_session import run_pairs

from .pair_specs import describe_session, load, measure


@pytest.fixture
def spec(tmp_path):
    return describe_session(tmp_path)


def check_processes(tmp_path, spec, reason):
    record, pairs = measure(tmp_path, spec)
    assert record["interleaving"]["mode"] == "processes" and reason in record["interleaving"]["reason"]
    assert [pair["interleaving"] for pair in pairs] == [record["interleaving"]] * 2
    orders = [pair["order"] for pair in pairs]
    assert orders[0] == orders[1][::-1]  # every two pairs have both orders
    for pair in pairs:
        for arm in ("left", "right"):
            inputs = load(tmp_path, pair["pair"], f"{arm}/inputs")
            np.testing.assert_array_equal(inputs, np.arange(len(inputs)) % pair["arms"][arm]["inputs"])
            assert f"{arm}/samples.npy" in pair["files"]
    return record


def test_arms_that_do_not_fit_together_are_measured_as_whole_processes(tmp_path, spec, monkeypatch):
    monkeypatch.setattr(interleaving, "read_memory_left", lambda: 300_000_000)
    check_processes(tmp_path, spec, "memory: left and right need about 440 MB, and 300 MB are left")


def test_a_first_arm_that_leaves_no_room_for_the_second_counts(tmp_path, spec, monkeypatch):
    left = iter([10**9, 1000])
    monkeypatch.setattr(interleaving, "read_memory_left", lambda: next(left))
    check_processes(tmp_path, spec, "and 0 MB are left")
    assert (tmp_path / "out/pair-000-not-by-blocks").is_dir()


def test_memory_that_a_continued_comparison_lacks_is_no_verdict(tmp_path, spec, monkeypatch):
    monkeypatch.setattr(interleaving, "read_memory_left", lambda: 1000)
    (tmp_path / "out").mkdir()
    with pytest.raises(Exception, match="memory") as error:
        run_pairs({**spec, "interleaving": "blocks"}, str(tmp_path / "out"))
    assert error.value.kind == "cannot_interleave"
    assert json.loads((tmp_path / "out/session.json").read_text())["ended_by"] == "failed"


def script(tmp_path, text):
    path = tmp_path / "python"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_runtimes_that_clash_are_measured_as_whole_processes(tmp_path, spec):
    """One that crashes beside the other is not the artifact's doing."""
    crash = script(tmp_path, f'[ "$3" = work ] && kill -SEGV $$\nexec "{sys.executable}" "$@"')
    spec["arms"]["right"]["interpreter"] = crash
    check_processes(tmp_path, spec, "an arm failed beside the other one: right: crashed")


def test_an_interpreter_that_cannot_be_stopped_is_measured_as_a_whole_process(tmp_path, spec):
    spec["arms"]["left"]["interpreter"] = script(tmp_path, f'"{sys.executable}" "$@"\nexit $?')
    check_processes(tmp_path, spec, "starts Python as a child process")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"alone": "it locks the whole NPU"}, "right: it locks the whole NPU"),
        ({"between_calls": {"busy_ms": 0.01, "sweep_mb": 0.1}}, "right: another process has the machine"),
    ],
)
def test_what_is_known_before_is_the_reason(tmp_path, spec, change, reason):
    spec["arms"]["right"].update(change)
    check_processes(tmp_path, spec, reason)


@pytest.mark.parametrize(
    ("arm", "obstacle"),
    [
        ({"backend": "onnxruntime", "runtime": {"execution_provider": "CUDAExecutionProvider"}}, "accelerator"),
        ({"backend": "onnxruntime", "runtime": {}}, None),
        ({"backend": "openvino", "runtime": {"device": "GPU"}}, "accelerator"),
        ({"backend": "openvino", "runtime": {}}, None),
        ({"backend": "litert", "runtime": {}}, None),
        ({"backend": "torchscript", "runtime": {}}, None),
        ({"backend": "tensorrt", "runtime": {}}, "accelerator"),
        ({"backend": "rknn", "runtime": {}}, "accelerator"),
        ({"backend": "coreml", "runtime": {}}, "accelerator"),
        ({"backend": "placed", "steps": []}, "processes of their own"),
        ({"backend": "abacus"}, "does not know"),
    ],
)
def test_every_backend_says_whether_it_can_take_turns(arm, obstacle):
    found = interleaving.find_reason_for_processes({"left": arm})
    assert (found is None) == (obstacle is None)
    assert obstacle is None or obstacle in found


def test_whole_processes_can_be_asked_for(tmp_path, spec):
    check_processes(tmp_path, {**spec, "interleaving": "processes"}, "the caller")
