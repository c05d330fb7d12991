"""Rewrites compute what the graph computed before, bit for bit."""

import numpy as np
import onnx
import onnxruntime
import pytest
from edgeproof.converters.rewrites import pad_before_pools, split_sums
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper


def make_model(nodes, shape, opset=13, inputs=("x",), weights=()):
    infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in inputs]
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, [None] * len(shape))
    stored = [numpy_helper.from_array(array, name) for name, array in dict(weights).items()]
    graph = helper.make_graph(nodes, "test", infos, [output], stored)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def compute(model, *arrays):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, dict(zip((item.name for item in session.get_inputs()), arrays, strict=True)))[0]


def rewrite(rewriting, model):
    """Return a copy of a model, rewritten and checked."""
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    rewriting(changed)
    onnx.checker.check_model(changed, full_check=True)
    return changed


def operators(model):
    return [node.op_type for node in model.graph.node]


def signed(*shape):
    return np.random.default_rng(0).standard_normal(shape).astype("float32")


@pytest.mark.parametrize("count", [1, 2, 4])
def test_a_sum_becomes_additions_in_its_order(count):
    names = [f"x{n}" for n in range(count)]
    model = make_model([helper.make_node("Sum", names, ["y"], "total")], [2, 3], inputs=names)
    changed = rewrite(split_sums, model)
    assert operators(changed) == (["Sum"] if count == 1 else ["Add"] * (count - 1))
    assert changed.graph.node[-1].name == "total"
    arrays = [signed(2, 3) * 10.0**n for n in range(count)]
    np.testing.assert_array_equal(compute(changed, *arrays), compute(model, *arrays))


@st.composite
def padded_pools(draw):
    """Draw (size of the image, kernel, pads): pads are smaller than the kernel, which fits into what is padded."""
    kernel = draw(st.tuples(st.integers(2, 5), st.integers(2, 5)))
    pads = draw(st.tuples(*(st.integers(0, k - 1) for k in kernel * 2)))
    least = [max(1, k - a - b) for k, a, b in zip(kernel, pads[:2], pads[2:], strict=True)]
    return draw(st.tuples(*(st.integers(n, 11) for n in least))), kernel, list(pads)


@settings(max_examples=60, deadline=None)
@given(
    pool=padded_pools(),
    strides=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    positive=st.booleans(),
    opset=st.sampled_from([10, 13]),
)
def test_padding_before_a_pool_changes_no_maximum(pool, strides, positive, opset):
    size, kernel, pads = pool
    assume(any(pads))
    options = {"kernel_shape": kernel, "strides": strides, "pads": pads}
    nodes = [
        helper.make_node("Relu" if positive else "Neg", ["x"], ["z"], "before"),
        helper.make_node("MaxPool", ["z"], ["y"], "pool", **options),
    ]
    model = make_model(nodes, [1, 2, *size], opset)
    changed = rewrite(pad_before_pools, model)
    image = np.random.default_rng(sum(size)).standard_normal((1, 2, *size)).astype("float32")
    np.testing.assert_array_equal(compute(changed, image), compute(model, image))


def pool_after(*before, shape=(1, 2, 8, 8), weights=(), **options):
    chosen = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]} | options
    options = {name: value for name, value in chosen.items() if value is not None}
    return make_model(
        [*before, helper.make_node("MaxPool", ["z"], ["y"], "pool", **options)], list(shape), weights=weights
    )


RELU = helper.make_node("Relu", ["x"], ["z"], "before")
FLOOR = helper.make_node("Clip", ["x", "least"], ["z"], "before")


@pytest.mark.parametrize(
    ("node", "weights", "mode"),
    [
        (RELU, {}, b"constant"),
        (FLOOR, {"least": np.float32(0)}, b"constant"),
        (FLOOR, {"least": np.float32(-1)}, b"edge"),
        (helper.make_node("Neg", ["x"], ["z"], "before"), {}, b"edge"),
    ],
)
def test_zeros_are_for_what_is_never_negative(node, weights, mode):
    changed = rewrite(pad_before_pools, pool_after(node, weights=weights))
    pad = next(node for node in changed.graph.node if node.op_type == "Pad")
    assert [item.s for item in pad.attribute if item.name == "mode"] == [mode]
    assert pad.name == "pool/pad"


@pytest.mark.parametrize(
    "options",
    [
        {"pads": [0, 0, 0, 0]},
        {"strides": [1, 1]},  # TensorFlow's SAME pads the same
        {"dilations": [2, 2]},  # a window with gaps may miss the edge
        {"ceil_mode": 1},
        {"auto_pad": "SAME_UPPER", "pads": None},
    ],
)
def test_what_needs_no_padding_of_ours_is_left_alone(options):
    model = pool_after(RELU, **options)
    assert operators(rewrite(pad_before_pools, model)) == operators(model)
