import identify_model
import numpy as np
import onnx
import pytest
from edgeproof.core.documents import SCHEMAS, read_json, validate
from edgeproof.core.errors import UserError
from edgeproof.core.files import sha256_file
from edgeproof.core.program_start import run
from edgeproof.sources import identity as identities
from edgeproof.sources.input_faults import InputFault, write_note
from edgeproof.sources.onnx_types import enter_types, infer_types
from onnx import TensorProto, helper, numpy_helper

SHIPPED = SCHEMAS.parent / "models" / "digits-cnn.onnx"


def save_model(path, weights=None, ir_version=9, inputs=None, **options):
    weights = weights if weights is not None else [numpy_helper.from_array(np.ones((4, 3), np.float32), "w")]
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["x", "w"], ["m"]),
            helper.make_node("Reshape", ["m", "s"], ["y"]),
        ],
        "g",
        inputs or [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", None, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, None])],
        [*weights, numpy_helper.from_array(np.array([1, -1], np.int64), "s")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=ir_version)
    onnx.save(model, path, **options)
    return path


def test_the_shipped_digits_model_is_described_in_full(tmp_path):
    output = tmp_path / "identity.json"
    identify_model.main(["--model", "digits-cnn", "--input", str(SHIPPED), "--output", str(output)])
    identity = read_json(output, "identity")
    assert identity["sha256"] == sha256_file(SHIPPED)
    assert identity["bytes"] == SHIPPED.stat().st_size < 300_000
    assert identity["inputs"] == [{"name": "input", "dtype": "float32", "shape": [1, 1, 8, 8]}]
    assert identity["outputs"] == [{"name": "logits", "dtype": "float32", "shape": [1, 10]}]
    assert identity["opset"] == {"ai.onnx": 13}
    assert identity["operators"] == {"Conv": 3, "Flatten": 1, "Gemm": 2, "MaxPool": 2, "Relu": 4}
    convolutions = [(64, 1, 16), (64, 16, 32), (16, 32, 48)]  # output pixels, channels in, channels out
    assert identity["macs"] == sum(p * 9 * i * o for p, i, o in convolutions) + 192 * 64 + 64 * 10
    assert identity["parameters"] == sum((9 * i + 1) * o for _, i, o in convolutions) + 193 * 64 + 65 * 10
    assert identity["macs_unknown"] == []


def test_symbolic_dimensions_are_names_and_nameless_ones_question_marks(tmp_path):
    path = save_model(tmp_path / "m.onnx")
    identify_model.main(["--model", "m", "--input", str(path), "--output", str(tmp_path / "i.json")])
    identity = read_json(tmp_path / "i.json", "identity")
    assert identity["inputs"] == [{"name": "x", "dtype": "float32", "shape": ["batch", "?", 4]}]
    assert identity["outputs"] == [{"name": "y", "dtype": "float32", "shape": [1, "?"]}]
    assert identity["parameters"] == 12  # the int64 shape is no parameter
    assert identity["macs_unknown"] == [{"node": "", "op": "MatMul"}]
    assert identity["producer"] == {"name": None, "version": None}


def test_initializers_that_old_files_list_as_inputs_are_no_inputs(tmp_path):
    inputs = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4]),
        helper.make_tensor_value_info("w", TensorProto.FLOAT, [4, 3]),
        helper.make_tensor_value_info("s", TensorProto.INT64, [2]),
    ]
    path = save_model(tmp_path / "m.onnx", inputs=inputs, ir_version=3)
    identify_model.main(["--model", "m", "--input", str(path), "--output", str(tmp_path / "i.json")])
    assert [item["name"] for item in read_json(tmp_path / "i.json", "identity")["inputs"]] == ["x"]


