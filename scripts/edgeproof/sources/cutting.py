"""Cutting a model into stages: the part of the graph between two sets of tensors, as a model of its own."""

from pathlib import Path

import onnx
from onnx import helper

from edgeproof.core.errors import UserError
from edgeproof.core.files import atomic_path

from .input_faults import InputFault, write_note
from .onnx_files import load_model
from .onnx_graphs import iterate_nodes, list_inputs
from .onnx_types import infer_shapes


def cut_stage(source: str | Path, inputs: list[str] | None, outputs: list[str] | None, output: str | Path) -> None:
    """Write the part of the model `source` that computes `outputs` from `inputs`, with every shape fixed.

    `inputs`, `outputs`: names of tensors; None for those of the model. A symbolic batch becomes 1. UserError if there
    is no tensor of that name, a shape is not known, or the outputs depend on more than the inputs. If the model itself
    cannot be used, a note about it takes the place of the stage.
    """
    try:
        model = load_model(source)
    except InputFault as fault:
        write_note(output, fault)
        return
    stage = extract_stage(model, inputs, outputs, source)
    try:
        onnx.checker.check_model(stage, full_check=True)
    except Exception as error:
        raise UserError(
            f"{source}: the part that was cut out is not a valid model: {str(error).splitlines()[0][:200]}"
        ) from error
    with atomic_path(output) as temporary:
        temporary.write_bytes(stage.SerializeToString(deterministic=True))


def extract_stage(
    model: onnx.ModelProto, inputs: list[str] | None, outputs: list[str] | None, where: str | Path
) -> onnx.ModelProto:
    """Return the stage cut out of a model between two sets of tensors, as for `cut_stage`; `where` names the model."""
    graph = model.graph
    first, last = [value.name for value in list_inputs(graph)], [value.name for value in graph.output]
    inputs, outputs = inputs or first, outputs or last
    makers = {name: node for node in graph.node for name in node.output if name}
    for name in (*inputs, *outputs):
        if name not in makers and name not in first:
            raise UserError(f"{where}: no tensor is named {name!r}")
    needed, nodes = _trace_back(makers, inputs, outputs)
    stored = {item.name: item for item in graph.initializer}
    lacking = [name for name in needed if name not in makers and name not in stored and name not in inputs]
    if lacking:
        raise UserError(
            f"{where}: {', '.join(outputs)} also needs {lacking[0]!r}, which does not follow from {', '.join(inputs)};"
            " cut where all data pass"
        )
    unused = [name for name in inputs if name not in needed]
    if unused:
        raise UserError(f"{where}: {', '.join(outputs)} does not need {unused[0]!r}; leave it out of the cut before")
    shapes, types = infer_shapes(model), _list_types(model)
    ends = []
    for names in (inputs, outputs):
        for name in names:
            if name not in shapes or name not in types:
                raise UserError(f"{where}: the shape of {name!r} is not known; cut elsewhere, or fix its shapes")
        ends.append([helper.make_tensor_value_info(name, types[name], shapes[name]) for name in names])
    return helper.make_model(
        helper.make_graph(
            [node for node in graph.node if id(node) in nodes],
            f"{graph.name or 'graph'} {', '.join(inputs)} to {', '.join(outputs)}",
            ends[0],
            ends[1],
            [item for item in graph.initializer if item.name in needed],
        ),
        producer_name="edgeproof",
        ir_version=model.ir_version,
        opset_imports=model.opset_import,
        functions=model.functions,
    )


def _trace_back(makers, inputs, outputs):
    """Return the tensors that `outputs` depend on, back to `inputs`, and the ids of the nodes that compute them."""
    needed, nodes, pending = set(), set(), list(outputs)
    while pending:
        name = pending.pop()
        if name in needed:
            continue
        needed.add(name)
        node = makers.get(name)
        if name in inputs or node is None or id(node) in nodes:
            continue
        nodes.add(id(node))
        inside = {made for inner in iterate_nodes([node]) if inner is not node for made in inner.output}
        inside |= {item.name for item in _list_nested_values(node)}
        read = {read for inner in iterate_nodes([node]) for read in inner.input if read}
        pending.extend(sorted(read - inside))
    return needed, nodes


def _list_nested_values(node):
    """Yield the inputs and initializers that the subgraphs of a node declare themselves."""
    for inner in iterate_nodes([node]):
        for attribute in inner.attribute:
            for graph in (attribute.g, *attribute.graphs):
                yield from graph.input
                yield from graph.initializer


def _list_types(model):
    """Return `{tensor name: element type}` as far as ONNX can infer them."""
    graph = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    values = (*graph.input, *graph.output, *graph.value_info)
    return {value.name: value.type.tensor_type.elem_type for value in values if value.type.tensor_type.elem_type}
