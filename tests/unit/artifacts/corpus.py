"""Graphs of the kinds that people bring: small, made from scratch, each valid for ONNX Runtime.

A graph is written in ONNX's own text form; weights are seeded numbers that are added by name. `SAMPLES` says where
ordinary random numbers will not do.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import onnx
import onnx.parser
from onnx import numpy_helper


class Graph(NamedTuple):
    """One graph. `weights`: `{name: shape}` of seeded float32, or `{name: array}`. `whole`: declared whole inputs."""

    text: str
    weights: Mapping = MappingProxyType({})
    opset: int = 17
    ir: int = 8
    domains: str = ""
    whole: tuple = ()
    functions: str = ""

    def make(self):
        """Return the ModelProto."""
        imports = f'"" : {self.opset}{self.domains}'
        model = onnx.parser.parse_model(f"< ir_version: {self.ir}, opset_import: [{imports}] > {self.text}")
        for index, (name, value) in enumerate(self.weights.items()):
            array = value
            if isinstance(value, tuple | list):
                size = max(1, int(np.prod(value[1:])))
                array = (np.random.default_rng(index).standard_normal(value) / np.sqrt(size)).astype(np.float32)
            model.graph.initializer.append(numpy_helper.from_array(np.asarray(array), name))
        return model


CONV = {"w": (8, 3, 3, 3), "b": (8,)}
GEMM = {"m": (8, 5), "c": (5,)}
IMAGE = "float[N,3,16,16] x"


def _classifier(opset, ir):
    body = "h = Conv <pads = [1,1,1,1]> (x, w, b) r = Relu(h) p = GlobalAveragePool(r) f = Flatten(p) y = Gemm(f, m, c)"
    return Graph(f"g ({IMAGE}) => (float[N,5] y) {{ {body} }}", {**CONV, **GEMM}, opset, ir)


def _unary(body, opset=17, shape="N,8", out=None, **options):
    return Graph(f"g (float[{shape}] x) => (float[{out or shape}] y) {{ {body} }}", opset=opset, **options)


CORPUS = {
    # opsets 7 to 22 and IR 3 to 11, one classifier each
    **{f"classifier-opset-{opset}": _classifier(opset, max(4, min(10, opset - 8))) for opset in range(7, 23)},
    "ir-3-lists-weights-as-inputs": Graph(
        "g (float[N,8] x, float[8,5] m, float[5] c) => (float[N,5] y) { y = Gemm(x, m, c) }", GEMM, 9, 3
    ),
    "ir-11": _classifier(21, 11),
    # shapes
    "open-batch": _unary("a = MatMul(x, m) y = Tanh(a)", weights={"m": (8, 8)}),
    "fixed-batch-of-four": _unary("a = MatMul(x, m) y = Relu(a)", shape="4,8", weights={"m": (8, 8)}),
    "negative-batch": _unary("a = MatMul(x, m) y = Sigmoid(a)", weights={"m": (8, 8)}),
    "unnamed-axes": Graph("g (float[?,8] x) => (float[?,5] y) { y = Gemm(x, m, c) }", GEMM),
    "open-height-and-width": Graph(
        "g (float[N,3,h,v] x) => (float[N,8,1,1] y) { a = Conv <pads = [1,1,1,1]> (x, w, b) y = GlobalAveragePool(a) }",
        CONV,
    ),
    "scalar-output": _unary("y = MatMul(x, m) s = ReduceMean <keepdims = 0> (y)", weights={"m": (8, 8)}),
    "scalar-input": Graph(
        "g (float[N,8] x, float k) => (float[N,8] y) { a = MatMul(x, m) y = Mul(a, k) }", {"m": (8, 8)}
    ),
    "state-on-the-second-axis": Graph(
        "g (float[N,8] x, float[2,N,8] state) => (float[N,8] y, float[2,N,8] next)"
        " { a = MatMul(x, m) next = Add(state, a) y = ReduceSum <keepdims = 0> (next, axes) }",
        {"m": (8, 8), "axes": np.array([0])},
    ),
    "time-first": _unary("a = MatMul(x, m) y = Relu(a)", shape="20,1,8", weights={"m": (8, 8)}, whole=("x",)),
    "time-first-and-open": _unary("a = MatMul(x, m) y = Relu(a)", shape="T,1,8", weights={"m": (8, 8)}, whole=("x",)),
    "one-dimension": _unary("y = Mul(x, m)", shape="N", weights={"m": (1,)}),
    "five-dimensions": Graph(
        "g (float[N,2,4,6,6] x) => (float[N,4,4,6,6] y) { y = Conv <pads = [1,1,1,1,1,1]> (x, w) }",
        {"w": (4, 2, 3, 3, 3)},
    ),
    "rows-that-vary": Graph("g (float[1,8] x) => (int64[2,k] y) { z = Relu(x) y = NonZero(z) }"),
    # layouts and convolutions
    "channels-last": Graph(
        "g (float[N,16,16,3] x) => (float[N,8,16,16] y)"
        " { t = Transpose <perm = [0,3,1,2]> (x) y = Conv <pads = [1,1,1,1]> (t, w, b) }",
        CONV,
    ),
    "depthwise": Graph(
        f"g ({IMAGE}) => (float[N,3,16,16] y) {{ y = Conv <group = 3, pads = [1,1,1,1]> (x, w) }}", {"w": (3, 1, 3, 3)}
    ),
    "transposed-convolution": Graph(
        f"g ({IMAGE}) => (float[N,4,31,31] y) {{ y = ConvTranspose <strides = [2,2], pads = [1,1,1,1]> (x, w) }}",
        {"w": (3, 4, 3, 3)},
    ),
    "padded-pool": Graph(
        f"g ({IMAGE}) => (float[N,3,9,9] y) {{ y = MaxPool <kernel_shape = [3,3], strides ="
        f" [2,2], pads = [2,2,1,1]> (x) }}"
    ),
    "batch-normalisation": Graph(
        f"g ({IMAGE}) => (float[N,8,16,16] y) {{ a = Conv <pads = [1,1,1,1]> (x, w, b) y ="
        f" BatchNormalization(a, s, o, u, v) }}",
        {
            **CONV,
            **{name: np.full(8, value, np.float32) for name, value in zip("souv", (0.9, 0.1, 0.2, 1.1), strict=True)},
        },
    ),
    "resize": Graph(
        f'g ({IMAGE}) => (float[N,3,32,32] y) {{ y = Resize <mode = "nearest"> (x, , scales) }}',
        {"scales": np.array([1, 1, 2, 2], np.float32)},
    ),
    "instance-normalisation": Graph(
        f"g ({IMAGE}) => (float[N,3,16,16] y) {{ y = InstanceNormalization(x, s, o) }}", {"s": (3,), "o": (3,)}
    ),
    # heads
    "autoencoder": _unary(
        "a = MatMul(x, m) h = Relu(a) y = MatMul(h, n)", shape="N,64", weights={"m": (64, 8), "n": (8, 64)}
    ),
    "argmax": Graph(
        f"g ({IMAGE}) => (int64[N,16,16] y) {{ a = Conv <pads = [1,1,1,1]> (x, w, b) y ="
        f" ArgMax <axis = 1, keepdims = 0> (a) }}",
        CONV,
    ),
    "mask": Graph(
        f"g ({IMAGE}) => (bool[N,8,16,16] y) {{ a = Conv <pads = [1,1,1,1]> (x, w, b) y = Greater(a, zero) }}",
        {**CONV, "zero": np.array(0, np.float32)},
    ),
    "top-k": Graph(
        "g (float[N,16] x) => (float[N,3] v, int64[N,3] i) { a = MatMul(x, m) v, i = TopK(a, k) }",
        {"m": (16, 16), "k": np.array([3])},
    ),
    "softmax": _unary("a = MatMul(x, m) y = Softmax(a)", weights={"m": (8, 8)}),
    "log-softmax": _unary("a = MatMul(x, m) y = LogSoftmax(a)", weights={"m": (8, 8)}),
    "two-heads": Graph(
        f"g ({IMAGE}) => (float[N,8,1,1] p, float[N,8,16,16] h) {{ h = Conv <pads = [1,1,1,1]>"
        f" (x, w, b) p = GlobalAveragePool(h) }}",
        CONV,
    ),
    "nms": Graph(
        "g (float[1,6,4] boxes, float[1,1,6] scores) => (int64[k,3] chosen)"
        " { chosen = NonMaxSuppression(boxes, scores, most, iou, least) }",
        {"most": np.array([5]), "iou": np.array([0.5], np.float32), "least": np.array([0.1], np.float32)},
    ),
    # sequences and control flow
    "lstm": Graph(
        "g (float[5,1,4] x) => (float[5,1,1,6] y) { y = LSTM <hidden_size = 6> (x, w, r) }",
        {"w": (1, 24, 4), "r": (1, 24, 6)},
        whole=("x",),
    ),
    "gru": Graph(
        "g (float[5,1,4] x) => (float[5,1,1,6] y) { y = GRU <hidden_size = 6> (x, w, r) }",
        {"w": (1, 18, 4), "r": (1, 18, 6)},
        whole=("x",),
    ),
    "if": Graph(
        "g (float[1,8] x) => (float[1,8] y) { s = ReduceSum <keepdims = 0> (x) p = Greater(s, zero)"
        " y = If (p) <then_branch = t () => (float[1,8] a) { a = Relu(x) }, else_branch = e"
        " () => (float[1,8] b) { b = Neg(x) }> }",
        {"zero": np.array(0, np.float32)},
    ),
    "loop": Graph(
        "g (float[1,8] x) => (float[1,8] y) { y = Loop (n, go, x) <body = b (int64 i, bool c, float[1,8] v)"
        " => (bool c_out, float[1,8] v_out) { c_out = Identity(c) v_out = Add(v, one) }> }",
        {"n": np.array(3), "go": np.array(True), "one": np.array(1, np.float32)},
    ),
    "gather-of-tokens": Graph("g (int64[N,6] x) => (float[N,6,8] y) { y = Gather(table, x) }", {"table": (5, 8)}),
    "attention": Graph(
        "g (float[1,6,8] x) => (float[1,6,8] y) { q = MatMul(x, a) k = MatMul(x, b) v = MatMul(x, c)"
        " t = Transpose <perm = [0,2,1]> (k) s = MatMul(q, t) p = Softmax <axis = -1> (s) y = MatMul(p, v) }",
        {"a": (8, 8), "b": (8, 8), "c": (8, 8)},
    ),
    "layer-normalisation": _unary(
        "a = MatMul(x, m) y = LayerNormalization(a, s, o)", weights={"m": (8, 8), "s": (8,), "o": (8,)}
    ),
    "einsum": Graph('g (float[1,4,8] x) => (float[1,4,4] y) { y = Einsum <equation = "bij,bkj->bik"> (x, x) }'),
    # types
    "double": Graph("g (double[N,4] x) => (double[N,4] y) { a = Abs(x) y = Sqrt(a) }"),
    "half": Graph(
        "g (float16[N,8] x) => (float16[N,5] y) { y = Gemm(x, m, c) }",
        {name: np.full(shape, 0.1, np.float16) for name, shape in GEMM.items()},
    ),
    "integers": Graph("g (int32[N,8] x) => (int32[N,8] y) { y = Add(x, two) }", {"two": np.array(2, np.int32)}),
    "bytes": Graph(
        "g (uint8[N,3,8,8] x) => (float[N,3,8,8] y) { f = Cast <to = 1> (x) y = Div(f, k) }",
        {"k": np.array(255, np.float32)},
    ),
    "booleans": Graph("g (bool[N,8] x) => (bool[N,8] y) { y = Not(x) }"),
    "texts": Graph(
        "g (float[N,8] x) => (string[N] y, float[N,8] z) { z = Relu(x) i = ArgMax <axis = 1,"
        " keepdims = 0> (x) y = Gather(names, i) }",
        {"names": np.array(list("abcdefgh"), object)},
    ),
    # other domains, names and defects
    "tree-ensemble": Graph(
        "g (float[N,2] x) => (float[N,1] y) { y = ai.onnx.ml.TreeEnsembleRegressor <n_targets = 1,"
        " nodes_treeids = [0,0,0], nodes_nodeids = [0,1,2], nodes_featureids = [0,0,0], nodes_values = [0.0,0.0,0.0],"
        ' nodes_modes = ["BRANCH_LEQ","LEAF","LEAF"], nodes_truenodeids = [1,0,0], nodes_falsenodeids = [2,0,0],'
        " target_treeids = [0,0], target_nodeids = [1,2], target_ids = [0,0], target_weights = [1.0,2.0]> (x) }",
        domains=', "ai.onnx.ml" : 3',
    ),
    "scaler": Graph(
        "g (float[N,2] x) => (float[N,2] y) { y = ai.onnx.ml.Scaler <offset = [0.5,0.5], scale = [2.0,2.0]> (x) }",
        domains=', "ai.onnx.ml" : 3',
    ),
    "microsoft-gelu": _unary(
        "a = MatMul(x, m) y = com.microsoft.Gelu(a)", weights={"m": (8, 8)}, domains=', "com.microsoft" : 1'
    ),
    "unknown-operator": _unary("y = com.acme.Frobnicate(x)", domains=', "com.acme" : 1'),
    "quantised": Graph(
        "g (float[N,8] x) => (float[N,8] y) { q = QuantizeLinear(x, s, z) d = DequantizeLinear(q, s, z) y = Relu(d) }",
        {"s": np.array(0.02, np.float32), "z": np.array(128, np.uint8)},
    ),
    "names-with-signs": _unary("a = MatMul(x, m) y = Relu(a)", weights={"m": (8, 8)}),
    "random-inside": _unary("n = RandomUniformLike(x) y = Add(x, n)", shape="1,64"),
    "dropout": _unary("a = MatMul(x, m) y = Dropout(a)", weights={"m": (8, 8)}),
    "unused-weights": _unary("y = Relu(x)", weights={"never": (4, 4)}),
    "zeros": _unary("y = Mul(x, z)", weights={"z": np.zeros(8, np.float32)}),
    "large-values": _unary("y = Mul(x, k)", weights={"k": np.array(1e30, np.float32)}),
    "not-finite": _unary("a = Sub(x, x) y = Div(x, a)"),
}


def make_corpus_model(name):
    """Return the ModelProto of a graph of the corpus."""
    model = CORPUS[name].make()
    if name == "negative-batch":
        for value in (*model.graph.input, *model.graph.output):
            value.type.tensor_type.shape.dim[0].dim_value = -1
    if name == "names-with-signs":
        for node, renamed in zip(model.graph.node, ("/layer/Mat:Mul.0", "Ünïcode/活性化"), strict=True):
            node.name = renamed
        model.graph.node[-1].output[0] = model.graph.output[0].name = "ausgang/größe:0"
    if name == "scalar-output":
        model.graph.output.append(onnx.helper.make_tensor_value_info("s", onnx.TensorProto.FLOAT, []))
    return model
