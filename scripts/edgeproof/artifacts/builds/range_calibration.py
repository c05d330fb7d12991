"""Calibration samples, read from their npz one by one, so that a set of large images need not fit into memory."""

import contextlib
import math
import zipfile
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np

from edgeproof.agent.inputs_format import WHOLE_INPUTS
from edgeproof.artifacts.records.manifest_entries import describe_file
from edgeproof.core.configuration import Json
from edgeproof.core.errors import UserError
from edgeproof.core.world_errors import explain_unreadable
from edgeproof.sources.batches import find_fixed_batch
from edgeproof.sources.samples_record import read_samples_kind, read_samples_record

from .build_job import BuildJob

Feed = tuple[str | Path, list[Json]]  # a calibration set and the inputs of its model
CHUNK = 10  # samples whose activations the histogram methods of ONNX Runtime keep at once

_HEADER_READERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


class CalibrationStream:
    """The first `count` samples of a calibration set, in the shape of ONNX Runtime's CalibrationDataReader.

    `inputs`: `[{"name", "dtype", "shape"}]` of the model; the file has `inputs/{name}` of shape `(n, *shape[1:])`, or
    `(n, *shape)` for an input that it names as whole. A model with a fixed batch gets as many samples at a time as it
    takes; where they do not suffice for the last batch, its last sample is repeated. Use it as a context manager.
    UserError if the file, its names, dtypes or shapes do not fit, or it has fewer than `count` samples.
    """

    def __init__(self, path: str | Path, inputs: list[Json], count: int) -> None:
        self._path, self._inputs, self._count = path, inputs, count
        self._stack = contextlib.ExitStack()
        self._columns: dict[str, tuple[IO[bytes], tuple[int, ...], np.dtype]] = {}
        self._next, self._end = 0, count  # both count samples
        self._whole: set[str] = set()
        self._batch = 1

    def __enter__(self) -> "CalibrationStream":
        with contextlib.ExitStack() as stack:
            try:
                archive = stack.enter_context(zipfile.ZipFile(self._path))
            except OSError as error:
                raise UserError(f"{self._path}: {explain_unreadable(error)}") from error
            except zipfile.BadZipFile as error:
                raise UserError(f"{self._path}: not an npz archive ({error})") from error
            names = {name.removesuffix(".npy") for name in archive.namelist()} - {"labels"}
            if WHOLE_INPUTS in names:
                with archive.open(f"{WHOLE_INPUTS}.npy") as stream:
                    self._whole = {str(name) for name in np.lib.format.read_array(stream)}
            names -= {WHOLE_INPUTS}
            self._batch = find_fixed_batch(self._inputs, self._whole)
            expected = {f"inputs/{item['name']}" for item in self._inputs}
            if names != expected:
                raise UserError(f"{self._path}: has arrays {sorted(names)}; the model needs {sorted(expected)}")
            for item in self._inputs:
                self._columns[item["name"]] = self._open_column(stack, archive, item)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exception: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._stack.close()

    def __len__(self) -> int:
        """Return the calls, rounded up to whole chunks as ONNX Runtime demands; `get_next` ends at the last sample."""
        return math.ceil(math.ceil(self._count / self._batch) / CHUNK) * CHUNK

    def set_range(self, start_index: int, end_index: int) -> None:
        """Let a calibration continue up to the call `end_index`.

        Ranges must follow one another, so that the file is read once.
        """
        if start_index * self._batch != self._next:
            raise ValueError(f"samples are read in order; {self._next} is next, not {start_index * self._batch}")
        self._end = min(end_index * self._batch, self._count)

    def get_next(self) -> dict[str, np.ndarray] | None:
        """Return the calibration samples of the next call, `{input name: array}`; None at the end of the range."""
        if self._next >= self._end:
            return None
        feeds = []
        for _ in range(min(self._batch, self._end - self._next)):
            feeds.append({name: self._read_sample(name, *column) for name, column in self._columns.items()})
            self._next += 1
        feeds += feeds[-1:] * (self._batch - len(feeds))
        if self._batch == 1:
            return feeds[0]
        return {
            name: first if name in self._whole else np.concatenate([feed[name] for feed in feeds])
            for name, first in feeds[0].items()
        }

    def _open_column(self, stack, archive, item):
        where = f"{self._path}: inputs/{item['name']}"
        stream = stack.enter_context(archive.open(f"inputs/{item['name']}.npy"))
        try:
            shape, fortran, dtype = _HEADER_READERS[np.lib.format.read_magic(stream)](stream)
        except (KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise UserError(f"{where} is not a plain array ({error})") from error
        if dtype.hasobject or fortran:
            raise UserError(f"{where} must hold plain numbers in C order")
        if dtype.name != item["dtype"]:
            raise UserError(f"{where} is {dtype.name}; the model takes {item['dtype']}")
        wanted = item["shape"] if item["name"] in self._whole else item["shape"][1:]
        if not shape or not _fits_shape(shape[1:], wanted):
            raise UserError(f"{where} has samples of shape {list(shape[1:])}; the model takes {item['shape']}")
        if shape[0] < self._count:
            raise UserError(f"{where} has {shape[0]} samples; build.calibration_samples asks for {self._count}")
        return stream, shape[1:], dtype

    def _read_sample(self, name, stream, shape, dtype):
        size = dtype.itemsize * math.prod(shape)
        try:
            data = stream.read(size)
        except zipfile.BadZipFile as error:
            raise UserError(f"{self._path}: inputs/{name} is damaged ({error})") from error
        if len(data) != size:
            raise UserError(f"{self._path}: inputs/{name} ends within sample {self._next}")
        sample = np.frombuffer(data, dtype).reshape(shape if name in self._whole else (1, *shape))
        if dtype.kind == "f" and not np.isfinite(sample).all():
            raise UserError(f"{self._path}: inputs/{name}, sample {self._next} has values that are not finite")
        return sample


def check_calibration(path: str | Path, inputs: list[Json], options: dict[str, Any]) -> Json:
    """Return the manifest's entry about the samples of a range calibration, all of them read.

    UserError if they do not fit `inputs`. `options`: `calibration_samples` and `calibration_method` of the preset.
    """
    samples = options["calibration_samples"]
    with CalibrationStream(path, inputs, samples) as stream:
        while stream.get_next() is not None:
            pass
    return describe_calibration(path, options)


def describe_calibration(path: str | Path, options: dict[str, Any]) -> Json:
    """Return how a build calibrates its ranges, as the manifest's entry says; arguments as in `check_calibration`."""
    kind, origin = read_samples_kind(path), read_samples_record(path).get("origin")
    return {
        **describe_file(path),
        "samples": options["calibration_samples"],
        "method": options["calibration_method"],
        **({"samples_kind": kind} if kind else {}),
        **({"origin": origin} if origin else {}),
    }


def _fits_shape(shape, wanted):
    return len(shape) == len(wanted) and all(
        isinstance(size, str) or size == actual for size, actual in zip(wanted, shape, strict=True)
    )


def require_calibration_file(job: BuildJob) -> str | Path:
    """Return the npz of calibration samples that a build reads to choose int8 ranges; UserError if its job has none."""
    if job.calibration is None:
        raise UserError("int8 needs a calibration set; give one with --calibration")
    return job.calibration
