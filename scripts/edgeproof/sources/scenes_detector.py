"""Recipe `scenes-detector`: a small detector in ONNX, trained on synthetic scenes by our own seeded code.

Four convolutions see the scene in 8x8 cells. Each cell says how much the middle of an object of each kind is in it, and
how far the object's sides are from the cell's own middle (Zhou et al. 2019, "Objects as Points"). A cell is a detection
if none of its neighbours is surer: this takes the place of NMS, so that every format can have it and the number of
rows is fixed. Bytes differ between machines as those of `digits_cnn` do.
"""

import math
from pathlib import Path

import numpy as np
import onnx

from edgeproof.core.configuration import Json
from edgeproof.core.documents import validate
from edgeproof.core.files import atomic_write

from . import network, scenes
from .onnx_chain import OnnxChain
from .training import Parameters, Schedule, train_parameters

CONVOLUTIONS = (("conv1", 16, 2), ("conv2", 24, 2), ("conv3", 32, 1), ("conv4", 32, 1))  # name, channels, stride
CELL = 4  # pixels: the product of the strides
CELLS = scenes.SIZE // CELL
KINDS = len(scenes.KINDS)
EPOCHS = 14
BATCH = 16
RATE = 5e-3
DECAY = 0.02
AVERAGED = 0.25
SPREAD = 0.7  # cells: deviation of the hill around a middle, on which an answer is not quite wrong
RARE = -2.0  # what the heat starts with: most cells are empty
SIDES_WEIGHT = 0.6  # of the distances in the loss


def make_scenes_detector(options: Json, output: str | Path) -> None:
    """Train the scenes detector on the training scenes with `options` (`seed`, `epochs`), write it in ONNX to `output`.

    UserError for an unknown option or a wrong value.
    """
    validate(options, "model#options-training", "recipe scenes-detector")
    seed, epochs = int(options.get("seed", 0)), int(options.get("epochs", EPOCHS))
    parameters = train_network(scenes.load_training_scenes(), seed, epochs)
    atomic_write(output, build_model(parameters).SerializeToString(deterministic=True))


def train_network(known: scenes.Scenes, seed: int, epochs: int) -> Parameters:
    """Return the scenes detector's parameters, trained on scenes."""
    generator = np.random.Generator(np.random.PCG64(seed))
    images, targets = known.images.transpose(0, 2, 3, 1), make_targets(known.objects)

    def compute(parameters: Parameters, batch: np.ndarray) -> Parameters:
        return compute_gradients(parameters, images[batch], tuple(part[batch] for part in targets))

    schedule = Schedule(epochs, BATCH, RATE, DECAY, AVERAGED)
    parameters = train_parameters(make_parameters(generator), len(images), generator, schedule, compute)
    return {name: value.astype(np.float32) for name, value in parameters.items()}


