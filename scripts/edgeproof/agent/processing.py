"""A model's declared pre- and post-processing inside the timed call: raw values in, what the application wants out.

The raw values are made once, before anything is timed, by undoing the steps on the model's own sample, so that a timed
call computes on values like those that the model was evaluated on. The steps are numpy's: an application that resizes
with another library takes another time for it.
"""

from __future__ import annotations

import json
from typing import Any, Callable, Dict, Sequence, Tuple

import numpy

from .backends.backend import Backend
from .failures import NoVerdict
from .specs import Array, Call, Definition, Feed, Outputs, Processing, RawInput

_Function = Callable[[Array], Array]


class Processed(Backend):
    """A backend whose calls start at raw inputs, or end with post-processed outputs, or both.

    Every call binds its inputs anew, as an application has to that gets new ones each time.
    """

    def __init__(self, backend: Backend, processing: Processing) -> None:
        self._backend = backend
        self._processing = processing
        self.name, self.version, self.import_ns = backend.name, backend.version, backend.import_ns
        self.provider_requested, self.providers_used = backend.provider_requested, backend.providers_used
        self.inputs, self.outputs = backend.inputs, backend.outputs
        self.simulator = backend.simulator
        names = [name for name, _, _ in self.outputs]
        after = processing.get("after", {})
        _require_known(after, names, "output")
        _require_known(processing.get("before", {}), [name for name, _, _ in self.inputs], "input")
        self._after = [(names.index(name), [_find_after(step) for step in steps]) for name, steps in after.items()]

    def bind(self, feed: Feed) -> Call:
        before = {name: _Before(name, raw, feed[name]) for name, raw in self._processing.get("before", {}).items()}
        ready = {name: value for name, value in feed.items() if name not in before}
        bind, restore, after = self._backend.bind, self._backend.restore, self._after

        def call() -> Any:
            made = bind(dict(ready, **{name: own.run() for name, own in before.items()}))() if before else bound()
            if not after:
                return made
            outputs = restore(made)
            for place, steps in after:
                value = numpy.asarray(outputs[place])
                for step in steps:
                    value = step(value)
            return outputs

        bound = self._backend.bind(feed)
        return call

    def restore(self, outputs: Outputs) -> Outputs:
        return outputs if self._after else self._backend.restore(outputs)

    def run_sample(self, feed: Feed) -> Outputs:
        """Return the outputs of one inference on a sample as it is, without any processing."""
        return self._backend.restore(self._backend.bind(feed)())

    def definition(self) -> Definition:
        changed = self._backend.definition().copy()
        words = [
            "{} from {} {}: {}".format(name, raw["dtype"], raw["shape"], _say(raw["steps"]))
            for name, raw in self._processing.get("before", {}).items()
        ]
        if words:
            changed["boundary"] += "; pre-processing inside: " + "; ".join(words)
        words = ["{}: {}".format(name, _say(steps)) for name, steps in self._processing.get("after", {}).items()]
        if words:
            changed["boundary"] += "; post-processing inside: " + "; ".join(words)
        return changed


class _Before:
    """The pre-processing of one input, with a raw value made from a sample."""

    def __init__(self, name: str, raw: RawInput, sample: Array) -> None:
        self._dtype = sample.dtype
        size = tuple(raw["shape"])
        value, sizes = sample, size[:2]
        for step in reversed(raw["steps"]):
            value = _undo(step, value, sizes)
        dtype = numpy.dtype(raw["dtype"])
        if dtype.kind in "iu":
            limits = numpy.iinfo(dtype)
            value = numpy.clip(numpy.rint(value), limits.min, limits.max)
        self.raw: Array = numpy.ascontiguousarray(value.astype(dtype))
        if self.raw.shape[1:] != size:
            raise NoVerdict(
                "bad_processing",
                "processing of {}: a sample of shape {} goes back to a raw value of shape {}, and not {}".format(
                    name, list(sample.shape[1:]), list(self.raw.shape[1:]), list(size)
                ),
            )
        self._steps = [_find_before(step, size) for step in raw["steps"]]
        made = self.run()
        if made.shape != sample.shape:
            raise NoVerdict(
                "bad_processing",
                "processing of {}: the steps make shape {} of the raw value, the model takes {}".format(
                    name, list(made.shape), list(sample.shape)
                ),
            )

    def run(self) -> Array:
        value = self.raw
        for step in self._steps:
            value = step(value)
        return numpy.ascontiguousarray(value, dtype=self._dtype)


