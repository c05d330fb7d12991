"""Seeded distortions of small grey images, as another hand, pen and frame would distort a digit."""

import numpy as np

ROTATION = np.deg2rad(10.0)
SHEAR = 0.1
SCALE = 0.1  # relative, drawn for each axis
SHIFT = 0.5  # pixels
ELASTIC = 0.3  # pixels, at the nodes of a 3x3 grid; interpolated between them


def distort_images(generator: np.random.Generator, images: np.ndarray) -> np.ndarray:
    """Augment training images: return distorted copies of `images` (float32, `(n, size, size)`, background 0).

    Each is rotated, sheared, scaled, shifted and bent at random. Every pixel is read from where the inverse map points,
    with bilinear interpolation; outside the image it is 0.
    """
    count, size = len(images), images.shape[1]
    rows, columns = _map_pixels(generator, count, size)
    padded = np.pad(images, ((0, 0), (2, 2), (2, 2)))
    rows = np.clip(rows + 2, 0, size + 2.999)
    columns = np.clip(columns + 2, 0, size + 2.999)
    top, left = rows.astype(np.intp), columns.astype(np.intp)
    down, right = (rows - top).astype(np.float32), (columns - left).astype(np.float32)
    index = np.arange(count)[:, None, None]
    upper = padded[index, top, left] * (1 - right) + padded[index, top, left + 1] * right
    lower = padded[index, top + 1, left] * (1 - right) + padded[index, top + 1, left + 1] * right
    return upper * (1 - down) + lower * down


def _map_pixels(generator, count, size):
    """Return rows and columns, `(count, size, size)`: where each pixel of the distorted images is read from."""
    angle = generator.uniform(-ROTATION, ROTATION, count)
    shear = generator.uniform(-SHEAR, SHEAR, count)
    stretch = 1 + generator.uniform(-SCALE, SCALE, (2, count))
    shift = generator.uniform(-SHIFT, SHIFT, (2, count))
    cosine, sine = np.cos(angle), np.sin(angle)
    # Rotation after shear along the rows, one 2x2 matrix per image.
    matrix = np.stack([cosine, shear * cosine - sine, sine, shear * sine + cosine]) * np.repeat(stretch, 2, axis=0)
    centred = np.arange(size) - (size - 1) / 2
    y, x = np.meshgrid(centred, centred, indexing="ij")
    a, b, c, d = (entry[:, None, None] for entry in matrix)
    nodes = np.linspace(0, 2, size)
    spread = np.maximum(0, 1 - np.abs(nodes[:, None] - np.arange(3)))  # bilinear weights, (size, 3)
    bend = spread @ generator.uniform(-ELASTIC, ELASTIC, (2, count, 3, 3)) @ spread.T
    rows = a * y + b * x + shift[0][:, None, None] + bend[0] + (size - 1) / 2
    columns = c * y + d * x + shift[1][:, None, None] + bend[1] + (size - 1) / 2
    return rows, columns