def make_targets(objects: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return what the scenes detector should say: heat, sides, and where sides count.

    Heat `(n, 8, 8, 3)` is 1 where the middle of an object is, and falls off around it. Sides `(n, 8, 8, 4)` are the
    distances left, up, right and down in cells; they count, `(n, 8, 8, 1)`, in the middle's cell and its neighbours.
    """
    shape = (len(objects), CELLS, CELLS)
    heat, sides = np.zeros((*shape, KINDS), np.float32), np.zeros((*shape, 4), np.float32)
    counted = np.zeros((*shape, 1), np.float32)
    middles = np.arange(CELLS) + 0.5
    for image, rows in enumerate(objects):
        for x, y, width, height, kind in rows.tolist():
            column, row = (x + width / 2) / CELL, (y + height / 2) / CELL
            away = (np.arange(CELLS)[:, None] - int(row)) ** 2 + (np.arange(CELLS)[None] - int(column)) ** 2
            heat[image, :, :, kind] = np.maximum(heat[image, :, :, kind], np.exp(-away / (2 * SPREAD**2)))
            near = away <= 2
            across, down = np.broadcast_arrays(middles[None], middles[:, None])
            ends = (across - x / CELL, down - y / CELL, (x + width) / CELL - across, (y + height) / CELL - down)
            sides[image][near] = np.stack(ends, axis=-1)[near]
            counted[image, near] = 1
    return heat, sides, counted


def make_parameters(generator: np.random.Generator) -> Parameters:
    """Return the scenes detector's seeded parameters: `convN/filter` (3, 3, in, out), `heat/matrix`, `sides/matrix`."""
    parameters, channels = {}, 1
    for name, width, _ in CONVOLUTIONS:
        parameters[f"{name}/filter"] = generator.normal(0, math.sqrt(2 / (9 * channels)), (3, 3, channels, width))
        parameters[f"{name}/bias"] = np.zeros(width)
        channels = width
    for name, width, start in (("heat", KINDS, RARE), ("sides", 4, 1.2)):
        parameters[f"{name}/matrix"] = generator.normal(0, math.sqrt(1 / channels) / 4, (channels, width))
        parameters[f"{name}/bias"] = np.full(width, start)
    return {name: value.astype(np.float32) for name, value in parameters.items()}


def predict_cells(parameters: Parameters, images: np.ndarray) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Return what the scenes detector says per cell: heat before its sigmoid `(n, 8, 8, 3)`, sides `(n, 8, 8, 4)`, and
    what `compute_gradients` needs.
    """
    trace, values = {}, images
    for name, _, stride in CONVOLUTIONS:
        filters = parameters[f"{name}/filter"]
        trace[f"{name}/patches"] = patches = network.gather_patches(values, stride)
        values = np.maximum(patches @ filters.reshape(-1, filters.shape[-1]) + parameters[f"{name}/bias"], 0)
        trace[name] = values
    heat, sides = (values @ parameters[f"{name}/matrix"] + parameters[f"{name}/bias"] for name in ("heat", "sides"))
    return heat, sides, trace


def compute_loss(
    heat: np.ndarray, sides: np.ndarray, targets: tuple[np.ndarray, ...]
) -> tuple[float, np.ndarray, np.ndarray]:
    """Return the scenes detector's loss per image, and its gradients for heat and sides.

    Heat: cross-entropy, which counts less on the hill around a middle. Sides: smooth absolute differences.
    """
    wanted, ends, counted = targets
    count = len(heat)
    exact = (wanted == 1).astype(heat.dtype)
    weight = np.where(exact == 1, 1, (1 - wanted) ** 2)
    entropy = np.logaddexp(0, heat) - exact * heat
    apart = sides - ends
    absolute = np.abs(apart)
    smooth = np.where(absolute < 1, 0.5 * apart**2, absolute - 0.5)
    loss = float((weight * entropy).sum() + SIDES_WEIGHT * (counted * smooth).sum()) / count
    heat_slope = weight * (np.exp(-np.logaddexp(0, -heat)) - exact) / count
    return loss, heat_slope, SIDES_WEIGHT * counted * apart.clip(-1, 1) / count


def compute_gradients(parameters: Parameters, images: np.ndarray, targets: tuple[np.ndarray, ...]) -> Parameters:
    """Return the gradient of the scenes detector's loss for every parameter, on images `(n, 32, 32, 1)`."""
    heat, sides, trace = predict_cells(parameters, images)
    _, *slopes = compute_loss(heat, sides, targets)
    features = trace[CONVOLUTIONS[-1][0]]
    features = features.reshape(-1, features.shape[-1])
    gradients, slope = {}, np.float32(0)
    for name, own in zip(("heat", "sides"), slopes, strict=True):
        flat = own.reshape(-1, own.shape[-1])
        gradients[f"{name}/matrix"], gradients[f"{name}/bias"] = features.T @ flat, flat.sum(axis=0)
        slope = slope + own @ parameters[f"{name}/matrix"].T
    for name, _, stride in reversed(CONVOLUTIONS):
        patches, slope = trace[f"{name}/patches"], slope * (trace[name] > 0)
        filters = parameters[f"{name}/filter"]
        flat = slope.reshape(-1, slope.shape[-1])
        gradients[f"{name}/filter"] = (patches.reshape(-1, patches.shape[-1]).T @ flat).reshape(filters.shape)
        gradients[f"{name}/bias"] = flat.sum(axis=0)
        if name != CONVOLUTIONS[0][0]:
            slope = network.scatter_patches(slope @ filters.reshape(-1, filters.shape[-1]).T, stride)
    return gradients


def build_model(parameters: Parameters) -> onnx.ModelProto:
    """Return the scenes detector in ONNX: `input` float32 `(1, 1, 32, 32)` in 0..1, and 64 rows, one per cell.

    `boxes` float32 `(1, 64, 4)`, left, top, right and bottom in pixels; `scores` float32 `(1, 64)`, 0 where a neighbour
    is surer; `classes` int64 `(1, 64)`.
    """
    chain, rows = OnnxChain("input"), CELLS * CELLS
    for name, _, stride in CONVOLUTIONS:
        tensors = [("filter", parameters[f"{name}/filter"].transpose(3, 2, 0, 1)), ("bias", parameters[f"{name}/bias"])]
        chain.add("Conv", name, *tensors, kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[stride, stride])
        chain.add("Relu", f"{name}/relu")
    features = chain.current
    for name in ("heat", "sides"):
        tensors = [("filter", parameters[f"{name}/matrix"].T[:, :, None, None]), ("bias", parameters[f"{name}/bias"])]
        chain.add("Conv", name, *tensors, reads=[features], kernel_shape=[1, 1])
    chain.add("Reshape", "sides/rows", ("shape", np.array([1, 4, rows])))
    chain.add("Transpose", "sides/last", perm=[0, 2, 1])
    chain.add("Mul", "sides/pixels", ("scale", np.array([-CELL, -CELL, CELL, CELL], np.float32)))
    middles = (np.arange(CELLS, dtype=np.float32) + np.float32(0.5)) * CELL
    down, across = (axis.ravel() for axis in np.meshgrid(middles, middles, indexing="ij"))
    chain.add("Add", "boxes", ("middles", np.stack([across, down] * 2, axis=-1)[None]), outputs=["boxes"])
    heat = chain.add("Sigmoid", "heat/sure", reads=["heat/output"])
    chain.add("ArgMax", "kind", axis=1, keepdims=1)
    chain.add("Reshape", "classes", ("shape", np.array([1, rows])), outputs=["classes"])
    best = chain.add("ReduceMax", "best", reads=[heat], axes=[1], keepdims=1)
    around = chain.add("MaxPool", "around", kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[1, 1])
    chain.add("Equal", "peak", reads=[best, around])
    peak = chain.add("Cast", "peak/number", to=onnx.TensorProto.FLOAT)
    chain.add("Mul", "peak/score", reads=[best, peak])
    chain.add("Reshape", "scores", ("shape", np.array([1, rows])), outputs=["scores"])
    outputs = {"boxes": ((1, rows, 4), np.float32), "scores": ((1, rows), np.float32), "classes": ((1, rows), np.int64)}
    return chain.build_model("scenes-detector", (1, 1, scenes.SIZE, scenes.SIZE), outputs)
