"""`infer`: the outputs of one arm on every sample of a set, as many at a time as the artifact takes."""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import os
import zipfile
from typing import IO, Any, Dict, Generator, Iterator, List, Optional, Tuple, cast

import numpy
import numpy.lib.format

from .backends.backend import Backend
from .backends.opening import open_backend
from .failures import NoVerdict, Verdict
from .specs import Array, Feed, InferSpec, Outputs, Protocol, Report, Runtime

# Samples that the timed loop goes through, unless the protocol says otherwise.
DEFAULT_INPUTS = 16


def read_feeds(path: str, limit: Optional[int] = None) -> Iterator[Feed]:
    """Yield one feed per sample of an inputs file: `{input name: array of shape (1, …)}`."""
    arrays, available = _load_inputs(path, limit)
    for index in range(available if limit is None else min(limit, available)):
        yield _take_feed(arrays, index)


def read_mix(path: str, protocol: Protocol) -> Tuple[List[Feed], int]:
    """Return the samples for inferences as feeds, in the order in which they are run, and how many the file has."""
    wanted = max(1, protocol.get("inputs", DEFAULT_INPUTS))
    arrays, available = _load_inputs(path, wanted)
    return [_take_feed(arrays, index) for index in range(min(wanted, available))], available


def _load_inputs(path: str, limit: Optional[int]) -> Tuple[Dict[str, Array], int]:
    """Return the first `limit` samples (None: all) of each input, and how many samples the file has.

    No more is read than is wanted: an evaluation set can be larger than what the measured process may take.
    """
    arrays: Dict[str, Array] = {}
    counts: List[int] = []
    with zipfile.ZipFile(path) as archive:
        for member in archive.namelist():
            if member.startswith("inputs/"):
                with archive.open(member) as stream:
                    array, count = _read_rows(stream, limit)
                arrays[member[len("inputs/") : -len(".npy")]] = array
                counts.append(count)
    return arrays, min(counts)


def _read_rows(stream: IO[bytes], limit: Optional[int]) -> Tuple[Array, int]:
    """Return the first rows of an array in npy's format, and how many it has."""
    version = numpy.lib.format.read_magic(stream)
    read_header = numpy.lib.format.read_array_header_1_0
    if version != (1, 0):
        read_header = numpy.lib.format.read_array_header_2_0
    header: Tuple[Tuple[int, ...], bool, Any] = read_header(stream)
    shape, by_columns, dtype = header
    if dtype.hasobject or not shape:
        raise NoVerdict("bad_inputs", "samples are arrays of numbers with one sample per row")
    rows = shape[0] if limit is None or by_columns else min(limit, shape[0])
    count = rows * math.prod(shape[1:])
    array = numpy.frombuffer(bytearray(stream.read(count * dtype.itemsize)), dtype)
    if by_columns:  # the first rows are all over the file
        return array.reshape(shape[::-1]).T[:limit], shape[0]
    return array.reshape((rows, *shape[1:])), shape[0]


def _take_feed(arrays: Dict[str, Array], index: int) -> Feed:
    return {name: numpy.ascontiguousarray(array[index : index + 1]) for name, array in arrays.items()}


def join_batches(feeds: List[Feed], backend: Backend) -> List[Feed]:
    """Return the feeds of a model with a fixed batch: as many as before, each of that many samples from its place on.

    After the last sample comes the first again. A batch that the artifact leaves open is 1.
    """
    size = _fixed_batch(backend)
    if size == 1:
        return feeds
    return [_join([feeds[(first + k) % len(feeds)] for k in range(size)]) for first in range(len(feeds))]


def _fixed_batch(backend: Backend) -> int:
    """Return how many samples one call of an artifact takes: the first size of its inputs, where it is a number."""
    sizes = {shape[0] for _, _, shape in backend.inputs if shape and isinstance(shape[0], int)}
    return sizes.pop() if len(sizes) == 1 else 1


def _group(feeds: Iterator[Feed], size: int) -> Iterator[Tuple[Feed, int]]:
    """Yield (feed of `size` samples, how many of them are not there only to fill it up)."""
    while True:
        group = list(itertools.islice(feeds, size))
        if not group:
            return
        filled = group + [group[-1]] * (size - len(group))
        yield (_join(filled) if size > 1 else filled[0]), len(group)


def _join(feeds: List[Feed]) -> Feed:
    return {name: numpy.concatenate([feed[name] for feed in feeds]) for name in feeds[0]}


def infer_samples(spec: InferSpec, out: str) -> None:
    """Fill `out` with `outputs.npz` and `infer.json` (status, runtime); a Verdict becomes status `failed`."""
    report: Report = {"status": "ok", "reason": None, "runtime": None}
    try:
        backend = open_backend(spec["arm"])
        report["runtime"] = describe_runtime(backend)
        groups = _group(read_feeds(spec["inputs"], spec.get("limit")), _fixed_batch(backend))
        collected = [(run_one(backend, feed), count) for feed, count in groups]
        names = [name for name, _, _ in backend.outputs]
        stacked = {
            "outputs/" + name: numpy.concatenate([_rows(outputs[i], count, backend) for outputs, count in collected])
            for i, name in enumerate(names)
        }
        _save_arrays(os.path.join(out, "outputs.npz"), stacked)
    except Verdict as verdict:
        report.update(status="failed", reason={"kind": verdict.kind, "message": str(verdict)})
    with open(os.path.join(out, "infer.json"), "w", encoding="utf-8") as stream:
        json.dump(report, stream, indent=2)


def _rows(output: Any, count: int, backend: Backend) -> Array:
    """Return an output's rows of the first samples of a call; a call of one sample is left as it is."""
    array = numpy.asarray(output)
    size = _fixed_batch(backend)
    return array[:count] if size > 1 and array.ndim and len(array) == size else array


def save_outputs(backend: Backend, outputs: Outputs, out: str) -> None:
    """Write the outputs of one inference's first sample to `outputs.npz` in a folder."""
    arrays = {"outputs/" + name: _rows(value, 1, backend) for (name, _, _), value in zip(backend.outputs, outputs)}
    _save_arrays(os.path.join(out, "outputs.npz"), arrays)


def _save_arrays(path: str, arrays: Dict[str, Array]) -> None:
    """Write arrays by name into an npz file."""
    cast(Any, numpy.savez)(path, **arrays)  # its stub takes a name for one of its options


def describe_runtime(backend: Backend) -> Runtime:
    """Return what runs the inferences of `infer`: runtime, version, execution providers asked for and used."""
    return {
        "name": backend.name,
        "version": backend.version,
        "execution_provider_requested": backend.provider_requested,
        "execution_providers_used": list(backend.providers_used),
    }


def run_one(backend: Backend, feed: Feed) -> Outputs:
    """Run one inference with any backend and return its outputs, as the source model has them; what the runtime
    raises becomes a Verdict.
    """
    with inference_failures():
        return backend.restore(backend.bind(feed)())


@contextlib.contextmanager
def inference_failures() -> Generator[None, None, None]:
    """Turn what a runtime raises during an inference inside the block into a Verdict, in all that runs inferences."""
    try:
        yield
    except Verdict:
        raise
    except MemoryError as error:
        raise Verdict("out_of_memory", error) from error
    except Exception as error:
        raise Verdict("inference_failed", error) from error
