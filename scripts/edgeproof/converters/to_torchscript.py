"""ONNX to TorchScript with onnx2torch, by tracing. The file itself says what its inputs and outputs are called."""

import io
import json
import logging
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.version_converter
import torch
from onnx2torch import convert as convert_to_torch
from onnx2torch.node_converters.registry import get_converter

from .archives import append_members
from .element_counts import add_element_count
from .protocol import answer_by_protocol, call_tool, refuse_nodes

_OPSET, _IR_VERSION = 13, 8  # what a model is raised to when onnx2torch lacks a converter for an older operator


def convert(spec: dict[str, Any], out: Path) -> dict[str, Any]:
    """Convert to TorchScript: write `artifact.pt` from the ONNX file `spec["model"]`."""
    if "supplied" in spec:
        return _take_supplied(spec, out)
    model = _raise_opset(onnx.load(spec["model"]))
    refuse_unsupported(model)
    weights = {item.name for item in model.graph.initializer}
    inputs = [_describe_value(value) for value in model.graph.input if value.name not in weights]
    outputs = [_describe_value(value) for value in model.graph.output]
    module = call_tool("onnx2torch", lambda: convert_to_torch(model)).eval()
    examples = tuple(_make_example(item) for item in inputs)
    with torch.inference_mode(False), torch.no_grad():
        traced = call_tool("torch.jit.trace", lambda: torch.jit.trace(module, examples, check_trace=False))
    interface = {side: [item["name"] for item in items] for side, items in (("inputs", inputs), ("outputs", outputs))}
    path = out / "artifact.pt"
    extra = {"interface.json": json.dumps(interface, sort_keys=True)}
    torch.jit.save(_forget_sources(traced), str(path), _extra_files=extra)
    return {"artifact": path.name, "opset": None, "inputs": inputs, "outputs": outputs, **_count_parts(traced)}


def _take_supplied(spec: dict[str, Any], out: Path) -> dict[str, Any]:
    """Take a TorchScript file of somebody else's; one that does not name its inputs and outputs gets the source's."""
    path = Path(shutil.copyfile(spec["supplied"], out / "artifact.pt"))
    extra = {"interface.json": ""}
    module = call_tool("torch.jit.load", lambda: torch.jit.load(str(path), map_location="cpu", _extra_files=extra))
    if not extra["interface.json"]:
        interface = {side: [item["name"] for item in spec[side]] for side in ("inputs", "outputs")}
        with zipfile.ZipFile(path) as archive:
            root = archive.namelist()[0].split("/")[0]
        append_members(path, {f"{root}/extra/interface.json": json.dumps(interface, sort_keys=True).encode()})
    sides = {side: spec[side] for side in ("inputs", "outputs")}
    return {"artifact": path.name, "opset": None, **sides, **_count_parts(module)}


def _forget_sources(traced: Any) -> Any:
    """Return a traced module without the source lines of its operators, which refer to this machine's Python files.

    They are in files of the archive that a module loads without, and their bytes depend on paths of this machine.
    """
    remembering, forgetting = io.BytesIO(), io.BytesIO()
    torch.jit.save(traced, remembering)
    with zipfile.ZipFile(remembering) as source, zipfile.ZipFile(forgetting, "w", zipfile.ZIP_STORED) as target:
        for member in source.infolist():
            if not member.filename.endswith(".debug_pkl"):
                target.writestr(member.filename, source.read(member))
    forgetting.seek(0)
    return torch.jit.load(forgetting)


def refuse_unsupported(model: onnx.ModelProto) -> None:
    """Raise ConversionError if onnx2torch has no converter for a node, so that no TorchScript can be made."""
    refuse_nodes(_list_unsupported(model), "onnx2torch has no converter for it")


def _list_unsupported(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    versions = {item.domain: item.version for item in model.opset_import}
    missing = []
    for node in model.graph.node:
        version = versions.get(node.domain, versions.get("", 1))
        try:
            get_converter(operation_type=node.op_type, version=version, domain=node.domain)
        except NotImplementedError:
            missing.append(node)
    return missing


def _raise_opset(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a model of an opset that onnx2torch knows: a newer one if it lacks a node of the model's own.

    The model is returned as it is if that does not help; then its own nodes are named.
    """
    version = next((item.version for item in model.opset_import if item.domain in ("", "ai.onnx")), _OPSET)
    if version >= _OPSET or not _list_unsupported(model):
        return model
    raised = onnx.ModelProto()
    raised.CopyFrom(model)
    raised.ir_version = max(model.ir_version, _IR_VERSION)
    stored = {item.name for item in model.graph.initializer}
    fed = [value for value in model.graph.input if value.name not in stored]
    del raised.graph.input[:]  # the version converter wants initializers to be no inputs
    raised.graph.input.extend(fed)
    try:
        raised = onnx.version_converter.convert_version(raised, _OPSET)
    except Exception as error:  # it has no class of its own
        print(f"onnx.version_converter: {error}; the model is converted as it is", flush=True)
        return model
    return model if _list_unsupported(raised) else raised


def _describe_value(value: Any) -> dict[str, Any]:
    """Return name, dtype and shape of an input or output."""
    kind = value.type.tensor_type
    shape = [dim.dim_value if dim.dim_value > 0 else dim.dim_param or "?" for dim in kind.shape.dim]
    return {"name": value.name, "dtype": onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type).name, "shape": shape}


def _make_example(item: dict[str, Any]) -> Any:
    """Return a seeded tensor for tracing; symbolic sizes are 1, as in a run."""
    shape = [size if isinstance(size, int) else 1 for size in item["shape"]]
    return torch.from_numpy(np.asarray(np.random.RandomState(0).random_sample(shape)).astype(item["dtype"]))


def _count_parts(traced: Any) -> dict[str, Any]:
    """Return counts of the types of a module's weights and activations (as traced), and of its operators."""
    weights, values, operators = {}, {}, {}
    for tensor in (*traced.parameters(), *traced.buffers()):
        add_element_count(weights, _name_of(tensor.dtype), tensor.numel())
    for node in traced.inlined_graph.nodes():
        kind = node.kind()
        if not kind.startswith("aten::"):
            continue
        operators[kind] = operators.get(kind, 0) + 1
        for output in node.outputs():
            dtype = output.type().dtype() if isinstance(output.type(), torch.TensorType) else None
            if dtype is not None:
                values[_name_of(dtype)] = values.get(_name_of(dtype), 0) + 1
    return {"weights": weights, "values": values, "operators": operators}


def _name_of(dtype: Any) -> str:
    """Return numpy's name of a torch dtype."""
    return str(dtype).removeprefix("torch.")


if __name__ == "__main__":
    logging.getLogger("torch").setLevel(logging.ERROR)
    answer_by_protocol(convert)
