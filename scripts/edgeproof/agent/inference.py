"""`infer`: the outputs of one arm on every sample of a set, one sample at a time (batch 1, as on the device)."""

from __future__ import annotations

import contextlib
import json
import os
from typing import Any, Dict, Generator, Iterator, List, Optional, Tuple, cast

import numpy

from .backends.backend import Backend
from .backends.opening import open_backend
from .failures import Verdict
from .specs import Array, Feed, InferSpec, Outputs, Protocol, Report, Runtime

# Samples that the timed loop goes through, unless the protocol says otherwise.
DEFAULT_INPUTS = 16


def read_feeds(path: str, limit: Optional[int] = None) -> Iterator[Feed]:
    """Yield one feed per sample of an inputs file: `{input name: array of shape (1, …)}`."""
    arrays, available = _load_inputs(path)
    for index in range(available if limit is None else min(limit, available)):
        yield _take_feed(arrays, index)


def read_mix(path: str, protocol: Protocol) -> Tuple[List[Feed], int]:
    """Return the feeds that the timed loop goes through, in order, and how many the file has."""
    arrays, available = _load_inputs(path)
    return [_take_feed(arrays, index) for index in range(count_inputs(protocol, available))], available


def count_inputs(protocol: Protocol, available: int) -> int:
    """Return how many inputs the timed loop goes through: what the protocol says, or all when there are fewer."""
    return max(1, min(protocol.get("inputs", DEFAULT_INPUTS), available))


def _load_inputs(path: str) -> Tuple[Dict[str, Array], int]:
    with numpy.load(path, allow_pickle=False) as archive:
        arrays: Dict[str, Array] = {
            key[len("inputs/") :]: archive[key] for key in archive.files if key.startswith("inputs/")
        }
    return arrays, min(len(array) for array in arrays.values())


def _take_feed(arrays: Dict[str, Array], index: int) -> Feed:
    return {name: numpy.ascontiguousarray(array[index : index + 1]) for name, array in arrays.items()}


def infer_samples(spec: InferSpec, out: str) -> None:
    """Fill `out` with `outputs.npz` and `infer.json` (status, runtime); a Verdict becomes status `failed`."""
    report: Report = {"status": "ok", "reason": None, "runtime": None}
    try:
        backend = open_backend(spec["arm"])
        report["runtime"] = describe_runtime(backend)
        collected = [run_one(backend, feed) for feed in read_feeds(spec["inputs"], spec.get("limit"))]
        names = [name for name, _, _ in backend.outputs]
        stacked = {
            "outputs/" + name: numpy.concatenate([numpy.asarray(outputs[i]) for outputs in collected])
            for i, name in enumerate(names)
        }
        save_arrays(os.path.join(out, "outputs.npz"), stacked)
    except Verdict as verdict:
        report.update(status="failed", reason={"kind": verdict.kind, "message": str(verdict)})
    with open(os.path.join(out, "infer.json"), "w", encoding="utf-8") as stream:
        json.dump(report, stream, indent=2)


def save_outputs(backend: Backend, outputs: Outputs, out: str) -> None:
    """Write the outputs of one inference to `outputs.npz` in a folder."""
    arrays = {"outputs/" + name: numpy.asarray(value) for (name, _, _), value in zip(backend.outputs, outputs)}
    save_arrays(os.path.join(out, "outputs.npz"), arrays)


def save_arrays(path: str, arrays: Dict[str, Array]) -> None:
    """Write arrays by name into an npz file."""
    cast(Any, numpy.savez)(path, **arrays)  # its stub takes a name for one of its options


def describe_runtime(backend: Backend) -> Runtime:
    """Return what ran the artifact: the runtime, its version, the execution providers asked for and used."""
    return {
        "name": backend.name,
        "version": backend.version,
        "execution_provider_requested": backend.provider_requested,
        "execution_providers_used": list(backend.providers_used),
    }


def run_one(backend: Backend, feed: Feed) -> Outputs:
    """Return the outputs of one inference, as the source model has them; a runtime's exception becomes a Verdict."""
    with inference_failures():
        return backend.restore(backend.bind(feed)())


@contextlib.contextmanager
def inference_failures() -> Generator[None, None, None]:
    """Turn what a runtime raises inside into a Verdict."""
    try:
        yield
    except Verdict:
        raise
    except MemoryError as error:
        raise Verdict("out_of_memory", error) from error
    except Exception as error:
        raise Verdict("inference_failed", error) from error
