"""Samples of the user's, from npz, npy, csv or a folder of images, as arrays that fit the inputs of a model."""

import csv
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeproof.core.configuration import Json
from edgeproof.core.errors import UserError
from edgeproof.core.lfs_pointers import require_no_pointer
from edgeproof.core.tensors import read_tensors

from .image_folders import Preprocessing, list_images, read_images

Array = npt.NDArray[Any]
_ANSWERS = {"label": "labels", "labels": "labels", "class": "labels", "target": "targets", "targets": "targets"}


@dataclass
class SampleTable:
    """Samples of a model: `arrays` {inputs/x: (n, …), labels or targets: (n, …)}, and where they come from in words."""

    arrays: dict[str, Array]
    origin: str
    notes: list[str] = field(default_factory=list)

    @property
    def count(self) -> int:
        """The number of samples."""
        return len(next(iter(self.arrays.values())))


def read_samples(
    path: Path, inputs: list[Json], how: Preprocessing | None, labels: Path | None, task: str | None
) -> SampleTable:
    """Return the table of samples in a user's file or folder, in the types and shapes of the model's inputs.

    `inputs`: {name, dtype, shape} of each input; `how`: of a folder of images. `labels`: file with an answer per
    sample. `task`: says what the numbers of such a file are; without it whole numbers are labels. UserError for what
    does not fit.
    """
    if path.is_dir():
        table, names = _read_folder(path, inputs, how)
    else:
        table, names = _read_file(path, inputs), None
        if how is not None:
            raise UserError(f"--images: {path} is not a folder of images")
    if labels is not None:
        table.arrays = {name: array for name, array in table.arrays.items() if name not in ("labels", "targets")}
        table.arrays |= _name_answers(_read_answers(labels, names), task, labels)
    counts = {name: len(array) for name, array in table.arrays.items()}
    if len(set(counts.values())) != 1:
        raise UserError(f"{labels or path}: arrays differ in their number of samples: {counts}")
    return table


def _read_answers(path: Path, names: list[str] | None) -> Array:
    """Return the numbers of a labels file: .npy, or .csv with one column, or with `file,label` in the order of `names`.

    `names`: of the images (paths below their folder, or file names); None where samples have no names.
    """
    require_no_pointer(path)
    if path.suffix == ".npy":
        return _load_array(path)
    header, rows = _read_csv(path)
    if header and len(header) == 2 and header[0].strip().lower() in ("file", "name", "image"):
        if names is None:
            raise UserError(f"{path}: names files, but the samples are not images; give one column in their order")
        known = {row[0]: row[1] for row in rows}
        short = [name if name in known else Path(name).name for name in names]
        if missing := [name for name in short if name not in known]:
            raise UserError(f"{path}: has no label for {missing[0]} ({len(missing)} images have none)")
        rows = [[known[name]] for name in short]
    values = _as_numbers(path, rows, bool(header))
    return values[:, 0] if values.shape[1] == 1 else values


def _read_folder(path: Path, inputs: list[Json], how: Preprocessing | None) -> tuple[SampleTable, list[str]]:
    if how is None:
        raise UserError(f"{path}: a folder of images needs --images rgb or --images grey (and --scale, --mean, --std)")
    item = _only_input(inputs, path)
    if any(isinstance(size, str) for size in item["shape"][1:]):
        raise UserError(f"{item['name']}: its shape is {item['shape']}; say the size with --shape {item['name']}=1,…")
    images, labels, classes = list_images(path)
    arrays = {f"inputs/{item['name']}": read_images(images, item["shape"], item["dtype"], how)}
    notes = [f"classes from folders: {', '.join(classes[:6])}{', …' if len(classes) > 6 else ''}"] if classes else []
    table = SampleTable(arrays, f"{len(images)} images of {path}; {how.describe()}", notes)
    if labels is not None:
        table.arrays["labels"] = labels
    return table, [str(image.relative_to(path)) for image in images]


def _read_file(path: Path, inputs: list[Json]) -> SampleTable:
    require_no_pointer(path)
    if path.suffix == ".npz":
        found = read_tensors(path)
    elif path.suffix == ".npy":
        found = {f"inputs/{_only_input(inputs, path)['name']}": _load_array(path)}
    elif path.suffix == ".csv":
        found = _read_columns(path, _only_input(inputs, path)["name"])
    else:
        raise UserError(f"{path}: samples are .npz, .npy, .csv, or a folder of images")
    answers = {_ANSWERS[name]: array for name, array in found.items() if name in _ANSWERS}
    rest = {name.removeprefix("inputs/"): array for name, array in found.items() if name not in _ANSWERS}
    names, notes = [item["name"] for item in inputs], []
    if len(rest) == len(inputs) == 1 and (given := next(iter(rest))) != names[0]:
        rest, notes = {names[0]: rest[given]}, [f"the array {given!r} is taken for the input {names[0]!r}"]
    if set(rest) != set(names):
        raise UserError(f"{path}: has the arrays {sorted(rest)}; the model's inputs are {names}")
    arrays = {f"inputs/{item['name']}": _fit(path, item, rest[item["name"]]) for item in inputs}
    for name, array in answers.items():
        arrays |= _name_answers(array, "classification" if name == "labels" else "regression", path)
    return SampleTable(arrays, f"{len(next(iter(arrays.values())))} samples of {path}", notes)


