"""Older operator sets and IR versions for ONNX artifacts, as the runtimes of older devices take them.

ONNX's own version converter lowers hardly anything: it has no way back for Relu or MatMul, whose newer versions only
take more types. Here a node stays where its older version says the same, and is rewritten where that is a matter of
form. The lowered file is loaded once, and its parity with the source is checked like any other.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import onnx
import onnx.inliner
from onnx import helper, numpy_helper

from edgeproof.sources.onnx_graphs import iterate_nodes, iterate_tensors, read_opset_versions
from edgeproof.sources.onnx_types import infer_types

from .build_failures import BuildError, describe_node, tool_failures

_STANDARD = ("", "ai.onnx")
_LEAST_IR_OF_FUNCTIONS = 8
_LEAST_IR_OF_TYPES = {  # element types that older IR versions do not know
    **dict.fromkeys((17, 18, 19, 20), 9),  # float8
    **dict.fromkeys((21, 22), 10),  # uint4, int4
    23: 11,  # float4
}
_INPUT_OR_ATTRIBUTE = {"Split": "split", "Squeeze": "axes", "Unsqueeze": "axes"}  # and all of the family Reduce…
_OTHER_NAMES = {("GridSample", "mode"): {"linear": "bilinear", "cubic": "bicubic"}}
_FORMER_VALUES = {
    ("RoiAlign", "coordinate_transformation_mode"): "output_half_pixel"
}  # what it did before it could choose
_BY_LAST_AXIS = ("Softmax", "LogSoftmax", "Hardmax")  # before opset 13 they took all axes from `axis` on together
_BY_CHANNEL = ("QuantizeLinear", "DequantizeLinear")  # from opset 13 on


def lower_versions(model: onnx.ModelProto, most_opset: int | None, most_ir: int | None) -> onnx.ModelProto:
    """Return an ONNX model whose versions, of operator set and IR, are at most these; `model` may be changed.

    None: no limit. BuildError names the node for which the older operator set has no equivalent.
    """
    if most_ir is not None and most_ir < _LEAST_IR_OF_FUNCTIONS and model.functions:
        with tool_failures("onnx.inliner", model):
            model = onnx.inliner.inline_local_functions(model)
    if most_opset is not None:
        _lower_opset(model, most_opset)
    if most_ir is not None and model.ir_version > most_ir:
        _require_known_types(model, most_ir)
        model.ir_version = most_ir
    return model


def is_within(model: onnx.ModelProto, most_opset: int | None, most_ir: int | None) -> bool:
    """Tell whether an ONNX model's versions, of operator set and IR, are at most these. None: no limit."""
    opset = read_opset_versions(model.opset_import).get("ai.onnx", 0)
    return (most_opset is None or opset <= most_opset) and (most_ir is None or model.ir_version <= most_ir)


def _lower_opset(model: onnx.ModelProto, version: int) -> None:
    """Rewrite all nodes for an older operator set, and say so in the model and its functions."""
    ranks = {
        item.name: len(item.type.tensor_type.shape.dim)
        for item in infer_types(model).value_info
        if item.type.tensor_type.HasField("shape")
    }
    ranks |= {item.name: len(item.type.tensor_type.shape.dim) for item in (*model.graph.input, *model.graph.output)}
    for scope, nodes in ((model, model.graph.node), *((function, function.node) for function in model.functions)):
        current = read_opset_versions(scope.opset_import).get("ai.onnx", 0)
        if current <= version:
            continue
        constants = _read_constants(nodes, model.graph.initializer if scope is model else ())
        for node in iterate_nodes(nodes):
            if node.domain in _STANDARD and (why := _lower_node(node, current, version, constants, ranks)):
                told = describe_node(node, {"ai.onnx": current})
                raise BuildError("unsupported_operator", f"{told}: {why}; raise max_opset in the preset")
        for item in scope.opset_import:
            if item.domain in _STANDARD:
                item.version = version


def _read_constants(nodes: Iterable[onnx.NodeProto], stored: Iterable[onnx.TensorProto]) -> dict[str, np.ndarray]:
    """Return the small whole numbers that a graph stores, by name: axes and sizes; and what Constant nodes make."""
    made = [
        (node.output[0], attribute.t)
        for node in iterate_nodes(nodes)
        if node.op_type == "Constant"
        for attribute in node.attribute
        if attribute.name == "value"
    ]
    return {
        name: numpy_helper.to_array(tensor)
        for name, tensor in (*((item.name, item) for item in stored), *made)
        if tensor.data_type == onnx.TensorProto.INT64 or len(tensor.dims) == 1
    }


