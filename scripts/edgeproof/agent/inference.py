"""`infer`: the outputs of one arm on every sample of a set, as many at a time as the artifact takes."""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import os
import zipfile
from typing import IO, Any, Dict, Generator, Iterator, List, NamedTuple, Optional, Set, Tuple, cast

import numpy
import numpy.lib.format

from .backends.backend import Backend
from .backends.opening import open_backend
from .failures import NoVerdict, Verdict
from .inputs_format import WHOLE_INPUTS
from .specs import Array, Feed, InferSpec, Outputs, Protocol, Report, Runtime

# Samples that the timed loop goes through, unless the protocol says otherwise.
DEFAULT_INPUTS = 16


class _Samples(NamedTuple):
    """The arrays of an inputs file by input, one entry per sample; `whole`: names; `available`: samples in the file."""

    arrays: Dict[str, Array]
    whole: Set[str]
    available: int

    def take(self, index: int) -> Feed:
        """Return the feed of one sample: a whole entry as it is, any other as a batch of one."""
        return {
            name: numpy.array(array[index]) if name in self.whole else numpy.ascontiguousarray(array[index : index + 1])
            for name, array in self.arrays.items()
        }


def read_feeds(path: str, limit: Optional[int] = None) -> Iterator[Feed]:
    """Yield the feeds of `infer`, inference on every sample of an inputs file, one per sample.

    A feed is `{input name: array of shape (1, …), or the whole entry}`.
    """
    samples = _load_inputs(path, limit)
    for index in range(samples.available if limit is None else min(limit, samples.available)):
        yield samples.take(index)


def read_mix(path: str, protocol: Protocol) -> Tuple[List[Feed], int]:
    """Return the feeds for all runs of inference, in their order, and how many samples the inputs file has."""
    wanted = max(1, protocol.get("inputs", DEFAULT_INPUTS))
    samples = _load_inputs(path, wanted)
    return [samples.take(index) for index in range(min(wanted, samples.available))], samples.available


def _load_inputs(path: str, limit: Optional[int]) -> _Samples:
    """Return the first `limit` samples (None: all) of each input.

    No more is read than is wanted: an evaluation set can be larger than what the measured process may take.
    """
    arrays: Dict[str, Array] = {}
    counts: List[int] = []
    whole: Set[str] = set()
    with zipfile.ZipFile(path) as archive:
        for member in archive.namelist():
            if member == WHOLE_INPUTS + ".npy":
                with archive.open(member) as stream:
                    whole = {str(name) for name in _read_rows(stream, None)[0]}
            elif member.startswith("inputs/"):
                with archive.open(member) as stream:
                    array, count = _read_rows(stream, limit)
                arrays[member[len("inputs/") : -len(".npy")]] = array
                counts.append(count)
    return _Samples(arrays, whole, min(counts))


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
    data = bytearray(stream.read(count * dtype.itemsize))
    if len(data) != count * dtype.itemsize:
        raise NoVerdict("bad_inputs", "the file ends within an array of samples")
    array = numpy.frombuffer(data, dtype)
    if by_columns:  # the first rows are all over the file
        return array.reshape(shape[::-1]).T[:limit], shape[0]
    return array.reshape((rows, *shape[1:])), shape[0]


def join_batches(feeds: List[Feed], backend: Backend) -> List[Feed]:
    """Return the feeds of inference with a fixed batch: as many as before, each of that many samples from its own on.

    After the last sample comes the first again. A batch that the artifact leaves open is 1.
    """
    size = _samples_per_call(backend, feeds[0])
    if size == 1:
        return feeds
    return [_join([feeds[(first + k) % len(feeds)] for k in range(size)], backend) for first in range(len(feeds))]


def _samples_per_call(backend: Backend, feed: Feed) -> int:
    """Return how many samples one call of an artifact takes: its fixed batch, or 1."""
    sizes = set(_sizes_in_samples(backend, feed).values())
    return sizes.pop() if len(sizes) == 1 else 1


def _sizes_in_samples(backend: Backend, feed: Feed) -> Dict[str, int]:
    """Return how often the first axis of a sample goes into that of the artifact's input, by name.

    It is 1 for a whole entry, and for an axis that the artifact leaves open. Scalars have none. Some runtimes do not
    know names; their inputs are in the model's order.
    """
    by_position = list(feed)
    sizes: Dict[str, int] = {}
    for place, (name, _, shape) in enumerate(backend.inputs):
        known = name if name in feed else by_position[place] if place < len(by_position) else None
        if known is not None and feed[known].ndim and shape:
            wanted, rows = shape[0], feed[known].shape[0]
            fits = isinstance(wanted, int) and rows and wanted >= rows and wanted % rows == 0
            sizes[known] = wanted // rows if fits else 1
    return sizes


