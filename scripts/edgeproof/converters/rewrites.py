"""Changes to an ONNX graph before onnx2tf gets it: the same function in operators that convert well.

Every rewrite is exact for all inputs. None needs TensorFlow, so each is tested against ONNX Runtime.
"""

import onnx
from onnx import helper, numpy_helper

# The outputs of these are never negative; for Clip it depends.
_NOT_NEGATIVE = {"Relu", "Sigmoid", "HardSigmoid", "Softplus", "Softmax", "Exp", "Abs"}


def split_sums(model: onnx.ModelProto) -> None:
    """Rewrite an ONNX graph in place, before onnx2tf: a Sum of several tensors becomes Add nodes in the same order.

    onnx2tf turns a Sum into AddN, for which TFLite has no integer kernel: an int8 ResNet-50 would compute each of its
    16 joins in floats.
    """
    nodes = []
    for node in model.graph.node:
        if node.op_type != "Sum" or node.domain not in ("", "ai.onnx") or len(node.input) < 2:
            nodes.append(node)
            continue
        total, last = node.input[0], len(node.input) - 1
        for number, name in enumerate(node.input[1:], 1):
            suffix = "" if number == last else f"/sum-{number}"
            nodes.append(helper.make_node("Add", [total, name], [node.output[0] + suffix], _name_node(node) + suffix))
            total = nodes[-1].output[0]
    _replace_nodes(model, nodes)


def pad_before_pools(model: onnx.ModelProto) -> None:
    """Rewrite an ONNX graph in place, before onnx2tf: give padded MaxPool nodes a Pad node with values from the data.

    onnx2tf pads with the lowest float32. TFLite's int8 calibration takes it for data: the scale becomes 1e36,
    everything after it is lost, and LiteRT 2.3 refuses the file. Where nothing is negative, zeros do the same.
    Elsewhere the edge is repeated: a window of neighbours that reaches over the edge contains it, so its maximum does
    not change.
    """
    sizes = _spatial_sizes(model)
    makers = {name: node for node in model.graph.node for name in node.output}
    constants = {item.name: item for item in model.graph.initializer}
    nodes = []
    for node in model.graph.node:
        if _needs_padding(node, sizes.get(node.input[0]) if node.input else None):
            maker = makers.get(node.input[0])
            positive = maker is not None and _is_never_negative(maker, makers, constants)
            nodes += _split_padding(model, node, "constant" if positive else "edge")
        else:
            nodes.append(node)
    _replace_nodes(model, nodes)


def _needs_padding(node, sizes):
    """Tell whether a node is a MaxPool that TensorFlow must pad first, and whose windows have no gaps."""
    if node.op_type != "MaxPool" or node.domain not in ("", "ai.onnx") or len(node.output) > 1:
        return False
    options = _read_attributes(node)
    kernel = options["kernel_shape"]
    rank = len(kernel)
    pads, strides = options.get("pads", [0] * 2 * rank), options.get("strides", [1] * rank)
    if not any(pads) or options.get("auto_pad", b"NOTSET") != b"NOTSET" or options.get("ceil_mode", 0):
        return False
    if any(step != 1 for step in options.get("dilations", [1])):
        return False
    if any(pad >= size for pad, size in zip(pads, kernel * 2, strict=True)):
        return False
    return sizes is None or pads != _same_padding(sizes, kernel, strides)


def _same_padding(sizes, kernel, strides):
    """Return the pads of TensorFlow's SAME, begins then ends; a pool with these needs no Pad node."""
    needs = [max((-(-n // s) - 1) * s + k - n, 0) for n, k, s in zip(sizes, kernel, strides, strict=True)]
    return [need // 2 for need in needs] + [need - need // 2 for need in needs]


def _split_padding(model, node, mode):
    """Return a Pad node and a MaxPool without padding, which together do what `node` does."""
    options = _read_attributes(node)
    pads = options.pop("pads")
    half = len(pads) // 2
    pads = [0, 0, *pads[:half], 0, 0, *pads[half:]]
    padded = f"{node.output[0]}/padded"
    version = next(item.version for item in model.opset_import if item.domain in ("", "ai.onnx"))
    if version < 11:
        pad = helper.make_node("Pad", [node.input[0]], [padded], f"{_name_node(node)}/pad", mode=mode, pads=pads)
    else:
        amounts = helper.make_tensor(f"{padded}/amounts", onnx.TensorProto.INT64, [len(pads)], pads)
        model.graph.initializer.append(amounts)
        pad = helper.make_node("Pad", [node.input[0], amounts.name], [padded], f"{_name_node(node)}/pad", mode=mode)
    return pad, helper.make_node("MaxPool", [padded], list(node.output), _name_node(node), **options)


def _is_never_negative(node, makers, constants):
    if node.op_type in _NOT_NEGATIVE:
        return True
    if node.op_type != "Clip":
        return False
    least = _read_attributes(node).get("min")
    if least is None and len(node.input) > 1 and node.input[1]:
        source = constants.get(node.input[1])
        if source is None and (maker := makers.get(node.input[1])) is not None and maker.op_type == "Constant":
            source = _read_attributes(maker).get("value")
        least = None if source is None else numpy_helper.to_array(source).min()
    return least is not None and least >= 0


def _spatial_sizes(model):
    """Return `{tensor: sizes after batch and channels}` of every tensor whose shape is fully known."""
    inferred = onnx.shape_inference.infer_shapes(model)
    sizes = {}
    for value in (*inferred.graph.value_info, *inferred.graph.input):
        dimensions = value.type.tensor_type.shape.dim[2:]
        if all(item.HasField("dim_value") for item in dimensions):
            sizes[value.name] = [item.dim_value for item in dimensions]
    return sizes


def _name_node(node):
    return node.name or node.output[0]


def _read_attributes(node):
    return {item.name: helper.get_attribute_value(item) for item in node.attribute}


def _replace_nodes(model, nodes):
    kept = list(nodes)
    del model.graph.node[:]
    model.graph.node.extend(kept)
