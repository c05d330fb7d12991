"""The identity of a model: digest, interface, operators, parameters and arithmetic, read from the ONNX file."""

from collections.abc import Sequence
from pathlib import Path

import onnx

from edgeproof.core.configuration import Json
from edgeproof.core.documents import write_json
from edgeproof.core.files import sha256_file

from .arithmetic import count_macs
from .batches import list_whole_inputs
from .input_faults import InputFault
from .input_shapes import read_original_digest
from .onnx_files import load_model
from .onnx_graphs import count_operators, iterate_tensors, list_inputs
from .onnx_types import name_dtype


def identify_model(
    name: str, path: str | Path, output: str | Path, whole_inputs: Sequence[str] = ()
) -> InputFault | None:
    """Write the identity (`edgeproof.identity.v2`) of the ONNX file `path`, which is model `name`, to `output`.

    `whole_inputs`: the inputs that the model's configuration declares to have no batch on their first axis.
    If the model cannot be used (it is not an ONNX file, `onnx.checker` refuses it, its weights are in other files, …),
    the identity has `status: failed` and a reason, and the fault is returned. UserError if the file cannot be read.
    """
    document, fault = _describe_file(name, path), None
    try:
        document |= _describe_content(path, whole_inputs)
    except InputFault as found:
        document |= _UNKNOWN | {"status": "failed", "reason": found.describe()}
        fault = found
    write_json(output, document, "identity")
    return fault


def describe_model(name: str, path: str | Path) -> Json:
    """Return the identity document of the ONNX file `path`; InputFault, a UserError, if it cannot be used."""
    return _describe_file(name, path) | _describe_content(path, ())


_UNKNOWN: Json = {  # what an identity says of a model that cannot be used
    "ir_version": None,
    "opset": {},
    "producer": {"name": None, "version": None},
    "inputs": [],
    "outputs": [],
    "operators": {},
    "parameters": 0,
    "macs": 0,
    "macs_unknown": [],
}


def _describe_file(name: str, path: str | Path) -> Json:
    return {
        "schema": "edgeproof.identity.v2",
        "model": name,
        "status": "ok",
        "reason": None,
        "sha256": sha256_file(path),
        "bytes": Path(path).stat().st_size,
    }


def _describe_content(path: str | Path, declared: Sequence[str]) -> Json:
    model = load_model(path)
    _require_values(model, path)
    macs, unknown = count_macs(model)
    inputs = [describe_tensor(value, path) for value in list_inputs(model.graph)]
    names = [item["name"] for item in inputs]
    if strangers := [name for name in declared if name not in names]:
        raise InputFault(
            "unmeasurable", f"{path}: whole_inputs names {strangers[0]!r}; the model's inputs are {', '.join(names)}"
        )
    whole, original = list_whole_inputs(inputs, declared), read_original_digest(model)
    return {
        "ir_version": model.ir_version,
        "opset": {item.domain or "ai.onnx": item.version for item in model.opset_import},
        "producer": {"name": model.producer_name or None, "version": model.producer_version or None},
        "inputs": inputs,
        "outputs": [describe_tensor(value, path) for value in model.graph.output],
        **({"whole_inputs": whole} if whole else {}),
        **({"original_sha256": original} if original else {}),
        "operators": dict(sorted(count_operators(model).items())),
        "parameters": _count_parameters(model),
        "macs": macs,
        "macs_unknown": unknown,
    }


def _require_values(model: onnx.ModelProto, path: str | Path) -> None:
    """Raise InputFault for a model that takes or gives nothing, which is never timed as anybody would use it."""
    inputs = list_inputs(model.graph)
    if not inputs or not model.graph.output:
        raise InputFault(
            "unmeasurable", f"{path}: has no {'outputs' if inputs else 'inputs'}; there is nothing to feed"
        )
    for value in inputs:
        sizes = [dim.dim_value for dim in value.type.tensor_type.shape.dim if dim.WhichOneof("value") == "dim_value"]
        if 0 in sizes:
            raise InputFault(
                "unmeasurable",
                f"{path}: input {value.name!r} has an axis of size 0; give its size with input_shapes in the model's "
                "YAML",
            )


def describe_tensor(value: onnx.ValueInfoProto, path: str | Path) -> Json:
    """Return an input or output as a model's identity has it: name, dtype (numpy's name) and shape.

    A symbolic dimension is a string, and `"?"` if it has no name, or a size below 0.
    """
    kind = value.type.WhichOneof("value")
    if kind != "tensor_type":
        raise InputFault("unmeasurable",
                         f"{path}: {value.name!r} is a {(kind or 'value without type').replace('_type', '')}; "
                         "only models whose inputs and outputs are tensors can be measured")  # fmt: skip
    tensor = value.type.tensor_type
    shape = [
        dim.dim_value if dim.WhichOneof("value") == "dim_value" and dim.dim_value >= 0 else dim.dim_param or "?"
        for dim in tensor.shape.dim
    ]
    return {"name": value.name, "dtype": name_dtype(tensor.elem_type), "shape": shape}


def _count_parameters(model: onnx.ModelProto) -> int:
    """Return the number of stored elements: initializers and constants, dense or sparse, except int64 tensors.

    int64 tensors are shapes, axes and indices of the graph, not learned values.
    """
    total = 0
    for tensor in iterate_tensors(model):
        if tensor.data_type != onnx.TensorProto.INT64:
            count = 1
            for size in tensor.dims:
                count *= size
            total += count
    return total
