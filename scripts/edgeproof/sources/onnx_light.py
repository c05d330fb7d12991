"""Recipe `onnx-light`: real architectures from the `onnx` package, which has their topology, with seeded weights.

The package ships the graphs of well-known networks for its backend tests (`onnx/backend/test/data/light/`): IR version
3, opset 9, large weights left out. We fill in weights and bring the graph to opset 13 without changing what it
computes:

- Every floating-point weight is drawn anew. The few in the files are trained ones, and the batch statistics of a
  trained network (variances down to 1e-14) make the activations of a network with other weights explode.
- Dropout, which does nothing at inference, is removed. A Reshape to two dimensions becomes Flatten, since some
  converters refuse a Reshape with a stored shape. The classifier ends in Softmax over a `(1, classes)` tensor.
- The prefix `gpu_0/` of some names is dropped; it only says where the network was trained.

The values are uniform and not normal, because uniform ones come from exact arithmetic: the file is the same on every
machine with the same versions of numpy and onnx. Filters have zero mean and the deviation that keeps the variance
of ReLU activations (Brock et al. 2021, "Characterizing signal propagation to close the performance gap in unnormalized
ResNets"), and what is added to a shortcut is scaled down. So activations stay of order one, and outputs depend on
the input, but not so much that rounding decides them. Random weights classify nothing: use these models for size,
latency and conversion, never for accuracy.
"""

import hashlib
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

from edgeproof.core.configuration import Json
from edgeproof.core.documents import validate
from edgeproof.core.errors import UserError
from edgeproof.core.files import atomic_write

ARCHITECTURES = {"squeezenet": "light_squeezenet", "shufflenet": "light_shufflenet", "resnet50": "light_resnet50"}
OPSET = 13
IR_VERSION = 8
RELU_GAIN = math.sqrt(2 / (1 - 1 / math.pi))  # 1 / deviation of max(0, x) for a standard normal x
# ResNet-50: deviation of the logits between samples, and the deviation that int8 adds (ONNX Runtime 1.31, 32 samples).
# 0.03 and 0.01 with gain 0.25, 0.15 and 0.07 with 0.35, 1.08 and 0.99 with 0.5: there rounding grows with every block.
BRANCH_GAIN = 0.35
LOGIT_GAIN = 10.0  # pooled features differ little between inputs; with this, logits differ by about one unit


def make_onnx_light(options: Json, output: str | Path) -> None:
    """Write the model of `onnx-light` that `options` (`architecture`, and perhaps `seed`, default 0) name to `output`.

    UserError for an unknown option or architecture. Equal options give equal bytes.
    """
    validate(options, "model#options-onnx-light", "recipe onnx-light")
    architecture, seed = options["architecture"], int(options.get("seed", 0))
    model = load_topology(architecture)
    fill_weights(model.graph, seed)
    _modernise_graph(model)
    onnx.checker.check_model(model, full_check=True)
    atomic_write(output, model.SerializeToString(deterministic=True))


def load_topology(architecture: str) -> onnx.ModelProto:
    """Return an `onnx-light` network as the onnx package has it (opset 9, no weights); UserError if it is not there."""
    path = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light" / f"{ARCHITECTURES[architecture]}.onnx"
    if not path.is_file():
        raise UserError(f"recipe onnx-light: onnx {onnx.__version__} has no {path.name}; use another onnx version")
    return onnx.load(path)


def fill_weights(graph: onnx.GraphProto, seed: int) -> None:
    """Give every weight of `onnx-light` a seeded value, in place: initializers and outputs of ConstantOfShape nodes."""
    shapes = {}
    stored = {item.name: item for item in graph.initializer}
    for node in graph.node:
        if node.op_type == "ConstantOfShape" and node.input[0] in stored:
            shapes[node.output[0]] = tuple(numpy_helper.to_array(stored[node.input[0]]).tolist())
    for item in graph.initializer:
        if item.data_type == onnx.TensorProto.FLOAT:
            shapes[item.name] = tuple(item.dims)
    roles = _find_roles(graph)
    weights = {
        name: numpy_helper.from_array(draw_weight(*roles[name], shape, seed, name), name)
        for name, shape in sorted(shapes.items())
        if name in roles
    }
    nodes = [node for node in graph.node if node.op_type != "ConstantOfShape"]
    used = {name for node in nodes for name in node.input}
    others = [item for item in graph.initializer if item.name not in shapes and item.name in used]
    inputs = [item for item in graph.input if item.name in used and item.name not in stored and item.name not in shapes]
    _replace_items(graph.node, nodes)
    _replace_items(graph.initializer, others + list(weights.values()))
    _replace_items(graph.input, inputs)


