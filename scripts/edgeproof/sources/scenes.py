"""Synthetic scenes: grey images of 32x32 pixels with one to three squares, discs or crosses on a noisy ground.

Everything is drawn with integers from a seed, so that the images and their boxes are the same on every machine with
the same numpy. Training and evaluation have seeds of their own.
"""

from typing import NamedTuple

import numpy as np

from edgeproof.core.configuration import Json

SIZE = 32
KINDS = ("square", "disc", "cross")
TRAINING, TRAINING_SEED = 1200, 32_001
EVALUATION, EVALUATION_SEED = 200, 32_003
CALIBRATION = 320  # of the training scenes, from the first on
_SMALLEST, _LARGEST = 7, 13  # sides of an object, in pixels
_TRIES = 20  # places that are tried for an object before it is left out


class Scenes(NamedTuple):
    """Images, float32 `(n, 1, 32, 32)` in 0..1, and its objects, int64 `(k, 5)` each: x, y, width, height, kind."""

    images: np.ndarray
    objects: list[np.ndarray]


def load_training_scenes() -> Scenes:
    """Return the 1200 synthetic scenes that train."""
    return draw_scenes(TRAINING, TRAINING_SEED)


def load_heldout_scenes() -> Scenes:
    """Return the 200 synthetic scenes that evaluate."""
    return draw_scenes(EVALUATION, EVALUATION_SEED)


def draw_scenes(count: int, seed: int) -> Scenes:
    """Return `count` seeded synthetic scenes. Objects do not overlap and may be little brighter than the ground."""
    generator = np.random.Generator(np.random.PCG64(seed))
    images = np.zeros((count, 1, SIZE, SIZE), np.float32)
    objects = []
    for image in images[:, 0]:
        ground = int(generator.integers(0, 60))
        canvas = np.full((SIZE, SIZE), ground, np.int64)
        rows = _place_objects(generator, int(generator.integers(1, 4)))
        for x, y, width, height, kind in rows:
            place = canvas[y : y + height, x : x + width]
            place[_shape_object(kind, width)] = ground + int(generator.integers(60, 180))
        canvas += generator.integers(-30, 31, canvas.shape)
        image[:] = canvas.clip(0, 255) / 256  # exact in binary
        objects.append(np.array(rows, np.int64))
    return Scenes(images, objects)


def describe_labels(scenes: Scenes) -> Json:
    """Return the boxes of synthetic scenes as labels in COCO's JSON, images in the order of the samples."""
    rows = [(image, *row) for image, rows in enumerate(scenes.objects, 1) for row in rows.tolist()]
    return {
        "images": [
            {"id": image, "width": SIZE, "height": SIZE, "file_name": f"scene-{image:03d}"}
            for image in range(1, len(scenes.images) + 1)
        ],
        "categories": [{"id": number, "name": kind} for number, kind in enumerate(KINDS, 1)],
        "annotations": [
            {
                "id": number,
                "image_id": image,
                "category_id": kind + 1,
                "bbox": [x, y, width, height],
                "area": width * height,
                "iscrowd": 0,
            }
            for number, (image, x, y, width, height, kind) in enumerate(rows, 1)
        ],
    }


def describe_scenes() -> str:
    """Return one line about where the synthetic scenes come from."""
    return (
        f"synthetic scenes, numpy {np.__version__}: calibration: the first {CALIBRATION} of the {TRAINING} from "
        f"PCG64({TRAINING_SEED}), which trained scenes-detector; evaluation: {EVALUATION} from PCG64({EVALUATION_SEED})"
    )


def _place_objects(generator: np.random.Generator, count: int) -> list[tuple[int, int, int, int, int]]:
    """Return up to `count` objects `(x, y, width, height, kind)` with at least a pixel between two of them."""
    taken = np.zeros((SIZE + 2, SIZE + 2), bool)
    rows = []
    for _ in range(count):
        side, kind = int(generator.integers(_SMALLEST, _LARGEST + 1)), int(generator.integers(len(KINDS)))
        for _ in range(_TRIES):
            x, y = (int(value) for value in generator.integers(0, SIZE - side + 1, 2))
            if not taken[y : y + side + 2, x : x + side + 2].any():
                taken[y + 1 : y + 1 + side, x + 1 : x + 1 + side] = True
                rows.append((x, y, side, side, kind))
                break
    return rows


def _shape_object(kind: int, side: int) -> np.ndarray:
    """Return which pixels of a square of this side belong to an object."""
    away = np.abs(2 * np.arange(side) - (side - 1))  # twice the distance from the middle
    down, across = away[:, None], away[None, :]
    if KINDS[kind] == "square":
        return np.full((side, side), fill_value=True)
    if KINDS[kind] == "disc":
        return down**2 + across**2 <= side**2
    return np.minimum(down, across) * 3 <= side
