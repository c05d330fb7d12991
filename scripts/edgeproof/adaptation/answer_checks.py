"""Whether the body of an answer is one of the model that was asked: what is fast and wrong must not count as served."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn, cast

from edgeproof.core.configuration import Json

_REMEMBERED = 64  # bodies; a server that is asked the same all the time gives the same answer
_MOST_DEPTH = 16
_WHOLE = {"INT8": 8, "INT16": 16, "INT32": 32, "INT64": 64, "UINT8": 8, "UINT16": 16, "UINT32": 32, "UINT64": 64}


class AnswerCheck:
    """What an answer to one request must be. `model`: its name; `outputs`: metadata as `describe_tensors` gives it.

    A body is read once; from then on it is known by being the same. Several threads may use one check.
    """

    def __init__(self, model: str, outputs: Sequence[Mapping[str, Any]]) -> None:
        self._model, self._outputs = model, outputs
        self._good: set[bytes] = set()

    def __call__(self, body: bytes) -> bool:
        """Return whether a body is good."""
        if body in self._good:
            return True
        if self.find_fault(body) is not None:
            return False
        if len(self._good) < _REMEMBERED:
            self._good.add(body)
        return True

    def find_fault(self, body: bytes) -> str | None:
        """Return what of a body is not as it must be, None if nothing is."""
        try:
            document = json.loads(body, parse_constant=_refuse)
        except (ValueError, RecursionError) as error:
            return f"its answer is not JSON ({str(error)[:100]})"
        if not isinstance(document, dict):
            return "its answer is not a JSON object"
        answer = cast(Json, document)
        if answer.get("model_name") != self._model:
            return f"model_name of its answer is {answer.get('model_name')!r:.60}, not {self._model!r}"
        found = answer.get("outputs")
        if not isinstance(found, list) or not all(isinstance(each, dict) for each in cast(list[Any], found)):
            return "outputs of its answer is not a list of objects"
        outputs = cast(list[Json], found)
        names, wanted = [each.get("name") for each in outputs], [each["name"] for each in self._outputs]
        if len(names) != len(wanted) or any(name not in names for name in wanted):
            return f"its answer has the outputs {names!s:.100}; the model has {', '.join(wanted)}"
        by_name = {each["name"]: each for each in outputs}
        return next((fault for known in self._outputs if (fault := _find_fault(by_name[known["name"]], known))), None)


def _find_fault(output: Json, known: Mapping[str, Any]) -> str | None:
    """Return what is wrong with one output of an answer."""
    name, datatype, shape = f"output {known['name']}", known["datatype"], output.get("shape")
    if output.get("datatype") != datatype:
        return f"{name} of its answer is {output.get('datatype')!r:.20}, not {datatype}"
    sizes = cast(list[Any], shape) if isinstance(shape, list) else []
    if not isinstance(shape, list) or not all(type(size) is int and size >= 0 for size in sizes):
        return f"{name} of its answer has the shape {shape!r:.60}"
    fits = [size == wanted or wanted == -1 for size, wanted in zip(sizes, known["shape"], strict=False)]
    if known["shape"] and (len(sizes) != len(known["shape"]) or not all(fits)):
        return f"{name} of its answer has the shape {sizes}; the model has {known['shape']}"
    values, count = _flatten(output.get("data")), math.prod(sizes)
    if values is None or len(values) != count:
        return f"{name} of its answer has {'no list of' if values is None else len(values)} values, not {count}"
    if not all(_is_of(value, datatype) for value in values):
        return f"{name} of its answer has values that are not {datatype}"
    return None


def _flatten(data: Any, depth: int = 0) -> list[Any] | None:
    """Return the values of lists within lists; None for what is no list, or nested too deep."""
    if not isinstance(data, list) or depth > _MOST_DEPTH:
        return None
    items = cast(list[Any], data)
    if not any(isinstance(item, list) for item in items):
        return items
    parts = [_flatten(item, depth + 1) for item in items]
    return None if None in parts else [value for part in parts for value in part or []]


def _is_of(value: Any, datatype: str) -> bool:
    if datatype == "BYTES":
        return isinstance(value, str)
    if datatype == "BOOL":
        return isinstance(value, bool)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    bits = _WHOLE.get(datatype)
    if bits is None:
        return math.isfinite(value)
    low, high = (0, 2**bits) if datatype[0] == "U" else (-(2 ** (bits - 1)), 2 ** (bits - 1))
    return isinstance(value, int) and low <= value < high


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"{word} is not JSON")
