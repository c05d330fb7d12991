"""ONNX models that recipes build: a chain of nodes with named weights, in the form that converters understand."""

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 13
IR_VERSION = 8


class OnnxChain:
    """Nodes that follow one another: each reads the output of the one before it, unless it is told to read another."""

    def __init__(self, start: str) -> None:
        """Begin with the tensor `start`, the input of the model."""
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self.current = start

    def add(self, kind: str, name: str, *tensors: tuple[str, np.ndarray], **attributes: Any) -> str:
        """Add a node that reads the current tensor and the weights `(role, array)`; return the name of its output.

        `reads`: other tensors in place of the current one; `outputs`: names in place of `{name}/output`.
        """
        reads = attributes.pop("reads", [self.current])
        outputs = attributes.pop("outputs", [f"{name}/output"])
        for role, array in tensors:
            self.weights.append(numpy_helper.from_array(np.ascontiguousarray(array), f"{name}/{role}"))
        names = [*reads, *(f"{name}/{role}" for role, _ in tensors)]
        self.nodes.append(helper.make_node(kind, names, outputs, name=name, **attributes))
        self.current = next(output for output in outputs if output)
        return self.current

    def build_model(
        self, name: str, shape: tuple[int, ...], outputs: dict[str, tuple[tuple[int, ...], Any]]
    ) -> onnx.ModelProto:
        """Return the checked model `name` with float32 `input` of this shape; `outputs`: {name: (shape, dtype)}."""
        graph = helper.make_graph(
            self.nodes,
            name,
            [helper.make_tensor_value_info("input", TensorProto.FLOAT, shape)],
            [
                helper.make_tensor_value_info(output, helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), sizes)
                for output, (sizes, dtype) in outputs.items()
            ],
            self.weights,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
        model.producer_name, model.producer_version = "edgeproof", "1"
        onnx.checker.check_model(model, full_check=True)
        return model
