"""Recipe `digits-cnn`: a small convolutional network in ONNX, trained on the UCI digits by our own seeded code.

The same seed gives the same bytes on the same machine with the same libraries: training runs on one thread, and all
randomness comes from one seeded generator. Another BLAS or processor rounds sums differently, and training amplifies
that: the weights differ, but the accuracy hardly does (0.992 with each of two kernels of OpenBLAS). This is why the
trained file is in the repository.

The settings below were chosen by training on samples 0-896 and validating on 897-1296. The held-out samples were not
used for the choice.
"""

from pathlib import Path

import numpy as np
import onnx

from edgeproof.core.configuration import Json
from edgeproof.core.documents import validate
from edgeproof.core.files import atomic_write

from . import digits, network
from .augmentation import distort_images
from .onnx_chain import OnnxChain
from .training import Parameters, Schedule, train_parameters

EPOCHS = 100
BATCH = 64
RATE = 2e-3
DECAY = 0.05  # weight decay, per unit of step size
SMOOTHING = 0.1
DROPOUT = 0.3
AVERAGED = 0.25  # the last quarter of the epochs is averaged into the result


def make_digits_cnn(options: Json, output: str | Path) -> None:
    """Train the digits CNN on digits 0-1296 with `options` (`seed`, `epochs`) and write it in ONNX to `output`.

    UserError for an unknown option or a wrong value. The held-out samples are not used.
    """
    validate(options, "model#options-training", "recipe digits-cnn")
    seed, epochs = int(options.get("seed", 0)), int(options.get("epochs", EPOCHS))
    inputs, labels = digits.load_training_digits()
    parameters = train_network(inputs, labels, seed, epochs)
    atomic_write(output, build_model(parameters).SerializeToString(deterministic=True))


def train_network(inputs: np.ndarray, labels: np.ndarray, seed: int, epochs: int) -> dict[str, np.ndarray]:
    """Return the parameters of the digits CNN, trained on `inputs` `(n, 1, 8, 8)` and `labels` `(n,)`.

    Every epoch shows each image once, with a new distortion.
    """
    generator = np.random.Generator(np.random.PCG64(seed))
    images = inputs[:, 0]

    def compute(parameters: Parameters, batch: np.ndarray) -> Parameters:
        return _compute_gradients(generator, parameters, images[batch], labels[batch])

    schedule = Schedule(epochs, BATCH, RATE, DECAY, AVERAGED)
    parameters = network.make_parameters(generator, *digits.SHAPE[:2], digits.CLASSES)
    parameters = train_parameters(parameters, len(images), generator, schedule, compute)
    return {name: value.astype(np.float32) for name, value in parameters.items()}


def build_model(parameters: dict[str, np.ndarray]) -> onnx.ModelProto:
    """Return the digits CNN in ONNX: `input` float32 `(1, 1, 8, 8)` in 0..1, `logits` float32 `(1, 10)`.

    It has batch size one, channels first, Flatten and Gemm: all converters that we know accept this form.
    """
    chain = OnnxChain("input")
    size = digits.SHAPE[1]
    for name, pooled in network.CONVOLUTIONS:
        filters, bias = parameters[f"{name}/filter"].transpose(3, 2, 0, 1), parameters[f"{name}/bias"]
        chain.add("Conv", name, ("filter", filters), ("bias", bias), kernel_shape=[3, 3], pads=[1, 1, 1, 1])
        chain.add("Relu", f"{name}/relu")
        if pooled:
            chain.add("MaxPool", f"{name}/pool", kernel_shape=[2, 2], strides=[2, 2])
            size //= 2
    chain.add("Flatten", "flatten", axis=1)
    # Training flattens (rows, columns, channels), ONNX flattens (channels, rows, columns).
    first = parameters["dense1/matrix"]
    first = first.reshape(size, size, -1, network.HIDDEN).transpose(2, 0, 1, 3).reshape(-1, network.HIDDEN)
    chain.add("Gemm", "dense1", ("matrix", first.T), ("bias", parameters["dense1/bias"]), transB=1)
    chain.add("Relu", "dense1/relu")
    second = parameters["dense2/matrix"]
    last = ("matrix", second.T), ("bias", parameters["dense2/bias"])
    chain.add("Gemm", "dense2", *last, transB=1, outputs=["logits"])
    return chain.build_model("digits-cnn", (1, *digits.SHAPE), {"logits": ((1, digits.CLASSES), np.float32)})


def _compute_gradients(generator, parameters, images, labels):
    kept = generator.random((len(images), network.HIDDEN)) >= DROPOUT
    dropout = kept.astype(np.float32) / np.float32(1 - DROPOUT)
    distorted = distort_images(generator, images)[..., None]
    logits, trace = network.compute_logits(parameters, distorted, dropout)
    _, slope = network.compute_loss(logits, labels, SMOOTHING)
    return network.compute_gradients(parameters, trace, slope)
