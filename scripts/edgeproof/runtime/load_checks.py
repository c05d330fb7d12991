"""What a loaded model must show before it becomes active: the same tensors, a warm-up, and outputs that agree."""

from __future__ import annotations

from typing import Any, Dict, List, NamedTuple, Optional

import numpy

from ..agent.specs import Array, Feed
from . import swap_codes
from .active_model import ActiveModel, find_difference
from .loaded_models import make_feed
from .swapping import SwapRefused


class ParityCheck(NamedTuple):
    """Samples and what is expected of them.

    `expected`: outputs by variant; a variant that has none there is compared with the active model. `limit`: on the
    relative L2 distance of any output, ‖found − expected‖ / ‖expected‖.
    """

    feed: Feed
    expected: Dict[str, List[Array]]
    limit: float = 0.1


class LoadChecks:
    """Checks of one engine. `warm_up`: inferences before a model is let in."""

    def __init__(self, parity: Optional[ParityCheck], warm_up: int = 3) -> None:
        self._parity, self._warm_up = parity, warm_up

    def check(self, model: Any, name: str, active: Optional[ActiveModel]) -> None:
        """Raise SwapRefused where the model takes or gives other tensors than the active one, or answers otherwise."""
        if active is not None:
            difference = find_difference(model, active.model)
            if difference is not None:
                raise SwapRefused(swap_codes.SKIPPED_IO, difference)
        if not (hasattr(model, "run") and hasattr(model, "outputs")):
            return  # a loader's own kind of model, whose tensors nobody knows
        outputs = self._warm_model_up(model)
        if self._parity is not None:
            self._compare(outputs, name, active, self._parity)

    def _warm_model_up(self, model: Any) -> List[Array]:
        feed = make_feed(model.inputs) if self._parity is None else self._parity.feed
        outputs: List[Array] = []
        for _ in range(max(1, self._warm_up)):
            outputs = model.run(feed)
        names = [name for name, _, _ in model.outputs]
        if len(outputs) != len(names):
            raise SwapRefused(swap_codes.LOAD_FAILED, "{} outputs came, not {}".format(len(outputs), len(names)))
        return outputs

    def _compare(self, found: List[Array], name: str, active: Optional[ActiveModel], parity: ParityCheck) -> None:
        expected = parity.expected.get(name)
        if expected is None:
            if active is None or not active.enter():
                return
            try:
                expected = active.model.run(parity.feed)
            finally:
                active.leave()
        for number, (value, wanted) in enumerate(zip(found, expected)):
            distance = _measure_distance(value, wanted)
            if not distance <= parity.limit:  # NaN is beyond it as well
                message = "output {} differs: relative L2 {:.3g}, limit {:g}".format(number, distance, parity.limit)
                raise SwapRefused(swap_codes.LOAD_FAILED, message)


def _measure_distance(found: Array, expected: Array) -> float:
    if numpy.shape(found) != numpy.shape(expected):
        return float("inf")
    left, right = numpy.asarray(found, "float64"), numpy.asarray(expected, "float64")
    scale = float(numpy.linalg.norm(right.ravel()))
    distance = float(numpy.linalg.norm((left - right).ravel()))
    return distance / scale if scale > 0 else distance
