"""A small convolutional network in numpy: forward, backward, loss. It is enough for a digit classifier, and other
recipes use its parts.

Activations are `(n, rows, columns, channels)`, because then a 3x3 convolution is nine slices side by side and one
matrix product. Parameters are float32 arrays by name: `conv1/filter` `(3, 3, in, out)`, `dense1/matrix` `(in, out)`,
and a `bias` `(out,)` for each.
"""

import math
from typing import Any

import numpy as np

CONVOLUTIONS = (("conv1", False), ("conv2", True), ("conv3", True))  # name, and whether 2x2 max pooling follows
WIDTHS = (16, 32, 48)
HIDDEN = 64


def make_parameters(generator: np.random.Generator, channels: int, size: int, classes: int) -> dict[str, np.ndarray]:
    """Return the network's seeded parameters for square images of `size` pixels, `channels` channels.

    He initialisation.
    """
    parameters = {}
    for (name, pooled), width in zip(CONVOLUTIONS, WIDTHS, strict=True):
        deviation = math.sqrt(2 / (9 * channels))
        parameters[f"{name}/filter"] = generator.normal(0, deviation, (3, 3, channels, width))
        parameters[f"{name}/bias"] = np.zeros(width)
        channels, size = width, size // 2 if pooled else size
    features = size * size * channels
    for name, fan_in, width in (("dense1", features, HIDDEN), ("dense2", HIDDEN, classes)):
        parameters[f"{name}/matrix"] = generator.normal(0, math.sqrt(2 / fan_in), (fan_in, width))
        parameters[f"{name}/bias"] = np.zeros(width)
    return {name: value.astype(np.float32) for name, value in parameters.items()}


def compute_logits(
    parameters: dict[str, np.ndarray], images: np.ndarray, dropout: np.ndarray | None = None
) -> tuple[np.ndarray, dict[str, Any]]:
    """Return the network's `(logits, trace)` for images `(n, rows, columns, channels)`; its gradients need the trace.

    `dropout`: float32 factors `(n, HIDDEN)` on the hidden layer, or None.
    """
    trace, values = {}, images
    for name, pooled in CONVOLUTIONS:
        filters = parameters[f"{name}/filter"]
        patches = gather_patches(values)
        values = patches @ filters.reshape(-1, filters.shape[-1])
        values += parameters[f"{name}/bias"]
        np.maximum(values, 0, out=values)
        trace[name] = (patches, values)
        if pooled:
            values = _pool(values)
            trace[f"{name}/pooled"] = values
    trace["features"] = features = values.reshape(len(values), -1)
    hidden = np.maximum(features @ parameters["dense1/matrix"] + parameters["dense1/bias"], 0)
    if dropout is not None:
        hidden = hidden * dropout
    trace["hidden"], trace["dropout"] = hidden, dropout
    return hidden @ parameters["dense2/matrix"] + parameters["dense2/bias"], trace


def compute_gradients(
    parameters: dict[str, np.ndarray], trace: dict[str, Any], slope: np.ndarray
) -> dict[str, np.ndarray]:
    """Return the gradient of the convolutional network's loss for every parameter.

    `slope`: the loss's gradient for the logits, `(n, classes)`.
    """
    gradients = {}
    hidden, features = trace["hidden"], trace["features"]
    gradients["dense2/matrix"], gradients["dense2/bias"] = hidden.T @ slope, slope.sum(axis=0)
    slope = (slope @ parameters["dense2/matrix"].T) * (hidden > 0)
    if trace["dropout"] is not None:
        slope = slope * trace["dropout"]
    gradients["dense1/matrix"], gradients["dense1/bias"] = features.T @ slope, slope.sum(axis=0)
    slope = slope @ parameters["dense1/matrix"].T
    for name, pooled in reversed(CONVOLUTIONS):
        patches, values = trace[name]
        slope = _unpool(slope, values, trace[f"{name}/pooled"]) if pooled else slope.reshape(values.shape)
        slope = slope * (values > 0)
        filters = parameters[f"{name}/filter"]
        flat = slope.reshape(-1, slope.shape[-1])
        gradients[f"{name}/filter"] = (patches.reshape(-1, patches.shape[-1]).T @ flat).reshape(filters.shape)
        gradients[f"{name}/bias"] = flat.sum(axis=0)
        if name != CONVOLUTIONS[0][0]:
            slope = scatter_patches(slope @ filters.reshape(-1, filters.shape[-1]).T)
    return gradients


def compute_loss(logits: np.ndarray, labels: np.ndarray, smoothing: float) -> tuple[float, np.ndarray]:
    """Return a network's `(loss, slope)`: mean cross-entropy against smoothed labels, its gradient for the logits."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_likelihood = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    target = np.full_like(logits, smoothing / logits.shape[1])
    target[np.arange(len(labels)), labels] += 1 - smoothing
    loss = float(-(target * log_likelihood).sum(axis=1).mean())
    return loss, (np.exp(log_likelihood) - target) / np.float32(len(labels))


def gather_patches(values: np.ndarray, stride: int = 1) -> np.ndarray:
    """Return what a network's convolution multiplies: the 3x3 pixels around each one, zero beyond the border.

    The shape is `(n, rows, columns, 9 * channels)`. With a `stride`, only around every second, third, … pixel in
    both directions.
    """
    count, rows, columns, channels = values.shape
    padded = np.zeros((count, rows + 2, columns + 2, channels), values.dtype)
    padded[:, 1:-1, 1:-1] = values
    patches = np.empty((count, -(-rows // stride), -(-columns // stride), 9 * channels), values.dtype)
    for index in range(9):
        row, column = divmod(index, 3)
        start = index * channels
        part = padded[:, row : row + rows : stride, column : column + columns : stride]
        patches[..., start : start + channels] = part
    return patches


def scatter_patches(patches: np.ndarray, stride: int = 1) -> np.ndarray:
    """Return the gradient for a network's pixels from that for their patches: the adjoint of `gather_patches`.

    Each value is added to the pixel that it came from.
    """
    count, rows, columns, width = patches.shape
    channels, rows, columns = width // 9, rows * stride, columns * stride  # sizes are multiples of the stride
    padded = np.zeros((count, rows + 2, columns + 2, channels), patches.dtype)
    for index in range(9):
        row, column = divmod(index, 3)
        start = index * channels
        part = padded[:, row : row + rows : stride, column : column + columns : stride]
        part += patches[..., start : start + channels]
    return padded[:, 1:-1, 1:-1]


def _pool(values):
    """Return the maximum of each 2x2 square, halving rows and columns."""
    count, rows, columns, channels = values.shape
    return values.reshape(count, rows // 2, 2, columns // 2, 2, channels).max(axis=(2, 4))


def _unpool(slope, values, pooled):
    """Return the gradient for `values`: it goes to the maximum of each square, and to equal maxima in equal parts."""
    count, rows, columns, channels = values.shape
    squares = values.reshape(count, rows // 2, 2, columns // 2, 2, channels)
    largest = (squares == pooled[:, :, None, :, None]).astype(values.dtype)
    largest /= largest.sum(axis=(2, 4), keepdims=True)
    slope = slope.reshape(count, rows // 2, 1, columns // 2, 1, channels)
    return (largest * slope).reshape(values.shape)
