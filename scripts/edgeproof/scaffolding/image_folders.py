"""A folder of images as the samples of a model, with a stated preprocessing."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgeproof.core.errors import UserError
from edgeproof.core.lfs_pointers import require_no_pointer

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm"}


@dataclass(frozen=True)
class Preprocessing:
    """What happens to an image: to `colours`, to the model's size, then (pixel · scale - mean) / std per channel.

    `colours`: rgb or grey. `fit`: crop (shorter side scaled to size, centre kept) or stretch. `mean`, `std`: one value
    for all channels or one per channel.
    """

    colours: str
    fit: str
    scale: float
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def describe(self) -> str:
        """Return it in words, for the comment of a configuration file."""
        return (
            f"{self.colours}, {self.fit} to the model's size (bilinear), "
            f"(pixel * {self.scale:.8g} - {_join(self.mean)}) / {_join(self.std)}"
        )


def list_images(folder: Path) -> tuple[list[Path], npt.NDArray[np.int64] | None, list[str]]:
    """Return the images of a folder, their class numbers, and the folders of the classes.

    Sub-folders are classes: by their number when all names are numbers, else 0, 1, … in alphabetical order. A folder
    that has images itself has no classes (None, []). UserError when there is no image.
    """
    folders = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    own = _images_in(folder)
    if own and any(map(_images_in, folders)):
        raise UserError(f"{folder}: has images and sub-folders with images; keep one of the two")
    if own:
        return own, None, []
    folders = [path for path in folders if _images_in(path)]
    if not folders:
        raise UserError(f"{folder}: has no images ({', '.join(sorted(SUFFIXES))}), nor sub-folders with images")
    numbered = all(path.name.isdecimal() for path in folders)
    folders.sort(key=lambda path: int(path.name) if numbered else path.name)
    numbers = [int(path.name) if numbered else index for index, path in enumerate(folders)]
    images = [(image, number) for path, number in zip(folders, numbers, strict=True) for image in _images_in(path)]
    classes = [f"{number} {path.name}" for path, number in zip(folders, numbers, strict=True)]
    return [image for image, _ in images], np.array([number for _, number in images], np.int64), classes


def read_images(paths: list[Path], shape: list[int], dtype: str, how: Preprocessing) -> npt.NDArray[np.generic]:
    """Return a folder's images as an array, (n, *shape[1:]), of `dtype`. `shape`: of one call, with batch and channels.

    UserError when the shape is not that of such images, or a file cannot be read as an image.
    """
    channels = 3 if how.colours == "rgb" else 1
    first = len(shape) == 4 and shape[1] == channels
    if not first and not (len(shape) == 4 and shape[3] == channels):
        raise UserError(
            f"--images {how.colours}: the model takes {shape}, which has no axis of {channels} channels "
            "after the batch (N,C,H,W) or at the end (N,H,W,C)"
        )
    for option, values in (("mean", how.mean), ("std", how.std)):
        if len(values) not in (1, channels):
            raise UserError(f"--{option}: {len(values)} values for {channels} channels; give one, or one per channel")
    if 0.0 in how.std:
        raise UserError("--std: 0 is not a deviation")
    height, width = shape[2:] if first else shape[1:3]
    result = np.empty((len(paths), *shape[1:]), dtype)
    mean, std = np.array(how.mean, np.float32), np.array(how.std, np.float32)
    for number, path in enumerate(paths):
        values = (_read_pixels(path, how, (width, height)) * np.float32(how.scale) - mean) / std
        values = values.transpose(2, 0, 1) if first else values
        result[number] = values if result.dtype.kind == "f" else _as_integers(values, result.dtype, path)
    return result


def _read_pixels(path: Path, how: Preprocessing, size: tuple[int, int]) -> npt.NDArray[np.float32]:
    from PIL import Image, ImageOps

    require_no_pointer(path)
    try:
        with Image.open(path) as image:
            image = ImageOps.exif_transpose(image).convert("RGB" if how.colours == "rgb" else "L")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UserError(f"{path}: cannot be read as an image ({error})") from error
    if how.fit == "crop":
        image = ImageOps.fit(image, size, Image.Resampling.BILINEAR)
    else:
        image = image.resize(size, Image.Resampling.BILINEAR)
    pixels = np.asarray(image, np.float32)
    return pixels if pixels.ndim == 3 else pixels[:, :, None]


def _as_integers(values: npt.NDArray[np.float32], dtype: np.dtype, path: Path) -> npt.NDArray[np.float32]:
    rounded, limits = np.rint(values), np.iinfo(dtype)
    if rounded.min() < limits.min or rounded.max() > limits.max:
        raise UserError(f"{path}: pixels become {rounded.min():g} to {rounded.max():g}, outside {dtype}; see --scale")
    return rounded


def _images_in(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))


def _join(values: tuple[float, ...]) -> str:
    return f"{values[0]:g}" if len(values) == 1 else "[" + ", ".join(f"{value:g}" for value in values) + "]"