def test_weights_in_other_files_are_refused_by_name(tmp_path):
    weights = [numpy_helper.from_array(np.ones((4, 3), np.float32), "w")]
    path = save_model(tmp_path / "m.onnx", weights, save_as_external_data=True, location="w.bin", size_threshold=0)
    identify_model.main(["--model", "m", "--input", str(path), "--output", str(tmp_path / "i.json")])
    reason = read_json(tmp_path / "i.json", "identity")["reason"]
    assert reason["kind"] == "external_weights"
    assert "weights are kept in 'w.bin' beside it; save the model as one file" in reason["message"]


def _sequence_input(path):
    value = helper.make_tensor_sequence_value_info("x", TensorProto.FLOAT, None)
    node = helper.make_node("SequenceLength", ["x"], ["y"])
    graph = helper.make_graph([node], "g", [value], [helper.make_tensor_value_info("y", TensorProto.INT64, [])])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)


def _unknown_operator(path):
    graph = helper.make_graph(
        [helper.make_node("Nonsense", ["x"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda path: path.write_bytes(b""), "unreadable", "not an ONNX model"),
        (lambda path: path.write_text("<html>404</html>"), "unreadable", "not an ONNX model"),
        (lambda path: path.write_bytes(SHIPPED.read_bytes()[:5000]), "unreadable", "not an ONNX model"),
        (lambda path: path.write_text("version https://git-lfs.github.com/spec/v1\n"), "lfs_pointer", "git lfs pull"),
        (lambda path: write_note(path, InputFault("missing_file", "a: b: gone")), "missing_file", "a: b: gone"),
        (_unknown_operator, "refused", "onnx.checker refuses the model: No Op registered for Nonsense"),
        (_sequence_input, "unmeasurable", "'x' is a sequence; only models whose inputs and outputs are tensors"),
    ],
)
def test_a_model_that_cannot_be_used_has_an_identity_that_says_why(tmp_path, capsys, make, kind, message):
    path = tmp_path / "m.onnx"
    make(path)
    output = tmp_path / "i.json"
    assert run(identify_model.main, ["--model", "m", "--input", str(path), "--output", str(output)]) == 0
    identity = read_json(output, "identity")
    assert (identity["status"], identity["reason"]["kind"]) == ("failed", kind)
    assert message in identity["reason"]["message"] and "\n" not in identity["reason"]["message"]
    assert identity["sha256"] == sha256_file(path) and identity["inputs"] == []
    assert capsys.readouterr().err == f"m cannot be used: {identity['reason']['message']}\n"


@pytest.mark.parametrize(
    ("make", "told"), [(lambda path: None, "there is no such file"), (lambda path: path.mkdir(), "is a folder")]
)
def test_a_file_that_cannot_be_read_is_one_line_and_exit_code_2(tmp_path, capsys, make, told):
    path, output = tmp_path / "m.onnx", tmp_path / "i.json"
    make(path)
    assert run(identify_model.main, ["--model", "m", "--input", str(path), "--output", str(output)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and f"{path}: {told}" in error
    assert not output.exists()


def test_an_identity_that_claims_success_has_an_interface(tmp_path):
    identify_model.main(["--model", "m", "--input", str(SHIPPED), "--output", str(tmp_path / "i.json")])
    identity = read_json(tmp_path / "i.json", "identity")
    without = {key: value for key, value in identity.items() if key not in ("status", "reason")}
    assert validate(without, "identity", "here") == without  # as documents of earlier releases
    for change in ({"inputs": []}, {"status": "failed"}, {"reason": {"kind": "refused", "message": "no"}}):
        with pytest.raises(UserError):
            validate({**identity, **change}, "identity", "here")


def test_operators_of_other_domains_carry_their_domain(tmp_path):
    graph = helper.make_graph(
        [helper.make_node("Gelu", ["x"], ["y"], domain="com.microsoft")],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT16, [1, 4])],
        [helper.make_tensor_value_info("y", TensorProto.BFLOAT16, [1, 4])],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), tmp_path / "m.onnx")
    identify_model.main(["--model", "m", "--input", str(tmp_path / "m.onnx"), "--output", str(tmp_path / "i.json")])
    identity = read_json(tmp_path / "i.json", "identity")
    assert identity["operators"] == {"com.microsoft.Gelu": 1}
    assert identity["opset"] == {"ai.onnx": 17, "com.microsoft": 1}
    assert [identity["inputs"][0]["dtype"], identity["outputs"][0]["dtype"]] == ["float16", "bfloat16"]
    assert identity["macs_unknown"] == [{"node": "", "op": "Gelu"}]