def draw_weight(role: str, gain: float, shape: Sequence[int], seed: int, name: str) -> np.ndarray:
    """Return one seeded float32 weight of `onnx-light` for a role: `filter`, `scale`, `bias`, `mean` or `variance`.

    The generator is seeded with the seed and the tensor's name, so a value does not depend on the order of the graph.
    """
    words = np.frombuffer(hashlib.sha256(f"{seed}/{name}".encode()).digest(), dtype="<u4")
    unit = np.random.Generator(np.random.PCG64(np.random.SeedSequence(words.tolist()))).random(shape)  # float64, 0..1
    if role == "filter":
        axes = tuple(range(1, len(shape)))
        fan_in = math.prod(shape[1:])
        values = unit - unit.mean(axis=axes, keepdims=True)
        values *= gain * math.sqrt(12 / fan_in)  # a uniform variable of width one has variance 1/12
    elif role in ("scale", "variance"):
        values = gain * (0.8 + 0.4 * unit)
    else:
        values = gain * 0.2 * (unit - 0.5)
    return values.astype(np.float32)


def _modernise_graph(model: onnx.ModelProto) -> None:
    """Bring `model` to opset 13 and IR version 8, in place, by the edits listed at the head of this module."""
    graph = model.graph
    shapes = {item.name: numpy_helper.to_array(item) for item in graph.initializer if item.data_type != 1}
    renamed, nodes = {}, []
    for node in graph.node:
        for index, name in enumerate(node.input):
            node.input[index] = renamed.get(name, name)
        if node.op_type == "Dropout":
            renamed[node.output[0]] = node.input[0]
            continue
        if node.op_type == "Reshape" and shapes[node.input[1]].size == 2:
            node = helper.make_node("Flatten", [node.input[0]], list(node.output), name=node.name, axis=1)
        if node.op_type == "Softmax":
            # Up to opset 12 Softmax flattened its input; from 13 on the graph must do that.
            if nodes[-1].op_type != "Gemm":
                nodes.append(helper.make_node("Flatten", [node.input[0]], ["logits"], axis=1))
            node = helper.make_node("Softmax", [nodes[-1].output[0]], list(node.output), name=node.name, axis=1)
        nodes.append(node)
    used = {name for node in nodes for name in node.input}
    output = graph.output[0]
    classes = output.type.tensor_type.shape.dim[1].dim_value
    output.CopyFrom(helper.make_tensor_value_info(output.name, onnx.TensorProto.FLOAT, [1, classes]))
    _replace_items(graph.node, nodes)
    _replace_items(graph.initializer, [item for item in graph.initializer if item.name in used])
    _drop_prefix(graph, "gpu_0/")
    for index, node in enumerate(graph.node):
        node.name = node.name or f"{node.op_type}_{index}"
    model.ir_version = IR_VERSION
    _replace_items(model.opset_import, [helper.make_opsetid("", OPSET)])


def _find_roles(graph: onnx.GraphProto) -> dict[str, tuple[str, float]]:
    """Return `{weight name: (role, gain)}`; the node that reads a weight decides."""
    added = {name for node in graph.node if node.op_type == "Sum" for name in node.input}
    producers = {name: node for node in graph.node for name in node.output}
    last = next(node for node in reversed(graph.node) if node.op_type in ("Conv", "Gemm"))
    roles = {}
    for node in graph.node:
        if node.op_type in ("Conv", "Gemm"):
            inner = RELU_GAIN if _follows_relu(node, producers) else 1.0
            roles[node.input[1]] = ("filter", LOGIT_GAIN if node is last else inner)
            if len(node.input) > 2:
                roles[node.input[2]] = ("bias", 1.0)
        elif node.op_type == "BatchNormalization":
            branch = BRANCH_GAIN if node.output[0] in added else 1.0
            for name, role, gain in zip(
                node.input[1:], ("scale", "bias", "mean", "variance"), (branch, 1.0, 1.0, 1.0), strict=True
            ):
                roles[name] = (role, gain)
    return roles


def _follows_relu(node, producers):
    """Tell whether `node` reads the output of a ReLU, perhaps rearranged or pooled on the way."""
    producer = producers.get(node.input[0])
    while producer is not None and producer.op_type in ("Reshape", "Transpose", "Concat", "MaxPool", "AveragePool"):
        producer = producers.get(producer.input[0])
    return producer is not None and producer.op_type == "Relu"


def _replace_items(field, items):
    items = list(items)
    del field[:]
    field.extend(items)


def _drop_prefix(graph, prefix):
    for node in graph.node:
        for names in (node.input, node.output):
            for index, name in enumerate(names):
                names[index] = name.removeprefix(prefix)
    for item in (*graph.input, *graph.output, *graph.initializer):
        item.name = item.name.removeprefix(prefix)
