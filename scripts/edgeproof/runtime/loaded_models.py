"""Variants loaded into this process: the agent's backends in EdgeAdapt's shape."""

from __future__ import annotations

import threading
from typing import Any, Dict, List, Optional, Sequence, cast

import numpy

from ..agent.backends.backend import Backend
from ..agent.backends.opening import open_backend
from ..agent.specs import Arm, Array, Feed, TensorInfo
from .active_model import Model

# EdgeAdapt's names of backends, and the agent's.
_BACKENDS = {"onnx": "onnxruntime", "tflite": "litert"}
_CONCURRENT = ("onnxruntime",)


class LoadedModel:
    """One model in this process. `backend`: EdgeAdapt's name or the agent's; `options`: the runtime's, as in a preset.

    A runtime that cannot run two inferences at a time is guarded by a lock.
    """

    def __init__(self, backend: str, options: Optional[Dict[str, Any]] = None) -> None:
        self._name = _BACKENDS.get(backend, backend)
        self._options = options or {}
        self._backend: Optional[Backend] = None
        self._turn = None if self._name in _CONCURRENT else threading.Lock()
        self._first, self._output_names = "", [""]
        self.inputs: Sequence[TensorInfo] = ()
        self.outputs: Sequence[TensorInfo] = ()

    def load(self, path: str) -> None:
        """Load a file; Verdict or NoVerdict of the agent where that cannot be."""
        arm: Arm = {"backend": self._name, "artifact": path, "precision": "", "runtime": self._options}
        backend = open_backend(arm)
        self.inputs, self.outputs = backend.inputs, backend.outputs
        self._first = self.inputs[0][0] if self.inputs else "x"
        self._output_names = [name for name, _, _ in self.outputs]
        self._backend = backend

    def infer(self, x: Any) -> Any:
        """Return what the model makes of `x`.

        An array is the first input, and the answer is an array, or a list where there are several outputs. Inputs by
        name give outputs by name.
        """
        if isinstance(x, dict):
            feed = cast(Feed, x)
            return dict(zip(self._output_names, self.run(feed)))
        outputs = self.run({self._first: x if isinstance(x, numpy.ndarray) else numpy.asarray(x)})
        return outputs[0] if len(outputs) == 1 else outputs

    def run(self, feed: Feed) -> List[Array]:
        """Return the outputs of one inference, in the order of `outputs`."""
        backend = self._backend
        if backend is None:
            raise RuntimeError("the model is not loaded")
        if self._turn is None:
            return list(backend.restore(backend.bind(feed)()))
        with self._turn:
            return list(backend.restore(backend.bind(feed)()))

    def unload(self) -> None:
        """Let go of the model."""
        self._backend = None

    def is_loaded(self) -> bool:
        """Return whether `infer` can be called."""
        return self._backend is not None

    def capabilities(self) -> Dict[str, Any]:
        """Return what EdgeAdapt asks of a backend."""
        batches = [shape[0] for _, _, shape in self.inputs if shape]
        fixed = [size for size in batches if isinstance(size, int) and size > 0]
        open_shapes = any(not isinstance(size, int) or size <= 0 for _, _, shape in self.inputs for size in shape or [])
        return {
            "backend_id": self._name,
            "dynamic_shapes": open_shapes,
            "max_batch_size": fixed[0] if fixed and len(fixed) == len(batches) else 0,
            "supports_concurrent_infer": self._turn is None,
            "quantization": "unknown",
            "input_names": [name for name, _, _ in self.inputs],
        }


def make_feed(inputs: Sequence[TensorInfo]) -> Feed:
    """Return a sample to try a loaded model with, always the same: numbers from 0 to 1, ones if its type has none."""
    random = numpy.random.RandomState(0)
    feed: Feed = {}
    for name, dtype, shape in inputs:
        sizes = [size if isinstance(size, int) and size > 0 else 1 for size in shape or []]
        kind = numpy.dtype(dtype or "float32")
        feed[name] = random.rand(*sizes).astype(kind) if kind.kind == "f" else numpy.ones(sizes, kind)
    return feed


def serialise(model: Model) -> Model:
    """Return a loaded model so that it gets one inference at a time, if its capabilities say that it needs this."""
    if model.capabilities().get("supports_concurrent_infer", True):
        return model
    return _OneAtATime(model)


class _OneAtATime:
    """A model behind a lock. What it does not have itself is the model's."""

    def __init__(self, model: Any) -> None:
        self._model, self._turn = model, threading.Lock()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def infer(self, x: Any) -> Any:
        """Return what the model makes of `x`."""
        with self._turn:
            return self._model.infer(x)

    def unload(self) -> None:
        """Let go of the model."""
        self._model.unload()

    def is_loaded(self) -> bool:
        """Return whether `infer` can be called."""
        return self._model.is_loaded()

    def capabilities(self) -> Dict[str, Any]:
        """Return the model's."""
        return self._model.capabilities()

    def run(self, feed: Feed) -> List[Array]:
        """Return the outputs of one inference."""
        with self._turn:
            return self._model.run(feed)