def _require_known(named: Dict[str, Any], known: Sequence[str], what: str) -> None:
    for name in named:
        if name not in known:
            raise NoVerdict(
                "bad_processing", "the model has no {} {!r}; it has {}".format(what, name, ", ".join(known))
            )


def _say(steps: Sequence[Any]) -> str:
    return ", ".join(step if isinstance(step, str) else json.dumps(step)[1:-1].replace('"', "") for step in steps)


def _split(step: Any) -> Tuple[str, Any]:
    """Return the name of a step and its value, None for one without."""
    if isinstance(step, str):
        return step, None
    ((name, value),) = step.items()
    return name, value


def _per_channel(value: Any) -> Array:
    """Return one number, or one per channel, the last axis, in the type that steps compute in."""
    return numpy.asarray(value, "float32")


def _find_before(step: Any, size: Sequence[int]) -> _Function:
    """Return what a step of pre-processing does to an array; `size`: of the raw value, without the batch."""
    name, value = _split(step)
    if name == "resize":
        return _Resize(size[:2], value)
    if name == "channels_first":
        return lambda array: numpy.moveaxis(array, -1, 1)
    numbers = _per_channel(value)
    function: Any = {"scale": numpy.multiply, "subtract": numpy.subtract, "divide": numpy.true_divide}[name]
    return lambda array: function(array, numbers, dtype="float32")


def _undo(step: Any, array: Array, size: Sequence[int]) -> Array:
    name, value = _split(step)
    if name == "resize":
        rows, columns = ((numpy.arange(to) * array.shape[axis]) // to for axis, to in zip((1, 2), size))
        return array[:, rows][:, :, columns]
    if name == "channels_first":
        return numpy.moveaxis(array, 1, -1)
    numbers = _per_channel(value)
    return {"scale": array / numbers, "subtract": array + numbers, "divide": array * numbers}[name]


class _Resize:
    """Bilinear resizing of rows and columns (axes 1 and 2), pixel centres aligned as OpenCV's INTER_LINEAR does."""

    def __init__(self, size: Sequence[int], to: Sequence[int]) -> None:
        self._axes = [self._weigh(*pair) for pair in zip(size, to)]

    @staticmethod
    def _weigh(size: int, to: int) -> Tuple[Array, Array, Array]:
        """Return for each new place its two neighbours, and the weight of the second."""
        places = numpy.clip((numpy.arange(to) + 0.5) * size / to - 0.5, 0, size - 1)
        first = numpy.minimum(places.astype("int64"), max(0, size - 2))
        return first, numpy.minimum(first + 1, size - 1), (places - first).astype("float32")

    def __call__(self, array: Array) -> Array:
        value = array
        for axis, (first, second, weight) in enumerate(self._axes, 1):
            shape = [1] * value.ndim
            shape[axis] = len(weight)
            weights = weight.reshape(shape)
            one, two = value.take(first, axis), value.take(second, axis)
            value = one * (numpy.float32(1) - weights) + two * weights
        return value


def _find_after(step: Any) -> _Function:
    name, value = _split(step)
    if name == "top":
        return lambda array: numpy.argsort(-array.reshape(len(array), -1), axis=1)[:, :value]
    return {"softmax": _softmax, "sigmoid": _sigmoid, "argmax": _argmax}[name]


def _softmax(array: Array) -> Array:
    powers = numpy.exp(array - array.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def _sigmoid(array: Array) -> Array:
    return 1 / (1 + numpy.exp(-array))


def _argmax(array: Array) -> Array:
    return array.argmax(axis=-1)
