"""Types and shapes of the tensors in an ONNX model: what ONNX can infer of them, and numpy's names for them."""

import math

import onnx
import onnx.inliner
from onnx import helper, shape_inference

_READ_BY_INFERENCE = 1024  # elements: shapes, axes and the like; a larger tensor is a weight


def infer_types(model: onnx.ModelProto) -> onnx.GraphProto:
    """Return a model's main graph with the types and shapes that ONNX can infer, without the values of its weights.

    Inference only reads the values of small tensors, but would copy all of them twice.
    """
    light = onnx.ModelProto(ir_version=model.ir_version, opset_import=model.opset_import, functions=model.functions)
    graph = model.graph
    light.graph.name = graph.name
    for field in ("node", "input", "output", "value_info", "sparse_initializer"):
        getattr(light.graph, field).extend(getattr(graph, field))
    listed = {item.name for item in graph.input}
    for item in graph.initializer:
        if math.prod(item.dims) <= _READ_BY_INFERENCE:
            light.graph.initializer.append(item)
        elif item.name not in listed:
            light.graph.input.append(onnx.helper.make_tensor_value_info(item.name, item.data_type, item.dims))
    return onnx.shape_inference.infer_shapes(light).graph


def enter_types(model: onnx.ModelProto) -> None:
    """Write the types and shapes that ONNX can infer into an ONNX model, as `onnx.shape_inference` would."""
    graph = infer_types(model)
    for field in ("node", "value_info", "output"):
        del getattr(model.graph, field)[:]
        getattr(model.graph, field).extend(getattr(graph, field))


def infer_shapes(model: onnx.ModelProto) -> dict[str, tuple[int, ...]]:
    """Infer the tensor types of an ONNX model; return the shapes that are fully known, as `{name: shape}`.

    Symbolic batch dimensions are 1.
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    initializers = {item.name for item in copy.graph.initializer}
    batches = set()
    for value in copy.graph.input:
        dims = value.type.tensor_type.shape.dim
        if value.name not in initializers and dims and dims[0].dim_value <= 0:
            batches.add(dims[0].dim_param)
            dims[0].dim_value = 1
    # The same symbol is used elsewhere too, as in outputs; a contradiction there would stop the inference.
    for value in (*copy.graph.input, *copy.graph.output, *copy.graph.value_info):
        for dim in value.type.tensor_type.shape.dim:
            if dim.dim_param and dim.dim_param in batches:
                dim.dim_value = 1
    try:
        graph = shape_inference.infer_shapes(copy, data_prop=True).graph
    except (shape_inference.InferenceError, RuntimeError):
        graph = copy.graph
    shapes = {item.name: tuple(item.dims) for item in graph.initializer}
    for value in (*graph.input, *graph.output, *graph.value_info):
        tensor = value.type.tensor_type
        if tensor.HasField("shape") and all(dim.WhichOneof("value") == "dim_value" for dim in tensor.shape.dim):
            shapes.setdefault(value.name, tuple(dim.dim_value for dim in tensor.shape.dim))
    return shapes


def name_dtype(element_type: int) -> str:
    """Return numpy's name of an ONNX type (`float32`), or ONNX's own in lower case if numpy has none."""
    if element_type == onnx.TensorProto.STRING:
        return "string"
    try:
        return str(helper.tensor_dtype_to_np_dtype(element_type).name)
    except KeyError:
        return onnx.TensorProto.DataType.Name(element_type).lower()
