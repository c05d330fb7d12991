"""Recipe `digits-autoencoder`: a network in ONNX that squeezes a UCI digit into 12 numbers and restores it.

It is trained on the digits by our own seeded code. Bytes differ between machines as those of `digits_cnn` do.
"""

import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx

from edgeproof.core.configuration import Json
from edgeproof.core.documents import validate
from edgeproof.core.files import atomic_write

from . import digits
from .onnx_chain import OnnxChain
from .training import Parameters, Schedule, train_parameters

PIXELS = math.prod(digits.SHAPE)
WIDTHS = (PIXELS, 64, 12, 64, PIXELS)
CODE = 2  # the layer whose 12 outputs are the code; it has no ReLU
EPOCHS = 60
BATCH = 32
RATE = 5e-3
DECAY = 0.01
AVERAGED = 0.25


def make_digits_autoencoder(options: Json, output: str | Path) -> None:
    """Train the digits autoencoder on digits 0-1296 with `options` (`seed`, `epochs`), write it in ONNX to `output`.

    UserError for an unknown option or a wrong value. The held-out samples are not used.
    """
    validate(options, "model#options-training", "recipe digits-autoencoder")
    seed, epochs = int(options.get("seed", 0)), int(options.get("epochs", EPOCHS))
    parameters = train_network(digits.load_training_digits()[0], seed, epochs)
    atomic_write(output, build_model(parameters).SerializeToString(deterministic=True))


def train_network(inputs: np.ndarray, seed: int, epochs: int) -> Parameters:
    """Return the digits autoencoder's parameters, trained on `inputs` `(n, 1, 8, 8)` in 0..1."""
    generator = np.random.Generator(np.random.PCG64(seed))
    pixels = inputs.reshape(len(inputs), -1)

    def compute(parameters: Parameters, batch: np.ndarray) -> Parameters:
        return compute_gradients(parameters, pixels[batch])

    schedule = Schedule(epochs, BATCH, RATE, DECAY, AVERAGED)
    parameters = train_parameters(make_parameters(generator), len(pixels), generator, schedule, compute)
    return {name: value.astype(np.float32) for name, value in parameters.items()}


def make_parameters(generator: np.random.Generator) -> Parameters:
    """Return the digits autoencoder's seeded parameters: `denseN/matrix` `(in, out)` and `denseN/bias` `(out,)`."""
    parameters = {}
    for layer, (fan_in, width) in enumerate(pairwise(WIDTHS), 1):
        parameters[f"dense{layer}/matrix"] = generator.normal(0, math.sqrt(2 / fan_in), (fan_in, width))
        parameters[f"dense{layer}/bias"] = np.zeros(width)
    return {name: value.astype(np.float32) for name, value in parameters.items()}


def restore_pixels(parameters: Parameters, pixels: np.ndarray) -> list[np.ndarray]:
    """Return all outputs of the digits autoencoder's layers for `pixels` `(n, 64)`; the last restores them, in 0..1."""
    layers = [pixels]
    for layer in range(1, len(WIDTHS)):
        values = layers[-1] @ parameters[f"dense{layer}/matrix"] + parameters[f"dense{layer}/bias"]
        if layer == len(WIDTHS) - 1:
            values = 1 / (1 + np.exp(-values))
        layers.append(values if layer in (CODE, len(WIDTHS) - 1) else np.maximum(values, 0))
    return layers


def compute_loss(restored: np.ndarray, pixels: np.ndarray) -> float:
    """Return the digits autoencoder's loss: cross-entropy of restored pixels, summed over an image, mean over all."""
    return float(-(pixels * np.log(restored) + (1 - pixels) * np.log(1 - restored)).sum() / len(pixels))


def compute_gradients(parameters: Parameters, pixels: np.ndarray) -> Parameters:
    """Return the gradient of the digits autoencoder's loss for every parameter, on `pixels` `(n, 64)`."""
    layers = restore_pixels(parameters, pixels)
    gradients, slope = {}, (layers[-1] - pixels) / np.float32(len(pixels))
    for layer in range(len(WIDTHS) - 1, 0, -1):
        gradients[f"dense{layer}/matrix"] = layers[layer - 1].T @ slope
        gradients[f"dense{layer}/bias"] = slope.sum(axis=0)
        slope = slope @ parameters[f"dense{layer}/matrix"].T
        if layer - 1 != CODE:
            slope = slope * (layers[layer - 1] > 0)
    return gradients


def build_model(parameters: Parameters) -> onnx.ModelProto:
    """Return the digits autoencoder in ONNX: `input` float32 `(1, 1, 8, 8)` in 0..1, `restored` float32 `(1, 64)`."""
    chain, last = OnnxChain("input"), len(WIDTHS) - 1
    chain.add("Flatten", "flatten", axis=1)
    for layer in range(1, last + 1):
        name = f"dense{layer}"
        tensors = ("matrix", parameters[f"{name}/matrix"].T), ("bias", parameters[f"{name}/bias"])
        chain.add("Gemm", name, *tensors, transB=1)
        if layer not in (CODE, last):
            chain.add("Relu", f"{name}/relu")
    chain.add("Sigmoid", "restore", outputs=["restored"])
    return chain.build_model("digits-autoencoder", (1, *digits.SHAPE), {"restored": ((1, PIXELS), np.float32)})
