"""From an ONNX model to one in float16, with onnxconverter-common.

onnxruntime's own converter is not used: with `keep_io_types` its nodes are not in topological order, so the checker
refuses them.
"""

from pathlib import Path

import onnx
import onnxconverter_common.float16

from edgeproof.sources.onnx_graphs import iterate_nodes, keep_fed_inputs
from edgeproof.sources.onnx_types import enter_types

from .build_failures import tool_failures

FP16_MAX = 65504.0  # the largest float16; the converter's own default clips at 10000


def convert_fp16(model: onnx.ModelProto, target: str | Path) -> onnx.ModelProto:
    """Write `model` in half precision (float16) to `target`, and return it; its interface keeps its types.

    Operators that have no float16 kernel, as far as the converter knows, stay float32 between casts. `model` is
    changed.
    """
    name_nodes(model)
    keep_fed_inputs(model)  # or the converter casts the "input" and gives its initializer another type
    with tool_failures("onnxconverter-common", model):
        enter_types(model)  # the converter would infer them with all weights, which takes 0.25 s per 100 MB
        converted = onnxconverter_common.float16.convert_float_to_float16(
            model,
            keep_io_types=True,
            max_finite_val=FP16_MAX,
            node_block_list=_list_casts(model),
            disable_shape_infer=True,
        )
    onnx.save(converted, target)
    return converted


def name_nodes(model: onnx.ModelProto) -> None:
    """Give every node a unique name, for half precision: the converter names casts after the nodes that they feed."""
    taken = set()
    for index, node in enumerate(iterate_nodes(model.graph.node)):
        name = node.name or f"{node.op_type}_{index}"
        while name in taken:
            name += f"_{index}"
        taken.add(name)
        node.name = name


def _list_casts(model):
    """Return the names of nodes that cast to float32: the converter would change their type, but no attribute."""
    return [
        node.name
        for node in iterate_nodes(model.graph.node)
        if node.op_type == "Cast"
        and any(item.name == "to" and item.i == onnx.TensorProto.FLOAT for item in node.attribute)
    ]