def test_a_model_name_that_is_no_name_is_refused(tmp_path):
    with pytest.raises(UserError, match="model is"):
        identify_model.main(["--model", "No Name", "--input", str(SHIPPED), "--output", str(tmp_path / "i.json")])


def test_types_are_inferred_without_the_values_of_weights():
    weights = {"kernel": np.ones((8, 3, 5, 5), "float32"), "shape": np.array([1, -1], "int64")}
    nodes = [
        helper.make_node("Conv", ["x", "kernel"], ["c"]),
        helper.make_node("Reshape", ["c", "shape"], ["y"]),  # needs the value of `shape`, and none of `kernel`
    ]
    stored = [numpy_helper.from_array(np.tile(v, (4, 1, 1, 1)) if v.ndim == 4 else v, k) for k, v in weights.items()]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 9, 9])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    model = helper.make_model(helper.make_graph(nodes, "test", [x], [y], stored))
    graph, before = infer_types(model), model.SerializeToString()
    shapes = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in (*graph.value_info, *graph.output)}
    assert shapes == {"c": [1, 32, 5, 5], "y": [1, 800]}
    assert model.SerializeToString() == before and "kernel" not in {item.name for item in graph.initializer}


def test_types_are_entered_as_onnx_would_subgraphs_included():
    inner = [helper.make_node("MatMul", ["x", "w"], ["i"]), helper.make_node("Relu", ["i"], ["b"])]
    branch = helper.make_graph(inner, "branch", [], [helper.make_tensor_value_info("b", TensorProto.FLOAT, None)])
    nodes = [
        helper.make_node("If", ["c"], ["d"], then_branch=branch, else_branch=branch),
        helper.make_node("Sigmoid", ["d"], ["e"]),
        helper.make_node("Relu", ["e"], ["y"]),
    ]
    inputs = [("x", TensorProto.FLOAT, [2, 64]), ("c", TensorProto.BOOL, [1])]
    inputs = [helper.make_tensor_value_info(*item) for item in inputs]
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    weights = [numpy_helper.from_array(np.ones((64, 64), np.float32), "w")]
    model = helper.make_model(helper.make_graph(nodes, "test", inputs, [y], weights))
    wanted = onnx.shape_inference.infer_shapes(model)
    enter_types(model)
    assert model == wanted and [item.name for item in model.graph.node[0].attribute[0].g.value_info] == ["i"]


@pytest.mark.parametrize(
    ("inputs", "said"),
    [([], "has no inputs"), ([("x", TensorProto.FLOAT, [1, 0])], "input 'x' has an axis of size 0")],
)
def test_a_model_that_takes_nothing_is_unmeasurable(tmp_path, inputs, said):
    """It is a result of the model, not a failed job."""
    one = helper.make_tensor("one", TensorProto.FLOAT, [1], [1.0])
    nodes = [helper.make_node("Constant", [], ["y"], value=one)]
    values = [helper.make_tensor_value_info(*each) for each in inputs]
    graph = helper.make_graph(nodes, "g", values, [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])])
    onnx.save(helper.make_model(graph), tmp_path / "m.onnx")
    fault = identities.identify_model("m", tmp_path / "m.onnx", tmp_path / "identity.json")
    assert fault is not None and fault.kind == "unmeasurable" and said in str(fault)
    assert read_json(tmp_path / "identity.json", "identity")["status"] == "failed"
