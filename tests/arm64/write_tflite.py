"""Write a small network as a TFLite file, in float32 or in int8 throughout; run by the Python that has ai_edge_litert.

python write_tflite.py SAMPLES.npz float32|int8 OUT.tflite     (weights are drawn; ranges are those on the samples)
"""

import itertools
import sys

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

WIDTHS = (64, 128, 10)
RELU = schema.ActivationFunctionType.RELU


def draw_layers():
    """Return [(weights, biases)], float32."""
    random = np.random.default_rng(0)
    pairs = list(itertools.pairwise(WIDTHS))
    shapes = [((after, before), after) for before, after in pairs]
    return [
        (
            (random.standard_normal(shape) / np.sqrt(shape[1])).astype("float32"),
            (0.1 * random.standard_normal(count)).astype("float32"),
        )
        for shape, count in shapes
    ]


class Graph:
    """The one subgraph of a model, as it grows."""

    def __init__(self):
        self.model, self.graph = schema.ModelT(), schema.SubGraphT()
        code = schema.OperatorCodeT()
        code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.FULLY_CONNECTED
        code.version = 4
        self.model.version, self.model.operatorCodes, self.model.subgraphs = 3, [code], [self.graph]
        self.model.buffers = [schema.BufferT()]
        self.graph.tensors, self.graph.operators = [], []

    def add_tensor(self, name, shape, kind, data=None, scale=None, zero=0):
        """Add a tensor and return its number; with `data` it is a constant, with `scale` it is quantised."""
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.type, tensor.buffer = name, list(shape), kind, 0
        if data is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(data.tobytes(), "uint8")
            tensor.buffer = len(self.model.buffers)
            self.model.buffers.append(buffer)
        if scale is not None:
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale, tensor.quantization.zeroPoint = [float(scale)], [int(zero)]
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def add_layer(self, inputs, output, activation):
        """Add a fully connected layer."""
        operator, options = schema.OperatorT(), schema.FullyConnectedOptionsT()
        options.fusedActivationFunction = activation
        operator.opcodeIndex, operator.inputs, operator.outputs = 0, inputs, [output]
        operator.builtinOptionsType = schema.BuiltinOptions.FullyConnectedOptions
        operator.builtinOptions = options
        self.graph.operators.append(operator)

    def pack(self, first, last):
        """Return the file's bytes; `first`, `last`: numbers of the input and the output."""
        self.graph.inputs, self.graph.outputs = [first], [last]
        builder = flatbuffers.Builder(1 << 16)
        builder.Finish(self.model.Pack(builder), b"TFL3")
        return bytes(builder.Output())


def write_network(samples, integer):
    """Return the bytes of a network whose ranges are those that `samples` reach."""
    graph, kind = Graph(), schema.TensorType.INT8 if integer else schema.TensorType.FLOAT32
    values, layers = samples, draw_layers()
    scale, zero = _find_scale(values) if integer else (None, 0)
    first = last = graph.add_tensor("x", (1, WIDTHS[0]), kind, scale=scale, zero=zero)
    for number, (weights, biases) in enumerate(layers):
        end = number == len(layers) - 1
        values = values @ weights.T + biases
        values = values if end else np.maximum(values, 0)
        before, (scale, zero) = scale, _find_scale(values) if integer else (None, 0)
        if integer:
            step = np.abs(weights).max() / 127
            held = np.rint(weights / step).astype("int8")
            inputs = [
                last,
                graph.add_tensor(f"w{number}", weights.shape, kind, held, step),
                graph.add_tensor(
                    f"b{number}",
                    biases.shape,
                    schema.TensorType.INT32,
                    np.rint(biases / (before * step)).astype("int32"),
                    before * step,
                ),
            ]
        else:
            inputs = [
                last,
                graph.add_tensor(f"w{number}", weights.shape, kind, weights),
                graph.add_tensor(f"b{number}", biases.shape, kind, biases),
            ]
        last = graph.add_tensor("y" if end else f"h{number}", (1, len(biases)), kind, scale=scale, zero=zero)
        graph.add_layer(inputs, last, schema.ActivationFunctionType.NONE if end else RELU)
    return graph.pack(first, last)


def _find_scale(values):
    """Return (scale, zero point) of int8 for values."""
    low, high = min(0.0, float(values.min())), max(0.0, float(values.max()))
    scale = (high - low) / 255
    return scale, round(-128 - low / scale)


if __name__ == "__main__":
    given = np.load(sys.argv[1])["inputs/x"]
    with open(sys.argv[3], "wb") as stream:
        stream.write(write_network(given, sys.argv[2] == "int8"))
