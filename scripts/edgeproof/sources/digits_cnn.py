"""Recipe `digits-cnn`: a small convolutional network in ONNX, trained on the UCI digits by our own seeded code.

The same seed gives the same bytes on the same machine with the same libraries: training runs on one thread, and all
randomness comes from one seeded generator. Another BLAS or processor rounds sums differently, and training amplifies
that: the weights differ, but the accuracy hardly does (0.992 with each of two kernels of OpenBLAS). This is why the
trained file is in the repository.

The settings below were chosen by training on samples 0-896 and validating on 897-1296. The held-out samples were not
used for the choice.
"""

import math
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from threadpoolctl import threadpool_limits

from edgeproof.core.configuration import Json
from edgeproof.core.documents import validate
from edgeproof.core.files import atomic_write

from . import digits, network
from .augmentation import distort_images

EPOCHS = 100
BATCH = 64
RATE = 2e-3
DECAY = 0.05  # weight decay, per unit of step size
SMOOTHING = 0.1
DROPOUT = 0.3
AVERAGED = 0.25  # the last quarter of the epochs is averaged into the result
OPSET = 13
IR_VERSION = 8


def make_digits_cnn(options: Json, output: str | Path) -> None:
    """Train on digits 0-1296 with `options` (`seed`, `epochs`) and write the ONNX model to `output`.

    UserError for an unknown option or a wrong value. The held-out samples are not used.
    """
    validate(options, "model#options-digits-cnn", "recipe digits-cnn")
    seed, epochs = int(options.get("seed", 0)), int(options.get("epochs", EPOCHS))
    inputs, labels = digits.load_training_digits()
    parameters = train_network(inputs, labels, seed, epochs)
    atomic_write(output, build_model(parameters).SerializeToString(deterministic=True))


def train_network(inputs: np.ndarray, labels: np.ndarray, seed: int, epochs: int) -> dict[str, np.ndarray]:
    """Return the parameters of the digits network, trained on `inputs` `(n, 1, 8, 8)` and `labels` `(n,)`.

    Every epoch shows each image once, with a new distortion. The step size follows half a cosine. The mean of the
    parameters over the last epochs generalises better than the last ones (Izmailov et al. 2018, "Averaging weights
    leads to wider optima and better generalization").
    """
    generator = np.random.Generator(np.random.PCG64(seed))
    parameters = network.make_parameters(generator, *digits.SHAPE[:2], digits.CLASSES)
    images, state = inputs[:, 0], {}
    averaged_from = epochs - max(1, round(epochs * AVERAGED))
    total = {name: np.zeros(value.shape, np.float64) for name, value in parameters.items()}
    with threadpool_limits(limits=1):
        for epoch in range(epochs):
            order = generator.permutation(len(images))
            for start in range(0, len(order), BATCH):
                rate = RATE * 0.5 * (1 + math.cos(math.pi * (epoch + start / len(order)) / epochs))
                batch = order[start : start + BATCH]
                _train_batch(generator, parameters, state, images[batch], labels[batch], rate)
            if epoch >= averaged_from:
                for name, value in parameters.items():
                    total[name] += value
    return {name: (value / (epochs - averaged_from)).astype(np.float32) for name, value in total.items()}


def build_model(parameters: dict[str, np.ndarray]) -> onnx.ModelProto:
    """Return the digits network in ONNX: `input` float32 `(1, 1, 8, 8)` in 0..1, `logits` float32 `(1, 10)`.

    It has batch size one, channels first, Flatten and Gemm: all converters that we know accept this form.
    """
    nodes, weights, current = [], [], "input"

    def add(kind, name, tensors=(), **attributes):
        nonlocal current
        for role, array in tensors:
            weights.append(numpy_helper.from_array(np.ascontiguousarray(array), f"{name}/{role}"))
        names = [current, *(f"{name}/{role}" for role, _ in tensors)]
        current = f"{name}/output"
        nodes.append(helper.make_node(kind, names, [current], name=name, **attributes))

    size = digits.SHAPE[1]
    for name, pooled in network.CONVOLUTIONS:
        filters, bias = parameters[f"{name}/filter"].transpose(3, 2, 0, 1), parameters[f"{name}/bias"]
        add("Conv", name, [("filter", filters), ("bias", bias)], kernel_shape=[3, 3], pads=[1, 1, 1, 1])
        add("Relu", f"{name}/relu")
        if pooled:
            add("MaxPool", f"{name}/pool", kernel_shape=[2, 2], strides=[2, 2])
            size //= 2
    add("Flatten", "flatten", axis=1)
    # Training flattens (rows, columns, channels), ONNX flattens (channels, rows, columns).
    first = parameters["dense1/matrix"]
    first = first.reshape(size, size, -1, network.HIDDEN).transpose(2, 0, 1, 3).reshape(-1, network.HIDDEN)
    add("Gemm", "dense1", [("matrix", first.T), ("bias", parameters["dense1/bias"])], transB=1)
    add("Relu", "dense1/relu")
    second = parameters["dense2/matrix"]
    add("Gemm", "dense2", [("matrix", second.T), ("bias", parameters["dense2/bias"])], transB=1)
    nodes[-1].output[0] = "logits"
    graph = helper.make_graph(
        nodes,
        "digits-cnn",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, *digits.SHAPE])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, digits.CLASSES])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    model.producer_name, model.producer_version = "edgeproof", "1"
    onnx.checker.check_model(model, full_check=True)
    return model


def _train_batch(generator, parameters, state, images, labels, rate):
    kept = generator.random((len(images), network.HIDDEN)) >= DROPOUT
    dropout = kept.astype(np.float32) / np.float32(1 - DROPOUT)
    distorted = distort_images(generator, images)[..., None]
    logits, trace = network.compute_logits(parameters, distorted, dropout)
    _, slope = network.compute_loss(logits, labels, SMOOTHING)
    gradients = network.compute_gradients(parameters, trace, slope)
    network.update_adam(parameters, gradients, state, rate, DECAY)