def _group(feeds: Iterator[Feed], backend: Backend) -> Iterator[Tuple[Feed, int, int]]:
    """Yield (feed of one call, how many samples it takes, how many of them are not there only to fill it up)."""
    size = 0
    while True:
        group = list(itertools.islice(feeds, size or 1))
        if not group:
            return
        if not size:
            size = _samples_per_call(backend, group[0])
            group += itertools.islice(feeds, size - 1)
        filled = group + [group[-1]] * (size - len(group))
        yield (_join(filled, backend) if size > 1 else filled[0]), size, len(group)


def _join(feeds: List[Feed], backend: Backend) -> Feed:
    """Return the feed of one call that takes several samples; what it takes whole is that of the first."""
    sizes = _sizes_in_samples(backend, feeds[0])
    return {
        name: numpy.concatenate([feed[name] for feed in feeds]) if sizes.get(name, 1) > 1 else first
        for name, first in feeds[0].items()
    }


def infer_samples(spec: InferSpec, out: str) -> None:
    """Run inference on every sample: fill `out` with `outputs.npz` and `infer.json` (status, runtime); a Verdict
    becomes status `failed`.

    An output has one entry per sample: `outputs/{name}` (n, *shape) if all entries have one shape, else `flat/{name}`
    with the values of all entries, and `shapes/{name}` (n, axes), where -1 stands for an axis that an entry lacks.
    """
    report: Report = {"status": "ok", "reason": None, "runtime": None}
    try:
        backend = open_backend(spec["arm"])
        report["runtime"] = describe_runtime(backend)
        collected: List[List[Array]] = []
        for feed, size, count in _group(read_feeds(spec["inputs"], spec.get("limit")), backend):
            made = [_split_samples(value, size, count) for value in run_one(backend, feed)]
            collected = collected or [[] for _ in made]
            for entries, new in zip(collected, made):
                entries.extend(new)
        stacked: Dict[str, Array] = {}
        for (name, _, _), entries in zip(backend.outputs, collected):  # some runtimes tell the names after a run
            stacked.update(_pack_entries(name, entries))
        _save_arrays(os.path.join(out, "outputs.npz"), stacked)
    except Verdict as verdict:
        report.update(status="failed", reason={"kind": verdict.kind, "message": str(verdict)})
    with open(os.path.join(out, "infer.json"), "w", encoding="utf-8") as stream:
        json.dump(report, stream, indent=2)


def _split_samples(output: Any, size: int, count: int) -> List[Array]:
    """Return what an output of a call has for each of its first `count` samples, as a batch of one.

    Where it has no row per sample (one sample per call, or a scalar of the whole batch), that is the output itself.
    """
    array = numpy.asarray(output)
    if array.dtype.hasobject:  # texts
        array = array.astype(str)
    if size > 1 and array.ndim and len(array) == size:
        return [array[index : index + 1] for index in range(count)]
    return [array]


def _pack_entries(name: str, entries: List[Array]) -> Dict[str, Array]:
    shapes = [entry.shape for entry in entries]
    if len(set(shapes)) == 1:
        return {"outputs/" + name: numpy.stack(entries)}
    table = numpy.full((len(entries), max(len(shape) for shape in shapes)), -1, "int64")
    for row, shape in zip(table, shapes):
        row[: len(shape)] = shape
    return {"flat/" + name: numpy.concatenate([entry.reshape(-1) for entry in entries]), "shapes/" + name: table}


def save_outputs(backend: Backend, outputs: Outputs, feed: Feed, out: str) -> None:
    """Write the outputs of one inference's first sample to `outputs.npz` in a folder. `feed`: of one sample."""
    size = _samples_per_call(backend, feed)
    arrays = {
        "outputs/" + name: _split_samples(value, size, 1)[0] for (name, _, _), value in zip(backend.outputs, outputs)
    }
    _save_arrays(os.path.join(out, "outputs.npz"), arrays)


def _save_arrays(path: str, arrays: Dict[str, Array]) -> None:
    """Write arrays by name into an npz file."""
    cast(Any, numpy.savez)(path, **arrays)  # its stub takes a name for one of its options


def describe_runtime(backend: Backend) -> Runtime:
    """Return what runs the inference of `infer`: runtime, version, execution providers asked for and used."""
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
    """While one inference runs in the block, turn what its runtime raises into a Verdict."""
    try:
        yield
    except Verdict:
        raise
    except MemoryError as error:
        raise Verdict("out_of_memory", error) from error
    except Exception as error:
        raise Verdict("inference_failed", error) from error
