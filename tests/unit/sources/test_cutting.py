import numpy as np
import onnx
import onnxruntime
import pytest
from edgeproof.core.documents import read_json
from edgeproof.core.errors import UserError
from edgeproof.core.tensors import read_tensors, write_tensors
from edgeproof.sources.cutting import cut_stage, extract_stage
from edgeproof.sources.identity import identify_model
from edgeproof.sources.input_faults import read_note
from edgeproof.sources.stage_samples import make_stage_samples
from onnx import TensorProto, helper, numpy_helper

COUNTS = {"calibration": 1, "evaluation": 3}


@pytest.fixture
def model(tmp_path):
    """y = relu(x · w + 1) · 2, with a symbolic batch; the path around the second half is the output `skip`."""
    weights = [
        numpy_helper.from_array(np.eye(4, dtype="float32") * 3, "w"),
        numpy_helper.from_array(np.ones(4, "float32"), "one"),
        numpy_helper.from_array(np.float32(2), "two"),
    ]
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"]),
        helper.make_node("Add", ["a", "one"], ["b"]),
        helper.make_node("Relu", ["b"], ["c"]),
        helper.make_node("Mul", ["c", "two"], ["y"]),
        helper.make_node("Add", ["y", "a"], ["skip"]),
    ]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 4]) for name in ("x", "y", "skip")]
    graph = helper.make_graph(nodes, "tiny", ends[:1], ends[1:2], weights)
    graph.node.pop()  # `skip` joins where a test asks for it
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    path = tmp_path / "model.onnx"
    onnx.save(made, path)
    return path


def run(path, value):
    session = onnxruntime.InferenceSession(str(path))
    return session.run(None, {session.get_inputs()[0].name: value})[0]


def test_stages_one_after_another_are_the_whole(model, tmp_path):
    cut_stage(model, None, ["b"], tmp_path / "first.onnx")
    cut_stage(model, ["b"], None, tmp_path / "second.onnx")
    value = np.array([[-1, 0, 1, 2]], "float32")
    np.testing.assert_array_equal(run(tmp_path / "second.onnx", run(tmp_path / "first.onnx", value)), run(model, value))
    first, second = (onnx.load(tmp_path / f"{name}.onnx") for name in ("first", "second"))
    assert [node.op_type for node in first.graph.node] == ["MatMul", "Add"]
    assert [node.op_type for node in second.graph.node] == ["Relu", "Mul"]
    assert [item.name for item in second.graph.initializer] == ["two"]
    onnx.checker.check_model(first, full_check=True)


def test_symbolic_batch_becomes_one(model, tmp_path):
    cut_stage(model, None, ["b"], tmp_path / "stage.onnx")
    graph = onnx.load(tmp_path / "stage.onnx").graph
    shapes = [[dim.dim_value for dim in value.type.tensor_type.shape.dim] for value in (*graph.input, *graph.output)]
    assert shapes == [[1, 4], [1, 4]]


def test_equal_cuts_are_equal_bytes(model, tmp_path):
    for name in ("left", "right"):
        cut_stage(model, None, ["b"], tmp_path / name)
    assert (tmp_path / "left").read_bytes() == (tmp_path / "right").read_bytes()


@pytest.mark.parametrize(
    ("inputs", "outputs", "message"),
    [
        (None, ["nothing"], "no tensor is named 'nothing'"),
        (["c"], ["b"], "also needs 'x'"),
        (["a", "c"], None, "does not need 'a'"),
    ],
)
def test_impossible_cuts_say_why(model, inputs, outputs, message):
    with pytest.raises(UserError, match=message):
        extract_stage(onnx.load(model), inputs, outputs, "model.onnx")


def test_a_path_around_the_cut_is_named(model):
    whole = onnx.load(model)
    whole.graph.node.append(helper.make_node("Add", ["y", "a"], ["skip"]))
    whole.graph.output.append(helper.make_tensor_value_info("skip", TensorProto.FLOAT, ["n", 4]))
    with pytest.raises(UserError, match="cut where all data pass"):
        extract_stage(whole, ["c"], ["skip"], "model.onnx")


@pytest.fixture
def second(model, tmp_path):
    """Both stages cut, the whole's samples, and the identity of the second: what `make_stage_samples` takes."""
    for name, ends in (("first", (None, ["b"])), ("second", (["b"], None))):
        cut_stage(model, *ends, tmp_path / f"{name}.onnx")
    identify_model("p-02-second", tmp_path / "second.onnx", tmp_path / "identity.json")
    generator = np.random.default_rng(0)
    for name, count in (("calibration", 4), ("evaluation", 5)):
        arrays = {"inputs/x": generator.normal(size=(count, 4)).astype("float32")}
        write_tensors(tmp_path / f"{name}.npz", arrays | ({"labels": np.arange(5)} if name == "evaluation" else {}))
    before = {"model": tmp_path / "first.onnx"}
    return before | {name: tmp_path / f"{name}.npz" for name in ("calibration", "evaluation")}


def test_samples_of_a_stage_are_activations(second, tmp_path):
    out = tmp_path / "out"
    make_stage_samples(tmp_path / "identity.json", [second], COUNTS, out)
    whole = read_tensors(second["evaluation"])["inputs/x"]
    made = read_tensors(out / "evaluation.npz")
    assert set(made) == {"inputs/b"}
    np.testing.assert_allclose(made["inputs/b"], whole[:3] * 3 + 1, rtol=1e-6)
    assert len(read_tensors(out / "calibration.npz")["inputs/b"]) == 1


def test_too_few_samples_and_merged_samples_are_refused(second, tmp_path):
    with pytest.raises(UserError, match="has 5 samples; the pipeline wants 6"):
        make_stage_samples(tmp_path / "identity.json", [second], {**COUNTS, "evaluation": 6}, tmp_path / "out")
    write_tensors(second["calibration"], {"inputs/x": read_tensors(second["evaluation"])["inputs/x"][:1]})
    with pytest.raises(UserError, match="a calibration sample and an evaluation sample have become equal"):
        make_stage_samples(tmp_path / "identity.json", [second], COUNTS, tmp_path / "out")


def test_stages_of_a_model_that_cannot_be_used_say_so(second, tmp_path):
    (tmp_path / "whole.onnx").write_bytes(b"no model")
    cut_stage(tmp_path / "whole.onnx", None, ["b"], tmp_path / "stage.onnx")
    assert read_note(tmp_path / "stage.onnx").kind == "unreadable"
    identify_model("p-01-first", tmp_path / "stage.onnx", tmp_path / "stage.json")
    make_stage_samples(tmp_path / "stage.json", [second], COUNTS, tmp_path / "out")
    document = read_json(tmp_path / "out" / "samples.json", "samples")
    assert document["reason"]["kind"] == "no_model" and "whole.onnx: not an ONNX model" in document["reason"]["message"]
    after = {"model": second["model"]} | {
        name: tmp_path / "out" / f"{name}.npz" for name in ("calibration", "evaluation")
    }
    make_stage_samples(tmp_path / "identity.json", [after], COUNTS, tmp_path / "next")
    assert read_json(tmp_path / "next" / "samples.json", "samples")["reason"] == document["reason"]