def _lower_node(
    node: onnx.NodeProto, current: int, version: int, constants: Mapping[str, np.ndarray], ranks: Mapping[str, int]
) -> str | None:
    """Rewrite a node for an older operator set; return why that is impossible, or None."""
    try:
        new, old = onnx.defs.get_schema(node.op_type, current), onnx.defs.get_schema(node.op_type, version)
    except onnx.defs.SchemaError:
        return f"opset {version} has no such operator"
    if new.since_version == old.since_version:
        return None
    _move_input_to_attribute(node, old, constants)
    if node.op_type in _BY_CHANNEL and version < 13:
        if np.size(constants.get(node.input[1], 1)) > 1:
            return f"opset {version} has no scale per channel; set per_channel: false"
        _drop_attribute(node, "axis")
    given = {item.name: _as_text(helper.get_attribute_value(item)) for item in node.attribute}
    before, after = _read_defaults(new), _read_defaults(old)
    wanted: dict[str, Any] = {}
    for name in {**before, **given}:
        value, place = given.get(name, before.get(name)), (node.op_type, name)
        if name in after:
            if name in given or value != after[name]:
                wanted[name] = _OTHER_NAMES.get(place, {}).get(value, value) if isinstance(value, str) else value
        elif name != "num_outputs" and value != _FORMER_VALUES.get(place, before[name]):
            return f"opset {version} has no `{name}`"
    wanted = {name: value for name, value in wanted.items() if value is not None}
    if (
        node.op_type in _BY_LAST_AXIS
        and version < 13
        and not _is_last(wanted.get("axis", -1), ranks.get(node.input[0]))
    ):
        return f"opset {version} normalises all axes from `axis` on together"
    while node.input and not node.input[-1]:
        node.input.pop()
    if not old.min_input <= len(node.input) <= old.max_input or len(node.output) > old.max_output:
        return f"opset {version} takes {old.max_input} inputs and has {old.max_output} outputs"
    for name, formal in zip(node.input, old.inputs, strict=False):
        if not name and formal.option != onnx.defs.OpSchema.FormalParameterOption.Optional:
            return f"opset {version} needs its input `{formal.name}`"
    del node.attribute[:]
    node.attribute.extend(helper.make_attribute(name, value) for name, value in sorted(wanted.items()))
    return None


def _move_input_to_attribute(
    node: onnx.NodeProto, old: onnx.defs.OpSchema, constants: Mapping[str, np.ndarray]
) -> None:
    """Give a node its axes or sizes as an attribute, where the older version wants that and they are constant."""
    name = "axes" if node.op_type.startswith("Reduce") else _INPUT_OR_ATTRIBUTE.get(node.op_type)
    if name is None or name not in old.attributes or len(node.input) < 2:
        return
    if not node.input[1]:
        del node.input[1:]
    elif node.input[1] in constants:
        node.attribute.append(helper.make_attribute(name, constants[node.input[1]].ravel().tolist()))
        del node.input[1:]


def _drop_attribute(node: onnx.NodeProto, name: str) -> None:
    kept = [item for item in node.attribute if item.name != name]
    del node.attribute[:]
    node.attribute.extend(kept)


def _read_defaults(schema: onnx.defs.OpSchema) -> dict[str, Any]:
    """Return the default of every attribute of an operator, None where it has none."""
    known = {name: item.default_value for name, item in schema.attributes.items()}
    return {name: _as_text(helper.get_attribute_value(item)) if item.name else None for name, item in known.items()}


def _as_text(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else value


def _is_last(axis: int, rank: int | None) -> bool:
    return axis == -1 or (rank is not None and axis == rank - 1)


def _require_known_types(model: onnx.ModelProto, version: int) -> None:
    """Raise BuildError if the model stores tensors of a type that the IR version does not know."""
    for tensor in iterate_tensors(model):
        least = _LEAST_IR_OF_TYPES.get(tensor.data_type, 0)
        if least > version:
            name = onnx.TensorProto.DataType.Name(tensor.data_type)
            told = f"tensor {tensor.name!r} is {name}, which needs IR version {least}"
            raise BuildError("conversion_failed", f"{told}; raise max_ir_version in the preset")
