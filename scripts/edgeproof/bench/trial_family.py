"""A family whose variants say who answered: each computes y = factor · x + offset, with numbers of its own.

So an answer shows which variant made it, whatever name it carries.
"""

from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx

from edgeproof.runtime.variants import ModelFamily, VariantMetadata

WIDTH = 8
SUMS = {"full": (2.0, 1.0), "quantized": (4.0, 3.0), "tiny": (8.0, 5.0), "isolated": (16.0, 7.0)}
_DECLARED = {
    "full": (120.0, 250.0, 0.92, "high"),
    "quantized": (45.0, 80.0, 0.87, "medium"),
    "tiny": (15.0, 20.0, 0.74, "low"),
    "isolated": (30.0, 40.0, 0.8, "low"),
}


def write_family(folder: Path) -> ModelFamily:
    """Write the models of the trial family into a folder and return it; its figures are of EdgeAdapt's example."""
    family = ModelFamily("sums")
    for name, (factor, offset) in SUMS.items():
        path = folder / f"{name}.onnx"
        write_sum(path, factor, offset)
        known = VariantMetadata(*_DECLARED[name])
        family.add_variant(name, str(path), known.power_draw_estimate, metadata=known)
    return family


def write_sum(path: Path, factor: float, offset: float, width: int = WIDTH) -> None:
    """Write a variant of the trial family, the ONNX model y = factor · x + offset.

    `x` and `y` are float32 (batch, width).
    """
    make = onnx.helper
    value = [make.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["batch", width]) for name in ("x", "y")]
    constants = [
        make.make_tensor(name, onnx.TensorProto.FLOAT, [1], [number])
        for name, number in (("factor", factor), ("offset", offset))
    ]
    nodes = [make.make_node("Mul", ["x", "factor"], ["scaled"]), make.make_node("Add", ["scaled", "offset"], ["y"])]
    graph = make.make_graph(nodes, "sum", value[:1], value[1:], constants)
    model = make.make_model(graph, opset_imports=[make.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)


def find_variant(x: float, y: list[float]) -> str | None:
    """Return the variant of the trial family whose sum of `x` all of `y` are, None where they are nobody's."""
    for name, (factor, offset) in SUMS.items():
        if np.all(np.asarray(y) == np.float32(factor * x + offset)):
            return name
    return None


def write_networks(folder: Path) -> ModelFamily:
    """Write two small networks that take 64 and give 10 numbers, and return them as the trial family `networks`."""
    family = ModelFamily("networks")
    for name, width, accuracy in (("wide", 1024, 0.9), ("narrow", 256, 0.8)):
        path = folder / f"{name}.onnx"
        _write_network(path, (64, width, width, 10))
        known = VariantMetadata(memory_footprint_mb=20.0, accuracy_score=accuracy)
        family.add_variant(name, str(path), "medium", metadata=known)
    return family


def _write_network(path: Path, widths: tuple[int, ...]) -> None:
    make, random = onnx.helper, np.random.default_rng(0)
    nodes, weights, value = [], [], "x"
    for number, (before, after) in enumerate(pairwise(widths)):
        weight = (random.standard_normal((before, after)) / np.sqrt(before)).astype("float32")
        weights.append(onnx.numpy_helper.from_array(weight, f"w{number}"))
        last = number == len(widths) - 2
        nodes.append(make.make_node("MatMul", [value, f"w{number}"], ["y" if last else f"m{number}"]))
        if not last:
            nodes.append(make.make_node("Relu", [f"m{number}"], [f"r{number}"]))
            value = f"r{number}"
    ends = [
        make.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["batch", width])
        for name, width in (("x", widths[0]), ("y", widths[-1]))
    ]
    graph = make.make_graph(nodes, "network", ends[:1], ends[1:], weights)
    onnx.save(make.make_model(graph, opset_imports=[make.make_opsetid("", 17)], ir_version=8), path)
