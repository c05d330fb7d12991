"""Steps of a placed pipeline that run side by side: on one input as a graph, and on several inputs at a time."""

import json

import numpy as np
import onnx
import pytest
from edgeproof.agent.backends.opening import open_backend
from edgeproof.agent.flow import Flow, list_neighbours
from edgeproof.agent.full_pipeline import measure_flow
from edgeproof.agent.step_order import HOP_NS, add_up, find_busiest
from onnx import TensorProto, helper


@pytest.fixture
def adding(tmp_path):
    """The arm of y = x + 1, and that of y = a + b, in ONNX Runtime."""

    def save(name, inputs, nodes, stored=()):
        infos = [
            [helper.make_tensor_value_info(key, TensorProto.FLOAT, [1, 4]) for key in side] for side in (inputs, "y")
        ]
        graph = helper.make_graph(nodes, name, *infos, list(stored))
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
        onnx.save(model, tmp_path / f"{name}.onnx")
        runtime = {"intra_op_threads": 1}
        return {"backend": "onnxruntime", "precision": "fp32", "runtime": runtime, "artifact": str(tmp_path / name)}

    one = helper.make_tensor("one", TensorProto.FLOAT, [1], [1.0])
    plus = save("plus", "x", [helper.make_node("Add", ["x", "one"], ["y"])], [one])
    both = save("both", "ab", [helper.make_node("Add", ["a", "b"], ["y"])])
    return [{**arm, "artifact": arm["artifact"] + ".onnx"} for arm in (plus, both)]


def diamond(plus, both, executors, **overlap):
    """Return the arm of s0 → (s1, s2) → s3: y = 2 (x + 2). Steps are in the order of the plan."""
    steps = [
        ("s0", plus, [["x", "0/0"]], "1/0"),
        ("s1", plus, [["x", "1/0"]], "2/0"),
        ("s2", plus, [["x", "1/0"]], "3/0"),
        ("s3", both, [["a", "2/0"], ["b", "3/0"]], "4/0"),
    ]
    homes = {"0/0": [""], **{made: [home] for (_, _, _, made), home in zip(steps, executors, strict=True)}}
    readers = {"4/0": [""]}
    for (_, _, inputs, _), home in zip(steps, executors, strict=True):
        for _, key in inputs:
            readers.setdefault(key, []).append(home)
    crossing = [key for key, home in homes.items() if set(readers[key]) - set(home)]
    return {
        "backend": "placed",
        "executors": {name: {"interpreter": None} for name in executors},
        "tensors": {key: {"dtype": "float32", "shape": [1, 4]} for key in crossing},
        "steps": [
            {"name": name, "executor": home, "arm": arm, "inputs": inputs, "outputs": [["y", made]]}
            for (name, arm, inputs, made), home in zip(steps, executors, strict=True)
        ],
        "inputs": [["x", "0/0"]],
        "outputs": [["y", "4/0"]],
        **({"overlap": {**overlap, "taken": ["4/0"]}} if overlap else {}),
    }


@pytest.mark.parametrize(
    ("executors", "overlap"), [("aaba", {}), ("abaa", {"depth": 1, "in_order": True})], ids=["in turns", "side by side"]
)
def test_a_placed_graph_computes_what_its_stages_do(adding, executors, overlap):
    backend = open_backend(diamond(*adding, executors, **overlap))
    for value in (0.0, 3.0):
        (made,) = backend.restore(backend.bind({"x": np.full((1, 4), value, "float32")})())
        assert made.tolist() == [[2 * (value + 2)] * 4]
    told = backend.describe_steps(1)
    assert [step["name"] for step in told["steps"]] == ["s0", "s1", "s2", "s3"]
    assert all(step["execution_ns"] > 0 and step["start_ns"] >= step["handover_ns"] for step in told["steps"])
    backend._crew.close()


def test_several_inputs_are_in_the_pipeline_at_a_time(adding):
    arm = diamond(*adding, "abca", depth=2, in_order=False)
    crew = Flow(arm, arm["overlap"])
    made = []
    try:
        for value in (1.0, 2.0):  # before any result
            assert crew.may_admit()
            crew.slot_in["0/0"][:] = value
            crew.admit()
        for value in (3.0, 4.0, 5.0):
            while not crew.has_result():
                crew.await_news()
            made.append(crew.slot_out["4/0"].tolist())
            crew.take()
            while not crew.may_admit():
                crew.await_news()
            crew.slot_in["0/0"][:] = value
            crew.admit()
    finally:
        crew.close()
    assert made == [[[2 * (value + 2)] * 4] for value in (1.0, 2.0, 3.0)]


@pytest.mark.parametrize("executors", ["abba"])
def test_a_full_pipeline_has_a_period_and_a_response_per_result(adding, executors, tmp_path):
    np.savez(tmp_path / "inputs.npz", **{"inputs/x": np.zeros((2, 4), "float32")})
    arm = {**diamond(*adding, executors, depth=2, in_order=False), "full_seconds": 0.02}
    spec = {"arm": arm, "inputs": str(tmp_path / "inputs.npz"), "protocol": {}, "slot": 0}
    measure_flow(spec, str(tmp_path))
    report, samples = json.loads((tmp_path / "process.json").read_text()), np.load(tmp_path / "samples.npy")
    assert (report["status"], report["provenance"], report["samples"]) == ("ok", "measured", samples.shape[1])
    assert samples.shape[0] == 2 and samples.dtype == "int64" and (samples > 0).all()
    assert samples[0].sum() == report["window_ns"] >= 0.02e9


def test_a_stage_that_fails_in_a_full_pipeline_is_a_verdict(adding, tmp_path):
    np.savez(tmp_path / "inputs.npz", **{"inputs/x": np.zeros((2, 5), "float32")})
    arm = {**diamond(*adding, "abca", depth=2, in_order=False), "full_seconds": 0.02}
    for tensor in arm["tensors"].values():
        tensor["shape"] = [1, 5]
    measure_flow({"arm": arm, "inputs": str(tmp_path / "inputs.npz"), "protocol": {}, "slot": 0}, str(tmp_path))
    assert json.loads((tmp_path / "process.json").read_text())["reason"]["kind"] == "inference_failed"


def test_who_waits_for_whom():
    arm = diamond({}, {}, "abca", depth=1, in_order=True)
    around = list_neighbours(arm, arm["overlap"])
    assert around.before[:4] == [{4}, {0}, {0}, {1, 2}]
    assert around.after[:4] == [{1, 2}, {3}, {3}, {5}]
    assert around.after[around.given] == {0} and around.before[around.taken] == {3}


def test_simulated_steps_side_by_side_take_the_longest_way():
    """Tensors of 16 bytes take 40,004 ns: in, to b and c, back from both at once (40,008), out."""
    times, hop = [np.array([ns]) for ns in (100, 300, 200, 50)], HOP_NS + 4
    arm = diamond({}, {}, "abca", depth=1, in_order=True)
    assert add_up(arm, times).tolist() == [100 + 300 + 50 + 3 * hop + (HOP_NS + 8)]
    assert add_up(diamond({}, {}, "abca"), times).tolist() == [650 + 4 * hop + (HOP_NS + 8)]
    assert find_busiest(arm, [100, 300, 200, 50]) == 300
