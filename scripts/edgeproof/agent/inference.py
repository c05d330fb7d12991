"""`infer`: the outputs of one arm on every sample of a set, one sample at a time (batch 1, as on the device)."""

import contextlib
import json
import os

import numpy

from .backends.opening import open_backend
from .failures import Verdict


def read_feeds(path, limit=None):
    """Yield one feed per sample of an inputs file: `{input name: array of shape (1, …)}`."""
    with numpy.load(path, allow_pickle=False) as archive:
        arrays = {key[len("inputs/") :]: archive[key] for key in archive.files if key.startswith("inputs/")}
    count = min(len(array) for array in arrays.values())
    for index in range(count if limit is None else min(limit, count)):
        yield {name: numpy.ascontiguousarray(array[index : index + 1]) for name, array in arrays.items()}


def infer_samples(spec, out):
    """Fill `out` with `outputs.npz` and `infer.json` (status, runtime); a Verdict becomes status `failed`."""
    report = {"status": "ok", "reason": None, "runtime": None}
    try:
        backend = open_backend(spec["arm"])
        report["runtime"] = {
            "name": backend.name,
            "version": backend.version,
            "execution_provider_requested": backend.provider_requested,
            "execution_providers_used": list(backend.providers_used),
        }
        collected = [run_one(backend, feed) for feed in read_feeds(spec["inputs"], spec.get("limit"))]
        names = [name for name, _, _ in backend.outputs]
        stacked = {
            "outputs/" + name: numpy.concatenate([numpy.asarray(outputs[i]) for outputs in collected])
            for i, name in enumerate(names)
        }
        numpy.savez(os.path.join(out, "outputs.npz"), **stacked)
    except Verdict as verdict:
        report.update(status="failed", reason={"kind": verdict.kind, "message": str(verdict)})
    with open(os.path.join(out, "infer.json"), "w", encoding="utf-8") as stream:
        json.dump(report, stream, indent=2)


def run_one(backend, feed):
    """Return the outputs of one inference, as the source model has them; a runtime's exception becomes a Verdict."""
    with inference_failures():
        return backend.restore(backend.bind(feed)())


@contextlib.contextmanager
def inference_failures():
    """Turn what a runtime raises inside into a Verdict."""
    try:
        yield
    except Verdict:
        raise
    except MemoryError as error:
        raise Verdict("out_of_memory", error) from error
    except Exception as error:
        raise Verdict("inference_failed", error) from error
