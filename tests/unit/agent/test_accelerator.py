"""What ran where: profiles of ONNX Runtime, partitions of a TFLite delegate, and what follows for a result."""

import json

import numpy as np
import pytest
from edgeproof.agent.accelerator import Executed, judge_use, list_delegated, read_onnxruntime_profile
from edgeproof.agent.backends.onnxruntime import OnnxRuntime
from edgeproof.agent.backends.opening import open_backend
from edgeproof.agent.failures import Verdict
from edgeproof.agent.measurement import measure_process
from edgeproof.runs.labels import list_labels

from .pair_specs import PROTOCOL, real

FEED = {"x": np.zeros((1, 4), "float32")}
NPU, CPU = "NpuExecutionProvider", "CPUExecutionProvider"


def test_a_real_profile_says_where_every_node_ran(tiny_model, tmp_path):
    backend = open_backend(real(tiny_model))
    assert backend.prove_use(FEED, str(tmp_path)) is None  # the CPU was asked for
    backend.provider_requested = NPU
    with pytest.raises(Verdict, match=rf"{NPU} was asked for and ran no node \(ONNX Runtime's profile: \d on {CPU}\)"):
        backend.prove_use(FEED, str(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.onnx"]  # the profiler's file is removed


def write_profile(path, runs):
    """Write a profile as ONNX Runtime does: per run (node, operator, provider, µs)."""
    events = [{"cat": "Session", "name": "model_run", "dur": 9, "ts": 0, "ph": "X", "args": {}}]
    for run in runs:
        for name, operator, provider, spent in run:
            args = {"op_name": operator, "provider": provider}
            events.append(
                {"cat": "Node", "name": f"{name}_kernel_time", "dur": spent, "ts": 1, "ph": "X", "args": args}
            )
            events.append({"cat": "Node", "name": f"{name}_fence_before", "dur": 1, "ts": 1, "ph": "X", "args": {}})
    path.write_text(json.dumps(events))
    return str(path)


def test_a_partial_accelerator_is_named_with_the_nodes_that_it_left(tmp_path):
    run = [("conv1", "Conv", NPU, 60), ("conv2", "Conv", NPU, 20), ("nms", "NonMaxSuppression", CPU, 20)]
    nodes = read_onnxruntime_profile(write_profile(tmp_path / "p.json", [run, run]), 2)
    assert nodes[0] == Executed("conv1", "Conv", NPU, 60_000)
    use = judge_use(NPU, "profile", nodes)
    assert use["nodes"] == {CPU: 1, NPU: 2} and use["share_nodes"] == pytest.approx(2 / 3)
    assert use["share_time"] == pytest.approx(0.8) and use["others"] == [f"nms (NonMaxSuppression) on {CPU}"]
    many = [*nodes, *(Executed(f"n{k}", "Cast", CPU, None) for k in range(30))]
    use = judge_use(NPU, "profile", many)
    assert use["share_time"] is None and use["others_count"] == 31 and len(use["others"]) == 20


def op(index, name, inputs, outputs):
    return {"index": index, "op_name": name, "inputs": np.array(inputs), "outputs": np.array(outputs)}


def test_the_partitions_of_a_delegate_cover_what_lies_between_their_tensors():
    """0 → A → 1 → B → 2 → C → 3 → D → 4, with A, B and D in two partitions; C has no kernel there."""
    plain = [op(0, "A", [0], [1]), op(1, "B", [1, 9], [2]), op(2, "C", [2], [3]), op(3, "D", [3], [4])]
    parts = [op(4, "DELEGATE", [0, 9], [2]), op(5, "DELEGATE", [3], [4])]
    where = {node.operator: node.where for node in list_delegated(plain + parts, "XNNPACK")}
    assert where == {"A": "XNNPACK", "B": "XNNPACK", "C": "CPU", "D": "XNNPACK"}
    use = judge_use("XNNPACK", "partitions", list_delegated(plain + parts, "XNNPACK"))
    assert use["share_nodes"] == 0.75 and use["share_time"] is None and use["others"] == ["2 (C) on CPU"]
    with pytest.raises(Verdict, match="XNNPACK was asked for and ran no node"):
        judge_use("XNNPACK", "partitions", list_delegated(plain, "XNNPACK"))


@pytest.mark.parametrize("provider", [NPU, CPU])
def test_an_accelerator_that_did_nothing_is_a_failed_process(tiny_model, tmp_path, monkeypatch, provider):
    np.savez(tmp_path / "inputs.npz", **{"inputs/x": np.zeros((2, 4), "float32")})
    create = OnnxRuntime.__init__

    def pretend(self, arm):
        create(self, arm)
        self.provider_requested = provider

    monkeypatch.setattr(OnnxRuntime, "__init__", pretend)
    for slot, status in ((0, "failed" if provider == NPU else "ok"), (1, "ok")):
        spec = {"arm": real(tiny_model), "inputs": str(tmp_path / "inputs.npz"), "protocol": PROTOCOL, "slot": slot}
        measure_process(spec, str(tmp_path))
        report = json.loads((tmp_path / "process.json").read_text())
        assert report["status"] == status
        assert (report["reason"] or {}).get("kind") == ("accelerator_unused" if status == "failed" else None)


def test_a_result_is_labelled_with_what_its_accelerator_left():
    use = judge_use(NPU, "profile", [Executed("a", "Conv", NPU, 80.0), Executed("b", "Nms", CPU, 20.0)])
    result = {
        "latency": {"noisy": False}, "processes": [], "sessions": [], "provenance": "measured", "accelerator": use,
        "inputs": {"depends": False, "kind": "given"},
    }  # fmt: skip
    (label,) = list_labels(result)
    assert label["label"] == "partly_accelerated"
    assert label["message"] == f"{NPU} ran 50.0% of the nodes and 80.0% of the time; not b (Nms) on {CPU}"
    assert list_labels(result | {"accelerator": None}) == []
