"""SavedModel to a Core ML package, one precision. It is not run here: prediction needs macOS.

The package is a folder, and the archive holds its files. The random identifiers in Manifest.json are replaced by ones
made from the paths of the items, so that equal conversions give equal bytes.
"""

import json
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import coremltools as ct
import numpy as np
import tensorflow as tf
from coremltools.optimize import coreml as optimisation

from .archives import pack_folder, unpack
from .element_counts import add_element_count, count_elements
from .protocol import answer_by_protocol, call_tool

INTERFACE_KEY = "edgeproof.interface"
_ELEMENT_TYPES = {
    value.number: name.lower()
    for name, value in ct.proto.MIL_pb2.DataType.DESCRIPTOR.values_by_name.items()
    if name not in ("UNUSED_TYPE",)
}
_ARRAY_TYPES = {"FLOAT32": "float32", "FLOAT16": "float16", "DOUBLE": "float64", "INT32": "int32"}


def convert(spec: dict[str, Any], out: Path) -> dict[str, Any]:
    """Convert to Core ML: write `artifact.zip` from a packed SavedModel.

    `spec`: saved_model, interface, precision, weight_threshold.
    """
    folder = unpack(spec["saved_model"], out / "saved_model")
    full, interface = spec["precision"] == "fp32", spec["interface"]
    name_outputs(interface["outputs"], lambda: tf.saved_model.load(str(folder)).signatures["serving_default"])
    model = call_tool(
        "coremltools",
        lambda: ct.convert(
            str(folder),
            source="tensorflow",
            convert_to="mlprogram",
            inputs=[ct.TensorType(item["name"], item["shape"], _settle_type(item)) for item in interface["inputs"]],
            outputs=[ct.TensorType(item["name"], dtype=_settle_type(item)) for item in interface["outputs"]],
            compute_precision=ct.precision.FLOAT32 if full else ct.precision.FLOAT16,
            minimum_deployment_target=ct.target.iOS16,
        ),
    )
    if spec["precision"] == "int8-weights":
        options = optimisation.OpLinearQuantizerConfig(mode="linear_symmetric", weight_threshold=10)
        config = optimisation.OptimizationConfig(global_config=options)
        model = call_tool("coremltools", lambda: optimisation.linear_quantize_weights(model, config))
    require_outputs(interface["outputs"], [feature.name for feature in model.get_spec().description.output])
    model.user_defined_metadata[INTERFACE_KEY] = json.dumps(interface, sort_keys=True)
    package = out / "model.mlpackage"
    model.save(str(package))
    _settle_identifiers(package / "Manifest.json")
    pack_folder(package, out / "artifact.zip")
    return {"artifact": "artifact.zip", "opset": None, **_describe_package(package)}


def name_outputs(outputs: list[dict[str, Any]], load_signature: Callable[[], Any]) -> None:
    """Give the outputs of an interface the names by which coremltools finds them when it converts.

    These are the names of the graph's nodes. In a signature they are `output_0`, …, and its function returns them in
    the alphabetical order of these names. A single output gets the name None; coremltools finds it itself.
    `load_signature`: returns the SavedModel's signature.
    """
    if len(outputs) == 1:
        outputs[0]["name"] = None
        return
    signature = load_signature()
    nodes = {
        key: tensor.op.name for key, tensor in zip(sorted(signature.structured_outputs), signature.outputs, strict=True)
    }
    for item in outputs:
        item["name"] = nodes[item["name"]]


def require_outputs(outputs: list[dict[str, Any]], found: list[str]) -> None:
    """Raise RuntimeError unless the converted Core ML package has all outputs by name; a single one gets its name."""
    if len(outputs) == len(found) == 1:
        outputs[0]["name"] = found[0]
    elif sorted(item["name"] for item in outputs) != sorted(found):
        raise RuntimeError(f"the package has outputs {found}, the interface {[item['name'] for item in outputs]}")


def _settle_type(item: dict[str, Any]) -> type:
    """Return the type of an input or output: the source's. By default an fp16 model would take and return float16."""
    return np.float32 if item["dtype"].startswith("float") else np.int32


def _settle_identifiers(path: Path) -> None:
    """Replace the random identifiers in a package's manifest by ones that follow from the items' paths."""
    document = json.loads(path.read_text())
    items = document["itemInfoEntries"]
    names = {key: str(uuid.uuid5(uuid.NAMESPACE_URL, item["path"])).upper() for key, item in items.items()}
    document["itemInfoEntries"] = {names[key]: item for key, item in items.items()}
    document["rootModelIdentifier"] = names[document["rootModelIdentifier"]]
    path.write_text(json.dumps(document, indent=4, sort_keys=True))


def _describe_package(package: Path) -> dict[str, Any]:
    """Return inputs and outputs of a package, counts of the types of its weights and activations, and of operators."""
    spec = ct.models.MLModel(str(package), skip_model_load=True).get_spec()
    weights, values, operators = {}, {}, {}
    for function in spec.mlProgram.functions.values():
        for block in function.block_specializations.values():
            for operation in block.operations:
                _count_operation(operation, weights, values, operators)
    sides = {
        side: [_describe_feature(item) for item in getattr(spec.description, side[:-1])]
        for side in ("inputs", "outputs")
    }
    return {**sides, "weights": weights, "values": values, "operators": operators}


def _count_operation(
    operation: Any, weights: dict[str, Any], values: dict[str, int], operators: dict[str, int]
) -> None:
    """Count one operation of an ML program; constants, also those unpacked on loading, are weights."""
    for value in operation.attributes.values():
        if operation.type == "const" or operation.type.startswith("constexpr"):
            _count_value(value, weights)
    if operation.type == "const":
        return
    operators[operation.type] = operators.get(operation.type, 0) + 1
    if operation.type.startswith("constexpr"):
        for argument in operation.inputs.values():
            for binding in argument.arguments:
                if binding.HasField("value"):
                    _count_value(binding.value, weights)
        return
    for output in operation.outputs:
        dtype = _ELEMENT_TYPES[output.type.tensorType.dataType]
        values[dtype] = values.get(dtype, 0) + 1


def _count_value(value: Any, weights: dict[str, Any]) -> None:
    """Count a stored tensor; scalars and texts are options of an operation, not weights."""
    kind = value.type.tensorType
    if kind.rank == 0 or _ELEMENT_TYPES.get(kind.dataType) in ("string", "bool"):
        return
    add_element_count(weights, _ELEMENT_TYPES[kind.dataType], count_elements(d.constant.size for d in kind.dimensions))


def _describe_feature(feature: Any) -> dict[str, Any]:
    """Return name, dtype and shape of an input or output."""
    array = feature.type.multiArrayType
    kind = ct.proto.FeatureTypes_pb2.ArrayFeatureType.ArrayDataType.Name(array.dataType)
    return {"name": feature.name, "dtype": _ARRAY_TYPES[kind], "shape": list(array.shape)}


if __name__ == "__main__":
    answer_by_protocol(convert)
