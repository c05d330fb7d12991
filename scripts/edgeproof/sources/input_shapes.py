"""Fixing the axes that a model leaves open: in the ONNX file itself, so that every format has the same sizes."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import onnx
from onnx import shape_inference

from edgeproof.core.files import atomic_write, sha256_file

from .input_faults import InputFault, read_note, write_note
from .onnx_files import load_known_model
from .onnx_graphs import list_inputs

_ORIGINAL = "edgeproof.original_sha256"  # in the metadata of a model whose axes were fixed


def fix_input_shapes(path: str | Path, shapes: Mapping[str, Sequence[int]] | None) -> InputFault | None:
    """Give the model in the file `path` the input shapes of its configuration, `{input: sizes}`; None leaves it.

    Only axes that the model leaves open can be sized. The digest of the file as it was is kept in its metadata. If the
    shapes do not fit, a note takes the place of the model and the fault is returned.
    """
    if not shapes or read_note(path):
        return None
    try:
        model = load_known_model(path)
        _size_inputs(model, shapes, f"config/models/{Path(path).absolute().parent.name}.yaml")
    except InputFault as fault:
        write_note(path, fault)
        return fault
    del model.metadata_props[:]
    model.metadata_props.append(onnx.StringStringEntryProto(key=_ORIGINAL, value=sha256_file(path)))
    atomic_write(path, _infer_sizes(model).SerializeToString(deterministic=True))
    return None


def read_original_digest(model: onnx.ModelProto) -> str | None:
    """Return the sha256 of the file that a model was before its input shapes were fixed; None if they were not."""
    return next((item.value for item in model.metadata_props if item.key == _ORIGINAL), None)


def _size_inputs(model: onnx.ModelProto, shapes: Mapping[str, Sequence[int]], where: str) -> None:
    inputs = {value.name: value for value in list_inputs(model.graph)}
    symbols: dict[str, int] = {}
    for name, sizes in shapes.items():
        if name not in inputs:
            known = ", ".join(inputs)
            raise InputFault("unfit_shape", f"{where}: input_shapes: {name!r} is no input; the model has {known}")
        dims = inputs[name].type.tensor_type.shape.dim
        own = [dim.dim_value if dim.dim_value > 0 else dim.dim_param or "?" for dim in dims]
        if len(sizes) != len(own) or any(type(old) is int and old != new for old, new in zip(own, sizes, strict=True)):
            raise InputFault(
                "unfit_shape",
                f"{where}: input_shapes: {name} is {list(sizes)}, but the model has {own}; only open axes can be sized",
            )
        for dim, size in zip(dims, sizes, strict=True):
            if dim.dim_param and symbols.setdefault(dim.dim_param, size) != size:
                raise InputFault(
                    "unfit_shape",
                    f"{where}: input_shapes: {dim.dim_param!r} is {symbols[dim.dim_param]} and {size}; it is one size "
                    "in the model",
                )
            dim.dim_value = size
    for value in _iterate_values(model.graph):
        for dim in value.type.tensor_type.shape.dim:
            if dim.dim_param in symbols:
                dim.dim_value = symbols[dim.dim_param]


def _iterate_values(graph: onnx.GraphProto) -> Iterator[onnx.ValueInfoProto]:
    for value in (*graph.input, *graph.output, *graph.value_info):
        if value.type.WhichOneof("value") == "tensor_type":
            yield value


def _infer_sizes(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a model with the sizes of its outputs that follow from those of its inputs; as it is if none can."""
    try:
        return shape_inference.infer_shapes(model, data_prop=True)
    except (shape_inference.InferenceError, RuntimeError):
        return model
