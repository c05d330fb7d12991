"""Outputs whose rows an operator chooses: how many there are, and in which order, depends on the values of a sample."""

from dataclasses import dataclass
from pathlib import Path

import onnx

_CHOOSING = ("NonMaxSuppression", "EfficientNMS_TRT", "BatchedNMS_TRT", "TFLite_Detection_PostProcess")
_FORMATS = {0: "yxyx", 1: "cxcywh"}  # of `center_point_box`


@dataclass(frozen=True)
class Selection:
    """An output that is what NonMaxSuppression gives: rows (image, class, box) that point into two other outputs.

    `boxes`, `scores`, `selected`: names of outputs. `box_format`: as in a model's `task.detection`. `score_threshold`:
    that of the operator, None if it has none or the model computes it.
    """

    boxes: str
    scores: str
    selected: str
    box_format: str
    score_threshold: float | None


def find_choosing_operators(path: str | Path) -> dict[str, str]:
    """Return {output: operator that chooses its rows} of an ONNX file: outputs that depend on such a choice."""
    graph = onnx.load(path, load_external_data=False).graph
    choice: dict[str, str] = {}
    for node in graph.node:  # in topological order
        own = node.op_type if node.op_type in _CHOOSING else None
        found = own or next((choice[name] for name in node.input if name in choice), None)
        if found:
            choice |= dict.fromkeys(node.output, found)
    return {item.name: choice[item.name] for item in graph.output if item.name in choice}


def find_selection(path: str | Path) -> Selection | None:
    """Return the Selection behind the chosen rows of an ONNX file's outputs, None where it gives no such output with
    the boxes and scores it is of.
    """
    graph = onnx.load(path, load_external_data=False).graph
    outputs = {item.name for item in graph.output}
    for node in graph.node:
        if node.op_type == "NonMaxSuppression" and {*node.input[:2], node.output[0]} <= outputs:
            attributes = {item.name: item.i for item in node.attribute}
            return Selection(
                boxes=node.input[0],
                scores=node.input[1],
                selected=node.output[0],
                box_format=_FORMATS[attributes.get("center_point_box", 0)],
                score_threshold=_read_number(graph, node.input[4]) if len(node.input) > 4 else None,
            )
    return None


def _read_number(graph: onnx.GraphProto, name: str) -> float | None:
    """Return a number that the graph stores under a name, None if it does not."""
    stored = {item.name: item for item in graph.initializer}
    stored |= {node.output[0]: item.t for node in graph.node if node.op_type == "Constant" for item in node.attribute}
    return float(onnx.numpy_helper.to_array(stored[name]).ravel()[0]) if name in stored else None