def _fit(path: Path, item: Json, array: Array) -> Array:
    """Return samples in the type and shape of an input; numbers are converted only where nothing is lost."""
    wanted, name = item["shape"][1:], item["name"]
    fixed = all(isinstance(size, int) for size in wanted)
    if array.ndim == 0 or not len(array):
        raise UserError(f"{path}: {name} has no samples")
    if fixed and array.ndim == 2 and array[0].size == int(np.prod(wanted, dtype=np.int64)):
        array = array.reshape(len(array), *wanted)
    shape = array.shape[1:]
    if len(shape) != len(wanted) or any(isinstance(w, int) and w != s for w, s in zip(wanted, shape, strict=True)):
        raise UserError(f"{path}: {name} has samples of shape {list(shape)}; the model takes {wanted}")
    if array.dtype.kind not in "biuf" or (array.dtype.kind == "b") != (item["dtype"] == "bool"):
        raise UserError(f"{path}: {name} is {array.dtype.name}; the model takes {item['dtype']}")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise UserError(f"{path}: {name} has values that are not finite (sample {_first_bad(array)})")
    with np.errstate(over="ignore", invalid="ignore"):
        converted = array.astype(item["dtype"])
    if np.dtype(item["dtype"]).kind in "iu" and not np.array_equal(converted, array):
        raise UserError(f"{path}: {name} has values that are not {item['dtype']}; the model takes that type")
    return converted


def _name_answers(array: Array, task: str | None, path: Path) -> dict[str, Array]:
    """Return {labels: int64} or {targets: float32} of numbers per sample."""
    whole = array.dtype.kind in "iu" or (array.dtype.kind == "f" and bool(np.all(array == np.rint(array))))
    if task == "regression" or (task is None and not whole):
        return {"targets": array.astype(np.float32).reshape(len(array), -1) if array.ndim < 2 else array.astype("f4")}
    if not whole or array.size != len(array):
        raise UserError(f"{path}: labels are whole numbers, one per sample (for other numbers: --task regression)")
    return {"labels": array.reshape(-1).astype(np.int64)}


def _read_columns(path: Path, name: str) -> dict[str, Array]:
    header, rows = _read_csv(path)
    values = _as_numbers(path, rows, bool(header))
    words = [word.strip().lower() for word in header] or [""] * values.shape[1]
    answers = [index for index, word in enumerate(words) if word in _ANSWERS]
    if len(answers) > 1:
        raise UserError(f"{path}: has several columns of answers: {', '.join(words[index] for index in answers)}")
    inputs = [index for index in range(values.shape[1]) if index not in answers]
    return {f"inputs/{name}": values[:, inputs]} | {words[index]: values[:, index] for index in answers}


def _read_csv(path: Path) -> tuple[list[str], list[list[str]]]:
    """Return the header, empty where the first row is numbers, and the rows of a table."""
    require_no_pointer(path)
    try:
        with open(path, newline="", encoding="utf-8-sig") as stream:
            rows = [row for row in csv.reader(stream) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: cannot be read as a table with commas ({error})") from error
    if not rows:
        raise UserError(f"{path}: is empty")
    has_header = not _is_number(rows[0][-1])
    header, rows = (rows[0], rows[1:]) if has_header else ([], rows)
    if not rows:
        raise UserError(f"{path}: has a header and no rows")
    return header, rows


def _as_numbers(path: Path, rows: list[list[str]], header: bool) -> Array:
    for number, row in enumerate(rows, 2 if header else 1):
        if len(row) != len(rows[0]):
            raise UserError(f"{path}: row {number} has {len(row)} values, the others {len(rows[0])}")
        for column, value in enumerate(row, 1):
            if not _is_number(value):
                raise UserError(f"{path}: row {number}, column {column}: {value!r} is not a number")
    return np.array(rows, np.float64)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _load_array(path: Path) -> Array:
    require_no_pointer(path)
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UserError(f"{path}: not an npy array of plain numbers ({error})") from error
    if not isinstance(array, np.ndarray):
        raise UserError(f"{path}: an npz archive under another name; call it .npz")
    return array


def _only_input(inputs: list[Json], path: Path) -> Json:
    if len(inputs) != 1:
        raise UserError(
            f"{path}: the model has {len(inputs)} inputs ({', '.join(i['name'] for i in inputs)}); use .npz"
        )
    return inputs[0]


def _first_bad(array: Array) -> int:
    return int(np.flatnonzero(~np.isfinite(array).reshape(len(array), -1).all(axis=1))[0])
